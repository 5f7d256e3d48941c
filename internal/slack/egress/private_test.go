package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slackBehind starts a TLS server with a certificate of its own for the test's
// host name, and a real CONNECT proxy that leads there whatever host is asked for.
func slackBehind(t testing.TB, handle http.HandlerFunc) (srv *httptest.Server, proxy string, tunnels *atomic.Int32) {
	srv = httptest.NewTLSServer(handle)
	t.Cleanup(srv.Close)
	tunnels = &atomic.Int32{}
	proxy, _ = rawServer(t, func(client net.Conn) {
		defer func() { _ = client.Close() }()
		in := bufio.NewReader(client)
		req, err := http.ReadRequest(in)
		if err != nil || req.Method != http.MethodConnect || !strings.HasSuffix(req.Host, ":443") {
			return
		}
		server, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		tunnels.Add(1)
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(server, in) }()
		_, _ = io.Copy(client, server)
	})
	return srv, proxy, tunnels
}

// target is a host that the certificate of an httptest server is for.
const target = "https://example.com/api/auth.test"

func caOf(srv *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
}

func rulesFor(t testing.TB, allowed ...string) ProxyRules {
	t.Helper()
	rules, err := NewProxyRules(allowed, "")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// A server can make the operator wait for an hour at most, and that of a tenant,
// behind his proxy and CA, for five minutes.
func TestRetryAfterOfATenantsServer(t *testing.T) {
	srv, proxy, _ := slackBehind(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	for _, row := range []struct {
		name    string
		private bool
		want    time.Duration
	}{{"the platform's", false, time.Hour}, {"a tenant's", true, 5 * time.Minute}} {
		t.Run(row.name, func(t *testing.T) {
			c := newClient(t, Options{Proxy: parse(t, "http://"+proxy), RootCAs: caOf(srv), Private: row.private, Proxies: rulesFor(t, proxy)}, "https://example.com")
			answer, failure := post(t, t.Context(), c, target)
			if failure != nil {
				t.Fatal(failure)
			}
			if got := answer.RetryAfter(); got != row.want {
				t.Errorf("asked to wait for a day, it waits for %v, want %v", got, row.want)
			}
		})
	}
}

func TestProxyAddresses(t *testing.T) {
	rules, err := NewProxyRules(nil, "https://10.96.0.1:443")
	if err != nil {
		t.Fatal(err)
	}
	for address, refused := range map[string]bool{
		"127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true, "::127.0.0.1": true, "64:ff9b::7f00:1": true, "2002:7f00:1::": true,
		"0.0.0.0": true, "0.0.0.1": true, "::": true, "255.255.255.255": true,
		"169.254.169.254": true, "::ffff:169.254.169.254": true, "fe80::1": true, "fd00:ec2::254": true, "100.100.100.200": true, "168.63.129.16": true,
		"224.0.0.1": true, "ff02::1": true, "ff0e::1": true,
		"10.96.0.1": true, "::ffff:10.96.0.1": true,
		"10.96.0.2": false, "192.168.1.1": false, "172.16.0.1": false, "203.0.113.7": false, "fd00::7": false, "2001:db8::1": false, "::ffff:203.0.113.7": false,
	} {
		if got := rules.refuses(t.Context(), netip.MustParseAddr(address)); got != refused {
			t.Errorf("a proxy at %s is refused: %v, want %v", address, got, refused)
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range own {
		if p, err := netip.ParsePrefix(one.String()); err == nil && !rules.refuses(t.Context(), p.Addr()) {
			t.Errorf("a proxy at the operator's own address %s is not refused", p.Addr())
		}
	}
	for host, want := range map[string]string{"https://[2001:db8::1]:6443": "2001:db8::1", "https://api.example.com": "api.example.com", "10.0.0.1:6443": "10.0.0.1", "": ""} {
		if r, err := NewProxyRules(nil, host); err != nil || r.apiServer != want {
			t.Errorf("the API server at %q is %q (%v), want %q", host, r.apiServer, err, want)
		}
	}
	if _, err := NewProxyRules([]string{"http://proxy:3128"}, ""); err == nil {
		t.Error("an exception with a scheme is taken")
	}
}

// Nothing is written to an address that a tenant's proxy may not have, also when
// a name leads there; an exception for that very proxy lets it through.
func TestARefusedProxyIsNotCalled(t *testing.T) {
	srv, proxy, tunnels := slackBehind(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	_, port, _ := net.SplitHostPort(proxy)
	for _, address := range []string{"http://" + proxy, "https://" + proxy, "socks5://" + proxy, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port} {
		c := newClient(t, Options{Proxy: parse(t, address), RootCAs: caOf(srv), Private: true, Proxies: rulesFor(t, "other.example.com", "127.0.0.1:1")}, "https://example.com")
		answer, failure := post(t, t.Context(), c, target)
		if answer != nil || failure.Error() != noTunnel || failure.Sent {
			t.Errorf("%s: answer %v, failure %v, want none and what to do", address, answer, failure)
		}
	}
	if n := tunnels.Load(); n != 0 {
		t.Errorf("%d tunnels were opened", n)
	}
	c := newClient(t, Options{Proxy: parse(t, "http://"+proxy), RootCAs: caOf(srv), Private: true, Proxies: rulesFor(t, proxy)}, "https://example.com")
	if answer, failure := post(t, t.Context(), c, target); failure != nil || string(answer.Body) != "ok" {
		t.Errorf("through the proxy that the operator allows: %v, %v", answer, failure)
	}
}

// Whatever is behind the address of a tenant's proxy, he is told the same until
// it has opened a way to Slack.
func TestATenantsProxyIsNoPortScanner(t *testing.T) {
	answers := func(text string) string {
		addr, _ := rawServer(t, func(conn net.Conn) {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_ = readRequest(conn)
			_, _ = io.WriteString(conn, text)
		})
		return addr
	}
	silent, _ := rawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	other := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, address := range map[string]string{
		"nobody listens":             "http://" + closedPort(t),
		"nobody listens, by SOCKS":   "socks5://" + closedPort(t),
		"no such host":               "http://no-such-host.invalid:3128",
		"silence":                    "http://" + silent,
		"closes at once":             "http://" + answers(""),
		"another protocol":           "http://" + answers("SSH-2.0-OpenSSH_9.6\r\n"),
		"another protocol, by SOCKS": "socks5://" + answers("SSH-2.0-OpenSSH_9.6\r\n"),
		"a web server":               "http://" + answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
		"asks for a password":        "http://" + answers("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
		"TLS with its own CA":        "https://" + other.Listener.Addr().String(),
		"TLS where none is":          "https://" + answers("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			proxy := parse(t, address)
			c := newClient(t, Options{Proxy: proxy, Private: true, Proxies: rulesFor(t, proxy.Host), Timeout: 2 * time.Second}, "https://example.com")
			answer, failure := post(t, t.Context(), c, target)
			if answer != nil || failure.Error() != noTunnel || failure.Sent || failure.Timeout {
				t.Errorf("answer %v, failure %+v; want %q, and nothing else told", answer, failure, noTunnel)
			}
		})
	}
}

// Once the tunnel stands, a tenant is told what is wrong with the certificate.
func TestACertificateThroughATunnelIsTold(t *testing.T) {
	_, proxy, _ := slackBehind(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, Options{Proxy: parse(t, "http://"+proxy), Private: true, Proxies: rulesFor(t, proxy)}, "https://example.com")
	if _, failure := post(t, t.Context(), c, target); failure == nil || !strings.Contains(failure.Error(), "unknown authority") {
		t.Errorf("failure %v, want it to say that the authority is not known", failure)
	}
}

// operatorsProxy is set in the process of TestOperatorsOwnProxy.
const operatorsProxy = "TEST_OPERATORS_PROXY_CA"

// HTTPS_PROXY and NO_PROXY of the operator's own environment hold for connections
// without a proxy of their own, whatever their CA. They are read once in a process,
// so this has one to itself.
func TestOperatorsOwnProxy(t *testing.T) {
	if file := os.Getenv(operatorsProxy); file != "" {
		callByEnvironment(t, file)
		return
	}
	srv, proxy, tunnels := slackBehind(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	file := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(file, caOf(srv), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOperatorsOwnProxy$")
	child.Env = []string{operatorsProxy + "=" + file, "HTTPS_PROXY=http://" + proxy, "NO_PROXY=direct.invalid", "HOME=" + os.Getenv("HOME")}
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := tunnels.Load(); n != 2 {
		t.Errorf("%d tunnels were opened, want one for each client, and none for what NO_PROXY names", n)
	}
}

func callByEnvironment(t *testing.T, file string) {
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []bool{false, true} {
		c := newClient(t, Options{RootCAs: ca, Private: private, Timeout: 20 * time.Second}, "https://example.com", "https://direct.invalid")
		answer, failure := post(t, t.Context(), c, target)
		if failure != nil || string(answer.Body) != "ok" {
			t.Errorf("private %v: answer %v, failure %v", private, answer, failure)
		}
		if _, failure := post(t, t.Context(), c, "https://direct.invalid/"); failure == nil || !strings.Contains(failure.Error(), "direct.invalid can't be resolved") {
			t.Errorf("private %v: what NO_PROXY names failed with %v, want it to be called directly", private, failure)
		}
	}
}

// Headers are bounded too: they are not counted by the budget.
func TestLongHeaders(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	}))
	for name, protocols := range map[string][]string{"HTTP/1.1": {"http/1.1"}, "HTTP/2": {"h2"}} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(srv.Config.Handler)
			srv.EnableHTTP2 = name == "HTTP/2"
			srv.TLS = &tls.Config{NextProtos: protocols, MinVersion: tls.VersionTLS12}
			srv.StartTLS()
			defer srv.Close()
			c := newClient(t, Options{RootCAs: caOf(srv)}, srv.URL)
			if answer, failure := post(t, t.Context(), c, srv.URL); failure == nil {
				t.Errorf("an answer with %d KiB of headers is read: %d", 2*maxHeaderBytes>>10, answer.Status)
			}
		})
	}
}
