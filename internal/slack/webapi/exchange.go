package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// errIncomplete is an ok without what it must hold.
var errIncomplete = errors.New("the answer lacks what it must hold")

// exchange is the HTTP client of one call by slack-go. It keeps what slack-go
// throws away: whether the request was sent, the status and Retry-After.
type exchange struct {
	client  *http.Client
	method  string
	answer  *egress.Answer
	failure *egress.Failure
	// excessive is true for an answer that slack-go was not given.
	excessive bool
}

// What is decoded at most. An answer about one thing has a few hundred values, and
// slack-go makes large structures of them; a message comes back with all of its
// blocks; a list is read element by element, and has some 100 values for each.
const (
	maxValues     = 20_000
	maxListValues = 1_000_000
	maxDepth      = 64

	maxOneBytes = 1 << 20
)

// lists are the methods whose answers are lists.
var lists = map[string]bool{
	slack.MethodUsersList: true, slack.MethodConversationsList: true, slack.MethodConversationsMembers: true,
	slack.MethodUserGroupsList: true, slack.MethodHistory: true, slack.MethodReplies: true,
}

// maxBytes is the longest answer of a method that is read.
func maxBytes(method string) int64 {
	if lists[method] {
		return egress.MaxAnswerBytes
	}
	return maxOneBytes
}

// excessive reports whether an answer is not to be decoded.
func excessive(method string, body []byte) bool {
	most := maxValues
	if lists[method] {
		most = maxListValues
	}
	return boundedjson.Values(body, most) > most || boundedjson.Depth(body, maxDepth) > maxDepth
}

// errExcessive is an answer beyond maxValues or maxDepth.
var errExcessive = errors.New("the answer holds more than one of Slack's can")

// Do implements slack-go's HTTP client.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	x.answer, x.failure = egress.Do(x.client, req, maxBytes(x.method))
	if x.failure != nil {
		return nil, x.failure
	}
	if excessive(x.method, x.answer.Body) {
		x.excessive = true
		return nil, errExcessive
	}
	return &http.Response{
		StatusCode: x.answer.Status, Status: http.StatusText(x.answer.Status), Header: x.answer.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Body: io.NopCloser(bytes.NewReader(x.answer.Body)), ContentLength: int64(len(x.answer.Body)),
	}, nil
}

// classify turns what slack-go says, and what was seen of the exchange, into
// an error of the port; nil when all is well.
func (x *exchange) classify(method string, err error) *slack.Error {
	if e := x.transport(method); e != nil {
		return e
	}
	// What slack-go makes of the body comes second: it loses Slack's code when
	// it can't decode the rest, and takes an empty object for a success.
	if x.excessive {
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: errExcessive.Error()}
	}
	var nothing struct{}
	if e := decode(method, x.answer, &nothing); e != nil {
		return e
	}
	if err == nil {
		return nil
	}
	return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer could not be read"}
}

// transport classifies what went wrong below Slack's own answers.
func (x *exchange) transport(method string) *slack.Error {
	switch {
	case x.failure != nil:
		return transportError(method, x.failure)
	case x.answer == nil:
		// slack-go gave up before it made a request.
		return &slack.Error{Class: slack.ClassUnavailable, Method: method, Reason: "no request was made"}
	default:
		return statusError(method, x.answer)
	}
}

func transportError(method string, f *egress.Failure) *slack.Error {
	e := &slack.Error{Class: slack.ClassUnavailable, Method: method, Reason: f.Error()}
	switch {
	case f.Refused:
		e.Class = slack.ClassInvalidCall
	case f.Busy: // nothing was done, as with a 429
		e.Class, e.Busy, e.RetryAfter = slack.ClassRateLimited, true, backoff.Around(egress.BusyPause)
	case f.Sent:
		e.Class = slack.ClassAmbiguous
	}
	return e
}

// unserved are the statuses that say that there is no such method.
var unserved = map[int]bool{http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusNotImplemented: true}

// statusError classifies an answer by its HTTP status; nil for a whole 200.
func statusError(method string, a *egress.Answer) *slack.Error {
	switch {
	case a.Status == http.StatusTooManyRequests:
		return &slack.Error{Class: slack.ClassRateLimited, Method: method, Code: "ratelimited", RetryAfter: a.RetryAfter()}
	case a.Status >= 300 && a.Status < 400:
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Code: fmt.Sprintf("http_%d", a.Status),
			Reason: "a redirect, which is not followed because the token would go with it; check --slack-api-url"}
	case a.Status != http.StatusOK:
		if e := refusalOf(method, a.Body); e != nil && e.Class != slack.ClassUnknown {
			return asksToWait(e, a)
		}
		// Slack's documents say nothing of these, so nothing is known.
		return asksToWait(&slack.Error{Class: slack.ClassAmbiguous, Method: method, Code: fmt.Sprintf("http_%d", a.Status), Unserved: unserved[a.Status]}, a)
	case a.Incomplete != nil:
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "the answer broke off: " + a.Incomplete.Error()}
	}
	return nil
}

