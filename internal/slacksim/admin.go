package slacksim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Call is one request as it was answered.
type Call struct {
	At      time.Time `json:"at"`
	Team    string    `json:"team,omitempty"`
	Method  string    `json:"method"`
	Channel string    `json:"channel,omitempty"`
	Answer  string    `json:"answer"`
}

// tooManyAnswer is how a call over the limit is noted.
const tooManyAnswer = "429"

// callsKept of the log.
const callsKept = 5000

// TeamCalls counts the calls with the tokens and webhooks of a team, and the
// answers 429 that were not asked for by a fault.
type TeamCalls struct {
	Calls    int `json:"calls"`
	Provoked int `json:"provoked429"`
}

type calls struct {
	mu     sync.Mutex
	counts map[string]map[string]int
	teams  map[string]*TeamCalls
	log    []Call
}

func newCalls() *calls {
	return &calls{counts: map[string]map[string]int{}, teams: map[string]*TeamCalls{}}
}

func (c *calls) note(team, method, channel, answer string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.teams[team] == nil {
		c.teams[team] = &TeamCalls{}
	}
	c.teams[team].Calls++
	if answer == tooManyAnswer {
		c.teams[team].Provoked++
	}
	if c.counts[method] == nil {
		c.counts[method] = map[string]int{}
	}
	c.counts[method][answer]++
	if len(c.log) >= callsKept {
		c.log = append(c.log[:0:0], c.log[callsKept/2:]...)
	}
	c.log = append(c.log, Call{At: at, Team: team, Method: method, Channel: channel, Answer: answer})
}

// State is what GET /_sim/state tells.
type State struct {
	Workspaces []*Workspace `json:"workspaces"`
	Messages   []*Message   `json:"messages"`
	// Deleted messages, in the order of their deletion.
	Deleted []*Message `json:"deleted"`
	// Ephemeral messages, each for one person.
	Ephemeral []*Message `json:"ephemeral"`
	// Presses are the last ones, without their payloads.
	Presses []*Press `json:"presses"`
}

// pressesShown in the state.
const pressesShown = 200

// Calls is what GET /_sim/calls tells.
type Calls struct {
	Counts   map[string]map[string]int `json:"counts"`
	Provoked map[string]int            `json:"provoked429"`
	Teams    map[string]*TeamCalls     `json:"teams"`
	Log      []Call                    `json:"log"`
}

// Count of the calls of a method, whatever the answer.
func (c Calls) Count(method string) int {
	n := 0
	for _, v := range c.Counts[method] {
		n += v
	}
	return n
}

func (s *Server) serveSim(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, "/_sim/") {
	case "state":
		s.mu.Lock()
		defer s.mu.Unlock()
		writeJSON(w, s.snapshot(r.URL.Query().Get("channel")))
	case "messages":
		s.mu.Lock()
		defer s.mu.Unlock()
		writeJSON(w, s.snapshot(r.URL.Query().Get("channel")).Messages)
	case "deleted":
		s.mu.Lock()
		defer s.mu.Unlock()
		writeJSON(w, s.snapshot(r.URL.Query().Get("channel")).Deleted)
	case "delete", "close":
		s.actOn(w, r, strings.TrimPrefix(r.URL.Path, "/_sim/"))
	case "invite", "kick":
		s.move(w, r, strings.TrimPrefix(r.URL.Path, "/_sim/"))
	case "network":
		s.serveNetwork(w, r)
	case "apps":
		s.changeApp(w, r)
	case "sockets":
		s.serveSockets(w, r)
	case "acks":
		s.serveAcks(w, r)
	case "press":
		s.servePress(w, r)
	case "presses":
		s.servePresses(w, r)
	case "age":
		s.serveAge(w, r)
	case "calls":
		s.serveCalls(w)
	case "events":
		s.serveEvents(w, r)
	case "faults":
		s.serveFaults(w, r)
	case "tokens", "webhooks", "users", "groups", "channels":
		s.change(w, r, strings.TrimPrefix(r.URL.Path, "/_sim/"))
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) snapshot(channel string) State {
	var out State
	for _, id := range slices.Sorted(maps.Keys(s.workspaces)) {
		w := *s.workspaces[id]
		if len(w.Users) > 500 { // the page needs no more
			w.Users = w.Users[:500]
		}
		out.Workspaces = append(out.Workspaces, &w)
	}
	out.Messages = []*Message{}
	for id, list := range s.messages {
		if channel == "" || channel == id {
			out.Messages = append(out.Messages, list...)
		}
	}
	out.Deleted = append([]*Message{}, s.deleted...)
	of := func(id string) bool { return channel == "" || channel == id }
	out.Ephemeral = []*Message{}
	for _, m := range s.ephemeral {
		if of(m.Channel) {
			out.Ephemeral = append(out.Ephemeral, m)
		}
	}
	out.Presses = []*Press{}
	for _, p := range s.presses[max(len(s.presses)-pressesShown, 0):] {
		if of(p.Channel) {
			short := *p
			short.Payload = nil
			out.Presses = append(out.Presses, &short)
		}
	}
	if channel != "" {
		out.Deleted = slices.DeleteFunc(out.Deleted, func(m *Message) bool { return m.Channel != channel })
	}
	sort.Slice(out.Messages, func(i, j int) bool { return out.Messages[i].TS < out.Messages[j].TS })
	return out
}

