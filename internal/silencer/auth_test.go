package silencer

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// webConfig asks for a client certificate, and for a user whose password is
// "pass word".
const webConfig = `
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
basic_auth_users:
  ada: $2a$04$SR6ZdM/3Ftsj70baJu6QxeqZUEbAs5mcr0Mdyi0HPkXCnf8I.N41K
`

// authority that has signed for an Alertmanager and for who may ask it.
type authority struct {
	*devcluster.Authority
	t *testing.T
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	ca, err := devcluster.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return authority{ca, t}
}

func (a authority) client() *tls.Certificate {
	a.t.Helper()
	cert, key, err := a.Issue("slack-notifier", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &pair
}

func (a authority) server() (cert, key []byte) {
	a.t.Helper()
	cert, key, err := a.Issue("alertmanager", nil, net.IPv4(127, 0, 0, 1))
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// A real Alertmanager behind TLS with client certificates, basic auth and a path
// prefix, and one behind a proxy that asks for a bearer token: whoever shows what it
// asks for has his silence, all others are told what to look at, without a secret.
func TestWhoAsks(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.server()
	am := amtest.Start(t, amtest.Options{
		Web: webConfig, Files: map[string][]byte{"server.crt": cert, "server.key": key, "ca.crt": ca.PEM()}, Flags: []string{"--web.route-prefix=/monitoring/am"},
	})
	const prefix, token = "/monitoring/am", "s3cret-bearer"
	mine := *ca.client()
	bearer := behindBearer(t, token, amtest.Start(t, amtest.Options{}).URL, ca)
	right := func(c *Config) {
		c.URL, c.RootCAs, c.Certificate, c.Username, c.Password = am.URL+prefix, ca.PEM(), &mine, "ada", "pass word"
	}
	for name, row := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"certificate, CA, user and path":        {func(*Config) {}, ""},
		"a path with a slash at its end":        {func(c *Config) { c.URL += "/" }, ""},
		"both authorities, for a change of one": {func(c *Config) { c.RootCAs = append(append([]byte{}, other.PEM()...), c.RootCAs...) }, ""},
		"no certificate":                        {func(c *Config) { c.Certificate = nil }, "authSecretRef"},
		"a certificate of another authority":    {func(c *Config) { c.Certificate = other.client() }, "authSecretRef"},
		"no CA":                                 {func(c *Config) { c.RootCAs = nil }, "unknown authority (check actions.silence.alertmanager.caSecretRef)"},
		"another CA":                            {func(c *Config) { c.RootCAs = other.PEM() }, "unknown authority (check actions.silence.alertmanager.caSecretRef)"},
		"no user":                               {func(c *Config) { c.Username, c.Password = "", "" }, "Alertmanager answered 401 (check actions.silence.alertmanager.authSecretRef)"},
		"another password":                      {func(c *Config) { c.Password = "s3cret-other" }, "Alertmanager answered 401 (check actions.silence.alertmanager.authSecretRef)"},
		"a token in place of the user":          {func(c *Config) { c.Token = "s3cret-token" }, "Alertmanager answered 401 (check actions.silence.alertmanager.authSecretRef)"},
		"no path":                               {func(c *Config) { c.URL = am.URL }, "Alertmanager answered 404"},
		"plain http":                            {func(c *Config) { c.URL = strings.Replace(am.URL, "https", "http", 1) + prefix }, "Alertmanager answered 400: Client sent an HTTP request to an HTTPS server"},
		"bearer":                                {func(c *Config) { *c = Config{Hosts: c.Hosts, URL: bearer, RootCAs: ca.PEM(), Token: token} }, ""},
		"bearer, another":                       {func(c *Config) { *c = Config{Hosts: c.Hosts, URL: bearer, RootCAs: ca.PEM(), Token: "s3cret-other"} }, "Alertmanager answered 401 (check actions.silence.alertmanager.authSecretRef)"},
		"bearer, none":                          {func(c *Config) { *c = Config{Hosts: c.Hosts, URL: bearer, RootCAs: ca.PEM()} }, "Alertmanager answered 401 (check actions.silence.alertmanager.authSecretRef)"},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, err := Hosts([]string{"127.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			config := Config{Hosts: hosts}
			right(&config)
			row.change(&config)
			config.Timeout = time.Minute
			c, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			down := []Matcher{{"alertname", name}}
			now := time.Now()
			id, err := c.Put(t.Context(), Silence{Matchers: down, StartsAt: now, EndsAt: now.Add(time.Hour), CreatedBy: "ada", Comment: "[mark]"})
			if row.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				there, err := c.Find(t.Context(), down, "[mark]")
				if err != nil || len(there) != 1 || there[0].ID != id {
					t.Errorf("it finds %+v, %v", there, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Words, row.want) || strings.Contains(e.Words, "s3cret") || strings.Contains(e.Words, "pass word") {
				t.Errorf("it is told %v; want %q", err, row.want)
			}
		})
	}
}

// behindBearer puts a proxy in front of an Alertmanager, which asks for a token.
func behindBearer(t *testing.T, token, to string, ca authority) string {
	t.Helper()
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	cert, key := ca.server()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}
