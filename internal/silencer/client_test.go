package silencer

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve starts a server, and returns a client of it.
func serve(t *testing.T, change func(*Config), answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	hosts, err := Hosts([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{URL: server.URL, Hosts: hosts, Timeout: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// What is asked of Alertmanager, as it reads it.
func TestCalls(t *testing.T) {
	down := []Matcher{{"alertname", `Do"wn`}, {"été", "a\nb"}}
	for name, c := range map[string]struct {
		config func(*Config)
		do     func(context.Context, *Client) error
		want   string
	}{
		"a new silence": {nil, func(ctx context.Context, c *Client) error {
			_, err := c.Put(ctx, Silence{Matchers: down[:1], CreatedBy: "ada", Comment: "why"})
			return err
		}, `POST /api/v2/silences  {"matchers":[{"name":"alertname","value":"Do\"wn","isRegex":false,"isEqual":true}],"startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z","createdBy":"ada","comment":"why"}`},
		"below a path": {func(c *Config) { c.URL += "/alertmanager/" }, func(ctx context.Context, c *Client) error { return c.Expire(ctx, "x-1") },
			`DELETE /alertmanager/api/v2/silence/x-1  `},
		"a token": {func(c *Config) { c.Token = "s3cret" }, func(ctx context.Context, c *Client) error { return c.Expire(ctx, "x") },
			`DELETE /api/v2/silence/x Bearer s3cret `},
		"basic auth": {func(c *Config) { c.Username, c.Password = "ada", "pw" }, func(ctx context.Context, c *Client) error { return c.Expire(ctx, "x") },
			`DELETE /api/v2/silence/x Basic YWRhOnB3 `},
		"alerts": {nil, func(ctx context.Context, c *Client) error { _, err := c.Alerts(ctx, down); return err },
			`GET /api/v2/alerts?active=true&filter=alertname%3D%22Do%5C%22wn%22&filter=%22%C3%A9t%C3%A9%22%3D%22a%5Cnb%22&inhibited=true&silenced=true&unprocessed=true  `},
		"silences": {nil, func(ctx context.Context, c *Client) error { _, err := c.Find(ctx, down[:1], "mark"); return err },
			`GET /api/v2/silences?expired=false&filter=alertname%3D%22Do%5C%22wn%22  `},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			client := serve(t, c.config, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), body)
				if r.Method == http.MethodPost {
					_, _ = w.Write([]byte(`{"silenceID":"x"}`))
					return
				}
				_, _ = w.Write([]byte(`[]`))
			})
			if err := c.do(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("it asks\n%s\nnot\n%s", got, c.want)
			}
		})
	}
}