// actOn a message as a person would: delete it, or close it to edits.
func (s *Server) actOn(w http.ResponseWriter, r *http.Request, action string) {
	var about struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	if !readJSON(w, r, &about) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(about.Channel, about.TS)
	if m == nil {
		http.Error(w, "no such message", http.StatusNotFound)
		return
	}
	if action == "delete" {
		s.remove(m, "person")
	} else {
		m.Closed = true
	}
	s.notify()
	writeJSON(w, answer{"ok": true})
}

func (s *Server) serveCalls(w http.ResponseWriter) {
	s.mu.Lock()
	provoked := maps.Clone(s.limits.provoked)
	s.mu.Unlock()
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	writeJSON(w, Calls{Counts: s.calls.counts, Provoked: provoked, Teams: s.calls.teams, Log: s.calls.log})
}

func (s *Server) serveFaults(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		s.faults.clear(r.URL.Query().Get("team"))
		writeJSON(w, answer{"ok": true})
		return
	}
	if r.Method == http.MethodGet {
		writeJSON(w, s.faults.pending())
		return
	}
	var f Fault
	if !readJSON(w, r, &f) {
		return
	}
	if !slices.Contains(faultKinds, f.Kind) {
		http.Error(w, fmt.Sprintf("no fault is of the kind %q; there are %s", f.Kind, strings.Join(faultKinds, ", ")), http.StatusBadRequest)
		return
	}
	s.faults.add(&f)
	writeJSON(w, answer{"ok": true})
}

func readJSON(w http.ResponseWriter, r *http.Request, out any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// change adds or replaces a token, webhook, user, group or channel. Of a
// channel that is there, what is left out stays as it is.
func (s *Server) change(w http.ResponseWriter, r *http.Request, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	team := s.workspaces[DemoTeam]
	if t := r.URL.Query().Get("team"); t != "" {
		if team = s.workspaces[t]; team == nil {
			team = &Workspace{ID: t, Name: t, URL: "https://" + strings.ToLower(t) + ".slack.com/"}
			s.workspaces[t] = team
		}
	}
	if team == nil {
		http.Error(w, "no such workspace", http.StatusNotFound)
		return
	}
	switch kind {
	case "tokens":
		t := &Token{Team: team.ID, BotUser: DemoBotUser, BotID: "B0BOT0000", Scopes: slices.Clone(AllScopes)}
		if readJSON(w, r, t) {
			t.complete()
			s.tokens[t.Token] = t
			writeJSON(w, t)
		}
	case "webhooks":
		h := &Webhook{Team: team.ID, AppName: "slack-notifier"}
		if readJSON(w, r, h) {
			s.webhooks[h.Path] = h
			writeJSON(w, h)
		}
	case "users":
		u := &User{}
		if readJSON(w, r, u) {
			team.Users = slices.DeleteFunc(team.Users, func(old *User) bool { return old.ID == u.ID })
			team.Users = append(team.Users, u)
			sort.Slice(team.Users, func(i, j int) bool { return team.Users[i].ID < team.Users[j].ID })
			writeJSON(w, u)
		}
	case "groups":
		g := &Group{}
		if readJSON(w, r, g) {
			team.Groups = slices.DeleteFunc(team.Groups, func(old *Group) bool { return old.ID == g.ID })
			team.Groups = append(team.Groups, g)
			writeJSON(w, g)
		}
	case "channels":
		var change json.RawMessage
		if readJSON(w, r, &change) {
			changeChannel(w, team, change)
		}
	}
	s.notify()
}

func changeChannel(w http.ResponseWriter, team *Workspace, change json.RawMessage) {
	var named Channel
	_ = json.Unmarshal(change, &named) // looked at below
	ch := &Channel{}
	old := team.room(named.ID)
	if old != nil {
		*ch = *old
		ch.Members, ch.PreviousNames = slices.Clone(old.Members), slices.Clone(old.PreviousNames)
	}
	d := json.NewDecoder(bytes.NewReader(change))
	d.DisallowUnknownFields()
	if err := d.Decode(ch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if old != nil {
		*old = *ch
	} else {
		team.Rooms = append(team.Rooms, ch)
	}
	writeJSON(w, ch)
}

// notify tells the pages that something has changed.
func (s *Server) notify() {
	s.watch.Range(func(key, _ any) bool {
		if ch, ok := key.(chan struct{}); ok {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
		return true
	})
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "no streaming", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	ch := make(chan struct{}, 1)
	s.watch.Store(ch, true)
	defer s.watch.Delete(ch)
	_, _ = fmt.Fprint(w, "data: hello\n\n")
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-ch:
			if _, err := fmt.Fprint(w, "data: changed\n\n"); err != nil {
				return
			}
			flusher.Flush()
		}
	}
}