// asksToWait adds to what an answer says how long it asks to wait, which a server may do
// with any status.
func asksToWait(e *slack.Error, a *egress.Answer) *slack.Error {
	e.RetryAfter = a.RetryAfter()
	return e
}

// answerHead is what every answer has.
type answerHead struct {
	OK     *bool           `json:"ok"`
	Error  string          `json:"error"`
	Needed json.RawMessage `json:"needed"`
	Meta   json.RawMessage `json:"response_metadata"`
}

// refusalOf returns the error that a body holds; nil when it holds none.
func refusalOf(method string, body []byte) *slack.Error {
	var head answerHead
	readable := json.Unmarshal(body, &head) == nil
	if readable && head.Error != "" && (head.OK == nil || !*head.OK) {
		return errorOf(method, head)
	}
	return nil
}

// What is taken over from an answer has a known form, since it is shown.
var (
	plainCode   = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
	plainScopes = regexp.MustCompile(`^[a-z._:,]{1,200}$`)
)

func errorOf(method string, head answerHead) *slack.Error {
	code := head.Error
	if !plainCode.MatchString(code) {
		code = "unreadable_code"
	}
	e := &slack.Error{Class: codes[code], Method: method, Code: code, Reason: explanations[code], Remedy: remedies[code], Unserved: code == "unknown_method"}
	var needed string
	if json.Unmarshal(head.Needed, &needed) == nil && plainScopes.MatchString(needed) {
		e.Needed = needed
	}
	e.Details = details(head.Meta)
	return e
}

// details reads Slack's explanations, cut to what a status can hold.
func details(meta json.RawMessage) []string {
	var out []string
	// What can be read of them is kept, and the rest is not missed.
	_ = elements(meta, "messages", func(raw json.RawMessage) {
		var message string
		if len(out) > slack.MaxDetails || json.Unmarshal(raw, &message) != nil {
			return
		}
		message = strings.TrimPrefix(safetext.Line(message), "[ERROR] ")
		if runes := []rune(message); len(runes) > slack.MaxDetailRunes {
			message = string(runes[:slack.MaxDetailRunes-1]) + "…"
		}
		out = append(out, message)
	})
	if len(out) > slack.MaxDetails {
		out = append(out[:slack.MaxDetails-1], "and more")
	}
	return out
}

// exchange makes one call with a JSON body, without slack-go.
func (c *Client) exchange(ctx context.Context, method string, body any, out any) *slack.Error {
	data, err := json.Marshal(body)
	if err != nil {
		return &slack.Error{Class: slack.ClassMessageRejected, Method: method, Reason: "the message can't be written as JSON"}
	}
	answer, e := c.ask(ctx, method, jsonType, data)
	defer answer.Release()
	if e != nil {
		return e
	}
	return decode(method, answer, out)
}

// Content types of a call. Every method takes a form, some take JSON too.
const (
	jsonType = "application/json; charset=utf-8"
	formType = "application/x-www-form-urlencoded"
)

// ask makes the request and returns its answer, which is to be released whatever
// the error. The token goes in a header, which net/http does not take along to
// another host.
func (c *Client) ask(ctx context.Context, method, contentType string, data []byte) (*egress.Answer, *slack.Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.apiURL+method, bytes.NewReader(data))
	if err != nil {
		return nil, &slack.Error{Class: slack.ClassInvalidCall, Method: method, Reason: "the API's address can't be used"}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+c.token)
	answer, failure := egress.Do(c.http, req, maxBytes(method))
	if failure != nil {
		return nil, transportError(method, failure)
	}
	if excessive(method, answer.Body) {
		if answer.Status == http.StatusTooManyRequests { // which is told by the status alone
			return answer, statusError(method, answer)
		}
		return answer, &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: errExcessive.Error()}
	}
	return answer, statusError(method, answer)
}

// decode reads a 200. Only "ok":true counts as success.
func decode(method string, a *egress.Answer, out any) *slack.Error {
	body := a.Body
	var head answerHead
	if err := json.Unmarshal(body, &head); err != nil {
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer could not be read"}
	}
	if head.Error != "" && (head.OK == nil || !*head.OK) {
		return asksToWait(errorOf(method, head), a)
	}
	if head.OK == nil || !*head.OK {
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer says neither that it worked nor what failed"}
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer could not be read"}
	}
	return nil
}
