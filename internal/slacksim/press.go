package slacksim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The fates of a press.
const (
	// FatePending means: the app has not answered yet.
	FatePending = "pending"
	// FateAcked means: it has, in time.
	FateAcked = "acked"
	// FateWarned means: it has not, and the person sees a ⚠ beside the button.
	FateWarned = "warned"
	// FateCancelled means: the person said no in the dialog, and nothing was sent.
	FateCancelled = "cancelled"
)

// ackTime that an app has (docs.slack.dev/interactivity/handling-user-interaction;
// of Socket Mode no figure is documented).
const ackTime = 3 * time.Second

// Press is what a person did to a button or a menu, and what came of it.
type Press struct {
	ID       string    `json:"id"`
	App      string    `json:"app"`
	Team     string    `json:"team"`
	Channel  string    `json:"channel"`
	TS       string    `json:"ts"`
	BlockID  string    `json:"block_id"`
	ActionID string    `json:"action_id"`
	Value    string    `json:"value,omitempty"`
	User     string    `json:"user"`
	At       time.Time `json:"at"`
	ActionTS string    `json:"action_ts"`
	// Fate is pending, acked, warned or cancelled, TookMS after how long, and
	// Shown what the person sees.
	Fate   string `json:"fate"`
	TookMS int64  `json:"took_ms"`
	Shown  string `json:"shown,omitempty"`
	// LateAck: an ack came after the ⚠.
	LateAck bool `json:"late_ack,omitempty"`
	// Via is "socket", "http", or empty when nothing was sent.
	Via        string `json:"via,omitempty"`
	Connection string `json:"connection,omitempty"`
	EnvelopeID string `json:"envelope_id,omitempty"`
	// Status of the answer by HTTP.
	Status      int    `json:"status,omitempty"`
	ResponseURL string `json:"response_url,omitempty"`
	// Payload as it was sent; GET /_sim/presses tells it.
	Payload json.RawMessage `json:"payload,omitempty"`

	began   time.Time
	settled chan struct{}
}

// pressesKept of the log.
const pressesKept = 10000

// Pressing is what POST /_sim/press takes.
type Pressing struct {
	// Who presses: a user's ID or handle.
	Who     string `json:"who"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	// Action is the action_id, and Block the block_id where several blocks have it.
	Action string `json:"action"`
	Block  string `json:"block,omitempty"`
	// Option is the value that is chosen in a menu.
	Option string `json:"option,omitempty"`
	// Deny answers no in the dialog of an element that has one.
	Deny bool `json:"deny,omitempty"`
	// Stale presses what the message showed before it was edited, as on a client
	// that has not heard of it.
	Stale bool `json:"stale,omitempty"`
	// Payload is laid over the one that is sent, to try odd ones.
	Payload map[string]json.RawMessage `json:"payload,omitempty"`
	// Wait answers when the fate is known, rather than at once.
	Wait bool `json:"wait,omitempty"`
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Server) servePress(w http.ResponseWriter, r *http.Request) {
	var in Pressing
	if !readJSON(w, r, &in) {
		return
	}
	p, deliver, err := s.press(in, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if deliver != nil {
		go deliver()
	}
	if in.Wait {
		select {
		case <-p.settled:
		case <-r.Context().Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify()
	writeJSON(w, p)
}

// press notes a press, and returns what tells the app of it.
func (s *Server) press(in Pressing, r *http.Request) (*Press, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	team, room := s.anyRoom(in.Channel)
	m := s.find(in.Channel, in.TS)
	if m == nil {
		m = s.findEphemeral(in.Channel, in.TS)
	}
	if room == nil || m == nil {
		return nil, nil, fmt.Errorf("there is no message %s in %s", in.TS, in.Channel)
	}
	who := team.person(in.Who)
	switch {
	case who == nil || who.Deleted || who.Bot:
		return nil, nil, fmt.Errorf("%q is nobody who could press", in.Who)
	case room.Private && !room.has(who.ID), m.ForUser != "" && m.ForUser != who.ID:
		return nil, nil, fmt.Errorf("%s does not see this message", who.ID)
	}
	e, err := m.pressable(in)
	if err != nil {
		return nil, nil, err
	}
	app := s.app(m.AppID)
	if s.base(app.ID) == "" {
		s.heard(app.ID, r)
	}
	now := s.now()
	p := &Press{
		ID: newUUID(), App: app.ID, Team: team.ID, Channel: room.ID, TS: m.TS, BlockID: e.BlockID, ActionID: e.ActionID,
		Value: in.Option, User: who.ID, At: now, ActionTS: s.timestamp(now), Fate: FatePending, began: time.Now(), settled: make(chan struct{}),
	}
	if p.Value == "" {
		p.Value = e.Value
	}
	if len(s.presses) >= pressesKept {
		s.presses = slices.Clone(s.presses[pressesKept/2:])
	}
	s.presses = append(s.presses, p)
	if in.Deny && e.Confirm != nil {
		s.settle(p, FateCancelled, "")
		return p, nil, nil
	}
	if !app.Interactivity {
		s.settle(p, FateWarned, "App has not been configured for this feature")
		return p, nil, nil
	}
	p.ResponseURL = s.responseURL(p, m)
	payload := s.blockActions(p, team, room, m, who, e, in.Option)
	maps.Copy(payload, in.overlay())
	if p.Payload, err = json.Marshal(payload); err != nil {
		return nil, nil, err
	}
	return p, s.delivery(app, p), nil
}

func (in Pressing) overlay() answer {
	out := answer{}
	for name, raw := range in.Payload {
		out[name] = raw
	}
	return out
}

// delivery returns what tells the app, by the way that its settings say.
func (s *Server) delivery(app *App, p *Press) func() {
	if !app.SocketMode {
		to := *app
		return func() { s.sendHTTP(&to, p) }
	}
	c := anyOf(s.openSockets(app.ID))
	if c == nil {
		s.settle(p, FateWarned, "no connection of the app is open")
		return nil
	}
	p.Via = "socket"
	return func() {
		e := s.send(c, "interactive", p.Payload, p)
		timer := time.NewTimer(ackTime)
		defer timer.Stop()
		select {
		case <-e.acked:
		case <-timer.C:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.settle(p, FateWarned, "Operation timed out. Apps need to respond within three seconds")
		}
	}
}

// settle a press that is pending.
func (s *Server) settle(p *Press, fate, shown string) {
	if p.Fate != FatePending {
		return
	}
	p.Fate, p.Shown, p.TookMS = fate, shown, time.Since(p.began).Milliseconds()
	close(p.settled)
	s.notify()
}

func (w *Workspace) person(name string) *User {
	if u := w.user(name); u != nil {
		return u
	}
	for _, u := range w.Users {
		if u.Name == strings.TrimPrefix(name, "@") {
			return u
		}
	}
	return nil
}

// servePresses tells of all presses, or those of an app, a message, or one.
func (s *Server) servePresses(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []*Press{}
	for _, p := range s.presses {
		differs := func(name, is string) bool { return q.Get(name) != "" && q.Get(name) != is }
		if !differs("app", p.App) && !differs("channel", p.Channel) && !differs("ts", p.TS) && !differs("id", p.ID) {
			out = append(out, p)
		}
	}
	writeJSON(w, out)
}
