package webapi

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

const token = "xoxb-plantedsecrettoken"

// allow returns an allow list with the host of a server.
func allow(t testing.TB, urls ...string) egress.AllowList {
	t.Helper()
	var hosts []string
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Host)
	}
	list, err := egress.NewAllowList(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// newClient returns a client of a server that answers by h, and the answers
// that its observer was told.
func newClient(t testing.TB, h http.HandlerFunc) (*Client, *[]string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return clientOf(t, srv.URL)
}

func clientOf(t testing.TB, base string) (*Client, *[]string) {
	t.Helper()
	list := allow(t, base)
	hc, err := egress.NewClient(egress.Options{Allow: list, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hc.CloseIdleConnections)
	apiURL, err := NormalizeURL(base+"/api", list)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	c, err := New(Options{Token: token, APIURL: apiURL, Client: hc, Observe: func(method, answer string, _ time.Duration) {
		seen = append(seen, method+" "+answer)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, &seen
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func status(code int, text string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
}

// every method, so that what holds for one is shown for all.
func every(c *Client) map[string]func(t testing.TB) error {
	return map[string]func(t testing.TB) error{
		slack.MethodPostMessage:      func(t testing.TB) error { _, err := c.Post(t.Context(), "C1", slack.Message{Text: "x"}); return err },
		slack.MethodAuthTest:         func(t testing.TB) error { _, err := c.AuthTest(t.Context()); return err },
		slack.MethodConversationInfo: func(t testing.TB) error { _, err := c.ConversationInfo(t.Context(), "C1"); return err },
		slack.MethodConversationsList: func(t testing.TB) error {
			_, _, err := c.ListConversations(t.Context(), "", 100, true)
			return err
		},
		slack.MethodConversationsJoin: func(t testing.TB) error { return c.JoinConversation(t.Context(), "C1") },
		slack.MethodConversationsOpen: func(t testing.TB) error { _, err := c.OpenDirectMessage(t.Context(), "U1"); return err },
		slack.MethodUsersList:         func(t testing.TB) error { _, _, err := c.ListUsers(t.Context(), "", 200); return err },
		slack.MethodLookupByEmail:     func(t testing.TB) error { _, err := c.LookupUserByEmail(t.Context(), "a@b"); return err },
		slack.MethodUserGroupsList:    func(t testing.TB) error { _, err := c.ListUserGroups(t.Context()); return err },
		slack.MethodBotsInfo:          func(t testing.TB) error { _, err := c.BotApp(t.Context(), "B1"); return err },
		slack.MethodConnectionsOpen:   func(t testing.TB) error { _, err := c.OpenConnection(t.Context()); return err },
		slack.MethodConversationsMembers: func(t testing.TB) error {
			_, _, err := c.ListMembers(t.Context(), "C1", "", 200)
			return err
		},
		slack.MethodUpdate: func(t testing.TB) error { return c.Update(t.Context(), "C1", "1.1", slack.Message{Text: "x"}) },
		slack.MethodDelete: func(t testing.TB) error { return c.Delete(t.Context(), "C1", "1.1") },
		slack.MethodHistory: func(t testing.TB) error {
			_, _, err := c.History(t.Context(), slack.HistoryQuery{Conversation: "C1"})
			return err
		},
	}
}

// What every method makes of an answer. The names P1 to P15 are those of the
// list of slack-go's pitfalls in docs/design.md.
func TestEveryMethodClassifies(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		class   slack.Class
		code    string
		says    string
	}{
		{"P6: an empty object is no success", body(`{}`), slack.ClassAmbiguous, "", ""},
		{"P6: ok false without a code", body(`{"ok":false}`), slack.ClassAmbiguous, "", ""},
		{"P2: not JSON", body(`<html>hello</html>`), slack.ClassAmbiguous, "", ""},
		{"empty", body(``), slack.ClassAmbiguous, "", ""},
		{"P2: errors as an object do not hide the code", body(`{"ok":false,"error":"is_archived","errors":{"a":1}}`), slack.ClassChannelArchived, "is_archived", ""},
		{"P2: metadata of a strange form does not hide the code", body(`{"ok":false,"error":"is_archived","response_metadata":["x"]}`), slack.ClassChannelArchived, "is_archived", ""},
		{"explains invalid_blocks", body(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be a string [json-pointer:/blocks/0/text]"]}}`),
			slack.ClassMessageRejected, "invalid_blocks", "must be a string [json-pointer:/blocks/0/text]"},
		{"unknown code", body(`{"ok":false,"error":"brand_new_code"}`), slack.ClassUnknown, "brand_new_code", "brand_new_code"},
		{"a code that is none", body(`{"ok":false,"error":"<!channel> xoxb-plantedsecrettoken"}`), slack.ClassUnknown, "unreadable_code", ""},
		{"P7: rate_limited in a 200", body(`{"ok":false,"error":"rate_limited"}`), slack.ClassRateLimited, "rate_limited", ""},
		{"P7: 429", status(429, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "7"), slack.ClassRateLimited, "ratelimited", ""},
		{"P7: 429 without the header", status(429, ``), slack.ClassRateLimited, "ratelimited", ""},
		{"P7: 429 with a date", status(429, ``, "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"), slack.ClassRateLimited, "ratelimited", ""},
		{"500", status(500, `{"ok":false}`), slack.ClassAmbiguous, "http_500", ""},
		{"503 of a proxy", status(503, `<html>`), slack.ClassAmbiguous, "http_503", ""},
		{"503 with Slack's code", status(503, `{"ok":false,"error":"service_unavailable"}`), slack.ClassUnavailable, "service_unavailable", ""},
		{"404", status(404, `not found`), slack.ClassAmbiguous, "http_404", ""},
		{"unknown_method", body(`{"ok":false,"error":"unknown_method"}`), slack.ClassInvalidCall, "unknown_method", ""},
		{"P3: 307", status(307, ``, "Location", "https://evil.example.com/"), slack.ClassAmbiguous, "http_307", "not followed"},
		{"internal_error", body(`{"ok":false,"error":"internal_error"}`), slack.ClassAmbiguous, "internal_error", ""},
		{"fatal_error", body(`{"ok":false,"error":"fatal_error"}`), slack.ClassAmbiguous, "fatal_error", ""},
		{"invalid_auth", body(`{"ok":false,"error":"invalid_auth"}`), slack.ClassInvalidCredentials, "invalid_auth", ""},
		{"missing_scope", body(`{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"users:read"}`), slack.ClassMissingScope, "missing_scope", ""},
		{"cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"ok":true,"ts":"1.1"`)
		}, slack.ClassAmbiguous, "", ""},
	} {
		client, seen := newClient(t, c.handler)
		for method, call := range every(client) {
			*seen = nil
			e := slack.AsError(call(t))
			if e == nil {
				t.Errorf("%s, %s: no error", c.name, method)
				continue
			}
			if e.Class != c.class || e.Code != c.code || e.Method != method {
				t.Errorf("%s, %s: %v %q of %s", c.name, method, e.Class, e.Code, e.Method)
			}
			if e.Unserved != (c.code == "http_404" || c.code == "unknown_method") {
				t.Errorf("%s, %s: unserved is %v", c.name, method, e.Unserved)
			}
			if !strings.Contains(e.Error(), c.says) || strings.Contains(e.Error(), "plantedsecret") {
				t.Errorf("%s, %s says %q", c.name, method, e)
			}
			if len(*seen) != 1 || !strings.HasPrefix((*seen)[0], method+" ") {
				t.Errorf("%s, %s: observed %v", c.name, method, *seen)
			}
		}
	}
}

// Whoever asks to wait is obeyed, whatever the status.
func TestRetryAfterIsTold(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"429": status(429, ``, "Retry-After", "7"), "503": status(503, `<html>`, "Retry-After", "7"),
		"503 with a code": status(503, `{"ok":false,"error":"service_unavailable"}`, "Retry-After", "7"),
		"200 with a code": status(200, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "7"),
	} {
		client, _ := newClient(t, handler)
		for method, call := range every(client) {
			if e := slack.AsError(call(t)); e.RetryAfter != 7*time.Second {
				t.Errorf("%s, %s: %v", name, method, e.RetryAfter)
			}
		}
	}
}

// A channel is a channel though its latest message, its topic or its time are odd.
func TestOddChannel(t *testing.T) {
	const odd = `{"ok":true,"channel":{"id":"C1","name":"alerts","is_member":true,"created":1.5,"topic":"a text","latest":{"attachments":[{"fields":[{"short":"true"}]}]}}}`
	client, _ := newClient(t, body(odd))
	for name, ask := range map[string]func() (slack.Conversation, error){
		"info":   func() (slack.Conversation, error) { return client.ConversationInfo(t.Context(), "C1") },
		"create": func() (slack.Conversation, error) { return client.CreateConversation(t.Context(), "alerts", false) },
		"rename": func() (slack.Conversation, error) { return client.RenameConversation(t.Context(), "C1", "alerts") },
	} {
		if got, err := ask(); err != nil || got.ID != "C1" || got.Name != "alerts" || !got.Member {
			t.Errorf("%s: %+v, %v; want the channel", name, got, err)
		}
	}
}

func TestMissingScopeIsNamed(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":false,"error":"missing_scope","needed":"im:write","provided":"chat:write"}`))
	for method, call := range every(client) {
		if e := slack.AsError(call(t)); e.Needed != "im:write" || !strings.Contains(e.Advice(), "add the bot scope im:write") {
			t.Errorf("%s: %+v advises %q, want the scope im:write", method, e, e.Advice())
		}
	}
	client, _ = newClient(t, body(`{"ok":false,"error":"missing_scope","needed":"<!channel> look"}`))
	if e := slack.AsError(client.JoinConversation(t.Context(), "C1")); e.Needed != "" || e.Class != slack.ClassMissingScope || !strings.Contains(e.Advice(), slack.MethodConversationsJoin) {
		t.Errorf("%+v advises %q, want no scope that is none", e, e.Advice())
	}
}

// P3: a redirect takes neither the token nor the message anywhere.
func TestP03NoRedirect(t *testing.T) {
	stolen := make(chan string, 100)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.URL.Path }))
	defer thief.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, code) }))
		// The thief is allowed, so that nothing but the refusal to follow keeps it off.
		list := allow(t, srv.URL, thief.URL)
		hc, err := egress.NewClient(egress.Options{Allow: list})
		if err != nil {
			t.Fatal(err)
		}
		client, err := New(Options{Token: token, APIURL: srv.URL + "/api/", Client: hc})
		if err != nil {
			t.Fatal(err)
		}
		for method, call := range every(client) {
			if call(t) == nil {
				t.Errorf("%d, %s: no error", code, method)
			}
		}
		hc.CloseIdleConnections()
		srv.Close()
	}
	if len(stolen) > 0 {
		t.Errorf("%d requests followed a redirect", len(stolen))
	}
}

