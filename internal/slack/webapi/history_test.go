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

// P1: one odd message of another app spoils nothing but itself.
func TestP01HistoryWithOddMessages(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"has_more":false,"messages":[
		{"ts":"9.000009","blocks":[{"type":"actions","elements":[{"type":"hologram"}]}],"attachments":[{"ts":"noon","fields":[{"short":"true","value":1}]}]},
		{"ts":"8.000008","metadata":[]},
		{"ts":"7.000007","metadata":{"event_type":"other","event_payload":[1,2]}},
		{"ts":"6.000006","metadata":{"event_type":"other","event_payload":{"deep":{"er":1}}}},
		{"ts":"5.000005","thread_ts":5,"bot_id":{"id":"B1"},"user":["U1"],"metadata":"x"},
		{"ts":"4.000004","thread_ts":"no","bot_id":"<!channel>","user":"B1"},
		{"ts":5},
		{"ts":"soon"},
		{"ts":"1.000001 "},
		"what",
		null,
		[],
		{"ts":"1.000001","thread_ts":"0.000009","bot_id":"B1","user":"U1","metadata":{"event_type":"slack_notification","event_payload":{"notification":"u","recipient":"r","content":"c"}}}
	]}`))
	messages, next, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1"})
	if err != nil || next != "" || len(messages) != 7 {
		t.Fatalf("%+v, %q, %v; want the seven that have a timestamp", messages, next, err)
	}
	last := messages[len(messages)-1]
	if last.Timestamp != "1.000001" || last.ThreadTS != "0.000009" || last.BotID != "B1" || last.UserID != "U1" ||
		last.Metadata == nil || last.Metadata.Payload["notification"] != "u" {
		t.Errorf("%+v, want ours as it was written", last)
	}
	for _, m := range messages[:len(messages)-1] {
		if m.Metadata != nil && m.Metadata.EventType == "slack_notification" || m.BotID != "" || m.UserID != "" || m.ThreadTS != "" {
			t.Errorf("%+v, want nothing but the timestamp of an odd message", m)
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

// One message is asked for by its timestamp, and whatever else comes is left
// out: a thread's first page begins with the parent.
func TestHistoryOfExactlyOneMessage(t *testing.T) {
	const parent, reply = "1700000000.000100", "1700000001.000200"
	for _, c := range []struct {
		name        string
		q           slack.HistoryQuery
		path, limit string
		answer      string
		want        string
		next        string
	}{
		{"found", slack.HistoryQuery{Exactly: parent}, "/api/conversations.history", "200", `"has_more":true,"messages":[{"ts":"` + parent + `"}],"response_metadata":{"next_cursor":"n"}`, parent, ""},
		{"gone", slack.HistoryQuery{Exactly: parent}, "/api/conversations.history", "200", `"messages":[]`, "", ""},
		{"another one", slack.HistoryQuery{Exactly: parent}, "/api/conversations.history", "200", `"messages":[{"ts":"` + reply + `"}]`, "", ""},
		{"a reply", slack.HistoryQuery{Exactly: reply, ThreadTS: parent}, "/api/conversations.replies", "200", `"messages":[{"ts":"` + parent + `"},{"ts":"` + reply + `"}]`, reply, ""},
		{"a reply on a later page", slack.HistoryQuery{Exactly: reply, ThreadTS: parent}, "/api/conversations.replies", "200",
			`"has_more":true,"messages":[{"ts":"` + parent + `"}],"response_metadata":{"next_cursor":"n"}`, "", "n"},
		{"the parent of a thread", slack.HistoryQuery{Exactly: parent, ThreadTS: parent}, "/api/conversations.replies", "200", `"messages":[{"ts":"` + parent + `"}]`, parent, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != c.path || r.FormValue("latest") != c.q.Exactly || r.FormValue("oldest") != c.q.Exactly ||
					r.FormValue("inclusive") != "true" || r.FormValue("limit") != c.limit || r.FormValue("ts") != c.q.ThreadTS {
					t.Errorf("%s was asked %v", r.URL.Path, r.Form)
				}
				fmt.Fprint(w, `{"ok":true,`+c.answer+`}`)
			})
			c.q.Conversation = "C1"
			messages, next, err := client.History(t.Context(), c.q)
			if err != nil || next != c.next || len(messages) > 1 || (len(messages) == 1) != (c.want != "") || len(messages) == 1 && messages[0].Timestamp != c.want {
				t.Errorf("%+v, %q, %v; want %q, then %q", messages, next, err, c.want, c.next)
			}
		})
	}
}

// Servers in Go write an empty list as null.
func TestHistoryOfNothing(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"messages":null,"has_more":false}`))
	if messages, next, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1"}); err != nil || len(messages) > 0 || next != "" {
		t.Errorf("%v, %q, %v; want a whole page without messages", messages, next, err)
	}
}

// What can't be a whole page proves no absence.
func TestHistoryThatBreaksOffIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"more, but not where":    `{"ok":true,"messages":[],"has_more":true}`,
		"no list":                `{"ok":true}`,
		"null, and no end":       `{"ok":true,"messages":null}`,
		"null, and more":         `{"ok":true,"messages":null,"has_more":true,"response_metadata":{"next_cursor":"n"}}`,
		"a list of another type": `{"ok":true,"messages":{"0":{"ts":"1.000001"}}}`,
		"a cursor without end":   `{"ok":true,"messages":[],"response_metadata":{"next_cursor":"` + strings.Repeat("x", 5000) + `"}}`,
		"a page without end":     `{"ok":true,"messages":[{}` + strings.Repeat(",{}", maxElements) + `]}`,
	} {
		client, _ := newClient(t, body(answer))
		if messages, _, err := client.History(t.Context(), slack.HistoryQuery{Conversation: "C1"}); slack.ClassOf(err) != slack.ClassAmbiguous || err == nil {
			t.Errorf("%s: %d messages, %v; want an answer that tells nothing", name, len(messages), err)
		}
	}
}

func FuzzDecodeHistory(f *testing.F) {
	f.Add(`{"messages":[{"ts":"1.000001","bot_id":"B1","metadata":{"event_type":"a","event_payload":{"b":"c"}}},{"ts":2},null,"x"]}`)
	f.Add(`{"messages":[{"ts":"1.000001"`)
	f.Fuzz(func(t *testing.T, page string) {
		_ = elements([]byte(page), "messages", func(raw json.RawMessage) {
			m, ok := decodeMessage(raw)
			if ok && (!timestamp.MatchString(m.Timestamp) || m.Metadata != nil && m.Metadata.EventType == "" ||
				m.BotID != "" && !botID.MatchString(m.BotID) || m.UserID != "" && !userID.MatchString(m.UserID)) {
				t.Errorf("%+v", m)
			}
		})
	})
}
