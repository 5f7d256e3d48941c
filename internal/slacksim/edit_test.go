package slacksim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get decodes what one of the simulation's own pages tells.
func (s *slackAt) get(path string, out any) {
	s.t.Helper()
	resp, err := http.Get(s.url + "/_sim/" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		s.t.Fatal(path, err)
	}
}

// post sends a message and moves the clock, so that the next may follow.
func (s *slackAt) post(channel, fields string) string {
	s.t.Helper()
	r := s.json("chat.postMessage", `{"channel":"`+channel+`",`+fields+`}`)
	if !r.ok() {
		s.t.Fatal(r.body)
	}
	s.pass(2 * time.Second)
	return r.text("ts")
}

func (s *slackAt) update(channel, ts, fields string) reply {
	s.t.Helper()
	return s.json("chat.update", `{"channel":"`+channel+`","ts":"`+ts+`",`+fields+`}`)
}

func (s *slackAt) stored(channel, ts string) Message {
	s.t.Helper()
	var list []Message
	s.get("messages?channel="+channel, &list)
	for _, m := range list {
		if m.TS == ts {
			return m
		}
	}
	return Message{}
}

const (
	general  = "C0GENERAL"
	divider  = `[{"type":"divider"}]`
	header   = `[{"type":"header","text":{"type":"plain_text","text":"h"}}]`
	whole    = `"text":"old","blocks":` + divider + `,"attachments":[{"text":"a"}],"metadata":{"event_type":"e","event_payload":{"k":"v"}},"username":"ua-bot","icon_emoji":":robot_face:"`
	richBody = `[{"type":"rich_text","elements":[]}]`
)

