package webapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

func TestPost(t *testing.T) {
	var got map[string]any
	client, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		got = asJSON(t, r)
		fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1700000000.000100","message":{"text":"x","thread_ts":"1690000000.000001"},"warning":"message_truncated"}`)
	})
	posted, err := client.Post(t.Context(), "C1", slack.Message{
		Text: "a <b> & c", Blocks: []json.RawMessage{[]byte(`{"type":"new_type","keep":[1]}`)}, Attachments: []json.RawMessage{[]byte(`{"color":"#fff"}`)},
		Username: "ua-bot", IconURL: "https://e.com/i.png", ThreadTS: "1690000000.000001", Broadcast: true,
		Metadata: &slack.Metadata{EventType: "slack_notification", Payload: map[string]string{"notification": "u"}},
	})
	if err != nil || posted.Conversation != "C1" || posted.Timestamp != "1700000000.000100" || posted.ThreadTS != "1690000000.000001" {
		t.Errorf("%+v, %v", posted, err)
	}
	want := map[string]any{
		"channel": "C1", "text": "a <b> & c", "username": "ua-bot", "icon_url": "https://e.com/i.png", "thread_ts": "1690000000.000001", "reply_broadcast": true,
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
		client, _ := newClient(t, body(`{"ok":true,"channel":"C1","ts":"1700000000.000100","message":`+message+`}`))
		if posted, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"}); err != nil || posted.Timestamp != "1700000000.000100" {
			t.Errorf("%s: %+v, %v", message, posted, err)
		}
	}
}

