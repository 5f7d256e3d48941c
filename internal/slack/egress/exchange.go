package egress

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// maxRetryAfter bounds what a server can make the operator wait.
const maxRetryAfter = 24 * time.Hour

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	// Body, read to its end unless Incomplete says why not.
	Body       []byte
	Incomplete *Failure
}

// RetryAfter is the time that the Retry-After header asks to wait, 0 when it
// is missing or not a whole number of seconds.
func (a *Answer) RetryAfter() time.Duration {
	seconds, err := strconv.ParseInt(a.Header.Get("Retry-After"), 10, 64)
	if err != nil || seconds <= 0 {
		return 0
	}
	if seconds > int64(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(seconds) * time.Second
}

// Do makes one request and reads its answer. Exactly one of the results is
// nil. Redirects are not followed, whatever c says. An answer of which a part
// is missing is still an answer.
func Do(c *http.Client, req *http.Request) (*Answer, *Failure) {
	client := *c
	client.CheckRedirect = refuseRedirect

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
		return nil, newFailure(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()

	answer := &Answer{Status: resp.StatusCode, Header: resp.Header}
	answer.Body, err = io.ReadAll(http.MaxBytesReader(nil, resp.Body, MaxAnswerBytes))
	if err != nil {
		answer.Incomplete = newFailure(err, true)
	}
	return answer, nil
}
