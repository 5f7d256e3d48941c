package egress

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newClient returns a client that may talk to the hosts of the given URLs.
func newClient(t testing.TB, o Options, urls ...string) *http.Client {
	t.Helper()
	var hosts []string
	for _, raw := range urls {
		hosts = append(hosts, parse(t, raw).Host)
	}
	o.Allow = mustList(t, hosts...)
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func post(t testing.TB, ctx context.Context, c *http.Client, target string) (*Answer, *Failure) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader("token=xoxb-1"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer xoxb-1")
	return Do(c, req, MaxAnswerBytes)
}

func TestRedirectIsAnAnswer(t *testing.T) {
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, status)
		}))
		// The plain client follows redirects by itself; Do does not let it.
		for name, c := range map[string]*http.Client{"own": newClient(t, Options{}, srv.URL, thief.URL), "plain": srv.Client()} {
			answer, failure := post(t, t.Context(), c, srv.URL)
			if failure != nil || answer.Status != status {
				t.Errorf("%s client, %d: answer %+v, failure %v", name, status, answer, failure)
			}
		}
		srv.Close()
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

func TestEveryRequestIsChecked(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	c := newClient(t, Options{})
	_, failure := post(t, t.Context(), c, srv.URL+"/services/sEcReT")
	if failure == nil || !failure.Refused || failure.Sent || strings.Contains(failure.Error(), "sEcReT") {
		t.Errorf("failure %+v", failure)
	}
	if hits.Load() != 0 {
		t.Error("a host that is not allowed was asked")
	}
}

func TestIdempotencyKeyIsDropped(t *testing.T) {
	got := make(chan http.Header, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer srv.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("x"))
	req.Header.Set("Idempotency-Key", "1")
	req.Header.Set("X-Idempotency-Key", "1")
	if _, failure := Do(newClient(t, Options{}, srv.URL), req, MaxAnswerBytes); failure != nil {
		t.Fatal(failure)
	}
	if h := <-got; h.Get("Idempotency-Key")+h.Get("X-Idempotency-Key") != "" {
		t.Errorf("sent %v", h)
	}
	if req.Header.Get("Idempotency-Key") == "" {
		t.Error("the caller's request was changed")
	}
}

func TestAnswerIsCapped(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 2 * MaxAnswerBytes >> 20 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	for name, c := range map[string]*http.Client{"own": newClient(t, Options{}, srv.URL), "plain": srv.Client()} {
		answer, failure := post(t, t.Context(), c, srv.URL)
		if failure != nil {
			t.Fatal(failure)
		}
		if len(answer.Body) != MaxAnswerBytes || answer.Incomplete == nil || !strings.Contains(answer.Incomplete.Error(), "longer than one of Slack") {
			t.Errorf("%s client: %d bytes, incomplete: %v", name, len(answer.Body), answer.Incomplete)
		}
	}
}

