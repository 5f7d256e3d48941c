// Package webhook is the adapter to Slack's incoming webhooks.
//
// It does without slack-go, whose errors hold the webhook's URL and whose
// answers lose what Slack said. It does not retry, and it can't tell whether a
// message of unknown outcome was taken: a webhook can't be asked.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// maxAnswer of a webhook, in bytes: it is one word.
const maxAnswer = 16 << 10

// Options of New.
type Options struct {
	URL URL
	// Client made by egress.NewClient.
	Client *http.Client
	// Observe, if set, is told of every call.
	Observe slack.Observer
}

// Client implements slack.Poster.
type Client struct {
	url     URL
	http    *http.Client
	observe slack.Observer
}

var _ slack.Poster = (*Client)(nil)

// New returns a client.
func New(o Options) *Client {
	observe := o.Observe
	if observe == nil {
		observe = func(string, string, time.Duration) {}
	}
	return &Client{url: o.URL, http: o.Client, observe: observe}
}

// request is the body that a webhook takes
// (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). The
// sender is obeyed by webhooks of legacy integrations and ignored by those of
// apps; nothing tells them apart.
type request struct {
	Text        string            `json:"text,omitempty"`
	Blocks      []json.RawMessage `json:"blocks,omitempty"`
	Attachments []json.RawMessage `json:"attachments,omitempty"`
	Username    string            `json:"username,omitempty"`
	IconURL     string            `json:"icon_url,omitempty"`
	IconEmoji   string            `json:"icon_emoji,omitempty"`
	ThreadTS    string            `json:"thread_ts,omitempty"`
	UnfurlLinks bool              `json:"unfurl_links"`
	UnfurlMedia bool              `json:"unfurl_media"`
}

// Post implements slack.Poster. The conversation is the webhook's own, and a
// receipt has no timestamp.
func (c *Client) Post(ctx context.Context, _ string, m slack.Message) (slack.Posted, error) {
	begin := time.Now()
	e := c.post(ctx, m)
	c.observe(slack.MethodWebhook, label(e), time.Since(begin))
	if e != nil {
		return slack.Posted{}, e
	}
	return slack.Posted{ThreadTS: m.ThreadTS}, nil
}

func label(e *slack.Error) string {
	return slack.AnswerOf(e, func(code string) bool {
		_, ok := codes[code]
		return ok
	})
}

// Body returns the JSON that Post sends to a webhook for a message. The error says
// that it can't be written as JSON.
func Body(m slack.Message) ([]byte, error) {
	body := request{
		Text: m.Text, Blocks: m.Blocks, Attachments: m.Attachments, Username: m.Username, IconURL: m.IconURL,
		IconEmoji: m.IconEmoji, ThreadTS: m.ThreadTS, UnfurlLinks: m.Unfurl, UnfurlMedia: m.Unfurl,
	}
	if m.Markdown != "" {
		// A webhook has no markdown_text, but it takes the block.
		block, err := json.Marshal(map[string]string{"type": "markdown", "text": m.Markdown})
		if err != nil {
			return nil, errors.New("the Markdown can't be written as JSON")
		}
		body.Blocks = append(body.Blocks[:len(body.Blocks):len(body.Blocks)], block)
		if body.Text == "" {
			body.Text = m.Markdown
		}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("the message can't be written as JSON")
	}
	return data, nil
}

