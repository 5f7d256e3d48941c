package slacksim

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// maxUpdated is how long a text may be in chat.update, which refuses what
// chat.postMessage takes.
const maxUpdated = 4000

// message finds the message that a call is about. The channel is an ID, never
// a name nor the ID of a user, which only chat.postMessage takes.
func (s *Server) message(c *call) (*Channel, *Message, *refusal) {
	ch, no := c.channel()
	if no != nil {
		return nil, nil, no
	}
	m := s.find(ch.ID, c.args["ts"])
	if m == nil || m.Subtype == tombstone {
		return nil, nil, refuse("message_not_found")
	}
	return ch, m, nil
}

func (s *store) find(channel, ts string) *Message {
	for _, m := range s.messages[channel] {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// own reports whether the bot has posted a message by itself. What came by a
// webhook is of the same app, and can't be changed nevertheless, nor can a
// notice about the bot.
func (c *call) own(m *Message) bool {
	return m.User == c.token.BotUser && m.Via == "api"
}

func (s *Server) updateMessage(c *call) (answer, *refusal) {
	ch, m, no := s.message(c)
	switch {
	case no != nil:
		return nil, no
	case ch.Archived:
		return nil, refuse("is_inactive")
	case !c.own(m):
		return nil, refuse("cant_update_message")
	case m.Closed:
		return nil, refuse("edit_window_closed")
	}
	changed := *m
	if no := changed.change(c.args); no != nil {
		return nil, no
	}
	now := s.now()
	changed.Edits, changed.ChangedAt = changed.Edits+1, &now
	if c.args.has("text") || c.args.has("markdown_text") {
		changed.Edited = &Edit{User: c.token.BotUser, TS: s.timestamp(now)}
	}
	changed.edited(m)
	*m = changed
	s.notify()
	return answer{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": s.object(m, false)}, nil
}

// change takes over what an update brings. What it does not name stays, but
// for the blocks, which a text alone removes
// (docs.slack.dev/reference/methods/chat.update).
func (m *Message) change(a args) *refusal {
	text, markdown := a["text"], a["markdown_text"]
	switch {
	case markdown != "" && (text != "" || a.has("blocks")):
		return refuse("markdown_text_conflict")
	case utf8.RuneCountInString(text) > maxUpdated, utf8.RuneCountInString(markdown) > 12000:
		return refuse("msg_too_long")
	}
	if no := m.broadcast(a); no != nil {
		return no
	}
	if !a.has("text") && !a.has("markdown_text") && !a.has("blocks") && !a.has("attachments") {
		if a.has("metadata") || a.has("reply_broadcast") {
			return m.changeMetadata(a["metadata"])
		}
		return refuse("no_text")
	}
	old := m.Blocks
	if text != "" || markdown != "" {
		m.Text, m.Markdown, m.Blocks = text, markdown, nil
	}
	if a.has("blocks") {
		m.Markdown, m.Blocks = "", nil
	}
	if a.has("attachments") {
		m.Attachments = nil
	}
	if no := m.parts(a["blocks"], a["attachments"]); no != nil {
		return no
	}
	if richText(old) && m.Blocks != nil && !richText(m.Blocks) {
		return refuse("block_mismatch")
	}
	if m.Text == "" && m.Markdown == "" && m.Blocks == nil && m.Attachments == nil {
		return refuse("no_text")
	}
	return m.changeMetadata(a["metadata"])
}

// broadcast shows an old reply in the channel, which can't be done while it
// is edited.
func (m *Message) broadcast(a args) *refusal {
	if !a.isTrue("reply_broadcast") || m.Broadcast {
		return nil
	}
	switch {
	case m.ThreadTS == "":
		return refuse("cant_broadcast_message")
	case a.has("text"), a.has("markdown_text"), a.has("blocks"), a.has("attachments"):
		return refuse("no_dual_broadcast_content_update")
	}
	m.Broadcast = true
	return nil
}

func (m *Message) changeMetadata(raw string) *refusal {
	var fields map[string]json.RawMessage
	if raw != "" && json.Unmarshal([]byte(raw), &fields) == nil && len(fields) == 0 {
		m.Metadata = nil
		return nil
	}
	return m.meta(raw)
}

func richText(blocks json.RawMessage) bool {
	var list []block
	return json.Unmarshal(blocks, &list) == nil && slices.ContainsFunc(list, func(b block) bool { return b.Type == "rich_text" })
}

func (s *Server) deleteMessage(c *call) (answer, *refusal) {
	ch, m, no := s.message(c)
	switch {
	case no != nil:
		return nil, no
	case !c.own(m):
		return nil, refuse("cant_delete_message")
	}
	s.remove(m, c.token.BotUser)
	s.notify()
	return answer{"channel": ch.ID, "ts": m.TS}, nil
}

// tombstone is what stays of a message that has replies.
const tombstone = "tombstone"

// remove deletes a message, and keeps it among the deleted ones. The last
// reply takes along the tombstone above it.
func (s *store) remove(m *Message, by string) {
	gone := *m
	gone.DeletedBy = by
	s.deleted = append(s.deleted, &gone)
	if s.replies(m) > 0 {
		*m = Message{
			TS: m.TS, Team: m.Team, Channel: m.Channel, User: "USLACKBOT", AppName: "Slackbot",
			Text: "This message was deleted.", Subtype: tombstone, Via: "notice", ReceivedAt: m.ReceivedAt,
		}
		return
	}
	s.drop(m)
	if parent := s.find(m.Channel, m.ThreadTS); parent != nil && parent.Subtype == tombstone && s.replies(parent) == 0 {
		s.drop(parent)
	}
}

func (s *store) drop(m *Message) {
	s.messages[m.Channel] = slices.DeleteFunc(s.messages[m.Channel], func(one *Message) bool { return one == m })
}

// thread that a reply goes to: none when the parent is gone. Below another
// reply it is found by nobody who looks at the parent.
func (s *store) thread(channel, ts string) string {
	if parent := s.find(channel, ts); parent == nil || parent.Subtype == tombstone {
		return ""
	}
	return ts
}

// replies in the thread below a message.
func (s *store) replies(m *Message) int {
	n := 0
	for _, one := range s.messages[m.Channel] {
		if one.ThreadTS == m.TS && one != m {
			n++
		}
	}
	return n
}

// object is a message as Slack hands it out; the payload of its metadata only
// on request. One with a name of its own is of no user, and so is what came by
// a webhook (docs.slack.dev/reference/events/message/bot_message).
func (s *store) object(m *Message, withMetadata bool) answer {
	out := answer{"type": "message", "text": m.Text, "ts": m.TS, "team": m.Team}
	user, subtype := m.User, m.Subtype
	if m.Via == "webhook" || m.Via == "api" && m.Username != "" {
		user, subtype = "", "bot_message"
	}
	for name, value := range map[string]string{
		"user": user, "bot_id": m.BotID, "username": m.Username, "thread_ts": m.ThreadTS, "subtype": subtype,
	} {
		if value != "" {
			out[name] = value
		}
	}
	for name, raw := range map[string]json.RawMessage{"blocks": m.Blocks, "attachments": m.Attachments} {
		if raw != nil {
			out[name] = raw
		}
	}
	if m.Edited != nil {
		out["edited"] = m.Edited
	}
	if n := s.replies(m); n > 0 {
		out["thread_ts"], out["reply_count"] = m.TS, n
	}
	var meta map[string]json.RawMessage
	if m.Metadata != nil && json.Unmarshal(m.Metadata, &meta) == nil {
		if !withMetadata {
			delete(meta, "event_payload")
		}
		out["metadata"] = meta
	}
	return out
}
