package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// slackHost is the host that every token may be sent to.
const slackHost = "slack.com"

// authority issues certificates.
type authority struct {
	// ca is what trusts it, in PEM form.
	ca string
	// leaf is for Slack's host name.
	leaf tls.Certificate

	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	var a authority
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "An authority of a test"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.root, a.key = certified(t, self, nil, nil)
	a.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw}))
	a.leaf = a.issue(t, 2, slackHost)
	return a
}

// issue makes a server's certificate.
func (a authority) issue(t *testing.T, serial int64, host string) tls.Certificate {
	t.Helper()
	leaf, key := certified(t, &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{host}}, a.root, a.key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// certified makes a certificate and its key, by itself without a parent.
func certified(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// serve ends with the test, whatever is under way.
func serve(t *testing.T, h http.Handler, config *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		if config != nil {
			_ = srv.ServeTLS(l, "", "") // with HTTP/2
			return
		}
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

// behind answers as Slack's host: by TLS through a real CONNECT proxy that leads
// there whatever is asked for, and without TLS as a proxy for plain http.
func behind(t *testing.T, by authority, h http.Handler) (proxy string) {
	t.Helper()
	slack := serve(t, h, &tls.Config{Certificates: []tls.Certificate{by.leaf}, MinVersion: tls.VersionTLS12})
	return "http://" + serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			tunnel(w, slack)
		case strings.HasPrefix(r.URL.Path, "/services/"):
			h.ServeHTTP(w, r)
		default: // an operator of other tests, which looks at all SlackChannels
			_, _ = io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
		}
	}), nil)
}

func tunnel(w http.ResponseWriter, to string) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, "nobody there", http.StatusBadGateway)
		return
	}
	defer func() { _ = server.Close() }()
	client, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func(in *bufio.ReadWriter) { _, _ = io.Copy(server, in); _ = server.Close() }(in)
	_, _ = io.Copy(client, server)
}

// impostor answers a tenant's SlackChannels in Slack's place.
type impostor struct {
	proxy string

	mu    sync.Mutex
	calls map[string]int
}

// crowd counts who is inside at once.
type crowd struct {
	mu           sync.Mutex
	inside, most int
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside++
	c.most = max(c.most, c.inside)
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
}

// peak is how many have been inside at once.
func (c *crowd) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// answers by method, "webhook" for one; "*" is for what is not named.
type answers map[string]http.HandlerFunc

// impostor starts a server of the evil tenant's.
func (s *siege) impostor(a answers) *impostor {
	s.t.Helper()
	i := &impostor{calls: map[string]int{}}
	i.proxy = behind(s.t, s.byEvil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // or the end of the call is not noticed
		r.Body = io.NopCloser(bytes.NewReader(body))
		method := "webhook"
		if at, ok := strings.CutPrefix(r.URL.Path, "/api/"); ok {
			method = at
		}
		i.mu.Lock()
		i.calls[method]++
		i.mu.Unlock()
		h := a[method]
		if h == nil {
			h = a["*"]
		}
		if h == nil {
			h = say(`{"ok":false,"error":"internal_error"}`)
		}
		h(w, r)
	}))
	return i
}

// called counts the calls of methods, of all when none is named.
func (i *impostor) called(methods ...string) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(methods) == 0 {
		for _, of := range i.calls {
			n += of
		}
	}
	for _, m := range methods {
		n += i.calls[m]
	}
	return n
}

// say answers with a text.
func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// identity is an answer to auth.test.
func identity(team, user string) string {
	return fmt.Sprintf(`{"ok":true,"team":"Acme","team_id":%q,"user_id":%q,"bot_id":"B0EVIL000","url":"https://acme.slack.com/"}`, team, user)
}

// drip answers one byte a second, for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		_, _ = io.WriteString(w, " ")
		_ = flush.Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
