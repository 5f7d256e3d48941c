package socket

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// Kinds of frames by what is to be done with them.
type kind int

const (
	// kindOdd is none that Slack documents: it is counted, and that is all.
	kindOdd kind = iota
	kindHello
	kindDisconnect
	// kindInteractive is an envelope that a Taker decides about.
	kindInteractive
	// kindOther is an envelope of another kind, as of an event: it is acknowledged.
	kindOther
)

// frame is what is read of a frame.
type frame struct {
	kind kind
	// envelope to acknowledge, and its payload as Slack sent it.
	envelope string
	payload  json.RawMessage
	// reason of a disconnect, as Slack gives it.
	reason string
	// app, connections and life are of a hello: the app's ID, how many connections
	// it has, and how long this one may last; zero when Slack does not say.
	app         string
	connections int
	life        time.Duration
}

const (
	// maxEnvelope is the longest envelope_id that is repeated; Slack's are UUIDs.
	maxEnvelope = 200
	// maxDepth of a frame. Block Kit needs about twenty levels.
	maxDepth = 200
	// maxLife that is believed of a hello.
	maxLife = 24 * time.Hour
	// maxConnections that is believed of a hello; ten are the limit.
	maxConnections = 1000
)

var appID = regexp.MustCompile(`^A[A-Z0-9]{1,20}$`)

// decode reads a frame. Each field is read by itself, so that one of another type
// than Slack's takes no other along.
func decode(data []byte) frame {
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return frame{}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return frame{}
	}
	var f frame
	if f.envelope = text(fields["envelope_id"]); len(f.envelope) > maxEnvelope {
		return frame{}
	}
	kind := text(fields["type"])
	switch {
	case f.envelope != "" && kind == "interactive":
		f.kind, f.payload = kindInteractive, fields["payload"]
	case f.envelope != "":
		f.kind = kindOther
	case kind == "hello":
		f.hello(fields)
	case kind == "disconnect":
		f.kind, f.reason = kindDisconnect, text(fields["reason"])
	}
	return f
}

func (f *frame) hello(fields map[string]json.RawMessage) {
	f.kind = kindHello
	if app := text(object(fields["connection_info"])["app_id"]); appID.MatchString(app) {
		f.app = app
	}
	f.connections = int(number(fields["num_connections"], maxConnections))
	f.life = time.Duration(number(object(fields["debug_info"])["approximate_connection_time"], float64(maxLife/time.Second)) * float64(time.Second))
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // of another type it is none
	return s
}

func object(raw json.RawMessage) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	_ = json.Unmarshal(raw, &o)
	return o
}

// number between 0 and most; 0 for what is none.
func number(raw json.RawMessage, most float64) float64 {
	var n float64
	if json.Unmarshal(raw, &n) != nil || n < 0 || n > most {
		return 0
	}
	return n
}
