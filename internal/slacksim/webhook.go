package slacksim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// webhookStatus of the bodies that a webhook answers with
// (docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks).
func webhookStatus(code string) int {
	switch code {
	case "action_prohibited", "invalid_token":
		return http.StatusForbidden
	case "channel_not_found", "no_service", "no_active_hooks", "no_service_id", "no_team", "team_disabled":
		return http.StatusNotFound
	case "channel_is_archived":
		return http.StatusGone
	case "rollup_error":
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

func (s *Server) serveWebhook(w http.ResponseWriter, r *http.Request) {
	s.network.read(r)
	room, team := s.hooked(r.URL.Path)
	fault := s.faults.match("webhook", room, team)
	if fault.before(w, r) {
		s.calls.note(team, "webhook", room, "fault:"+fault.Kind, s.now())
		fault.Method = "webhook"
		fault.carryOut(w, r)
		return
	}
	channel, code, retry := s.takeWebhook(r)
	switch {
	case retry > 0:
		s.calls.note(team, "webhook", channel, tooManyAnswer, s.now())
		tooMany(w, retry, "rate_limited")
	case code != "":
		s.calls.note(team, "webhook", channel, code, s.now())
		w.WriteHeader(webhookStatus(code))
		_, _ = io.WriteString(w, code) // the client may be gone
	default:
		s.calls.note(team, "webhook", channel, "ok", s.now())
		if fault.after() {
			fault.spoil(w, r)
			return
		}
		_, _ = fmt.Fprint(w, "ok") // the client may be gone
	}
}

// botID of a webhook's messages, which its URL names.
func (h *Webhook) botID() string {
	for part := range strings.SplitSeq(h.Path, "/") {
		if strings.HasPrefix(part, "B") {
			return part
		}
	}
	return "B0HOOK"
}

// hooked tells where a webhook leads.
func (s *Server) hooked(path string) (channel, team string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if hook := s.webhooks[path]; hook != nil {
		return hook.Channel, hook.Team
	}
	return "", ""
}

func (s *Server) takeWebhook(r *http.Request) (channel, code string, retry int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hook := s.webhooks[r.URL.Path]
	if hook == nil {
		return "", "no_service", 0
	}
	if hook.Error != "" {
		return hook.Channel, hook.Error, 0
	}
	if r.Method != http.MethodPost {
		return hook.Channel, "invalid_payload", 0
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return hook.Channel, "invalid_payload", 0
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		r.Body = io.NopCloser(strings.NewReader(string(raw)))
		raw = []byte(r.PostFormValue("payload"))
	}
	var p struct {
		Text        string          `json:"text"`
		Blocks      json.RawMessage `json:"blocks"`
		Attachments json.RawMessage `json:"attachments"`
		ThreadTS    string          `json:"thread_ts"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return hook.Channel, "invalid_payload", 0
	}
	team := s.workspaces[hook.Team]
	if team == nil {
		return hook.Channel, "no_team", 0
	}
	room := team.room(hook.Channel)
	switch {
	case room == nil:
		return hook.Channel, "channel_not_found", 0
	case room.Archived:
		return hook.Channel, "channel_is_archived", 0
	}
	app := hook.AppID
	if app == "" {
		app = DemoApp
	}
	m := &Message{Team: hook.Team, Channel: hook.Channel, AppName: hook.AppName, AppID: app, BotID: hook.botID(), Text: p.Text, ThreadTS: s.thread(hook.Channel, p.ThreadTS), Via: "webhook"}
	if no := m.webhookContent(string(p.Blocks), string(p.Attachments)); no != nil {
		return hook.Channel, no.code, 0
	}
	if retry := s.limits.post(hook.Team, hook.Channel, "webhook", s.now()); retry > 0 {
		return hook.Channel, "", retry
	}
	s.add(s, m)
	return hook.Channel, "", 0
}
