package socket

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// tunnel opens a way to whom CONNECT names, to those who know the password.
func tunnel(opened *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		password, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic "))
		if r.Method != http.MethodConnect || string(password) != "ada:hush" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		opened.Add(1)
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}
}

// The socket goes the same way as all calls: through the proxy, in TLS where it is
// one by https, with its password, and trusting the CA.
func TestSocketGoesTheWayOfAllCalls(t *testing.T) {
	for name, row := range map[string]struct {
		proxy    func(http.Handler) *httptest.Server
		password string
		ca       bool
		says     string
	}{
		"proxy by http":             {httptest.NewServer, "hush", true, ""},
		"proxy by https":            {httptest.NewTLSServer, "hush", true, ""},
		"password refused":          {httptest.NewServer, "wrong", true, "407"},
		"certificate not trusted":   {httptest.NewServer, "hush", false, "unknown authority"},
		"no proxy, and the CA only": {nil, "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sim := slacksim.New(slacksim.Config{NoLimits: true})
			srv := httptest.NewTLSServer(sim)
			t.Cleanup(srv.Close)
			t.Cleanup(sim.Close)
			var opened atomic.Int32
			allow, err := egress.NewAllowList([]string{strings.TrimPrefix(srv.URL, "https://")})
			if err != nil {
				t.Fatal(err)
			}
			o := egress.Options{Allow: allow, Timeout: 10 * time.Second}
			if row.ca {
				o.RootCAs = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
			}
			if row.proxy != nil {
				proxy := row.proxy(tunnel(&opened))
				t.Cleanup(proxy.Close)
				if o.Proxy, err = url.Parse(proxy.URL); err != nil {
					t.Fatal(err)
				}
				o.Proxy.User = url.UserPassword("ada", row.password)
			}
			client, err := egress.NewClient(o)
			if err != nil {
				t.Fatal(err)
			}
			api, err := webapi.New(webapi.Options{Token: slacksim.DemoAppToken, APIURL: srv.URL + "/api/", Client: client})
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{t: t, url: srv.URL}
			b.client = New(Options{Opener: api, Client: client, Meter: b, Times: quick(), Take: func(context.Context, string, []byte) bool { return true }})
			b.run()
			if row.says != "" {
				b.until("told", func() bool { return b.client.State().Err != nil })
				if e := b.client.State().Err.Error(); !strings.Contains(e, row.says) || strings.Contains(e, row.password) || strings.Contains(e, "127.0.0.1") {
					t.Errorf("it says %q, want %q and neither password nor address", e, row.says)
				}
				return
			}
			b.connected()
			if row.proxy != nil && opened.Load() < 2 {
				t.Errorf("%d ways were opened by the proxy, want one for the call and one for the socket", opened.Load())
			}
			b.client.Renew()
			b.until("renewed", func() bool { return b.client.State().Hellos > 1 })
		})
	}
}