// P3, P14: the token is sent, and stands in no error whatever fails.
func TestTokenStaysInside(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	client, _ := clientOf(t, closed)
	for method, call := range every(client) {
		e := slack.AsError(call(t))
		if e.Class != slack.ClassUnavailable || strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), "plantedsecret") {
			t.Errorf("%s: %+v", method, e)
		}
	}
	var authorised atomic.Int32
	client, _ = newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+token || r.FormValue("token") == token {
			authorised.Add(1)
		}
		fmt.Fprint(w, `{"ok":false,"error":"not_authed"}`)
	})
	for _, call := range every(client) {
		_ = call(t)
	}
	if n := int(authorised.Load()); n != len(every(client)) {
		t.Errorf("%d of %d requests had the token", n, len(every(client)))
	}
}

// P9, P10: one call is one request, whatever is answered.
func TestP10OneRequestACall(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"429": status(429, "", "Retry-After", "1"), "500": status(500, ""), "cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var n atomic.Int32
		client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) { n.Add(1); answer(w, r) })
		for method, call := range every(client) {
			n.Store(0)
			if err := call(t); err == nil || n.Load() != 1 {
				t.Errorf("%s, %s: %d requests, %v", name, method, n.Load(), err)
			}
		}
	}
}

// P15: net/http must not take a post for repeatable.
func TestP15NoIdempotencyKey(t *testing.T) {
	client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			if _, there := r.Header[http.CanonicalHeaderKey(key)]; there {
				t.Errorf("%s has %s", r.URL.Path, key)
			}
		}
		fmt.Fprint(w, `{"ok":false,"error":"x"}`)
	})
	for _, call := range every(client) {
		_ = call(t)
	}
}

