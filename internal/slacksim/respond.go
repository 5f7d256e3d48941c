package slacksim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// How often and for how long a response URL can be used
// (docs.slack.dev/interactivity/handling-user-interaction).
const (
	responseUses = 5
	responseTime = 30 * time.Minute
)

// responder is what a response URL stands for.
type responder struct {
	press *Press
	until time.Time
	uses  int
	// app is as the message has it.
	appName, appID, botID string
}

// responseURL of a press.
func (s *Server) responseURL(p *Press, m *Message) string {
	path := fmt.Sprintf("/actions/%s/%s/%s", p.Team, strings.ReplaceAll(p.ActionTS, ".", ""), rand.Text())
	s.responders[path] = &responder{press: p, until: s.now().Add(responseTime), appName: m.AppName, appID: m.AppID, botID: m.BotID}
	return s.base(p.App) + path
}

// Response is what an app posts to a response URL.
type response struct {
	Text            string          `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	Attachments     json.RawMessage `json:"attachments"`
	ResponseType    string          `json:"response_type"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
	ThreadTS        string          `json:"thread_ts"`
}

func (s *Server) serveResponse(w http.ResponseWriter, r *http.Request) {
	fault := s.faults.match("response_url", "", "")
	if fault.before(w, r) {
		fault.carryOut(w, r)
		return
	}
	status, code := s.takeResponse(r)
	s.calls.note(s.respondersTeam(r.URL.Path), "response_url", "", code, s.now())
	if code != "ok" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"ok":false,"error":%q}`, code) // the client may be gone
		return
	}
	if fault.after() {
		fault.spoil(w, r)
		return
	}
	writeJSON(w, answer{"ok": true})
}

func (s *Server) respondersTeam(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.responders[path]; one != nil {
		return one.press.Team
	}
	return ""
}

func (s *Server) takeResponse(r *http.Request) (status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.responders[r.URL.Path]
	switch {
	case one == nil || s.now().After(one.until):
		return http.StatusNotFound, "expired_url"
	case one.uses >= responseUses:
		return http.StatusNotFound, "used_url"
	}
	var in response
	if r.Method != http.MethodPost || json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(&in) != nil {
		return http.StatusBadRequest, "invalid_payload"
	}
	p := one.press
	m := &Message{
		Team: p.Team, Channel: p.Channel, AppName: one.appName, AppID: one.appID, BotID: one.botID, Via: "response_url", Text: in.Text,
	}
	if no := m.parts(string(in.Blocks), string(in.Attachments)); no != nil {
		return http.StatusBadRequest, no.code
	}
	if m.Text == "" && m.Blocks == nil && m.Attachments == nil && !in.DeleteOriginal {
		return http.StatusBadRequest, "no_text"
	}
	one.uses++
	original := s.find(p.Channel, p.TS)
	if original == nil {
		original = s.findEphemeral(p.Channel, p.TS)
	}
	switch {
	case in.DeleteOriginal:
		s.dropAny(original)
	case in.ReplaceOriginal && original != nil:
		was := *original
		original.Text, original.Markdown, original.Blocks, original.Attachments = m.Text, "", m.Blocks, m.Attachments
		original.Edits++
		original.edited(&was)
		s.notify()
	case in.ResponseType == "in_channel":
		m.ThreadTS = s.thread(p.Channel, in.ThreadTS)
		s.add(s, m)
	default:
		m.ForUser, m.ThreadTS = p.User, in.ThreadTS
		s.whisper(m)
	}
	return http.StatusOK, "ok"
}

// whisper shows a message to one person.
func (s *Server) whisper(m *Message) {
	m.ReceivedAt = s.now()
	m.TS = s.timestamp(m.ReceivedAt)
	s.ephemeral = append(s.ephemeral, m)
	s.notify()
}

func (s *store) findEphemeral(channel, ts string) *Message {
	for _, m := range s.ephemeral {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// dropAny deletes a message, of whichever kind.
func (s *Server) dropAny(m *Message) {
	switch {
	case m == nil:
		return
	case m.ForUser == "":
		s.remove(m, "response_url")
	default:
		kept := s.ephemeral[:0]
		for _, one := range s.ephemeral {
			if one != m {
				kept = append(kept, one)
			}
		}
		s.ephemeral = kept
	}
	s.notify()
}

// postEphemeral shows a message to one member of a channel
// (docs.slack.dev/reference/methods/chat.postEphemeral).
func (s *Server) postEphemeral(c *call) (answer, *refusal) {
	ch, no := s.target(c)
	if no != nil {
		return nil, no
	}
	u := c.team.user(c.args["user"])
	switch {
	case u == nil:
		return nil, refuse("invalid_user")
	case !ch.has(u.ID):
		return nil, refuse("user_not_in_channel")
	}
	m, warning, no := s.compose(c, ch)
	if no != nil {
		return nil, no
	}
	m.ForUser = u.ID
	s.whisper(m)
	out := answer{"message_ts": m.TS}
	if warning != "" {
		out["warning"] = warning
	}
	return out, nil
}
