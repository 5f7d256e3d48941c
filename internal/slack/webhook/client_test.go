package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

const path = "/services/T0/B0/plantedsecrethook"

func clientOf(t testing.TB, base string) *Client {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	list, err := egress.NewAllowList([]string{u.Host})
	if err != nil {
		t.Fatal(err)
	}
	hc, err := egress.NewClient(egress.Options{Allow: list, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hc.CloseIdleConnections)
	hook, err := ParseURL(base+path, list)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{URL: hook, Client: hc})
}

func serve(t testing.TB, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return clientOf(t, srv.URL)
}

func answering(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// P5: what Slack said is kept, and nothing but its ok counts as success.
func TestP05Answers(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		class  slack.Class
		code   string
	}{
		{400, "invalid_payload", slack.ClassMessageRejected, "invalid_payload"},
		{400, "no_text", slack.ClassMessageRejected, "no_text"},
		{400, "too_many_attachments", slack.ClassMessageRejected, "too_many_attachments"},
		{400, "invalid_blocks", slack.ClassMessageRejected, "invalid_blocks"},
		{400, "user_not_found", slack.ClassUserNotFound, "user_not_found"},
		{403, "action_prohibited", slack.ClassPostingRestricted, "action_prohibited"},
		{403, "invalid_token", slack.ClassWebhookRevoked, "invalid_token"},
		{404, "channel_not_found", slack.ClassChannelNotFound, "channel_not_found"},
		{404, "no_service", slack.ClassWebhookRevoked, "no_service"},
		{404, "no_active_hooks", slack.ClassWebhookRevoked, "no_active_hooks"},
		{404, "no_service_id", slack.ClassWebhookRevoked, "no_service_id"},
		{404, "no_team", slack.ClassWebhookRevoked, "no_team"},
		{404, "team_disabled", slack.ClassWebhookRevoked, "team_disabled"},
		{410, "channel_is_archived", slack.ClassChannelArchived, "channel_is_archived"},
		{410, "", slack.ClassWebhookRevoked, "http_410"},
		{403, "posting_to_general_channel_denied", slack.ClassPostingRestricted, "posting_to_general_channel_denied"},
		{500, "rollup_error", slack.ClassAmbiguous, "rollup_error"},
		{500, "<html>", slack.ClassAmbiguous, "http_500"},
		{503, "no_service", slack.ClassWebhookRevoked, "no_service"},
		{200, "not what Slack says", slack.ClassAmbiguous, ""},
		{200, "", slack.ClassAmbiguous, ""},
		{200, "no_service", slack.ClassWebhookRevoked, "no_service"},
		{404, "<html>not found", slack.ClassUnknown, "http_404"},
		{404, "new_code", slack.ClassUnknown, "new_code"},
		{400, "<html>", slack.ClassMessageRejected, "http_400"},
		{429, "", slack.ClassRateLimited, "ratelimited"},
		{308, "", slack.ClassAmbiguous, "http_308"},
	} {
		_, err := serve(t, answering(c.status, c.body)).Post(t.Context(), "", slack.Message{Text: "x"})
		e := slack.AsError(err)
		if e == nil || e.Class != c.class || e.Code != c.code {
			t.Errorf("%d %q: %+v", c.status, c.body, e)
			continue
		}
		if strings.Contains(e.Error(), "plantedsecret") || e.Error() == "" {
			t.Errorf("%d %q says %q", c.status, c.body, e)
		}
	}
	// Slack says ok; a server in its place may say so in other words.
	for _, ok := range []string{"ok", "ok\n", "OK", `"ok"`, `{"ok":true}`} {
		if _, err := serve(t, answering(200, ok)).Post(t.Context(), "", slack.Message{Text: "x"}); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, no := range []string{`{"ok":false}`, `{"ok":"true"}`, `{}`, "okay", "true"} {
		if _, err := serve(t, answering(200, no)).Post(t.Context(), "", slack.Message{Text: "x"}); slack.ClassOf(err) != slack.ClassAmbiguous || err == nil {
			t.Errorf("%q: %v, want an answer that tells nothing", no, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, code := range []int{429, 500, 503} {
		_, err := serve(t, answering(code, "", "Retry-After", "30")).Post(t.Context(), "", slack.Message{Text: "x"})
		if e := slack.AsError(err); e.RetryAfter != 30*time.Second {
			t.Errorf("%d: %+v", code, e)
		}
	}
}

func TestBody(t *testing.T) {
	var got map[string]any
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with %v", r.URL.Path, r.Header)
		}
		_ = json.NewDecoder(r.Body).Decode(&got)
		fmt.Fprint(w, "ok")
	})
	posted, err := client.Post(t.Context(), "C1", slack.Message{Text: "a & b", Username: "me", IconEmoji: ":x:", Metadata: &slack.Metadata{EventType: "x"}})
	if err != nil || posted.Timestamp != "" {
		t.Errorf("%+v, %v", posted, err)
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(map[string]any{"text": "a & b", "username": "me", "icon_emoji": ":x:", "unfurl_links": false, "unfurl_media": false}); a != b {
		t.Errorf("sent %s, want %s", a, b)
	}
	got = nil
	if _, err := client.Post(t.Context(), "", slack.Message{Markdown: "# x"}); err != nil {
		t.Error(err)
	}
	if a := fmt.Sprint(got["blocks"]); a != "[map[text:# x type:markdown]]" || got["text"] != "# x" {
		t.Errorf("Markdown becomes %v", got)
	}
}

// P4: a webhook's URL is its secret, and stands in no error.
func TestP04URLStaysInside(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	clients := map[string]*Client{
		"refused": clientOf(t, closed),
		"cut":     serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"redirect": serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com"+r.URL.Path, http.StatusTemporaryRedirect)
		}),
		"echo": serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "no "+r.URL.Path)
		}),
	}
	for name, client := range clients {
		_, err := client.Post(t.Context(), "", slack.Message{Text: "x"})
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, "plantedsecret") {
				t.Errorf("%s: %s", name, text)
			}
		}
		text := fmt.Sprintf("%v %+v %s %#v", client.url, client.url, client.url, client.url)
		marshalled, _ := json.Marshal(client.url)
		if strings.Contains(text+string(marshalled), "plantedsecret") {
			t.Errorf("the URL prints itself: %s %s", text, marshalled)
		}
	}
}

