package slacksim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slackAt is a simulated Slack whose clock the test moves.
type slackAt struct {
	t   *testing.T
	url string
	// passed since the beginning. The server may still look at it for a request
	// whose connection it has cut.
	passed atomic.Int64
}

func (s *slackAt) now() time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(s.passed.Load()))
}

func (s *slackAt) pass(d time.Duration) { s.passed.Add(int64(d)) }

func start(t *testing.T) *slackAt {
	t.Helper()
	s := &slackAt{t: t}
	seed := DefaultSeed()
	seed.Tokens = append(seed.Tokens,
		&Token{Token: "xoxb-few", Team: DemoTeam, BotUser: DemoBotUser, Scopes: []string{"chat:write", "channels:read"}},
		&Token{Token: "xoxb-gone", Team: DemoTeam, BotUser: DemoBotUser, Error: "token_revoked"})
	srv := httptest.NewServer(New(Config{Seed: seed, Now: s.now}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

type reply struct {
	status int
	header http.Header
	body   string
	fields map[string]any
}

func (r reply) text(name string) string { v, _ := r.fields[name].(string); return v }
func (r reply) ok() bool                { return r.fields["ok"] == true }

func (s *slackAt) send(path, contentType, token, body string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{status: -1, body: err.Error()}
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	out := reply{status: resp.StatusCode, header: resp.Header, body: string(data), fields: map[string]any{}}
	_ = json.Unmarshal(data, &out.fields)
	return out
}

func (s *slackAt) form(method string, pairs ...string) reply {
	s.t.Helper()
	values := url.Values{"token": {DemoToken}}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return s.send("/api/"+method, "application/x-www-form-urlencoded", "", values.Encode())
}

func (s *slackAt) json(method, body string) reply {
	s.t.Helper()
	return s.send("/api/"+method, "application/json; charset=utf-8", DemoToken, body)
}

func (s *slackAt) sim(path string, body any) {
	s.t.Helper()
	data, _ := json.Marshal(body)
	resp, err := http.Post(s.url+"/_sim/"+path, "application/json", bytes.NewReader(data))
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatal(path, err)
	}
	resp.Body.Close()
}

func TestFormsAndJSON(t *testing.T) {
	s := start(t)
	a := s.form("chat.postMessage", "channel", "#general", "text", "by form")
	b := s.json("chat.postMessage", `{"channel":"C0ALERTS0","text":"by JSON","blocks":[{"type":"divider"}]}`)
	if !a.ok() || !b.ok() || a.text("channel") != "C0GENERAL" || a.text("ts") == "" || a.text("ts") >= b.text("ts") {
		t.Errorf("%s\n%s", a.body, b.body)
	}
	for body, code := range map[string]string{`{"channel":`: "invalid_json", `{"channel":"C0GENERAL"}`: "no_text", `{"text":"x"}`: "channel_not_found"} {
		if r := s.json("chat.postMessage", body); r.text("error") != code || r.status != http.StatusOK {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := s.send("/api/chat.postMessage", "text/plain", DemoToken, "x"); r.text("error") != "invalid_post_type" {
		t.Error(r.body)
	}
	if r := s.json("chat.sing", `{}`); r.text("error") != "unknown_method" {
		t.Error(r.body)
	}
}

func TestTokensAndScopes(t *testing.T) {
	s := start(t)
	for token, code := range map[string]string{"": "not_authed", "xoxb-wrong": "invalid_auth", "xoxb-gone": "token_revoked"} {
		if r := s.form("auth.test", "token", token); r.text("error") != code {
			t.Errorf("%q: %s", token, r.body)
		}
	}
	r := s.form("users.list", "token", "xoxb-few")
	if r.text("error") != "missing_scope" || r.text("needed") != "users:read" || r.text("provided") != "chat:write,channels:read" {
		t.Error(r.body)
	}
	if got := s.form("auth.test", "token", "xoxb-few").header.Get("X-Oauth-Scopes"); got != "chat:write,channels:read" {
		t.Errorf("scopes %q", got)
	}
	for name, pairs := range map[string][]string{
		"chat:write.customize": {"chat.postMessage", "channel", "C0GENERAL", "text", "x", "username", "me"},
		"groups:read":          {"conversations.list", "types", "public_channel,private_channel"},
	} {
		if r := s.form(pairs[0], append(pairs[1:], "token", "xoxb-few")...); r.text("needed") != name {
			t.Errorf("%v: %s", pairs, r.body)
		}
	}
	if r := s.form("chat.postMessage", "channel", "C0RANDOM0", "text", "x", "token", "xoxb-few"); r.text("error") != "not_in_channel" {
		t.Error(r.body)
	}
	if r := s.form("chat.postMessage", "channel", "C0RANDOM0", "text", "x"); !r.ok() {
		t.Errorf("with chat:write.public: %s", r.body)
	}
}

func TestPaging(t *testing.T) {
	s := start(t)
	seen, cursor := 0, ""
	for range 10 {
		r := s.form("users.list", "limit", "2", "cursor", cursor)
		members, _ := r.fields["members"].([]any)
		seen += len(members)
		meta, _ := r.fields["response_metadata"].(map[string]any)
		if cursor, _ = meta["next_cursor"].(string); cursor == "" {
			break
		}
	}
	if seen != len(DefaultSeed().Workspaces[0].Users) {
		t.Errorf("%d users", seen)
	}
	if r := s.form("users.list", "cursor", "bm9uc2Vuc2U="); r.text("error") != "invalid_cursor" {
		t.Error(r.body)
	}
	if r := s.form("conversations.list"); strings.Contains(r.body, "ops-private") || !strings.Contains(r.body, "old-project") {
		t.Errorf("public channels by default: %s", r.body)
	}
	if r := s.form("conversations.list", "types", "private_channel", "exclude_archived", "true"); !strings.Contains(r.body, "ops-private") || strings.Contains(r.body, "secret") {
		t.Errorf("private channels that the bot is in: %s", r.body)
	}
}

func TestRateLimits(t *testing.T) {
	s := start(t)
	post := func() reply { return s.form("chat.postMessage", "channel", "C0GENERAL", "text", "x") }
	if r := post(); !r.ok() {
		t.Fatal(r.body)
	}
	r := post()
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "1" || r.text("error") != "ratelimited" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r := s.form("chat.postMessage", "channel", "C0ALERTS0", "text", "x"); !r.ok() {
		t.Errorf("another channel is held too: %s", r.body)
	}
	// The webhook leads to a channel of its own, and counts there.
	if r := s.form("chat.postMessage", "channel", "C0DEPLOYS", "text", "x"); !r.ok() {
		t.Error(r.body)
	}
	if r := s.send(DemoWebhookPath, "application/json", "", `{"text":"x"}`); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.pass(time.Second)
	if r := post(); !r.ok() {
		t.Error(r.body)
	}
	for i := range 21 {
		r = s.form("users.list")
		if (r.status == http.StatusTooManyRequests) != (i == 20) {
			t.Errorf("call %d: %d", i, r.status)
		}
	}
	if r.header.Get("Retry-After") != "60" {
		t.Error(r.header)
	}
	if r := s.form("auth.test"); !r.ok() {
		t.Errorf("another method is held too: %s", r.body)
	}
	var calls Calls
	resp, err := http.Get(s.url + "/_sim/calls")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if json.NewDecoder(resp.Body).Decode(&calls) != nil || calls.Provoked["chat.postMessage"] != 1 || calls.Count("users.list") != 21 {
		t.Errorf("%+v", calls.Counts)
	}
}

func TestWhereMessagesLand(t *testing.T) {
	s := start(t)
	dm := s.form("conversations.open", "users", "U0YUEH000")
	channel, _ := dm.fields["channel"].(map[string]any)
	id := fmt.Sprint(channel["id"])
	if r := s.form("chat.postMessage", "channel", "U0YUEH000", "text", "x"); r.text("channel") != id {
		t.Errorf("to a user's ID: %s, want %s", r.body, id)
	}
	if r := s.form("chat.postMessage", "channel", "U0YUEH000", "text", "x", "username", "ua-bot"); r.text("channel") == id || !r.ok() {
		t.Errorf("with another name it lands with Slackbot: %s", r.body)
	}
	for channel, code := range map[string]string{
		"C0OLD0000": "is_archived", "C0SECRET0": "channel_not_found", "ops-private": "channel_not_found", "C9": "channel_not_found",
	} {
		if r := s.form("chat.postMessage", "channel", channel, "text", "x"); r.text("error") != code {
			t.Errorf("%s: %s", channel, r.body)
		}
	}
	for user, code := range map[string]string{"U0GONE000": "user_disabled", "U9": "user_not_found", DemoBotUser: "invalid_user_combination", "": "users_list_not_supplied"} {
		if r := s.form("conversations.open", "users", user); r.text("error") != code {
			t.Errorf("%s: %s", user, r.body)
		}
	}
}

func TestContentIsChecked(t *testing.T) {
	s := start(t)
	long := strings.Repeat("x", 3001)
	for name, c := range map[string]struct{ body, code, says string }{
		"section too long":   {`"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` + long + `"}}]`, "invalid_blocks", "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		"unknown type":       {`"blocks":[{"type":"hologram"}]`, "invalid_blocks", "/blocks/0/type"},
		"header in mrkdwn":   {`"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "invalid_blocks", "/blocks/0/text"},
		"blocks no list":     {`"blocks":{"type":"divider"}`, "invalid_blocks_format", ""},
		"too much in all":    {`"blocks":[` + strings.TrimSuffix(strings.Repeat(`{"type":"section","text":{"type":"mrkdwn","text":"`+long[:2900]+`"}},`, 5), ",") + `]`, "msg_blocks_too_long", ""},
		"attachment's block": {`"attachments":[{"blocks":[{"type":"section"}]}]`, "invalid_attachments", "/attachments/0/blocks/0"},
		"attachments":        {`"attachments":[` + strings.TrimSuffix(strings.Repeat("{},", 101), ",") + `]`, "too_many_attachments", ""},
		"markdown and text":  {`"text":"x","markdown_text":"y"`, "markdown_text_conflict", ""},
		"metadata":           {`"text":"x","metadata":{"event_type":"a b","event_payload":{}}`, "invalid_metadata_schema", ""},
	} {
		r := s.json("chat.postMessage", `{"channel":"C0GENERAL",`+c.body+`}`)
		if r.text("error") != c.code || !strings.Contains(r.body, c.says) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	r := s.json("chat.postMessage", `{"channel":"C0GENERAL","text":"`+strings.Repeat("x", 40001)+`"}`)
	if !r.ok() || r.text("warning") != "message_truncated" {
		t.Errorf("a text beyond 40,000 is cut, with a warning: %.200s", r.body)
	}
}

func TestHistoryAndMetadata(t *testing.T) {
	s := start(t)
	first := s.json("chat.postMessage", `{"channel":"C0GENERAL","text":"one","metadata":{"event_type":"e","event_payload":{"k":"v"}}}`)
	s.pass(time.Second)
	s.form("chat.postMessage", "channel", "C0GENERAL", "text", "reply", "thread_ts", first.text("ts"))
	s.pass(time.Second)
	second := s.form("chat.postMessage", "channel", "C0GENERAL", "text", "two")
	plain := s.form("conversations.history", "channel", "C0GENERAL")
	if strings.Contains(plain.body, `"k"`) || !strings.Contains(plain.body, `"event_type":"e"`) || strings.Contains(plain.body, `"reply"`) {
		t.Errorf("without include_all_metadata: %s", plain.body)
	}
	whole := s.form("conversations.history", "channel", "C0GENERAL", "include_all_metadata", "true", "limit", "1")
	if !strings.Contains(whole.body, `"two"`) || whole.fields["has_more"] != true {
		t.Errorf("newest first, in pages: %s", whole.body)
	}
	after := s.form("conversations.history", "channel", "C0GENERAL", "oldest", first.text("ts"))
	if strings.Contains(after.body, `"one"`) || !strings.Contains(after.body, second.text("ts")) {
		t.Errorf("oldest excludes: %s", after.body)
	}
	if r := s.form("conversations.replies", "channel", "C0GENERAL", "ts", first.text("ts")); !strings.Contains(r.body, "reply") || strings.Contains(r.body, "two") {
		t.Error(r.body)
	}
	if r := s.form("conversations.history", "channel", "C0RANDOM0"); r.text("error") != "not_in_channel" {
		t.Error(r.body)
	}
	if r := s.form("conversations.history", "channel", "C0GENERAL", "token", "xoxb-few"); r.text("needed") != "channels:history" {
		t.Error(r.body)
	}
}

func TestWebhooks(t *testing.T) {
	s := start(t)
	if r := s.send(DemoWebhookPath, "application/json", "", `{"text":"x","channel":"C0GENERAL","username":"other"}`); r.status != 200 || r.body != "ok" {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.pass(2 * time.Second)
	for body, want := range map[string]string{`{`: "400 invalid_payload", `{}`: "400 no_text"} {
		if r := s.send(DemoWebhookPath, "application/json", "", body); fmt.Sprint(r.status, " ", r.body) != want {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := s.send("/services/T0/B0/no", "application/json", "", `{"text":"x"}`); r.status != 404 || r.body != "no_service" {
		t.Errorf("%d %s", r.status, r.body)
	}
	resp, err := http.Get(s.url + "/_sim/messages?channel=C0DEPLOYS")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []Message
	if json.NewDecoder(resp.Body).Decode(&list) != nil || len(list) != 1 || list[0].Username != "" || list[0].Channel != "C0DEPLOYS" {
		t.Errorf("an app's webhook takes neither channel nor name: %+v", list)
	}
}

func TestFaults(t *testing.T) {
	s := start(t)
	count := func() int {
		resp, err := http.Get(s.url + "/_sim/messages?channel=C0GENERAL")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var list []Message
		_ = json.NewDecoder(resp.Body).Decode(&list)
		return len(list)
	}
	taken := 0
	for _, c := range []struct {
		fault  Fault
		status int
		taken  bool
	}{
		{Fault{Kind: "http", Status: 503}, 503, false},
		{Fault{Kind: "error", Code: "fatal_error"}, 200, false},
		{Fault{Kind: "ratelimit", RetryAfter: 9}, 429, false},
		{Fault{Kind: "close_before"}, -1, false},
		{Fault{Kind: "close_after"}, -1, true},
		{Fault{Kind: "http_after", Status: 500}, 500, true},
		{Fault{Kind: "garbage_after"}, 200, true},
		{Fault{Kind: "no_ts"}, 200, true},
	} {
		c.fault.Method, c.fault.Channel = "chat.postMessage", "C0GENERAL"
		s.sim("faults", c.fault)
		r := s.form("chat.postMessage", "channel", "C0GENERAL", "text", "x")
		if r.status != c.status {
			t.Errorf("%s: %d %s", c.fault.Kind, r.status, r.body)
		}
		if c.taken {
			taken++
		}
		if got := count(); got != taken {
			t.Errorf("%s: %d messages, want %d", c.fault.Kind, got, taken)
		}
		s.pass(2 * time.Second)
		if r := s.form("chat.postMessage", "channel", "C0GENERAL", "text", "x"); !r.ok() {
			t.Errorf("%s happens more than once: %s", c.fault.Kind, r.body)
		}
		taken++
		s.pass(2 * time.Second)
	}
}

// A token that is changed leaves the others as they are.
func TestTokensHaveScopesOfTheirOwn(t *testing.T) {
	s := start(t)
	s.sim("tokens", map[string]any{"token": "xoxb-new", "scopes": []string{"chat:write"}})
	s.sim("tokens", map[string]any{"token": "xoxb-all"})
	if r := s.form("users.list", "token", "xoxb-all"); !r.ok() {
		t.Error(r.body)
	}
	if AllScopes[0] != "chat:write" || AllScopes[1] != "chat:write.public" {
		t.Errorf("the shared list was overwritten: %v", AllScopes)
	}
}

func TestPage(t *testing.T) {
	s := start(t)
	for path, kind := range map[string]string{"/": "text/html", "/style.css": "text/css", "/text.js": "javascript", "/blocks.js": "javascript", "/page.js": "javascript"} {
		resp, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Content-Type"), kind) || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	resp, err := http.Get(s.url + "/nothing")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("%d", resp.StatusCode)
	}
}
