package slacksim

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// control posts to one of the simulation's own controls.
func (s *slackAt) control(path, body string) reply {
	s.t.Helper()
	return s.send("/_sim/"+path, "application/json", "", body)
}

// messagesOf decodes the messages of an answer.
func messagesOf(t *testing.T, r reply) []map[string]any {
	t.Helper()
	var out struct {
		Messages []map[string]any `json:"messages"`
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || !r.ok() {
		t.Fatal(r.body, err)
	}
	return out.Messages
}

func TestPostToAUser(t *testing.T) {
	s := start(t)
	open := s.form("conversations.open", "users", "U0YUEH000")
	opened, _ := open.fields["channel"].(map[string]any)
	first := s.json("chat.postMessage", `{"channel":"U0YUEH000","text":"x"}`)
	if !first.ok() || first.text("channel") != opened["id"] {
		t.Errorf("%s; want the direct message %v", first.body, opened["id"])
	}
	s.pass(time.Second)
	named := s.json("chat.postMessage", `{"channel":"U0YUEH000","text":"x","username":"ua-bot"}`)
	if !named.ok() || named.text("channel") == opened["id"] || !strings.HasPrefix(named.text("channel"), "D") {
		t.Errorf("%s; want the user's conversation with Slackbot", named.body)
	}
	if r := s.form("conversations.history", "channel", named.text("channel")); r.text("error") != "channel_not_found" {
		t.Errorf("%s; want a conversation that the bot can't read", r.body)
	}
	for user, want := range map[string]string{"U0GONE000": "channel_not_found", "U0NOBODY0": "channel_not_found", "U0OTHER00": "cannot_dm_bot"} {
		if r := s.json("chat.postMessage", `{"channel":"`+user+`","text":"x"}`); r.text("error") != want {
			t.Errorf("to %s: %s, want %s", user, r.body, want)
		}
	}
	if r := s.update("U0YUEH000", first.text("ts"), `"text":"y"`); r.text("error") != "channel_not_found" {
		t.Errorf("an update takes the ID of a user: %s", r.body)
	}
}

func TestAuthorsAsSlackStoresThem(t *testing.T) {
	s := start(t)
	plain := s.post(general, `"text":"plain"`)
	named := s.post(general, `"text":"named","username":"ua-bot"`)
	s.control("webhooks", `{"path":"/services/T0ACME00/B0HOOK01/x","channel":"`+general+`"}`)
	if r := s.send("/services/T0ACME00/B0HOOK01/x", "application/json", "", `{"text":"hooked"}`); r.status != 200 {
		t.Fatal(r.body)
	}
	found := map[string]map[string]any{}
	for _, m := range messagesOf(t, s.form("conversations.history", "channel", general)) {
		found[m["text"].(string)] = m
	}
	for text, want := range map[string][3]any{
		"plain":  {DemoBotUser, "B0BOT0000", nil},
		"named":  {nil, "B0BOT0000", "bot_message"},
		"hooked": {nil, "B0HOOK01", "bot_message"},
	} {
		m := found[text]
		if got := [3]any{m["user"], m["bot_id"], m["subtype"]}; got != want {
			t.Errorf("%s is by user, bot, subtype %v; want %v", text, got, want)
		}
	}
	if found["plain"]["ts"] != plain || found["named"]["ts"] != named {
		t.Error("the timestamps differ from the receipts")
	}
	if bot := s.form("auth.test").text("bot_id"); bot != "B0BOT0000" {
		t.Errorf("auth.test tells %s, not the author of the messages", bot)
	}
}

func TestHistoryWithinATime(t *testing.T) {
	s := start(t)
	a, b, c := s.post(general, `"text":"a"`), s.post(general, `"text":"b"`), s.post(general, `"text":"c"`)
	reply := s.post(general, `"text":"reply","thread_ts":"`+b+`"`)
	later := s.post(general, `"text":"later","thread_ts":"`+b+`"`)
	for name, q := range map[string]struct {
		method string
		args   []string
		want   string
	}{
		"exactly one":            {"conversations.history", []string{"latest", b, "oldest", b, "inclusive", "true", "limit", "1"}, "b"},
		"exactly one, exclusive": {"conversations.history", []string{"latest", b, "oldest", b}, ""},
		"after":                  {"conversations.history", []string{"oldest", a}, "c b"},
		"from":                   {"conversations.history", []string{"oldest", b, "inclusive", "1"}, "c b"},
		"before":                 {"conversations.history", []string{"latest", c}, "b a"},
		"by the second":          {"conversations.history", []string{"latest", strings.Split(b, ".")[0] + ".9"}, "b a"},
		"inclusive of nothing":   {"conversations.history", []string{"inclusive", "true"}, "c b a"},
		"a thread":               {"conversations.replies", []string{"ts", b}, "b reply later"},
		"one reply":              {"conversations.replies", []string{"ts", b, "latest", reply, "oldest", reply, "inclusive", "true"}, "b reply"},
		"a thread of late":       {"conversations.replies", []string{"ts", b, "oldest", reply}, "b later"},
	} {
		var texts []string
		for _, m := range messagesOf(t, s.form(q.method, append([]string{"channel", general}, q.args...)...)) {
			texts = append(texts, m["text"].(string))
		}
		if got := strings.Join(texts, " "); got != q.want {
			t.Errorf("%s: %q, want %q", name, got, q.want)
		}
	}
	first := s.form("conversations.replies", "channel", general, "ts", b, "limit", "2")
	meta, _ := first.fields["response_metadata"].(map[string]any)
	cursor, _ := meta["next_cursor"].(string)
	second := messagesOf(t, s.form("conversations.replies", "channel", general, "ts", b, "limit", "2", "cursor", cursor))
	if len(second) != 1 || second[0]["ts"] != later {
		t.Errorf("the second page of the thread is %v, want the last reply alone", second)
	}
	for name, want := range map[string]string{"latest": "invalid_ts_latest", "oldest": "invalid_ts_oldest"} {
		if r := s.form("conversations.history", "channel", general, name, "noon"); r.text("error") != want {
			t.Errorf("%s noon: %s, want %s", name, r.body, want)
		}
	}
	for _, thread := range []string{"0.000000", "0", "noon"} {
		if r := s.json("chat.postMessage", `{"channel":"`+general+`","text":"x","thread_ts":"`+thread+`"}`); r.text("error") != "invalid_thread_ts" {
			t.Errorf("a reply to %s: %s", thread, r.body)
		}
	}
}

func TestMembershipByPeople(t *testing.T) {
	s := start(t)
	const private = "C0OPSPRIV"
	for _, step := range []struct{ action, channel, post, history string }{
		{"", general, "", ""},
		{"kick", general, "", "not_in_channel"}, // chat:write.public posts, and reads nothing
		{"invite", general, "", ""},
		{"kick", private, "channel_not_found", "channel_not_found"},
		{"invite", private, "", ""},
	} {
		if step.action != "" {
			if r := s.control(step.action, `{"channel":"`+step.channel+`"}`); r.status != http.StatusOK {
				t.Fatal(r.body)
			}
		}
		s.pass(2 * time.Second)
		post := s.json("chat.postMessage", `{"channel":"`+step.channel+`","text":"x"}`)
		history := s.form("conversations.history", "channel", step.channel)
		if post.text("error") != step.post || history.text("error") != step.history {
			t.Errorf("after %q in %s: a post %q, history %q; want %q and %q", step.action, step.channel, post.text("error"), history.text("error"), step.post, step.history)
		}
	}
	for _, wrong := range []string{`{"channel":"C0NOWHERE"}`, `{"channel":"` + general + `","user":"U0NOBODY0"}`} {
		if r := s.control("kick", wrong); r.status != http.StatusNotFound {
			t.Errorf("%s: %d", wrong, r.status)
		}
	}
}

func TestTokensAreRevokedAndMended(t *testing.T) {
	s := start(t)
	for _, step := range []struct{ token, auth, post string }{
		{`{"token":"` + DemoToken + `","error":"token_revoked"}`, "token_revoked", "token_revoked"},
		{`{"token":"` + DemoToken + `"}`, "", ""},
		{`{"token":"` + DemoToken + `","scopes":["users:read"]}`, "", "missing_scope"},
		{`{"token":"` + DemoToken + `","scopes":["users:read","chat:write"]}`, "", ""},
	} {
		s.control("tokens", step.token)
		s.pass(2 * time.Second)
		auth, post := s.form("auth.test"), s.json("chat.postMessage", `{"channel":"`+general+`","text":"x"}`)
		if auth.text("error") != step.auth || post.text("error") != step.post {
			t.Errorf("with %s: auth.test %q, a post %q; want %q and %q", step.token, auth.text("error"), post.text("error"), step.auth, step.post)
		}
	}
}

func TestTokenOfAnOrganisation(t *testing.T) {
	s := start(t)
	s.control("tokens", `{"token":"`+DemoToken+`","org_wide":true}`)
	if r := s.form("auth.test"); r.fields["is_enterprise_install"] != true {
		t.Error(r.body)
	}
	for _, method := range []string{"users.list", "conversations.list", "usergroups.list", "conversations.create"} {
		if r := s.form(method, "name", "x"); r.text("error") != "missing_argument" || !strings.Contains(r.body, "team_id") {
			t.Errorf("%s: %s", method, r.body)
		}
		if r := s.form(method, "name", "x", "team_id", DemoTeam); !r.ok() {
			t.Errorf("%s with team_id: %s", method, r.body)
		}
	}
	if r := s.json("chat.postMessage", `{"channel":"#general","text":"x"}`); r.text("error") != "team_not_found" {
		t.Error(r.body)
	}
	if r := s.json("chat.postMessage", `{"channel":"`+general+`","text":"x"}`); !r.ok() {
		t.Error(r.body)
	}
}

// A message a second, by arrival: what comes too early is refused and counts
// for nothing, whatever the way it came.
func TestOneMessageASecondByArrival(t *testing.T) {
	s := start(t)
	s.control("webhooks", `{"path":"/services/T0ACME00/B0HOOK01/x","channel":"`+general+`"}`)
	begin := s.now()
	for _, step := range []struct {
		at   time.Duration
		way  string
		want int
	}{
		{0, "post", 200}, {999 * time.Millisecond, "post", 429}, {999 * time.Millisecond, "hook", 429}, {time.Second, "post", 200},
		{1001 * time.Millisecond, "user", 200}, {1999 * time.Millisecond, "user", 429},
		{1999 * time.Millisecond, "hook", 429}, {2 * time.Second, "hook", 200}, {2999 * time.Millisecond, "post", 429},
	} {
		s.pass(begin.Add(step.at).Sub(s.now()))
		var r reply
		switch step.way {
		case "post":
			r = s.json("chat.postMessage", `{"channel":"`+general+`","text":"x"}`)
		case "user":
			r = s.json("chat.postMessage", `{"channel":"U0YUEH000","text":"x"}`)
		case "hook":
			r = s.send("/services/T0ACME00/B0HOOK01/x", "application/json", "", `{"text":"x"}`)
		}
		if r.status != step.want || (r.status == 429) != (r.header.Get("Retry-After") == "1") {
			t.Errorf("after %v by %s: %d %v %s, want %d", step.at, step.way, r.status, r.header, r.body, step.want)
		}
	}
}

func TestAnswersThatTellSomethingElse(t *testing.T) {
	s := start(t)
	ts := s.post(general, `"text":"x","metadata":{"event_type":"e","event_payload":{"k":"v"}}`)
	fault := func(body string) {
		t.Helper()
		if r := s.control("faults", body); r.status != http.StatusOK {
			t.Fatal(r.body)
		}
	}
	fault(`{"method":"chat.postMessage","kind":"other_channel","names":"C0VICTIM0"}`)
	if r := s.json("chat.postMessage", `{"channel":"`+general+`","text":"other"}`); !r.ok() || r.text("channel") != "C0VICTIM0" {
		t.Error(r.body)
	}
	s.pass(2 * time.Second)
	fault(`{"method":"chat.postMessage","kind":"other_ts"}`)
	r := s.json("chat.postMessage", `{"channel":"`+general+`","text":"another"}`)
	if stored := s.stored(general, r.text("ts")); !r.ok() || stored.TS != "" {
		t.Errorf("%s is the timestamp of %+v", r.body, stored)
	}
	fault(`{"method":"conversations.history","kind":"no_metadata"}`)
	bare := messagesOf(t, s.form("conversations.history", "channel", general, "include_all_metadata", "true"))
	again := messagesOf(t, s.form("conversations.history", "channel", general, "include_all_metadata", "true"))
	has := func(list []map[string]any) bool {
		return slices.ContainsFunc(list, func(m map[string]any) bool { return m["ts"] == ts && m["metadata"] != nil })
	}
	if len(bare) != 3 || has(bare) || !has(again) {
		t.Errorf("without metadata %v, then %v; want all three messages, and the metadata again", bare, again)
	}
	for method, field := range map[string]string{
		"conversations.history": "messages", "users.list": "members", "conversations.list": "channels",
		"usergroups.list": "usergroups", "conversations.members": "members",
	} {
		whole, _ := s.form(method, "channel", general).fields[field].([]any)
		fault(`{"method":"` + method + `","kind":"odd_elements"}`)
		odd, _ := s.form(method, "channel", general).fields[field].([]any)
		if len(whole) == 0 || len(odd) != 2*len(whole)+1 {
			t.Errorf("%s has %d elements, and %d with odd ones", method, len(whole), len(odd))
		}
	}
	fault(`{"method":"users.list","kind":"ratelimit","retryAfter":86400,"times":-1}`)
	if r := s.form("users.list"); r.status != 429 || r.header.Get("Retry-After") != "86400" {
		t.Errorf("%d %v", r.status, r.header)
	}
	if r := s.form("conversations.list"); !r.ok() {
		t.Errorf("another method waits too: %s", r.body)
	}
	if r := s.control("faults", `{"method":"users.list","kind":"misspelt"}`); r.status != http.StatusBadRequest || !strings.Contains(r.body, "odd_elements") {
		t.Errorf("a fault of no kind: %d %s", r.status, r.body)
	}
}

// A slow way here delays the connection, or the reading of a call, as often as
// asked for.
func TestSlowNetwork(t *testing.T) {
	const delay = 300 * time.Millisecond
	sim := New(Config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: sim}
	go server.Serve(sim.Listener(listener))
	t.Cleanup(func() { server.Close() })
	base := "http://" + listener.Addr().String()
	call := func(method, path, body string, anew bool) time.Duration {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: anew}}
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return time.Since(begin)
	}
	for _, what := range []string{"acceptMs", "readMs"} {
		call(http.MethodPost, "/_sim/network", `{"`+what+`":300,"times":2}`, true)
		for i := range 2 {
			if took := call(http.MethodPost, "/api/auth.test", "", true); took < delay {
				t.Errorf("%s: call %d took %v, want %v at least", what, i, took, delay)
			}
		}
		sim.network.mu.Lock()
		rest := *map[string]*int{"acceptMs": &sim.network.accepted, "readMs": &sim.network.reads}[what]
		sim.network.mu.Unlock()
		if rest != 0 {
			t.Errorf("%s: %d delays are left of two, want none", what, rest)
		}
	}
}

// A terse answer holds what nobody can do without.
func TestTerse(t *testing.T) {
	s := start(t)
	s.control("faults", `{"method":"*","kind":"terse","times":-1}`)
	if r := s.form("users.list"); strings.Contains(r.body, "real_name") || strings.Contains(r.body, "response_metadata") || !strings.Contains(r.body, `"name":"ada"`) {
		t.Errorf("a terse list is %s", r.body)
	}
	if r := s.json("chat.postMessage", `{"channel":"`+general+`","text":"x"}`); r.text("channel") != general || r.text("ts") == "" || strings.Contains(r.body, "message") {
		t.Errorf("a terse answer is %s", r.body)
	}
}
