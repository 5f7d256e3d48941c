// Package silencer makes, looks up and ends silences in an Alertmanager, by version
// 2 of its API. It knows the few calls and fields that this needs; what an
// Alertmanager answers is bounded before it is decoded, and never authority.
package silencer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Limits of what is read of an Alertmanager's answers.
const (
	// DefaultTimeout of one call, answer included.
	DefaultTimeout = 10 * time.Second
	// maxSmall is how long the answer about one silence may be, in bytes.
	maxSmall = 256 << 10
	// maxList is how long a list of silences or alerts may be: some 5,000 alerts.
	maxList = 6 << 20
	// maxDepth and maxValues of the JSON of an answer.
	maxDepth  = 12
	maxValues = 400_000
)

// Hosts returns the list of the hosts that silences may be sent to, each "host" (any
// port) or "host:port", as the operator's flag names them. None may when it is empty.
func Hosts(entries []string) (AllowedHosts, error) {
	return egress.NewHosts("--alertmanager-hosts", entries)
}

// Config is how to reach an Alertmanager.
type Config struct {
	// URL of it, with its path prefix.
	URL string
	// Hosts that may be asked.
	Hosts AllowedHosts
	// Token is a bearer token, or else Username and Password are for basic auth; none
	// when they are empty.
	Token, Username, Password string
	// Certificate of the client; none when nil.
	Certificate *tls.Certificate
	// RootCAs are PEM certificates that are trusted beside the system's.
	RootCAs []byte
	// Timeout of one call; DefaultTimeout when 0.
	Timeout time.Duration
	// Observe, if not nil, is told of each call and what came of it: ok, refused or failed.
	Observe func(call, outcome string)
}

// AllowedHosts are those that silences may be sent to; see Hosts.
type AllowedHosts = egress.AllowList

// Client talks to one Alertmanager. Close it when it is used no more.
type Client struct {
	base   *url.URL
	http   *http.Client
	config Config
}

// New returns a client. The error says what of the configuration is wrong, and holds
// no secret.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the url is none of an Alertmanager: give it with its path prefix, as in http://alertmanager.monitoring:9093")
	}
	if err := c.Hosts.Check(base); err != nil {
		return nil, err
	}
	if strings.ContainsAny(c.Token+c.Username+c.Password, "\r\n\x00") {
		return nil, errors.New("the token, user name or password has a line end in it")
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	web, err := egress.NewClient(egress.Options{Timeout: c.Timeout, RootCAs: c.RootCAs, Allow: c.Hosts, Certificate: c.Certificate, HTTP1: true})
	if err != nil {
		return nil, err
	}
	return &Client{base: base, http: web, config: c}, nil
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a call that did not do what it was to.
type Error struct {
	// Words say what happened: Alertmanager's own, or why there are none.
	Words string
	// Status is that of HTTP; 0 when there was no answer.
	Status int
	// Sent is true when Alertmanager may have done it all the same.
	Sent bool
}

func (e *Error) Error() string { return e.Words }

// Final reports whether the same call would be refused again.
func (e *Error) Final() bool {
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout {
		return false
	}
	return e.Status >= 300 && e.Status < 500
}

// NotFound reports whether Alertmanager does not know what it was asked for.
func (e *Error) NotFound() bool { return e.Status == http.StatusNotFound }

// call makes one call, has it counted, and decodes a good answer into out if that is
// not nil. The error is an *Error.
func (c *Client) call(ctx context.Context, name, method, path string, query url.Values, body any, limit int64, out any) error {
	err := c.ask(ctx, method, path, query, body, limit, out)
	if c.config.Observe != nil {
		outcome := "ok"
		var e *Error
		if errors.As(err, &e) && e.Final() {
			outcome = "refused"
		} else if err != nil {
			outcome = "failed"
		}
		c.config.Observe(name, outcome)
	}
	return err
}

// hint is where to look when the two do not trust each other.
func hint(failure *egress.Failure) string {
	switch text := failure.Error(); {
	case strings.HasPrefix(text, "the server's certificate"):
		return " (check actions.silence.alertmanager.caSecretRef)"
	case strings.HasPrefix(text, "the server refuses the connection: tls:"):
		return " (check tls.crt and tls.key of actions.silence.alertmanager.authSecretRef)"
	}
	return ""
}

func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body any, limit int64, out any) error {
	u := *c.base
	u.Path = strings.TrimRight(u.Path, "/") + "/api/v2/" + path
	u.RawQuery = query.Encode()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(data))
	if err != nil {
		return &Error{Words: "the url is none that can be called"}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.config.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.config.Token)
	case c.config.Username != "" || c.config.Password != "":
		req.SetBasicAuth(c.config.Username, c.config.Password)
	}
	answer, failure := egress.Do(c.http, req, limit)
	if failure != nil {
		return &Error{Words: "no answer from Alertmanager: " + failure.Error() + hint(failure), Sent: failure.Sent}
	}
	defer answer.Release()
	if answer.Status != http.StatusOK {
		return &Error{Words: c.words(answer), Status: answer.Status, Sent: answer.Status >= 500}
	}
	if out == nil {
		return nil
	}
	if answer.Incomplete != nil {
		return &Error{Words: fmt.Sprintf("Alertmanager's answer did not come to its end, or is longer than %d KiB", limit>>10), Sent: true}
	}
	if boundedjson.Depth(answer.Body, maxDepth) > maxDepth || boundedjson.Values(answer.Body, maxValues) > maxValues || json.Unmarshal(answer.Body, out) != nil {
		return &Error{Words: "what came back is not an answer of Alertmanager's API: check the url and its path prefix", Sent: true}
	}
	return nil
}
