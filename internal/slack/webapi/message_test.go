package webapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func TestPost(t *testing.T) {
	var got map[string]any
	client, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		got = asJSON(t, r)
		fmt.Fprint(w, `{"ok":true,"channel":"D1","ts":"1700000000.000100","message":{"text":"x","thread_ts":"1.1"},"warning":"message_truncated"}`)
	})
	posted, err := client.Post(t.Context(), "C1", slack.Message{
		Text: "a <b> & c", Blocks: []json.RawMessage{[]byte(`{"type":"new_type","keep":[1]}`)}, Attachments: []json.RawMessage{[]byte(`{"color":"#fff"}`)},
		Username: "ua-bot", IconURL: "https://e.com/i.png", ThreadTS: "1.1", Broadcast: true,
		Metadata: &slack.Metadata{EventType: "slack_notification", Payload: map[string]string{"notification": "u"}},
	})
	if err != nil || posted.Conversation != "D1" || posted.Timestamp != "1700000000.000100" || posted.ThreadTS != "1.1" || len(posted.Warnings) != 1 {
		t.Errorf("%+v, %v", posted, err)
	}
	want := map[string]any{
		"channel": "C1", "text": "a <b> & c", "username": "ua-bot", "icon_url": "https://e.com/i.png", "thread_ts": "1.1", "reply_broadcast": true,
		"unfurl_links": false, "unfurl_media": false,
		"blocks":      []any{map[string]any{"type": "new_type", "keep": []any{1.0}}},
		"attachments": []any{map[string]any{"color": "#fff"}},
		"metadata":    map[string]any{"event_type": "slack_notification", "event_payload": map[string]any{"notification": "u"}},
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
		t.Errorf("sent\n%s, want\n%s", a, b)
	}
	if len(*seen) != 1 || (*seen)[0] != "chat.postMessage ok" {
		t.Errorf("observed %v", *seen)
	}
}

// P6: an ok that names no message is no success.
func TestP06OkWithoutTimestamp(t *testing.T) {
	for _, answer := range []string{`{"ok":true}`, `{"ok":true,"ts":""}`, `{"ok":true,"channel":"C1"}`} {
		client, _ := newClient(t, body(answer))
		if posted, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"}); slack.ClassOf(err) != slack.ClassAmbiguous || err == nil {
			t.Errorf("%s: %+v, %v", answer, posted, err)
		}
	}
}

// P2: whatever Slack makes of the message, it was taken.
func TestP02OddMessageInTheAnswer(t *testing.T) {
	for _, message := range []string{
		`{"blocks":[{"type":"actions","elements":[{"type":"hologram"}]}]}`, `{"attachments":[{"ts":"noon","fields":[{"short":"true","value":1}]}]}`,
		`{"metadata":[]}`, `[]`, `"x"`, `null`, `{"thread_ts":5}`,
	} {
		client, _ := newClient(t, body(`{"ok":true,"channel":"C1","ts":"1.1","message":`+message+`}`))
		if posted, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"}); err != nil || posted.Timestamp != "1.1" {
			t.Errorf("%s: %+v, %v", message, posted, err)
		}
	}
}

// P13: each parameter is sent once, and none is sent empty.
func TestP13NothingTwice(t *testing.T) {
	client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		got := asJSON(t, r)
		for _, key := range []string{"blocks", "attachments", "metadata", "username", "icon_url", "icon_emoji", "thread_ts", "markdown_text", "as_user", "link_names", "parse"} {
			if value, there := got[key]; there {
				t.Errorf("%s is sent: %v", key, value)
			}
		}
		fmt.Fprint(w, `{"ok":true,"ts":"1.1"}`)
	})
	if _, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"}); err != nil {
		t.Error(err)
	}
}

