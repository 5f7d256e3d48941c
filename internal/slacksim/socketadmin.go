package slacksim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Ack is what an app has sent over a connection.
type Ack struct {
	At         time.Time `json:"at"`
	App        string    `json:"app"`
	Connection string    `json:"connection"`
	EnvelopeID string    `json:"envelope_id"`
	// Press that it answers, if any.
	Press string `json:"press,omitempty"`
	// Counts is false when Slack takes no notice of it, and Why says why not.
	Counts bool   `json:"counts"`
	Why    string `json:"why,omitempty"`
	Frame  string `json:"frame"`
}

// envelope that was sent.
type envelope struct {
	socket *Socket
	press  *Press
	acked  chan struct{}
	done   bool
}

// acksKept of the log.
const acksKept = 10000

// takeAck notes what an app has sent. That an ack counts on the connection of
// its envelope alone is assumed.
func (s *Server) takeAck(c *Socket, data []byte) {
	var frame struct {
		EnvelopeID string `json:"envelope_id"`
	}
	readable := json.Unmarshal(data, &frame) == nil
	s.mu.Lock()
	defer s.mu.Unlock()
	a := Ack{At: s.now(), App: c.App, Connection: c.ID, EnvelopeID: frame.EnvelopeID, Frame: string(data[:min(len(data), 1000)])}
	e := s.envelopes[frame.EnvelopeID]
	if e != nil && e.press != nil {
		a.Press = e.press.ID
	}
	switch {
	case !readable || frame.EnvelopeID == "":
		a.Why = "it is no ack"
	case len(data) >= maxAnswer:
		a.Why = "it is too long"
	case e == nil:
		a.Why = "there is no such envelope"
	case e.socket != c:
		a.Why = "the envelope was sent on another connection"
	case e.done:
		a.Why = "it was acked before"
	case e.press != nil && e.press.Fate != FatePending:
		a.Why = "it is late"
		e.press.LateAck = true
	default:
		a.Counts, e.done = true, true
		c.Acked++
		close(e.acked)
		if e.press != nil {
			s.settle(e.press, FateAcked, "")
		}
	}
	if len(s.acks) >= acksKept {
		s.acks = slices.Clone(s.acks[acksKept/2:])
	}
	s.acks = append(s.acks, a)
}

// send an envelope over a connection.
func (s *Server) send(c *Socket, kind string, payload any, p *Press) *envelope {
	id := newUUID()
	e := &envelope{socket: c, press: p, acked: make(chan struct{})}
	frame := answer{"envelope_id": id, "type": kind, "accepts_response_payload": kind != "events_api", "payload": payload}
	if kind == "events_api" {
		frame["retry_attempt"], frame["retry_reason"] = 0, ""
	}
	s.mu.Lock()
	s.envelopes[id] = e
	c.Sent++
	if p != nil {
		p.EnvelopeID, p.Connection = id, c.ID
	}
	s.mu.Unlock()
	c.write(frame)
	return e
}

// SocketAction is what POST /_sim/sockets does to the connections of an app:
// to all, or to that of an ID.
type SocketAction struct {
	App string `json:"app"`
	ID  string `json:"id,omitempty"`
	// Action is one of "warning", "refresh_requested", "link_disabled" and
	// "too_many_websockets", which are told in a frame; "cut" (TCP ends without a
	// close frame), "hang" (nothing comes any more, and nothing is answered),
	// "frame" (Frame is sent as it is), "envelope" (of Type, with Payload).
	Action  string          `json:"action"`
	Frame   string          `json:"frame,omitempty"`
	Type    string          `json:"type,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// disconnectReasons that Slack gives
// (docs.slack.dev/apis/events-api/using-socket-mode).
var disconnectReasons = []string{"warning", "refresh_requested", "link_disabled", "too_many_websockets"}

func (s *Server) serveSockets(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.mu.Lock()
		defer s.mu.Unlock()
		writeJSON(w, slices.DeleteFunc(slices.Clone(s.sockets), func(c *Socket) bool {
			app := r.URL.Query().Get("app")
			return app != "" && c.App != app
		}))
		return
	}
	var a SocketAction
	if !readJSON(w, r, &a) {
		return
	}
	if slices.Contains(disconnectReasons, a.Action) {
		writeJSON(w, answer{"connections": s.disconnect(a.App, a.ID, a.Action)})
		return
	}
	list := s.chosen(a.App, a.ID)
	for _, c := range list {
		switch a.Action {
		case "cut":
			_ = c.conn.CloseNow()
		case "hang":
			c.hung.Store(true)
		case "frame":
			c.writeText([]byte(a.Frame))
		case "envelope":
			s.send(c, a.Type, a.Payload, nil)
		default:
			http.Error(w, "no such action", http.StatusBadRequest)
			return
		}
	}
	writeJSON(w, answer{"connections": len(list)})
}

func (s *Server) serveAcks(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := r.URL.Query().Get("app")
	writeJSON(w, slices.DeleteFunc(append([]Ack{}, s.acks...), func(a Ack) bool { return app != "" && a.App != app }))
}
