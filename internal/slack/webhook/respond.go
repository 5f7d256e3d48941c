package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Responder tells a person who has pressed a button something that nobody else
// sees. The address comes with the click, holds for 30 minutes and five answers
// (docs.slack.dev/interactivity/handling-user-interaction), and is a secret.
type Responder struct {
	http    *http.Client
	observe slack.Observer
}

// NewResponder returns a Responder. The client is one of egress.NewClient, which
// lets nothing through to hosts that may not have a credential.
func NewResponder(client *http.Client, observe slack.Observer) *Responder {
	if observe == nil {
		observe = func(string, string, time.Duration) {}
	}
	return &Responder{http: client, observe: observe}
}

type response struct {
	Type string `json:"response_type"`
	// ReplaceOriginal is said, since what is left out may mean either.
	ReplaceOriginal bool   `json:"replace_original"`
	Text            string `json:"text"`
}

// Tell shows a text, in mrkdwn, to the person alone. The error never holds the
// address.
func (r *Responder) Tell(ctx context.Context, address, text string) error {
	begin := time.Now()
	e := r.tell(ctx, address, text)
	r.observe(slack.MethodResponseURL, label(e), time.Since(begin))
	if e != nil {
		return e
	}
	return nil
}

func (r *Responder) tell(ctx context.Context, address, text string) *slack.Error {
	invalid := func(reason string) *slack.Error {
		return &slack.Error{Class: slack.ClassInvalidCall, Method: slack.MethodResponseURL, Reason: reason}
	}
	if _, err := url.Parse(address); err != nil || address == "" {
		return invalid("the click came without an address to answer at")
	}
	data, err := json.Marshal(response{Type: "ephemeral", Text: text})
	if err != nil {
		return invalid("the answer can't be written as JSON")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return invalid("the click came with an address that can't be used")
	}
	req.Header.Set("Content-Type", "application/json")
	answer, failure := egress.Do(r.http, req, maxAnswer)
	if failure != nil {
		e := transportError(failure)
		e.Method = slack.MethodResponseURL
		return e
	}
	defer answer.Release()
	if answer.Status != http.StatusOK {
		return &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodResponseURL, Code: fmt.Sprintf("http_%d", answer.Status), Reason: "the answer to the person was not taken"}
	}
	return nil
}
