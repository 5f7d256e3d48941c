package intake

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"
	testclock "k8s.io/utils/clock/testing"
)

// serve starts the server on the loopback interface.
func (r *rig) serve() string {
	r.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, listener) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	return listener.Addr().String()
}

// dial opens a connection and sends something.
func (r *rig) dial(address, text string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// said is the first line of the answer, or how the connection ended.
func said(c net.Conn) string {
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

const hello = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// Those who do not send their request give way to those who do.
func TestSlowSendersGiveWay(t *testing.T) {
	r := newRig(t)
	r.Limits.Connections = 5
	address := r.serve()
	var slow []net.Conn
	for range 20 {
		slow = append(slow, r.dial(address, "GET / HTTP/1.1\r\nHost:"))
	}
	for range 20 {
		if got := said(r.dial(address, hello)); got != "HTTP/1.1 200 OK" {
			t.Fatalf("a good caller is told %q", got)
		}
	}
	if got := said(slow[0]); strings.HasPrefix(got, "HTTP") {
		t.Errorf("the first slow one is told %q", got)
	}
}

// full opens connections whose bodies are being read.
func (r *rig) full(address string, n int) {
	r.t.Helper()
	for range n {
		c := r.dial(address, "POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n")
		if got := said(c); got != "HTTP/1.1 100 Continue" {
			r.t.Fatal(got)
		}
	}
}

// So do those who are slow to send a body, though not at once.
func TestSlowBodiesGiveWay(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	r.Limits.Connections = 3
	address := r.serve()
	r.full(address, 3)
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := said(r.dial(address, hello))
		if got == "HTTP/1.1 200 OK" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a good caller is told %q", got)
		}
	}
}

// When all are at work, a new one is told to come again.
func TestTooManyConnections(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	r.Limits.Connections = 3
	address := r.serve()
	r.full(address, 3)
	c := r.dial(address, "")
	if got := said(c); got != "HTTP/1.1 503 Service Unavailable" {
		t.Errorf("told %q", got)
	}
}

