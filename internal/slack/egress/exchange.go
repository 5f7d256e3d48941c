package egress

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// What a server can make the operator wait: Slack itself, and whoever answers in
// its place to a tenant. Slack's longest waits are far below an hour
// (docs.slack.dev/apis/web-api/rate-limits).
const (
	maxRetryAfter        = time.Hour
	maxPrivateRetryAfter = 5 * time.Minute
)

// BusyPause is about when a request that was Busy may be made again.
const BusyPause = 2 * time.Second

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	// Body, read to its end unless Incomplete says why not.
	Body       []byte
	Incomplete *Failure

	longest time.Duration
	release func()
}

// Release gives back the memory of the Body, which is not used any more.
func (a *Answer) Release() {
	if a != nil && a.release != nil {
		a.release()
		a.release = nil
	}
}

// RetryAfter is the time that the Retry-After header asks to wait, in seconds or until
// a date (RFC 9110, 10.2.3); 0 when it is missing or neither. It is an hour at most, and
// five minutes when a tenant's own server may have asked for it.
func (a *Answer) RetryAfter() time.Duration {
	value := strings.TrimSpace(a.Header.Get("Retry-After"))
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		seconds = math.Ceil(time.Until(at).Seconds())
	}
	if !(seconds > 0) { // no number is not above 0 either
		return 0
	}
	longest := maxRetryAfter
	if a.longest > 0 {
		longest = a.longest
	}
	if seconds > longest.Seconds() {
		return longest
	}
	return time.Duration(seconds * float64(time.Second))
}

// Do makes one request and reads its answer. Exactly one of the results is
// nil. Redirects are not followed, whatever c says. An answer of which a part
// is missing is still an answer; one longer than limit bytes, or MaxAnswerBytes,
// is read that far. Who has an answer must Release it.
func Do(c *http.Client, req *http.Request, limit int64) (*Answer, *Failure) {
	client := *c
	client.CheckRedirect = refuseRedirect
	g, ok := c.Transport.(*guard)
	if !ok {
		g = &guard{}
	}
	if g.enter != nil {
		leave := g.enter()
		if leave == nil {
			return nil, &Failure{Busy: true, reason: "as many calls to Slack are under way as one namespace may have; it is tried again by itself after them"}
		}
		defer leave()
	}
	if c.Timeout > 0 { // that of the client does not end the wait for memory
		ctx, cancel := context.WithTimeout(req.Context(), c.Timeout)
		defer cancel()
		req = req.WithContext(ctx)
	}

	// From the moment that a request has its connection it may have been
	// written. The transport asks for a second connection only after it has
	// proved that nothing was written to the first.
	var sent atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}))
	resp, err := client.Do(req)
	if err != nil {
		f := newFailure(err, sent.Load())
		if g.ownProxy {
			f.hideWay(err)
		}
		return nil, f
	}
	defer func() { _ = resp.Body.Close() }()

	answer := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if g.private {
		answer.longest = maxPrivateRetryAfter
	}
	answer.Body, answer.release, err = g.answers.read(req.Context(), resp.Body, resp.ContentLength, min(limit, MaxAnswerBytes))
	if err != nil {
		answer.Incomplete = newFailure(err, true)
	}
	return answer, nil
}