func TestParseURL(t *testing.T) {
	list, err := egress.NewAllowList([]string{"127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	for raw, says := range map[string]string{
		"https://hooks.slack.com/services/T0/B0/plantedsecret":          "",
		"  https://hooks.slack.com/services/T0/B0/plantedsecret\n":      "",
		"https://hooks.slack-gov.com/services/T0/B0/plantedsecret":      "",
		"http://127.0.0.1:9/anything":                                   "",
		"":                                                              "empty",
		"https://hooks.slack.com/triggers/T0/1/plantedsecret":           "Workflow Builder",
		"https://hooks.slack.com/workflows/T0/1/plantedsecret":          "Workflow Builder",
		"https://hooks.slack.com":                                       "no path",
		"https://hooks.slack.com/":                                      "no path",
		"https://hooks.slack.com/services/plantedsecret#x":              "fragment",
		"http://hooks.slack.com/services/plantedsecret":                 "http",
		"https://evil.example.com/services/plantedsecret":               "evil.example.com",
		"https://hooks.slack.com@evil.example.com/plantedsecret":        "",
		"https://user:plantedsecret@hooks.slack.com/services/T0/B0/x":   "",
		"https://hooks.slack.com.evil.example.com/services/T/B/planted": "evil.example.com",
		"hooks.slack.com/services/plantedsecret":                        "",
		"plantedsecret\x7f://%zz":                                       "not a URL",
	} {
		u, err := ParseURL(raw, list)
		good := strings.HasPrefix(strings.TrimSpace(raw), "https://hooks.slack") && says == "" && !strings.Contains(raw, "@") || strings.HasPrefix(raw, "http://127")
		if good != (err == nil) {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "plantedsecret")) {
			t.Errorf("%q says %q", raw, err)
		}
		if err == nil && (u.Key() == "" || strings.Contains(u.Key(), "planted")) {
			t.Errorf("%q has key %q", raw, u.Key())
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com:443/services/x", "https://a@hooks.slack.com/x",
		"https://hooks.slack.com\\@evil.test/x", "https://[::1]/x", "https://hooks.slack.com%2eevil.test/x", "//hooks.slack.com/x", "https://hooks.slack.com./x",
	} {
		f.Add(seed)
	}
	list, err := egress.NewAllowList(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := ParseURL(raw, list)
		if err != nil {
			return
		}
		// What net/http makes of it decides where the message goes.
		req, err := http.NewRequest(http.MethodPost, u.u.String(), nil)
		if err != nil {
			t.Fatalf("%q was taken and makes no request: %v", raw, err)
		}
		host := strings.TrimSuffix(strings.ToLower(req.URL.Hostname()), ".")
		ours := host == "slack.com" || host == "slack-gov.com" || strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com")
		if !ours || req.URL.Scheme != "https" || req.URL.User != nil {
			t.Errorf("%q leads to %s", raw, req.URL)
		}
	})
}

// Slack takes many a message without the mention of a whole channel.
func TestRefusalNamesTheBroadcast(t *testing.T) {
	for _, c := range []struct {
		name, code, text, says string
	}{
		{"restricted_action", "restricted_action", "<!channel> db down", "take @channel out of the message"},
		{"action_prohibited", "action_prohibited", "<!here> db down", "take @here out of the message"},
		{"without a mention", "restricted_action", "db down", "ask an administrator of the workspace to allow it to the app"},
		{"of another cause", "channel_is_archived", "<!channel> db down", "unarchive the channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := serve(t, answering(http.StatusForbidden, c.code))
			_, err := client.Post(t.Context(), "", slack.Message{Text: c.text})
			if e := slack.AsError(err); e == nil || e.Class.Transient() || !strings.Contains(e.Advice(), c.says) {
				t.Errorf("%v; advice %q, want %q", e, e.Advice(), c.says)
			}
		})
	}
}