// Only those silences are found that hold and have the mark.
func TestFind(t *testing.T) {
	c := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"id":"a","comment":"x [mark]","status":{"state":"active"}},{"id":"b","comment":"x [mark]","status":{"state":"expired"}},
			{"id":"c","comment":"other","status":{"state":"active"}},{"id":"../d","comment":"[mark]","status":{"state":"active"}}]`))
	})
	list, err := c.Find(t.Context(), nil, "[mark]")
	if err != nil || len(list) != 1 || list[0].ID != "a" {
		t.Errorf("%+v, %v", list, err)
	}
}

// Whatever answers, it costs no more than it may, and is told in words without
// secrets. A call of unknown outcome is known as such.
func TestHostileAnswers(t *testing.T) {
	const token = "s3cret-token"
	huge := strings.Repeat("x", 1<<20)
	followed := false
	for name, c := range map[string]struct {
		answer      http.HandlerFunc
		want        string
		final, sent bool
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				followed = true
			}
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		}, "which leads elsewhere", true, false},
		"a huge error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(huge))
		}, "Alertmanager answered 400: xxx", true, false},
		"its own words": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`"silence invalid: \u001b[31mno\n"`))
		}, "Alertmanager answered 400: silence invalid: no", true, false},
		"a secret": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("not " + r.Header.Get("Authorization")))
		}, "authSecretRef): not Bearer ***", true, false},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>"))
		}, "Alertmanager answered 502", false, true},
		"too many requests": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "Alertmanager answered 429", false, false},
		"no JSON":           {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }, "is not an answer of Alertmanager's API", false, true},
		"deep JSON":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("[", 1000))) }, "is not an answer", false, true},
		"an endless answer": {func(w http.ResponseWriter, _ *http.Request) {
			for range 20 {
				if _, err := w.Write([]byte(huge)); err != nil {
					return
				}
			}
		}, "longer than", false, true},
		"no ID":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }, "without the silence's ID", false, true},
		"a path":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"silenceID":"../alerts"}`)) }, "without the silence's ID", false, true},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "no answer within the time-out", false, true},
		"a cut answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{`))
		}, "did not come to its end", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, func(c *Config) {
				c.Token = token
				if name == "silence" {
					c.Timeout = 200 * time.Millisecond
				}
			}, c.answer)
			_, err := client.Put(t.Context(), Silence{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if !strings.Contains(e.Words, c.want) || e.Final() != c.final || e.Sent != c.sent || len(e.Words) > 600 || strings.Contains(e.Words, token) {
				t.Errorf("%q, final %v, sent %v", e.Words, e.Final(), e.Sent)
			}
		})
	}
	if followed {
		t.Error("it goes where a redirect points")
	}
}

// Whom a silence may be sent to.
func TestHosts(t *testing.T) {
	for name, c := range map[string]struct {
		hosts []string
		url   string
		want  string
	}{
		"named":              {[]string{"am.monitoring"}, "http://am.monitoring:9093/x", ""},
		"named with a port":  {[]string{"am.monitoring:9093"}, "http://am.monitoring:9093", ""},
		"another port":       {[]string{"am.monitoring:9093"}, "http://am.monitoring:80", "--alertmanager-hosts=am.monitoring:80"},
		"nothing is named":   {nil, "http://am.monitoring:9093", "--alertmanager-hosts=am.monitoring:9093"},
		"Slack":              {[]string{"am"}, "https://slack.com", "--alertmanager-hosts=slack.com"},
		"a user in the URL":  {[]string{"am"}, "http://a:b@am", "user information"},
		"another scheme":     {[]string{"am"}, "file://am/etc", "must begin with"},
		"the API server":     {[]string{"am"}, "https://kubernetes.default.svc", "--alertmanager-hosts=kubernetes.default.svc"},
		"a trick with a dot": {[]string{"am"}, "http://am.", "not a plain host name"},
		"a query":            {[]string{"am"}, "http://am/?x=", "is none of an Alertmanager"},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, err := Hosts(c.hosts)
			if err != nil {
				t.Fatal(err)
			}
			_, err = New(Config{URL: c.url, Hosts: hosts})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A certificate authority of its own is trusted, and no other.
func TestCA(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"uptime":"2026-01-01T00:00:00Z"}`))
	}))
	t.Cleanup(server.Close)
	hosts, err := Hosts([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, c := range map[string]struct {
		ca   []byte
		good bool
	}{"trusted": {ca, true}, "unknown": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			client, err := New(Config{URL: server.URL, Hosts: hosts, RootCAs: c.ca})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			since, err := client.Since(t.Context())
			if (err == nil) != c.good || c.good && since.Year() != 2026 {
				t.Errorf("%v, %v", since, err)
			}
		})
	}
}

// FuzzAnswers holds that no answer makes a silence that nobody has made.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{`[]`, `[{"id":"a","comment":"[mark]"}]`, `{}`, `[{"id":1}]`, `[[[[`, ``} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var list []wireSilence
		if json.Unmarshal([]byte(text), &list) != nil {
			return
		}
		for i := range list {
			if s := list[i].silence(); len(s.Matchers) != len(list[i].Matchers) {
				t.Errorf("%+v", s)
			}
		}
	})
}