func TestPostThatCannotBeWritten(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"ts":"1.1"}`))
	_, err := client.Post(t.Context(), "C1", slack.Message{Blocks: []json.RawMessage{[]byte(`{"type":`)}})
	if slack.ClassOf(err) != slack.ClassMessageRejected {
		t.Error(err)
	}
}

// P1: one odd message of another app spoils nothing but itself.
func TestP01HistoryWithOddMessages(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"has_more":false,"messages":[
		{"ts":"9.9","blocks":[{"type":"actions","elements":[{"type":"hologram"}]}],"attachments":[{"ts":"noon","fields":[{"short":"true","value":1}]}]},
		{"ts":"8.8","metadata":[]},
		{"ts":"7.7","metadata":{"event_type":"other","event_payload":[1,2]}},
		{"ts":"6.6","metadata":{"event_type":"other","event_payload":{"deep":{"er":1}}}},
		{"ts":5},
		"what",
		null,
		{"ts":"1.1","thread_ts":"0.9","metadata":{"event_type":"slack_notification","event_payload":{"notification":"u","recipient":"r","content":"c"}}}
	]}`))
	messages, next, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1"})
	if err != nil || next != "" {
		t.Fatal(messages, next, err)
	}
	last := messages[len(messages)-1]
	if last.Timestamp != "1.1" || last.ThreadTS != "0.9" || last.Metadata == nil || last.Metadata.Payload["notification"] != "u" {
		t.Errorf("%+v", last)
	}
	for _, m := range messages[:len(messages)-1] {
		if m.Metadata != nil && m.Metadata.EventType == "slack_notification" {
			t.Errorf("%+v passes for ours", m)
		}
	}
}

func TestHistoryAsksForMetadataFromATimeOn(t *testing.T) {
	var path string
	var form url.Values
	client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		path, form = r.URL.Path, r.Form
		fmt.Fprint(w, `{"ok":true,"messages":[],"has_more":true,"response_metadata":{"next_cursor":"n"}}`)
	})
	_, next, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1", Oldest: time.Unix(1700000000, 100000), Cursor: "c"})
	if err != nil || next != "n" || path != "/api/conversations.history" {
		t.Errorf("%s %q %v", path, next, err)
	}
	for key, want := range map[string]string{"channel": "C1", "oldest": "1700000000.000100", "cursor": "c", "include_all_metadata": "true", "limit": "200"} {
		if got := form.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if _, _, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1", ThreadTS: "1.1", Limit: 5}); err != nil || path != "/api/conversations.replies" || form.Get("ts") != "1.1" || form.Get("limit") != "5" {
		t.Errorf("%s %v %v", path, form, err)
	}
}

// A page that says that there is more, but not where, proves no absence.
func TestHistoryThatBreaksOffIsNoAnswer(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"messages":[],"has_more":true}`))
	if _, _, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1"}); slack.ClassOf(err) != slack.ClassAmbiguous || err == nil {
		t.Error(err)
	}
}

func FuzzDecodePost(f *testing.F) {
	f.Add(`{"ok":true,"ts":"1.1","message":{"thread_ts":1}}`)
	f.Add(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["x"]}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, answer string) {
		var out postAnswer
		e := decode(slack.MethodPostMessage, []byte(answer), &out)
		if e == nil && !strings.Contains(strings.ToLower(answer), "ok") {
			t.Errorf("%q passes for a success", answer)
		}
		if e != nil && (e.Error() == "" || e.Code != "" && !plainCode.MatchString(e.Code)) {
			t.Errorf("error %+v", e)
		}
	})
}

func FuzzDecodeHistory(f *testing.F) {
	f.Add(`[{"ts":"1.1","metadata":{"event_type":"a","event_payload":{"b":"c"}}},{"ts":2},null,"x"]`)
	f.Fuzz(func(t *testing.T, messages string) {
		var raw []json.RawMessage
		if json.Unmarshal([]byte(messages), &raw) != nil {
			return
		}
		for _, m := range decodeHistory(raw) {
			if m.Timestamp == "" || m.Metadata != nil && m.Metadata.EventType == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
