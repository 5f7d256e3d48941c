package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

const (
	// maxFrame is the longest frame that is looked at. A payload holds a whole
	// message: 50 blocks of 3,000 characters, and as much again in attachments.
	maxFrame = 1 << 20
	// smallFrame is read without asking for memory; one of Slack's has a few KiB.
	smallFrame = 64 << 10
	// longTime is how long the rest of a longer one may take.
	longTime = 30 * time.Second
	// maxTaking payloads, and maxTakingBytes of them, are taken at once over one
	// connection.
	maxTaking      = 256
	maxTakingBytes = 16 << 20
)

// conn is one connection.
type conn struct {
	c      *Client
	ws     *websocket.Conn
	app    string
	opened time.Time
	// done is closed when the connection has ended, and renew when it is to be
	// replaced; it is then read for linger.
	done, renew chan struct{}
	renewing    sync.Once
	linger      time.Duration

	// Guarded by the client's lock: why it ends, and how many payloads are being
	// taken.
	trouble Trouble
	taking  int
}

// connect opens a connection and waits for its hello.
func (c *Client) connect(ctx context.Context) (*conn, Trouble, *slack.Error) {
	url, err := c.o.Opener.OpenConnection(ctx)
	if err != nil {
		return nil, Refused, slack.AsError(err)
	}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: c.o.Client}) //nolint:bodyclose // "You never need to close resp.Body yourself"
	if err != nil {
		return nil, Unreachable, dialError(c.o.Client, resp, err)
	}
	ws.SetReadLimit(-1) // see read
	k := &conn{c: c, ws: ws, opened: time.Now(), done: make(chan struct{}), renew: make(chan struct{}), linger: c.o.Times.Linger}
	hello, err := k.greet(ctx)
	if err != nil {
		_ = ws.CloseNow()
		if trouble := k.why(); trouble != NoTrouble {
			return nil, trouble, nil
		}
		return nil, NoHello, &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodConnectionsOpen, Reason: "a connection was opened, and Slack said nothing on it"}
	}
	c.mu.Lock()
	c.open[k] = struct{}{}
	ours := len(c.open)
	c.mu.Unlock()
	c.o.Meter.Connections(1)
	go k.serve()
	go k.watch(hello.life)
	c.set(func(s *State) {
		*s = State{Connected: true, AppID: hello.app, Hello: k.opened, Hellos: s.Hellos + 1, AppConnections: hello.connections, Ours: ours}
	})
	return k, NoTrouble, nil
}

// dialError says why there is no connection. The URL is a secret, and stays out of
// it.
func dialError(client *http.Client, resp *http.Response, err error) *slack.Error {
	e := &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodConnectionsOpen}
	if resp != nil {
		e.Reason = fmt.Sprintf("the server of the socket answered with status %d, and not with a WebSocket", resp.StatusCode)
		return e
	}
	f := egress.FailureOf(client, err)
	if f.Refused {
		e.Class = slack.ClassInvalidCall
	}
	e.Reason = "the socket can't be opened: " + f.Error()
	return e
}

var errEnds = errors.New("the connection ends before it has begun")

// greet waits for the hello.
func (k *conn) greet(ctx context.Context) (frame, error) {
	ctx, end := context.WithTimeout(ctx, k.c.o.Times.Hello)
	defer end()
	for {
		data, ok, err := k.read(ctx)
		if err != nil {
			return frame{}, err
		}
		if !ok {
			continue
		}
		f := decode(data)
		switch f.kind {
		case kindHello:
			k.app = f.app
			return f, nil
		case kindDisconnect:
			k.blame(troubleOf(f.reason))
			return frame{}, errEnds
		default:
			k.handle(f, time.Now())
		}
	}
}

// troubleOf a reason of Slack's.
func troubleOf(reason string) Trouble {
	switch t := Trouble(reason); t {
	case Warned, Refreshed, Disabled, TooMany:
		return t
	default:
		return Told
	}
}

// read reads one frame; false for one that is not looked at. A frame that is too
// long is read to its end, so that it does not take the connection along.
func (k *conn) read(ctx context.Context) ([]byte, bool, error) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	kind, r, err := k.ws.Reader(ctx)
	if err != nil {
		return nil, false, err
	}
	data, err := io.ReadAll(io.LimitReader(r, smallFrame))
	long := err == nil && len(data) == smallFrame
	if long {
		defer time.AfterFunc(longTime, cut).Stop()
		if long = k.c.o.Frames.Try(maxFrame); long {
			defer k.c.o.Frames.Release(maxFrame)
			var rest []byte
			rest, err = io.ReadAll(io.LimitReader(r, maxFrame+1-smallFrame))
			data = append(data, rest...)
		}
	}
	if err != nil {
		return nil, false, err
	}
	if len(data) > maxFrame || len(data) == smallFrame && !long {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, false, err
		}
		k.c.o.Meter.Frame(OutcomeTooLarge, 0)
		return nil, false, nil
	}
	if kind != websocket.MessageText {
		k.c.o.Meter.Frame(OutcomeOdd, 0)
		return nil, false, nil
	}
	return data, true, nil
}