// What an update names is replaced, what it leaves out stays, and a text takes
// the blocks away.
func TestUpdateReplacesWhatItNames(t *testing.T) {
	for name, c := range map[string]struct {
		fields, text, markdown, blocks, attachments string
		metadata, edited                            bool
	}{
		"only a text":          {`"text":"new"`, "new", "", "", `[{"text":"a"}]`, true, true},
		"only blocks":          {`"blocks":` + header, "old", "", header, `[{"text":"a"}]`, true, false},
		"both":                 {`"text":"new","blocks":` + header, "new", "", header, `[{"text":"a"}]`, true, true},
		"no blocks":            {`"blocks":[]`, "old", "", "", `[{"text":"a"}]`, true, false},
		"only attachments":     {`"attachments":[{"text":"b"}]`, "old", "", divider, `[{"text":"b"}]`, true, false},
		"no attachments":       {`"text":"new","attachments":[]`, "new", "", "", "", true, true},
		"no metadata":          {`"text":"new","metadata":{}`, "new", "", "", `[{"text":"a"}]`, false, true},
		"only metadata":        {`"metadata":{}`, "old", "", divider, `[{"text":"a"}]`, false, false},
		"Markdown":             {`"markdown_text":"**new**"`, "", "**new**", "", `[{"text":"a"}]`, true, true},
		"null is as left out":  {`"text":"new","blocks":null,"attachments":null`, "new", "", "", `[{"text":"a"}]`, true, true},
		"no name of its own":   {`"text":"new","username":"other","icon_emoji":":x:"`, "new", "", "", `[{"text":"a"}]`, true, true},
		"the longest possible": {`"text":"` + strings.Repeat("ü", 4000) + `"`, strings.Repeat("ü", 4000), "", "", `[{"text":"a"}]`, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			ts := s.post(general, whole)
			r := s.update(general, ts, c.fields)
			if !r.ok() || r.text("ts") != ts || r.text("channel") != general || r.text("text") != c.text {
				t.Fatal(r.body)
			}
			m := s.stored(general, ts)
			if m.Text != c.text || m.Markdown != c.markdown || string(m.Blocks) != c.blocks || string(m.Attachments) != c.attachments {
				t.Errorf("%+v", m)
			}
			if (m.Metadata != nil) != c.metadata || (m.Edited != nil) != c.edited || m.Edits != 1 {
				t.Errorf("metadata %s, edited %+v, edits %d", m.Metadata, m.Edited, m.Edits)
			}
			if m.Username != "ua-bot" || m.IconEmoji != ":robot_face:" {
				t.Errorf("who it is from has changed: %+v", m)
			}
			if m.Edited != nil && (m.Edited.User != DemoBotUser || m.Edited.TS <= ts) {
				t.Errorf("%+v", m.Edited)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	s := start(t)
	ts, rich := s.post(general, `"text":"old"`), s.post(general, `"blocks":`+richBody)
	onlyMarkdown := s.post(general, `"markdown_text":"old"`)
	user := s.json("chat.postMessage", `{"channel":"U0YUEH000","text":"x"}`)
	dm, dmTS := user.text("channel"), user.text("ts")
	s.send(DemoWebhookPath, "application/json", "", `{"text":"by webhook"}`)
	s.pass(2 * time.Second)
	notice := s.form("conversations.setTopic", "channel", general, "topic", "x")
	if !notice.ok() {
		t.Fatal(notice.body)
	}
	var list []Message
	s.get("messages?channel=C0DEPLOYS", &list)
	byWebhook := list[0].TS
	s.get("messages?channel="+general, &list)
	noticed := list[len(list)-1]
	if noticed.Subtype != "channel_topic" {
		t.Fatalf("%+v", noticed)
	}
	closed := s.post(general, `"text":"closed"`)
	s.sim("close", map[string]string{"channel": general, "ts": closed})
	tooLong := strings.Repeat("x", 4001)
	for name, c := range map[string]struct{ channel, ts, fields, code string }{
		"no such message":       {general, "1.000000", `"text":"x"`, "message_not_found"},
		"another channel":       {"C0ALERTS0", ts, `"text":"x"`, "message_not_found"},
		"channel by its name":   {"general", ts, `"text":"x"`, "channel_not_found"},
		"channel with a sign":   {"#general", ts, `"text":"x"`, "channel_not_found"},
		"a user for the DM":     {"U0YUEH000", dmTS, `"text":"x"`, "channel_not_found"},
		"a channel not seen":    {"C0SECRET0", ts, `"text":"x"`, "channel_not_found"},
		"by a webhook":          {"C0DEPLOYS", byWebhook, `"text":"x"`, "cant_update_message"},
		"a notice":              {general, noticed.TS, `"text":"x"`, "cant_update_message"},
		"closed":                {general, closed, `"text":"x"`, "edit_window_closed"},
		"too long":              {general, ts, `"text":"` + tooLong + `"`, "msg_too_long"},
		"too much Markdown":     {general, ts, `"markdown_text":"` + strings.Repeat("x", 12001) + `"`, "msg_too_long"},
		"Markdown and text":     {general, ts, `"markdown_text":"x","text":"y"`, "markdown_text_conflict"},
		"Markdown and blocks":   {general, ts, `"markdown_text":"x","blocks":` + divider, "markdown_text_conflict"},
		"Markdown and none":     {general, ts, `"markdown_text":"x","blocks":[]`, "markdown_text_conflict"},
		"nothing":               {general, ts, `"link_names":"0"`, "no_text"},
		"nothing stays":         {general, onlyMarkdown, `"blocks":[]`, "no_text"},
		"unknown block":         {general, ts, `"blocks":[{"type":"hologram"}]`, "invalid_blocks"},
		"blocks no list":        {general, ts, `"blocks":{}`, "invalid_blocks_format"},
		"rich text to plain":    {general, rich, `"blocks":` + divider, "block_mismatch"},
		"attachments":           {general, ts, `"attachments":{}`, "invalid_attachments"},
		"metadata":              {general, ts, `"text":"x","metadata":{"event_type":"a b","event_payload":{}}`, "invalid_metadata_schema"},
		"broadcast of no reply": {general, ts, `"reply_broadcast":true`, "cant_broadcast_message"},
	} {
		if r := s.update(c.channel, c.ts, c.fields); r.text("error") != c.code {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if m := s.stored(general, ts); m.Text != "old" || m.Edits != 0 {
		t.Errorf("a refusal has changed the message: %+v", m)
	}
	if r := s.form("chat.update", "channel", dm, "ts", dmTS, "text", "new"); !r.ok() || s.stored(dm, dmTS).Text != "new" {
		t.Errorf("by form, in a direct message: %s", r.body)
	}
	s.sim("channels", map[string]any{"id": general, "is_archived": true})
	if r := s.update(general, ts, `"text":"x"`); r.text("error") != "is_inactive" {
		t.Errorf("in an archived channel: %s", r.body)
	}
}

func TestOthersMessages(t *testing.T) {
	s := start(t)
	s.sim("users", User{ID: "U0SECOND0", Name: "second", Bot: true})
	s.sim("tokens", map[string]any{"token": "xoxb-second", "bot_user": "U0SECOND0"})
	s.sim("tokens", map[string]any{"token": "xoxb-mute", "scopes": []string{"channels:read"}})
	ts := s.post(general, `"text":"mine"`)
	for method, code := range map[string]string{"chat.update": "cant_update_message", "chat.delete": "cant_delete_message"} {
		if r := s.form(method, "channel", general, "ts", ts, "text", "x", "token", "xoxb-second"); r.text("error") != code {
			t.Errorf("%s: %s", method, r.body)
		}
		if r := s.form(method, "channel", general, "ts", ts, "text", "x", "token", "xoxb-mute"); r.text("needed") != "chat:write" {
			t.Errorf("%s: %s", method, r.body)
		}
	}
}

func TestDelete(t *testing.T) {
	s := start(t)
	ts := s.post(general, `"text":"x"`)
	s.send(DemoWebhookPath, "application/json", "", `{"text":"by webhook"}`)
	var list []Message
	s.get("messages?channel=C0DEPLOYS", &list)
	for name, c := range map[string]struct{ channel, ts, code string }{
		"no such message": {general, "1.000000", "message_not_found"},
		"a name":          {"#general", ts, "channel_not_found"},
		"a user":          {"U0YUEH000", ts, "channel_not_found"},
		"by a webhook":    {"C0DEPLOYS", list[0].TS, "cant_delete_message"},
	} {
		if r := s.form("chat.delete", "channel", c.channel, "ts", c.ts); r.text("error") != c.code {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if r := s.json("chat.delete", `{"channel":"C0GENERAL","ts":"`+ts+`"}`); !r.ok() || r.text("ts") != ts {
		t.Error(r.body)
	}
	for _, method := range []string{"chat.delete", "chat.update"} {
		if r := s.form(method, "channel", general, "ts", ts, "text", "x"); r.text("error") != "message_not_found" {
			t.Errorf("%s of what is gone: %s", method, r.body)
		}
	}
	if r := s.form("chat.getPermalink", "channel", general, "message_ts", ts); r.text("error") != "message_not_found" {
		t.Error(r.body)
	}
	byPerson := s.post(general, `"text":"y"`)
	s.sim("delete", map[string]string{"channel": general, "ts": byPerson})
	var gone []Message
	s.get("deleted?channel="+general, &gone)
	if len(gone) != 2 || gone[0].TS != ts || gone[0].DeletedBy != DemoBotUser || gone[1].Text != "y" || gone[1].DeletedBy != "person" {
		t.Errorf("%+v", gone)
	}
	if s.get("deleted?channel=C0ALERTS0", &gone); len(gone) != 0 {
		t.Errorf("of another channel: %+v", gone)
	}
}

func TestThreads(t *testing.T) {
	s := start(t)
	parent := s.post(general, `"text":"parent"`)
	r := s.form("chat.postMessage", "channel", general, "text", "reply", "thread_ts", parent)
	if m, _ := r.fields["message"].(map[string]any); m["thread_ts"] != parent {
		t.Fatalf("the answer does not name the thread: %s", r.body)
	}
	reply := r.text("ts")
	s.pass(2 * time.Second)
	if r := s.update(general, reply, `"text":"x","reply_broadcast":true`); r.text("error") != "no_dual_broadcast_content_update" {
		t.Error(r.body)
	}
	if r := s.update(general, reply, `"text":"changed"`); !r.ok() || s.stored(general, reply).ThreadTS != parent {
		t.Errorf("an update takes a reply out of its thread: %s", r.body)
	}
	lost := s.post(general, `"text":"below a reply","thread_ts":"`+reply+`"`)
	if r := s.form("conversations.replies", "channel", general, "ts", parent); strings.Contains(r.body, lost) || !strings.Contains(r.body, reply) {
		t.Errorf("a reply to a reply is not seen in the thread: %s", r.body)
	}
	if r := s.update(general, reply, `"reply_broadcast":true`); !r.ok() || !s.stored(general, reply).Broadcast {
		t.Error(r.body)
	}
	if r := s.form("conversations.replies", "channel", general, "ts", "1.000000"); r.text("error") != "thread_not_found" {
		t.Error(r.body)
	}
}

// A parent with replies leaves a tombstone, below which nothing is posted any
// more, and which goes with the last reply.
func TestDeletedParent(t *testing.T) {
	s := start(t)
	parent := s.post(general, `"text":"parent"`)
	reply := s.post(general, `"text":"reply","thread_ts":"`+parent+`"`)
	if r := s.form("chat.delete", "channel", general, "ts", parent); !r.ok() {
		t.Fatal(r.body)
	}
	if m := s.stored(general, parent); m.Subtype != "tombstone" || strings.Contains(fmt.Sprint(m), "parent") {
		t.Errorf("%+v", m)
	}
	r := s.form("chat.postMessage", "channel", general, "text", "late", "thread_ts", parent, "reply_broadcast", "true")
	if m, _ := r.fields["message"].(map[string]any); !r.ok() || m["thread_ts"] != nil || s.stored(general, r.text("ts")).Broadcast {
		t.Errorf("a reply to a deleted parent is posted outside of a thread: %s", r.body)
	}
	for _, method := range []string{"chat.update", "chat.delete"} {
		if r := s.form(method, "channel", general, "ts", parent, "text", "x"); r.text("error") != "message_not_found" {
			t.Errorf("%s: %s", method, r.body)
		}
	}
	if r := s.form("conversations.replies", "channel", general, "ts", parent); !strings.Contains(r.body, reply) {
		t.Errorf("the other replies stay: %s", r.body)
	}
	if r := s.form("chat.delete", "channel", general, "ts", reply); !r.ok() || s.stored(general, parent).TS != "" {
		t.Errorf("the tombstone has outlived the thread: %s", r.body)
	}
}

// A change that was made may be answered by anything, and by nothing.
func TestFaultsAfterAChange(t *testing.T) {
	s := start(t)
	ts := s.post(general, `"text":"old"`)
	for i, f := range []Fault{
		{Kind: "close_after"}, {Kind: "http_after", Status: 502}, {Kind: "garbage_after"}, {Kind: "no_ts"},
	} {
		f.Method, f.Channel, f.Team = "chat.update", general, DemoTeam
		s.sim("faults", f)
		text := fmt.Sprint("edit ", i)
		if r := s.update(general, ts, `"text":"`+text+`"`); r.ok() && r.text("ts") != "" {
			t.Errorf("%s: %s", f.Kind, r.body)
		}
		if m := s.stored(general, ts); m.Text != text || m.Edits != i+1 {
			t.Errorf("%s: %+v", f.Kind, m)
		}
	}
	s.sim("faults", Fault{Method: "chat.update", Channel: "C0ALERTS0", Kind: "http", Status: 500})
	s.sim("faults", Fault{Method: "chat.update", Team: "T0OTHER00", Kind: "http", Status: 500})
	if r := s.update(general, ts, `"text":"x"`); !r.ok() {
		t.Errorf("a fault of another channel or team: %s", r.body)
	}
	s.sim("faults", Fault{Method: "chat.delete", Channel: general, Kind: "http", Status: 500})
	if r := s.form("chat.delete", "channel", general, "ts", ts); r.status != 500 || s.stored(general, ts).TS == "" {
		t.Errorf("before it is made: %d %s", r.status, r.body)
	}
	s.sim("faults", Fault{Method: "chat.delete", Channel: general, Kind: "http_after", Status: 500})
	if r := s.form("chat.delete", "channel", general, "ts", ts); r.status != 500 || s.stored(general, ts).TS != "" {
		t.Errorf("after it was made: %d %s", r.status, r.body)
	}
}