func TestCutAnswerIsIncomplete(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"ok":true`)
	}))
	defer srv.Close()
	answer, failure := post(t, t.Context(), newClient(t, Options{}, srv.URL), srv.URL)
	if failure != nil || string(answer.Body) != `{"ok":true` || answer.Incomplete == nil || answer.Incomplete.Error() != "the connection was closed" {
		t.Errorf("answer %+v, failure %v", answer, failure)
	}
}

// rawServer answers each connection with what handle does, and counts them.
func rawServer(t testing.TB, handle func(net.Conn)) (addr string, conns *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = new(atomic.Int32)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String(), conns
}

func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func readRequest(conn net.Conn) error {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err
}

func TestFailures(t *testing.T) {
	refused := closedPort(t)
	silent, _ := rawServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	cutting, cuts := rawServer(t, func(c net.Conn) { _ = readRequest(c) })
	resetting, _ := rawServer(t, func(c net.Conn) {
		_ = readRequest(c)
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	babbling, _ := rawServer(t, func(c net.Conn) {
		_ = readRequest(c)
		_, _ = io.WriteString(c, "220 smtp.example.com\r\n")
	})
	proxyRefuses, _ := rawServer(t, func(c net.Conn) {
		_ = readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 407 no sEcReT here\r\nContent-Length: 0\r\n\r\n")
	})
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	tlsServer.Config.ErrorLog = nil
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tlsServer.Certificate().Raw})
	otherName := "https://localhost:" + parse(t, tlsServer.URL).Port()

	tests := []struct {
		name, url, reason string
		options           Options
		sent, timeout     bool
	}{
		{name: "refused", url: "http://" + refused, reason: "connection refused"},
		{name: "silence", url: "http://" + silent, reason: "no answer within the time-out", options: Options{Timeout: 100 * time.Millisecond}, sent: true, timeout: true},
		{name: "silence in the TLS handshake", url: "https://" + silent, reason: "no connection within the time-out", options: Options{Timeout: 100 * time.Millisecond}, timeout: true},
		{name: "cut after the request", url: "http://" + cutting, reason: "the connection was closed", sent: true},
		{name: "reset after the request", url: "http://" + resetting, reason: "connection reset by peer", sent: true},
		{name: "no HTTP", url: "http://" + babbling, reason: "what came back is not HTTP", sent: true},
		{name: "unknown authority", url: tlsServer.URL, reason: "the server's certificate is signed by an unknown authority"},
		{name: "other host", url: otherName, reason: "the server's certificate is for another host", options: Options{RootCAs: ca}},
		{name: "no TLS", url: "https://" + babblingPlain(t), reason: "the server does not speak TLS"},
		{name: "proxy refused", url: "https://slack.com", reason: "at the proxy: connection refused", options: Options{Proxy: parse(t, "http://user:sEcReT@"+refused)}},
		{name: "SOCKS proxy refused", url: "https://slack.com", reason: "at the proxy: connection refused", options: Options{Proxy: parse(t, "socks5://user:sEcReT@"+refused)}},
		{name: "SOCKS proxy babbles", url: "https://slack.com", reason: "at the proxy: the connection failed", options: Options{Proxy: parse(t, "socks5://user:sEcReT@"+babbleAtOnce(t))}},
		{name: "proxy wants a password", url: "https://slack.com", reason: "the proxy asks for a user name and password, or refuses the ones it was given (407)", options: Options{Proxy: parse(t, "http://user:sEcReT@"+proxyRefuses)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, tt.options, tt.url)
			answer, failure := post(t, t.Context(), c, tt.url+"/services/sEcReT")
			if failure == nil {
				t.Fatalf("got an answer: %+v", answer)
			}
			if failure.Error() != tt.reason || failure.Sent != tt.sent || failure.Timeout != tt.timeout {
				t.Errorf("got %q, sent %v, time-out %v; want %q, %v, %v", failure, failure.Sent, failure.Timeout, tt.reason, tt.sent, tt.timeout)
			}
			if errors.Is(failure, context.DeadlineExceeded) != tt.timeout {
				t.Error("errors.Is disagrees about the time-out")
			}
			for _, form := range []string{"%v", "%+v", "%#v", "%q"} {
				if s := fmt.Sprintf(form, failure); strings.Contains(s, "sEcReT") || strings.Contains(s, "127.0.0.1") {
					t.Errorf("%s shows what it must not: %s", form, s)
				}
			}
			if errors.Unwrap(failure) != nil {
				t.Error("the error behind it can be reached")
			}
		})
	}
	if n := cuts.Load(); n != 1 {
		t.Errorf("the cut post was sent %d times", n)
	}
}

// babblingPlain answers a TLS hello in plain text.
func babblingPlain(t testing.TB) string {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	return parse(t, srv.URL).Host
}

func babbleAtOnce(t testing.TB) string {
	addr, _ := rawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 smtp.example.com\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	return addr
}

type dialError struct{ err error }

func (d dialError) RoundTrip(*http.Request) (*http.Response, error) { return nil, d.err }

func TestDNSFailure(t *testing.T) {
	c := &http.Client{Transport: dialError{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
		Err: "no such host", Name: "hooks.slack.com", Server: "10.96.0.10:53", IsNotFound: true,
	}}}}
	_, failure := post(t, t.Context(), c, "https://hooks.slack.com/services/sEcReT")
	if failure == nil || failure.Sent || failure.Error() != "the host name hooks.slack.com can't be resolved" {
		t.Errorf("got %+v", failure)
	}
}

func TestUnknownErrorIsNotRepeated(t *testing.T) {
	c := &http.Client{Transport: dialError{errors.New(`invalid proxy address "http://u:sEcReT@h"`)}}
	_, failure := post(t, t.Context(), c, "https://hooks.slack.com/services/sEcReT")
	if failure == nil || failure.Error() != "the connection failed" {
		t.Errorf("got %v", failure)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent, _ := rawServer(t, func(c net.Conn) {
		_ = readRequest(c)
		cancel()
		_, _ = io.Copy(io.Discard, c)
	})
	c := newClient(t, Options{}, "http://"+silent)
	_, failure := post(t, ctx, c, "http://"+silent)
	if failure == nil || !failure.Sent || !failure.Canceled || !errors.Is(failure, context.Canceled) {
		t.Errorf("cancelled after the request was written: %+v", failure)
	}
	_, failure = post(t, ctx, c, "http://"+silent)
	if failure == nil || failure.Sent || !failure.Canceled {
		t.Errorf("cancelled before: %+v", failure)
	}
}

// A post is not repeated by the transport when a kept connection is cut after
// it was written, and is known to have been written.
func TestKeptConnectionCut(t *testing.T) {
	addr, conns := rawServer(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		for i := range 2 {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if i == 0 {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	})
	c := newClient(t, Options{}, "http://"+addr)
	if answer, failure := post(t, t.Context(), c, "http://"+addr); failure != nil || string(answer.Body) != "ok" {
		t.Fatalf("first: %+v, %v", answer, failure)
	}
	_, failure := post(t, t.Context(), c, "http://"+addr)
	if failure == nil || !failure.Sent {
		t.Errorf("second: %+v", failure)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections: the post was repeated", n)
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	answer, failure := post(t, t.Context(), newClient(t, Options{RootCAs: ca}, srv.URL), srv.URL)
	if failure != nil || string(answer.Body) != "HTTP/2.0" {
		t.Errorf("answer %+v, failure %v", answer, failure)
	}
}

func TestProxyIsUsedWithItsPassword(t *testing.T) {
	got := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		got <- user + "/" + password + " " + r.URL.String()
		_, _ = io.WriteString(w, "by proxy")
	}))
	defer proxy.Close()
	u := parse(t, proxy.URL)
	u.User = url.UserPassword("ada", "p@ss")
	answer, failure := post(t, t.Context(), newClient(t, Options{Proxy: u}, "http://slacksim"), "http://slacksim/api/x")
	if failure != nil || string(answer.Body) != "by proxy" {
		t.Fatalf("answer %+v, failure %v", answer, failure)
	}
	if s := <-got; s != "ada/p@ss http://slacksim/api/x" {
		t.Errorf("the proxy saw %q", s)
	}
}

func TestNewClientRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"proxy scheme": {Proxy: &url.URL{Scheme: "ftp", Host: "h", User: url.UserPassword("u", "sEcReT")}},
		"proxy host":   {Proxy: &url.URL{Scheme: "http", User: url.UserPassword("u", "sEcReT")}},
		"proxy name":   {Proxy: &url.URL{Scheme: "http", Host: "sEcReT@h"}},
		"CA":           {RootCAs: []byte("not PEM")},
	} {
		if _, err := NewClient(o); err == nil || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "0": 0, "-1": 0, "soon": 0, "1.5": 1500 * time.Millisecond, "NaN": 0, "-Inf": 0, "1e9": time.Hour,
		"Wed, 21 Oct 2020 07:28:00 GMT": 0, "Wed, 21 Oct 2120 07:28:00 GMT": time.Hour, "9000000000000000000": time.Hour, "90000000000000000000000": time.Hour,
	} {
		a := Answer{Header: http.Header{"Retry-After": {value}}}
		if got := a.RetryAfter(); got != want {
			t.Errorf("Retry-After %q: %v, want %v", value, got, want)
		}
	}
}
