package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Failure is a request that got no whole answer. Its text is stable from try
// to try and holds no URL, address, port or password; the error behind it is
// not reachable, because it may hold all of these.
type Failure struct {
	// Sent is true when the server may have seen the request.
	Sent bool
	// Refused is true when the host is not on the allow list.
	Refused bool
	// Busy is true when no request was made, since too many are under way.
	Busy bool
	// Timeout and Canceled say why it was given up, by the caller or by the
	// client's time-out.
	Timeout, Canceled bool

	reason string
}

// Error says what happened.
func (f *Failure) Error() string { return f.reason }

// Is lets errors.Is find context.Canceled and context.DeadlineExceeded.
func (f *Failure) Is(target error) bool {
	return f.Canceled && target == context.Canceled || f.Timeout && target == context.DeadlineExceeded
}

// FailureOf says why a client of NewClient could not open a connection, when it
// was used without Do: for a switch of protocols, which nothing was sent by yet.
func FailureOf(c *http.Client, err error) *Failure {
	f := newFailure(err, false)
	if g, ok := c.Transport.(*guard); ok && g.ownProxy {
		f.hideWay(err)
	}
	return f
}

// refusedError is a request that the allow list stopped.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// proxyAnswerError is a proxy that would not open the tunnel.
type proxyAnswerError struct{ status int }

func (e *proxyAnswerError) Error() string {
	if e.status == http.StatusProxyAuthRequired {
		return "the proxy asks for a user name and password, or refuses the ones it was given (407)"
	}
	return fmt.Sprintf("the proxy answered %d", e.status)
}

func refuseProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyAnswerError{status: resp.StatusCode}
}

func newFailure(err error, sent bool) *Failure {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return &Failure{Refused: true, reason: refused.reason}
	}
	f := &Failure{Sent: sent}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		f.Canceled = true
		f.reason = "the call was cancelled"
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		f.Timeout = true
		f.reason = "no connection within the time-out"
		if sent {
			f.reason = "no answer within the time-out"
		}
	default:
		f.reason = cause(err)
	}
	if viaProxy(err) {
		f.reason = "at the proxy: " + f.reason
	}
	return f
}

// noTunnel is all that is told of a tenant's proxy before it has opened a way to
// Slack. Anything more would make a port scanner of it, in the operator's place in
// the network.
const noTunnel = "the proxy that spec.connection.proxySecretRef names opened no way to Slack: check its address, user name and password; " +
	"one on a loopback or link-local address, or on the cluster's API server, must be named in --allowed-proxies=host:port (in the args of the operator's Deployment)"

// hideWay leaves of a failure at a tenant's proxy no more than noTunnel. That a
// certificate is not Slack's is told: it came through the tunnel.
func (f *Failure) hideWay(err error) {
	if f.Sent || f.Refused || f.Canceled || !viaProxy(err) && certificateCause(err) != "" {
		return
	}
	f.Timeout, f.reason = false, noTunnel
}

// viaProxy reports whether it was the way to a proxy, or through a SOCKS proxy,
// that failed.
func viaProxy(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"))
}

// cause puts an error of net/http into words of our own. The errors' own texts
// hold URLs, addresses and ports.
func cause(err error) string {
	if proxy, ok := errors.AsType[*proxyAnswerError](err); ok {
		return proxy.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if host, ok := canonicalHost(dns.Name); ok {
			return "the host name " + host + " can't be resolved"
		}
		return "the host name can't be resolved"
	}
	if reason := tlsCause(err); reason != "" {
		return reason
	}
	if errors.Is(err, errTooLong) {
		return "the answer is longer than one of Slack's can be"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return "the connection was closed"
	}
	// net/http has no types for these.
	if text := err.Error(); strings.Contains(text, "server closed idle connection") {
		return "the connection was closed"
	} else if strings.Contains(text, "malformed HTTP") {
		return "what came back is not HTTP"
	}
	return "the connection failed"
}

func tlsCause(err error) string {
	if reason := certificateCause(err); reason != "" {
		return reason
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "TLS: " + alert.Error()
	}
	// What the other end says, as in "tls: certificate required" (crypto/tls).
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" && strings.HasPrefix(op.Err.Error(), "tls: ") {
		return "the server refuses the connection: " + op.Err.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS"
	}
	return ""
}

// certificateCause says what is wrong with a server's certificate.
func certificateCause(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is signed by an unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "the server's certificate has expired or is not valid yet"
		}
		return "the server's certificate is not valid"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate is not valid"
	}
	return ""
}
