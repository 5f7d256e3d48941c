package slacksim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxPosted is what of a text is posted; the rest is cut off with a warning.
const maxPosted = 40000

// maxMetadata is an invention: Slack documents metadata_too_large without a
// number.
const maxMetadata = 8 << 10

func (s *Server) postMessage(c *call) (answer, *refusal) {
	ch, no := s.target(c)
	if no != nil {
		return nil, no
	}
	m, warning, no := s.compose(c, ch)
	if no != nil {
		return nil, no
	}
	if retry := s.limits.post(c.team.ID, ch.ID, c.method, s.now()); retry > 0 {
		return nil, refuse("ratelimited")
	}
	s.add(s, m)
	out := answer{"channel": ch.ID, "ts": m.TS, "message": s.object(m, false)}
	if warning != "" {
		out["warning"] = warning
		out["response_metadata"] = answer{"warnings": []string{warning}}
	}
	return out, nil
}

// add stores a message under a new timestamp.
func (s *store) add(srv *Server, m *Message) {
	m.ReceivedAt = srv.now()
	m.TS = s.timestamp(m.ReceivedAt)
	s.messages[m.Channel] = append(s.messages[m.Channel], m)
	srv.notify()
}

// target finds where a message goes: by ID, by the name of a public channel,
// or by the ID of a user, whose direct message with the bot it opens.
func (s *Server) target(c *call) (*Channel, *refusal) {
	ref := c.args["channel"]
	if ref == "" {
		return nil, refuse("channel_not_found")
	}
	if strings.HasPrefix(ref, "U") || strings.HasPrefix(ref, "W") {
		u := c.team.user(ref)
		switch {
		case u == nil || u.Deleted:
			return nil, refuse("channel_not_found")
		case c.args.has("username") || c.args.has("icon_url") || c.args.has("icon_emoji"):
			// With another name or picture it lands in the user's own
			// conversation with Slackbot
			// (docs.slack.dev/reference/methods/chat.postMessage).
			return s.direct(c.team, "USLACKBOT", u.ID), nil
		}
		return c.mayPost(s.direct(c.team, c.token.BotUser, u.ID))
	}
	ch := c.team.room(ref)
	if ch == nil {
		if ch = c.team.roomNamed(strings.TrimPrefix(ref, "#")); ch != nil && c.token.OrgWide {
			return nil, refuse("team_not_found")
		}
		if ch != nil && ch.Private {
			ch = nil
		}
	}
	return c.mayPost(ch)
}

// mayPost refuses a conversation that the bot can't post to.
func (c *call) mayPost(ch *Channel) (*Channel, *refusal) {
	switch {
	case ch == nil || !c.visible(ch):
		return nil, refuse("channel_not_found")
	case ch.Archived:
		return nil, refuse("is_archived")
	case ch.ReadOnly:
		return nil, refuse("restricted_action_read_only_channel")
	case !ch.has(c.token.BotUser) && !c.may("chat:write.public"):
		return nil, refuse("not_in_channel")
	}
	if ch.dm() {
		switch u := c.team.user(ch.User); {
		case u == nil || u.Deleted:
			return nil, refuse("channel_not_found")
		case u.Unreachable:
			return nil, refuse("messages_tab_disabled")
		case u.Bot:
			return nil, refuse("cannot_dm_bot")
		}
	}
	return ch, nil
}

// compose checks the content of a message.
func (s *Server) compose(c *call, ch *Channel) (*Message, string, *refusal) {
	a := c.args
	custom := a.has("username") || a.has("icon_url") || a.has("icon_emoji")
	if custom && !c.may("chat:write.customize") {
		return nil, "", missing(c, "chat:write.customize")
	}
	m := &Message{
		Team: c.team.ID, Channel: ch.ID, User: c.token.BotUser, BotID: c.token.BotID, AppName: "slack-notifier", AppID: c.token.AppID, Via: "api",
		Username: a["username"], IconURL: a["icon_url"], IconEmoji: a["icon_emoji"],
		Text: a["text"], Markdown: a["markdown_text"], ThreadTS: a["thread_ts"], Broadcast: a.isTrue("reply_broadcast"),
		UnfurlLinks: a["unfurl_links"], UnfurlMedia: a["unfurl_media"],
	}
	if u := c.team.user(c.token.BotUser); u != nil {
		m.AppName = u.RealName
	}
	if no := m.content(a); no != nil {
		return nil, "", no
	}
	if at, ok := micros(m.ThreadTS); m.ThreadTS != "" && (!ok || at == 0) {
		return nil, "", &refusal{code: "invalid_thread_ts", messages: []string{"[ERROR] " + m.ThreadTS + " is not a valid thread_ts"}}
	}
	m.ThreadTS = s.thread(ch.ID, m.ThreadTS)
	m.Broadcast = m.Broadcast && m.ThreadTS != ""
	warning := ""
	if utf8.RuneCountInString(m.Text) > maxPosted {
		m.Text, warning = string([]rune(m.Text)[:maxPosted]), "message_truncated"
	}
	return m, warning, nil
}

var eventType = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func (m *Message) meta(raw string) *refusal {
	if raw == "" {
		return nil
	}
	if len(raw) > maxMetadata {
		return refuse("metadata_too_large")
	}
	var meta struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"event_payload"`
	}
	if json.Unmarshal([]byte(raw), &meta) != nil {
		return refuse("invalid_metadata_format")
	}
	var payload map[string]any
	if !eventType.MatchString(meta.EventType) || json.Unmarshal(meta.Payload, &payload) != nil {
		return refuse("invalid_metadata_schema")
	}
	m.Metadata = json.RawMessage(raw)
	return nil
}

func (s *Server) getPermalink(c *call) (answer, *refusal) {
	ch, no := c.channel()
	if no != nil {
		return nil, no
	}
	m := s.find(ch.ID, c.args["message_ts"])
	if m == nil || m.Subtype == tombstone {
		return nil, refuse("message_not_found")
	}
	link := fmt.Sprintf("%sarchives/%s/p%s", c.team.URL, ch.ID, strings.ReplaceAll(m.TS, ".", ""))
	if m.ThreadTS != "" {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + ch.ID
	}
	return answer{"channel": ch.ID, "permalink": link}, nil
}