// Slack's answer shows the message, and with it whether it is in the thread. One without
// a message says nothing of that.
func TestPostIntoAThread(t *testing.T) {
	const thread = "1690000000.000001"
	for name, row := range map[string]struct{ answer, want string }{
		"in the thread":      {`"message":{"ts":"1700000000.000100","thread_ts":"` + thread + `"}`, thread},
		"outside of it":      {`"message":{"ts":"1700000000.000100","text":"x"}`, ""},
		"no message":         {`"channel":"C1"`, thread},
		"an empty message":   {`"message":{}`, thread},
		"a message of a bot": {`"message":"x"`, thread},
	} {
		client, _ := newClient(t, body(`{"ok":true,"ts":"1700000000.000100",`+row.answer+`}`))
		if posted, err := client.Post(t.Context(), "C1", slack.Message{Text: "x", ThreadTS: thread}); err != nil || posted.ThreadTS != row.want {
			t.Errorf("%s: %+v, %v; want the thread %q", name, posted, err, row.want)
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
		fmt.Fprint(w, `{"ok":true,"ts":"1700000000.000100"}`)
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

// An answer decides what is edited and deleted later, so it is believed only as
// far as it is about what was asked.
func TestPostBelievesNoOtherConversation(t *testing.T) {
	const ts = "1700000000.000100"
	for _, c := range []struct{ name, asked, channel, ts, want string }{
		{"the channel", "C1", "C1", ts, "C1"},
		{"a private channel", "G1", "G1", ts, "G1"},
		{"a direct message", "D1", "D1", ts, "D1"},
		{"a channel that is not named", "C1", "", ts, "C1"},
		{"a user", "U1", "D1", ts, "D1"},
		{"a user of an organisation", "W1", "D1", ts, "D1"},
		{"a channel by name", "#alerts", "C1", ts, "C1"},
		{"another channel", "C1", "C2", ts, ""},
		{"a direct message for a channel", "C1", "D1", ts, ""},
		{"another direct message", "D1", "D2", ts, ""},
		{"a channel for a user", "U1", "C1", ts, ""},
		{"the user itself", "U1", "U1", ts, ""},
		{"a user that is not named", "U1", "", ts, ""},
		{"a direct message for a name", "alerts", "D1", ts, ""},
		{"what is no ID", "#alerts", "C1 <!channel>", ts, ""},
		{"a timestamp with more", "C1", "C1", ts + " <!channel>", ""},
		{"a timestamp that is too short", "C1", "C1", "1.1", ""},
		{"a timestamp that is too long", "C1", "C1", "1700000000000.000100", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, seen := newClient(t, body(fmt.Sprintf(`{"ok":true,"channel":%q,"ts":%q}`, c.channel, c.ts)))
			posted, err := client.Post(t.Context(), c.asked, slack.Message{Text: "x"})
			switch {
			case c.want != "":
				if err != nil || posted.Conversation != c.want || posted.Timestamp != c.ts {
					t.Errorf("%+v, %v; want a receipt for %s", posted, err, c.want)
				}
			case err == nil || slack.ClassOf(err) != slack.ClassAmbiguous || posted != (slack.Posted{}):
				t.Errorf("%+v, %v; want an answer that tells nothing", posted, err)
			case strings.Contains(err.Error(), "<!channel>") || (*seen)[0] != "chat.postMessage no_answer":
				t.Errorf("%v, observed %v; want nothing of the answer in it", err, *seen)
			}
		})
	}
}

func TestUpdateAndDeleteBelieveNoOtherMessage(t *testing.T) {
	const ts = "1700000000.000100"
	for _, c := range []struct {
		name, answer string
		ok           bool
	}{
		{"the message", `{"ok":true,"channel":"C1","ts":"` + ts + `"}`, true},
		{"none named", `{"ok":true}`, true},
		{"another channel", `{"ok":true,"channel":"C2","ts":"` + ts + `"}`, false},
		{"another message", `{"ok":true,"channel":"C1","ts":"1700000000.000200"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := newClient(t, body(c.answer))
			for method, err := range map[string]error{
				slack.MethodUpdate: client.Update(t.Context(), "C1", ts, slack.Message{Text: "x"}),
				slack.MethodDelete: client.Delete(t.Context(), "C1", ts),
			} {
				if (err == nil) != c.ok || err != nil && slack.ClassOf(err) != slack.ClassAmbiguous {
					t.Errorf("%s: %v, want success %v", method, err, c.ok)
				}
			}
		})
	}
}

func FuzzDecodePost(f *testing.F) {
	f.Add(`{"ok":true,"ts":"1.1","message":{"thread_ts":1}}`)
	f.Add(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["x"]}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, answer string) {
		var out receipt
		e := decode(slack.MethodPostMessage, &egress.Answer{Body: []byte(answer)}, &out)
		if e == nil && !strings.Contains(strings.ToLower(answer), "ok") {
			t.Errorf("%q passes for a success", answer)
		}
		if e != nil && (e.Error() == "" || e.Code != "" && !plainCode.MatchString(e.Code) || len(e.Error()) > 10_000) {
			t.Errorf("error %+v", e)
		}
		if e == nil && out.ofPost("C1") == nil && (!timestamp.MatchString(out.TS) || out.Channel != "" && out.Channel != "C1") {
			t.Errorf("%q passes for the receipt of a message to C1", answer)
		}
	})
}

// Slack takes many a message without the mention of a whole channel.
func TestRestrictedActionNamesTheBroadcast(t *testing.T) {
	for name, c := range map[string]struct {
		message slack.Message
		says    string
	}{
		"in the text":       {slack.Message{Text: "<!channel> db down"}, "take @channel out of the message"},
		"with a label":      {slack.Message{Text: "<!here|here> db down"}, "take @here out of the message"},
		"in a block":        {slack.Message{Text: "x", Blocks: []json.RawMessage{json.RawMessage(`{"text":"\u003c!everyone> x"}`)}}, "take @everyone out"},
		"in an attachment":  {slack.Message{Attachments: []json.RawMessage{json.RawMessage(`{"text":"<!channel>"}`)}}, "take @channel out"},
		"as an element":     {slack.Message{Blocks: []json.RawMessage{json.RawMessage(`{"type": "broadcast", "range": "here"}`)}}, "take a mention of everybody out"},
		"without a mention": {slack.Message{Text: "db down"}, "ask an administrator of the workspace to allow it to the app"},
		"escaped":           {slack.Message{Text: "&lt;!channel&gt; db down"}, "ask an administrator of the workspace to allow it to the app"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClient(t, body(`{"ok":false,"error":"restricted_action"}`))
			_, err := client.Post(t.Context(), "C1", c.message)
			if e := slack.AsError(err); e.Class != slack.ClassPostingRestricted || !strings.Contains(e.Advice(), c.says) {
				t.Errorf("%v; advice %q, want %q", e, e.Advice(), c.says)
			}
		})
	}
}