// P12: without its slash at the end the API's address would name another host.
func TestP12NormalizeURL(t *testing.T) {
	list, err := egress.NewAllowList([]string{"127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"https://slack.com/api/":       "https://slack.com/api/",
		"https://slack.com/api":        "https://slack.com/api/",
		" https://slack.com/api\n":     "https://slack.com/api/",
		"https://slack.com":            "https://slack.com/",
		"https://slack-gov.com/api//":  "https://slack-gov.com/api/",
		"http://127.0.0.1:9/api":       "http://127.0.0.1:9/api/",
		"http://slack.com/api":         "",
		"https://evil.example.com/":    "",
		"https://slack.com.evil.test/": "",
		"https://slack.com/api?x=1":    "",
		"https://slack.com/api#x":      "",
		"":                             "",
		"slack.com/api":                "",
		"https://slack.com@evil.test/": "",
	} {
		got, err := NormalizeURL(raw, list)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%q became %q, %v", raw, got, err)
		}
	}
}

func TestNewRefusesWhatIsNoToken(t *testing.T) {
	for _, bad := range []string{"", "xoxb-plantedsecret\nmore", "xoxb plantedsecret", "xoxb-plantedsecret\x00", "„plantedsecret“"} {
		if _, err := New(Options{Token: bad}); err == nil || strings.Contains(err.Error(), "plantedsecret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAuthTest(t *testing.T) {
	client, _ := newClient(t, status(200, `{"ok":true,"url":"https://acme.slack.com/","team":"Acme","user":"bot","team_id":"T1","user_id":"U1","bot_id":"B1"}`,
		"X-Oauth-Scopes", "chat:write, users:read"))
	id, err := client.AuthTest(t.Context())
	if err != nil || id.TeamID != "T1" || id.TeamName != "Acme" || id.BotUserID != "U1" || id.BotID != "B1" || strings.Join(id.Scopes, " ") != "chat:write users:read" {
		t.Errorf("%+v, %v", id, err)
	}
	client, _ = newClient(t, body(`{"ok":true,"team_id":"T1","user_id":"U1"}`))
	if id, err := client.AuthTest(t.Context()); err != nil || id.Scopes != nil {
		t.Errorf("without the header the scopes are unknown: %+v, %v", id, err)
	}
	client, _ = newClient(t, body(`{"ok":true}`))
	if _, err := client.AuthTest(t.Context()); slack.ClassOf(err) != slack.ClassAmbiguous {
		t.Errorf("an ok that names no workspace: %v", err)
	}
}

func TestListUsers(t *testing.T) {
	client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("cursor") != "abc" || r.FormValue("limit") != "200" {
			t.Errorf("asked %v", r.Form)
		}
		fmt.Fprint(w, `{"ok":true,"members":[
			{"id":"U1","name":"yueh.liu","deleted":false,"is_bot":false,"real_name":"Yueh Liu","profile":{"display_name":"yueh","real_name":"Yueh Liu","email":"y@e.com"}},
			{"id":"USLACKBOT","name":"slackbot","is_bot":false,"profile":{}},
			{"id":"U2","name":"gone","deleted":true,"profile":null},
			{"id":"U3","profile":{"display_name":null}}
		],"response_metadata":{"next_cursor":"next="}}`)
	})
	users, next, err := client.ListUsers(t.Context(), "abc", 200)
	if err != nil || next != "next=" || len(users) != 4 {
		t.Fatalf("%v, %q, %v", users, next, err)
	}
	if u := users[0]; u != (slack.User{ID: "U1", Name: "yueh.liu", DisplayName: "yueh", RealName: "Yueh Liu", Email: "y@e.com"}) {
		t.Errorf("%+v", u)
	}
	if !users[1].Bot || !users[2].Deleted {
		t.Errorf("Slackbot %+v, deactivated %+v", users[1], users[2])
	}
}