// serve reads until the connection ends.
func (k *conn) serve() {
	for {
		data, ok, err := k.read(context.Background())
		if err != nil {
			if websocket.CloseStatus(err) != -1 {
				k.blame(Closed)
			}
			k.blame(Cut)
			_ = k.ws.CloseNow()
			k.end()
			return
		}
		if ok {
			k.handle(decode(data), time.Now())
		}
	}
}

// end notes that the connection is no more.
func (k *conn) end() {
	c := k.c
	trouble := k.why()
	c.mu.Lock()
	delete(c.open, k)
	left := len(c.open)
	c.mu.Unlock()
	close(k.done)
	c.o.Meter.Connections(-1)
	c.o.Meter.Disconnected(string(trouble))
	if left == 0 {
		c.set(func(s *State) { s.Connected, s.Trouble, s.Since = false, trouble, time.Now() })
	}
}

func (k *conn) ended() bool {
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// blame notes why the connection ends; what comes first counts.
func (k *conn) blame(t Trouble) {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.trouble == NoTrouble {
		k.trouble = t
	}
}

func (k *conn) why() Trouble {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return k.trouble
}

// watch pings, and has the connection replaced before its time is over.
func (k *conn) watch(life time.Duration) {
	t := k.c.o.Times
	ping := time.NewTicker(t.Ping)
	defer ping.Stop()
	var over <-chan time.Time
	if life > 0 {
		timer := time.NewTimer(max(life-t.Before, life/2))
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-k.done:
			return
		case <-over:
			k.replace(Renewed, t.Before+t.Linger)
		case <-ping.C:
			ctx, end := context.WithTimeout(context.Background(), t.Pong)
			err := k.ws.Ping(ctx)
			end()
			if err != nil {
				k.blame(Silent)
				_ = k.ws.CloseNow()
			}
		}
	}
}

// replace has the client open another connection, beside which this one is read
// for a while: Slack may have sent something over it already.
func (k *conn) replace(why Trouble, linger time.Duration) {
	k.renewing.Do(func() {
		k.blame(why)
		k.linger = linger
		close(k.renew)
	})
}

// retire closes the connection when another one is open.
func (k *conn) retire() {
	timer := time.NewTimer(k.linger)
	defer timer.Stop()
	select {
	case <-k.done:
	case <-timer.C:
		k.close(Renewed)
	}
}

// close lets what is being taken come to its end, as nothing can be acknowledged
// after a close frame, and sends one.
func (k *conn) close(why Trouble) {
	c := k.c
	k.blame(why)
	late := false
	timer := time.AfterFunc(c.o.Times.Take, func() {
		c.mu.Lock()
		late = true
		c.mu.Unlock()
		c.idle.Broadcast()
	})
	c.mu.Lock()
	for k.taking > 0 && !late {
		c.idle.Wait()
	}
	c.mu.Unlock()
	timer.Stop()
	_ = k.ws.Close(websocket.StatusNormalClosure, "")
	<-k.done
}

// handle does what a frame asks for.
func (k *conn) handle(f frame, read time.Time) {
	switch f.kind {
	case kindInteractive:
		if !k.admit(len(f.payload)) {
			k.c.o.Meter.Frame(OutcomeOverload, time.Since(read))
			return
		}
		go k.take(f, read)
	case kindOther:
		ctx, end := context.WithDeadline(context.Background(), read.Add(k.c.o.Times.Take))
		defer end()
		outcome := OutcomeIgnored
		if k.ack(ctx, f.envelope) != nil {
			outcome = OutcomeAckFailed
		}
		k.c.o.Meter.Frame(outcome, time.Since(read))
	case kindDisconnect:
		k.replace(troubleOf(f.reason), k.c.o.Times.Linger)
	case kindHello:
		// One is enough.
	default:
		k.c.o.Meter.Frame(OutcomeOdd, 0)
	}
}

// admit counts in a payload that is to be taken.
func (k *conn) admit(size int) bool {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.taking >= maxTaking || k.c.bytes+size > maxTakingBytes || !k.c.o.Frames.Try(int64(size)) {
		return false
	}
	k.taking++
	k.c.bytes += size
	return true
}

// take has a payload taken, and acknowledges it if it was in time.
func (k *conn) take(f frame, read time.Time) {
	ctx, end := context.WithDeadline(context.Background(), read.Add(k.c.o.Times.Take))
	defer end()
	outcome := OutcomeAcked
	switch {
	case !k.c.o.Take(ctx, k.app, f.payload):
		outcome = OutcomeNotTaken
	case ctx.Err() != nil:
		outcome = OutcomeLate
	case k.ack(ctx, f.envelope) != nil:
		outcome = OutcomeAckFailed
	}
	k.c.o.Meter.Frame(outcome, time.Since(read))
	k.c.o.Frames.Release(int64(len(f.payload)))
	k.c.mu.Lock()
	k.taking--
	k.c.bytes -= len(f.payload)
	k.c.mu.Unlock()
	k.c.idle.Broadcast()
}

// ack acknowledges an envelope.
func (k *conn) ack(ctx context.Context, envelope string) error {
	data, err := json.Marshal(struct {
		EnvelopeID string `json:"envelope_id"`
	}{envelope})
	if err != nil {
		return err
	}
	return k.ws.Write(ctx, websocket.MessageText, data)
}