func (c *Client) post(ctx context.Context, m slack.Message) *slack.Error {
	data, err := Body(m)
	if err != nil {
		return &slack.Error{Class: slack.ClassMessageRejected, Method: slack.MethodWebhook, Reason: err.Error()}
	}
	if c.url.u == nil {
		return &slack.Error{Class: slack.ClassInvalidCall, Method: slack.MethodWebhook, Reason: "there is no webhook URL"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.u.String(), bytes.NewReader(data))
	if err != nil {
		return &slack.Error{Class: slack.ClassInvalidCall, Method: slack.MethodWebhook, Reason: "the webhook's URL can't be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	answer, failure := egress.Do(c.http, req, maxAnswer)
	if failure != nil {
		return transportError(failure)
	}
	defer answer.Release()
	e := classify(answer)
	if e != nil && mayBeBroadcast[e.Code] {
		e.BlameBroadcast(m)
	}
	return e
}

func transportError(f *egress.Failure) *slack.Error {
	e := &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodWebhook, Reason: f.Error()}
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

// codes are the bodies that a webhook answers with. Those with a status in the
// documents: docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
var codes = map[string]slack.Class{
	"invalid_payload":                   slack.ClassMessageRejected,
	"no_text":                           slack.ClassMessageRejected,
	"too_many_attachments":              slack.ClassMessageRejected,
	"invalid_attachments":               slack.ClassMessageRejected,
	"invalid_blocks":                    slack.ClassMessageRejected,
	"invalid_blocks_format":             slack.ClassMessageRejected,
	"msg_too_long":                      slack.ClassMessageRejected,
	"msg_blocks_too_long":               slack.ClassMessageRejected,
	"user_not_found":                    slack.ClassUserNotFound,
	"action_prohibited":                 slack.ClassPostingRestricted,
	"restricted_action":                 slack.ClassPostingRestricted, // seen, not documented
	"posting_to_general_channel_denied": slack.ClassPostingRestricted,
	"channel_not_found":                 slack.ClassChannelNotFound,
	"channel_is_archived":               slack.ClassChannelArchived,
	"invalid_token":                     slack.ClassWebhookRevoked,
	"no_service":                        slack.ClassWebhookRevoked,
	"no_active_hooks":                   slack.ClassWebhookRevoked,
	"no_service_id":                     slack.ClassWebhookRevoked,
	"no_team":                           slack.ClassWebhookRevoked,
	"team_disabled":                     slack.ClassWebhookRevoked,
	"rollup_error":                      slack.ClassAmbiguous,
	"rate_limited":                      slack.ClassRateLimited,
	"ratelimited":                       slack.ClassRateLimited,
}

// mayBeBroadcast are the refusals that a mention of a whole channel can bring.
var mayBeBroadcast = map[string]bool{"action_prohibited": true, "restricted_action": true}

var plainCode = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// saysOK reports whether a body is Slack's ok, or what a server in its place answers: the
// Web API's.
func saysOK(body string) bool {
	var answer struct {
		OK bool `json:"ok"`
	}
	return strings.EqualFold(strings.Trim(body, `"`), "ok") || json.Unmarshal([]byte(body), &answer) == nil && answer.OK
}

// classify judges an answer by its body first and its status second, since the
// statuses of many bodies are not documented.
func classify(a *egress.Answer) *slack.Error {
	text := strings.TrimSpace(string(a.Body))
	e := &slack.Error{Method: slack.MethodWebhook}
	if plainCode.MatchString(text) {
		e.Code = text
	}
	switch {
	case a.Status == http.StatusTooManyRequests:
		e.Class, e.Code, e.RetryAfter = slack.ClassRateLimited, "ratelimited", a.RetryAfter()
		return e
	case a.Status == http.StatusOK && saysOK(text) && a.Incomplete == nil:
		return nil
	}
	e.RetryAfter = a.RetryAfter()
	if class, ok := codes[e.Code]; ok {
		e.Class = class
		return e
	}
	switch {
	case a.Status >= 300 && a.Status < 400:
		e.Class, e.Code = slack.ClassAmbiguous, fmt.Sprintf("http_%d", a.Status)
		e.Reason = "a redirect, which is not followed because the message would go with it; check the webhook's URL"
	case a.Status == http.StatusOK:
		e.Class, e.Code = slack.ClassAmbiguous, ""
		e.Reason = "the answer is not Slack's ok"
	case a.Status >= 500:
		e.Class = slack.ClassAmbiguous
	case a.Status == http.StatusGone:
		e.Class = slack.ClassWebhookRevoked
	case a.Status == http.StatusBadRequest || a.Status == http.StatusRequestEntityTooLarge:
		e.Class = slack.ClassMessageRejected
	default:
		e.Class = slack.ClassUnknown
	}
	if e.Code == "" && e.Reason == "" {
		e.Code = fmt.Sprintf("http_%d", a.Status)
	}
	return e
}