func TestLookupUserByEmail(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":true,"user":{"id":"U1","name":"ada","profile":{"email":"ada@example.com"}}}`))
	if u, err := client.LookupUserByEmail(t.Context(), "ada@example.com"); err != nil || u.ID != "U1" {
		t.Errorf("%+v, %v", u, err)
	}
	client, _ = newClient(t, body(`{"ok":false,"error":"users_not_found"}`))
	if _, err := client.LookupUserByEmail(t.Context(), "x@example.com"); slack.ClassOf(err) != slack.ClassUserNotFound {
		t.Errorf("%v", err)
	}
}

func TestConversations(t *testing.T) {
	client, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/conversations.info":
			fmt.Fprint(w, `{"ok":true,"channel":{"id":"C1","name":"alerts","is_private":true,"is_archived":true,"is_member":true}}`)
		case "/api/conversations.list":
			if got := r.FormValue("types"); got != "public_channel,private_channel" {
				t.Errorf("types %q", got)
			}
			fmt.Fprint(w, `{"ok":true,"channels":[{"id":"C1","name":"alerts"}],"response_metadata":{"next_cursor":""}}`)
		case "/api/conversations.open":
			fmt.Fprint(w, `{"ok":true,"channel":{"id":"D1"},"already_open":true}`)
		case "/api/conversations.join":
			fmt.Fprint(w, `{"ok":true,"warning":"already_in_channel","channel":{"id":"C1"}}`)
		}
	})
	if got, err := client.ConversationInfo(t.Context(), "C1"); err != nil || got != (slack.Conversation{ID: "C1", Name: "alerts", Private: true, Archived: true, Member: true}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, next, err := client.ListConversations(t.Context(), "", 200, true); err != nil || len(got) != 1 || next != "" || got[0].Name != "alerts" {
		t.Errorf("%+v, %q, %v", got, next, err)
	}
	if id, err := client.OpenDirectMessage(t.Context(), "U1"); err != nil || id != "D1" {
		t.Errorf("%q, %v", id, err)
	}
	if err := client.JoinConversation(t.Context(), "C1"); err != nil {
		t.Error(err)
	}
}

