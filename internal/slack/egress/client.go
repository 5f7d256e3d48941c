package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	// DefaultTimeout of one request, answer included.
	DefaultTimeout = 10 * time.Second
	// MaxAnswerBytes is the longest answer that is read. The longest that
	// Slack gives, a page of 1,000 users, is well below.
	MaxAnswerBytes = 8 << 20
	// maxHeaderBytes of an answer, and what of it HTTP/2 takes in before it is
	// read: neither is counted by a Budget.
	maxHeaderBytes = 64 << 10
	maxAhead       = 256 << 10
	// idleConnsPerHost lets hundreds of posts go in parallel to a server
	// without HTTP/2 and keep their connections.
	idleConnsPerHost = 256
)

// Options of a client.
type Options struct {
	// Timeout of one request, answer included; DefaultTimeout when 0.
	Timeout time.Duration
	// Proxy to go through: http, https, socks5 or socks5h, with user
	// information where it asks for it. Nil leaves it to the environment
	// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
	Proxy *url.URL
	// RootCAs are PEM certificates that are trusted beside the system's.
	RootCAs []byte
	// Certificate that the client shows; none when nil.
	Certificate *tls.Certificate
	// HTTP1 leaves HTTP/2 out, whose client seldom tells that the server refuses the
	// connection for want of a certificate.
	HTTP1 bool
	// Allow says which hosts may be talked to.
	Allow AllowList
	// Private means that the proxy or the CA is a tenant's: who answers may be
	// anybody. The address of the proxy is held to Proxies, what goes wrong on
	// the way to it has one text, and the waits that answers ask for are shorter.
	Private bool
	// Proxies says where a tenant's proxy may be.
	Proxies ProxyRules
	// Enter, if set, is asked before each request, and returns what ends its place
	// among those under way; nil when there is none now, which fails the request.
	Enter func() (leave func())
	// Answers is the memory that answers share; nil when there is no bound.
	Answers *Budget
}

// NewClient returns a client that talks to allowed hosts alone, follows no
// redirect, reads no answer beyond MaxAnswerBytes and never repeats a request
// that was written. It owns its connections: keep it for as long as its
// options hold, and call CloseIdleConnections when dropping it.
func NewClient(o Options) (*http.Client, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("http.DefaultTransport has been replaced by a %T", http.DefaultTransport)
	}
	transport := base.Clone()
	transport.MaxIdleConns = 2 * idleConnsPerHost
	transport.MaxIdleConnsPerHost = idleConnsPerHost
	transport.ForceAttemptHTTP2 = !o.HTTP1
	// A connection that died silently is found out by pings before it costs
	// each request on it a time-out, and with it the knowledge of its fate.
	transport.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second,
		MaxReceiveBufferPerStream: maxAhead, MaxReceiveBufferPerConnection: 4 * maxAhead,
	}
	transport.MaxResponseHeaderBytes = maxHeaderBytes
	transport.OnProxyConnectResponse = refuseProxyAnswer

	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.RootCAs) > 0 {
		pool, err := certPool(o.RootCAs)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = pool
	}

	if o.Certificate != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*o.Certificate}
	}

	transport.Proxy = http.ProxyFromEnvironment
	if o.Proxy != nil {
		if err := checkProxy(o.Proxy); err != nil {
			return nil, err
		}
		transport.Proxy = http.ProxyURL(o.Proxy)
		if o.Private {
			transport.DialContext = o.Proxies.dial(o.Proxy)
		}
	}

	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &guard{
			allow: o.Allow, next: transport, answers: o.Answers, private: o.Private, enter: o.Enter, ownProxy: o.Private && o.Proxy != nil,
		},
		CheckRedirect: refuseRedirect,
	}, nil
}

func certPool(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA bundle holds no certificate in PEM form")
	}
	return pool, nil
}

func checkProxy(u *url.URL) error {
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return errors.New("the proxy's address must begin with http://, https:// or socks5://")
	}
	if _, _, ok := splitHost(u.Host); !ok {
		return errors.New("the proxy's address names no host, or not a plain host name")
	}
	return nil
}

// refuseRedirect makes a redirect the answer, instead of going where it
// points: slack-go sends the token in the body, and a 307 or 308 would send it
// once more, to any host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// guard checks each request once more, whatever built it, and caps its answer.
type guard struct {
	allow AllowList
	next  *http.Transport
	// answers, private, enter and ownProxy are for Do; ownProxy is a tenant's.
	answers           *Budget
	private, ownProxy bool
	enter             func() func()
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.allow.Check(req.URL); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &refusedError{reason: err.Error()}
	}
	// With one of these headers net/http takes a POST for repeatable, and
	// repeats it on a cut connection.
	if req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "" {
		req = req.Clone(req.Context())
		req.Header.Del("Idempotency-Key")
		req.Header.Del("X-Idempotency-Key")
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	// What follows a switch of protocols is no answer, and has to be writable.
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = http.MaxBytesReader(nil, resp.Body, MaxAnswerBytes)
	}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (g *guard) CloseIdleConnections() { g.next.CloseIdleConnections() }