func TestSlowHeadersAndBodiesEnd(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	r.Limits.HeaderTime, r.Limits.ReadTime = 100*time.Millisecond, 200*time.Millisecond
	address := r.serve()
	if got := said(r.dial(address, "POST /message HTTP/1.1\r\nHost:")); strings.Contains(got, "200") {
		t.Errorf("slow headers: %q", got)
	}
	if got := said(r.dial(address, "POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("a slow body: %q", got)
	}
}

// A caller that sends everything before it reads gets its answer all the same.
func TestRefusalsReachTheCaller(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	address := r.serve()
	large := strings.Repeat("a", 10<<20)
	for request, want := range map[string]string{
		"POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n" + large:                               "HTTP/1.1 413 Request Entity Too Large",
		"POST /message HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na00000\r\n" + large + "\r\n0\r\n\r\n": "HTTP/1.1 413 Request Entity Too Large",
		"POST " + messages + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n" + large:                       "HTTP/1.1 401 Unauthorized",
		"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n" + large:                                     "HTTP/1.1 404 Not Found",
	} {
		if got := said(r.dial(address, request)); got != want {
			t.Errorf("%.40q is told %q", request, got)
		}
	}
}

// Bodies take no more memory than is set aside for them, and give it back.
func TestBodiesShareMemory(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	r.Limits.Bodies, r.Limits.Wait = 3*step, 50*time.Millisecond
	address := r.serve()
	head := "POST /message HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
	for range 2 {
		if got := said(r.dial(address, head+"200000\r\n\r\n")); got != "HTTP/1.1 100 Continue" {
			t.Fatal(got)
		}
	}
	large := `{"message":"` + strings.Repeat("a", 2*step) + `"}`
	if w := r.request("POST", "/message", large); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.request("POST", "/message", `{"message":"a"}`); w.Code != 200 {
		t.Errorf("a small one: %d %s", w.Code, w.Body)
	}
	for range 20 { // what was refused has given its part back
		if w := r.request("POST", "/message", `{"message":"a"}`); w.Code != 200 {
			t.Fatalf("a small one: %d %s", w.Code, w.Body)
		}
	}
}

func TestRates(t *testing.T) {
	r := newRig(t)
	now := testclock.NewFakePassiveClock(time.Now())
	r.Clock = now
	r.Limits.Rate, r.Limits.Burst = 1, 3
	codes := func(n int, header ...string) string {
		var out []string
		for range n {
			w := r.request("POST", messages, `{"text":"a"}`, header...)
			if w.Code == 503 && w.Header().Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
			out = append(out, fmt.Sprint(w.Code))
		}
		return strings.Join(out, " ")
	}
	if got := codes(5); got != "201 201 201 503 503" {
		t.Error(got)
	}
	if got := codes(1, "Authorization", "Bearer good-b"); got != "403" {
		t.Errorf("another caller: %s", got)
	}
	now.SetTime(now.Now().Add(2 * time.Second))
	if got := codes(3); got != "201 201 503" {
		t.Errorf("later: %s", got)
	}
}

// A flood of bad tokens reaches the API server no more than a bit, and keeps no
// good one out.
func TestBadTokens(t *testing.T) {
	r := newRig(t)
	r.Clock = testclock.NewFakePassiveClock(time.Now())
	r.Limits.UnknownBurst = 10
	if w := r.request("POST", messages, `{"text":"a"}`); w.Code != 201 {
		t.Fatal(w.Code)
	}
	codes := map[int]int{}
	for i := range 5000 {
		codes[r.request("POST", messages, `{"text":"a"}`, "Authorization", fmt.Sprint("Bearer bad", i)).Code]++
	}
	if r.reviewer.asked != 10 || codes[401] != 9 || codes[503] != 4991 {
		t.Errorf("the API server was asked %d times; %v", r.reviewer.asked, codes)
	}
	if w := r.request("POST", messages, `{"text":"a"}`); w.Code != 201 {
		t.Errorf("the good one: %d %s", w.Code, w.Body)
	}
}

// Many callers of one namespace share what it may have, and take nothing of
// others.
func TestNamespaceRate(t *testing.T) {
	r := newRig(t)
	r.Clock = testclock.NewFakePassiveClock(time.Now())
	r.Limits.NamespaceRate, r.Limits.NamespaceBurst = 1, 5
	codes := map[int]int{}
	for i := range 20 {
		codes[r.request("POST", messages, `{"text":"a"}`, "Authorization", fmt.Sprintf("Bearer good-a/%d", i)).Code]++
	}
	if codes[201] != 5 || codes[503] != 15 {
		t.Errorf("answers %v, want 5 of 201 and 15 of 503", codes)
	}
	if w := r.request("POST", "/v1/namespaces/b/channels/c/messages", `{"text":"a"}`, "Authorization", "Bearer good-b"); w.Code != 404 {
		t.Errorf("another namespace: %d %s, want 404", w.Code, w.Body)
	}
	for range 20 { // whoever may not post there takes nothing away
		_ = r.request("POST", "/v1/namespaces/b/channels/c/messages", `{"text":"a"}`)
	}
	if w := r.request("POST", "/v1/namespaces/b/channels/c/messages", `{"text":"a"}`, "Authorization", "Bearer good-b"); w.Code != 404 {
		t.Errorf("another namespace: %d %s, want 404", w.Code, w.Body)
	}
}

// An anonymous flood takes nothing from those who show a token.
func TestAnonymousRate(t *testing.T) {
	r := newRig(t)
	r.Clock = testclock.NewFakePassiveClock(time.Now())
	r.Anonymous = true
	r.Limits.NamespaceRate, r.Limits.NamespaceBurst = 1, 5
	for range 50 {
		_ = r.request("POST", "/message", `{"message":"a"}`)
	}
	if w := r.request("POST", messages, `{"text":"a"}`); w.Code != 201 {
		t.Errorf("%d %s, want 201", w.Code, w.Body)
	}
}

// A new certificate is taken without a restart.
func TestTLS(t *testing.T) {
	r := newRig(t)
	r.CertDir = t.TempDir()
	write := func(host string) {
		certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
			// As the kubelet does: a new file takes the place of the old one.
			path := filepath.Join(r.CertDir, name)
			if err := os.WriteFile(path+".new", data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("one.example.com")
	address := r.serve()
	subject := func() (string, string) {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err.Error(), ""
		}
		defer c.Close()
		_, _ = io.WriteString(c, hello)
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName, said(c)
	}
	if name, answer := subject(); !strings.HasPrefix(name, "one.example.com") || answer != "HTTP/1.1 200 OK" {
		t.Errorf("%s: %s", name, answer)
	}
	write("two.example.com")
	deadline := time.Now().Add(30 * time.Second)
	for {
		if name, _ := subject(); strings.HasPrefix(name, "two.example.com") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not taken")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := said(r.dial(address, hello)); got != "HTTP/1.0 400 Bad Request" {
		t.Errorf("plain HTTP is told %q", got)
	}
	_, err := tls.Dial("tcp", address, &tls.Config{RootCAs: x509.NewCertPool(), MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 is taken")
	}
}

func TestNoCertificate(t *testing.T) {
	r := newRig(t)
	r.CertDir, r.Address = t.TempDir(), "127.0.0.1:0"
	if err := r.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "tls.crt") {
		t.Error(err)
	}
}