func asJSON(t testing.TB, r *http.Request) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		t.Error(err)
	}
	return out
}

// Slack writes an empty object where its documents have a list of errors.
func TestMembersWithOddErrors(t *testing.T) {
	for _, c := range []struct {
		name, body string
		class      slack.Class
		fine       bool
	}{
		{"an object", `{"ok":true,"errors":{},"channel":{"id":"C1"}}`, 0, true},
		{"an empty list", `{"ok":true,"errors":[]}`, 0, true},
		{"null", `{"ok":true,"errors":null}`, 0, true},
		{"a text", `{"ok":true,"errors":"none","channel":5}`, 0, true},
		{"a refusal with an object", `{"ok":false,"error":"not_in_channel","errors":{}}`, slack.ClassNotInChannel, false},
		{"a refusal with a list", `{"ok":false,"error":"user_not_found","errors":[{"user":"U1","ok":false,"error":"user_not_found"}]}`, slack.ClassUserNotFound, false},
		{"a refusal with texts", `{"ok":false,"error":"already_in_channel","errors":["x"]}`, slack.ClassAlreadyDone, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := newClient(t, body(c.body))
			for method, err := range map[string]error{
				"invite": client.InviteToConversation(t.Context(), "C1", []string{"U1", "U2"}),
				"kick":   client.RemoveFromConversation(t.Context(), "C1", "U1"),
				"join":   client.JoinConversation(t.Context(), "C1"),
			} {
				if c.fine != (err == nil) || !c.fine && slack.ClassOf(err) != c.class {
					t.Errorf("%s: %v, want class %d", method, err, c.class)
				}
			}
		})
	}
}
