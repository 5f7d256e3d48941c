package intake

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// Interactions takes clicks on buttons.
type Interactions interface {
	// Secret returns the signing secret of a SlackChannel's app: as a cache knows it,
	// or with fresh as the API server does; nil where no clicks are taken for it.
	Secret(ctx context.Context, channel types.NamespacedName, fresh bool) ([]byte, error)
	// Take takes a payload that was signed with the secret. True means that what
	// had to be stored is stored.
	Take(ctx context.Context, channel types.NamespacedName, secret, payload []byte) bool
}

// interactionTime is how long a click may take: Slack waits for three seconds
// (docs.slack.dev/interactivity/handling-user-interaction), which the way takes a
// part of.
const interactionTime = 2500 * time.Millisecond

// unsigned is what all are told whose signature is not right: whether there is such
// a SlackChannel is not theirs to know.
func unsigned() *answer {
	return refuse(http.StatusUnauthorized, "the request is not signed as Slack signs it for this SlackChannel (spec.interactions.signingSecretRef), or not within five minutes of now")
}

// interactions takes what Slack posts when somebody presses a button. There is no
// token: the signature says that it is Slack's. What is right by the secret in
// memory goes on; all else takes a slot of its address.
func (s *Server) interactions(r *http.Request, to route) *answer {
	ctx, cancel := context.WithTimeout(r.Context(), interactionTime)
	defer cancel()
	if s.Interactions == nil {
		return unsigned()
	}
	timestamp, signature := signatureOf(r.Header, interact.HeaderTimestamp), signatureOf(r.Header, interact.HeaderSignature)
	known, ok := s.signers.get(to)
	tried := s.limits.signatures.Allow
	if signature == "" || !interact.Recent(timestamp, s.Clock.Now()) {
		if !tried(kubeauth.Address(r)) {
			return tooOften()
		}
		return unsigned()
	}
	if !ok && !tried(kubeauth.Address(r)) {
		return tooOften()
	}
	data, release, refused := s.form(r)
	defer release()
	if refused != nil {
		return refused
	}
	if ok && !interact.Signed(known.key, timestamp, signature, data) && !tried(kubeauth.Address(r)) {
		return tooOften()
	}
	secret, refused := s.signedBy(ctx, to, timestamp, signature, data)
	if refused != nil {
		return refused
	}
	payload, err := interact.DecodeForm(data)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if !s.Interactions.Take(ctx, to.channel(), secret, payload) {
		return again(1, nil, "the click was not stored in time, or can't be checked now")
	}
	return &answer{code: http.StatusOK}
}

// form reads a body that is no JSON; the caller calls release.
func (s *Server) form(r *http.Request) (data []byte, release func(), refused *answer) {
	if r.ContentLength > s.limits.Body {
		return nil, func() {}, s.tooLarge()
	}
	data, more, release, refused := s.fill(r)
	if refused == nil && more {
		refused = s.tooLarge()
	}
	return data, release, refused
}

// signedBy returns the secret that a body is signed with, which the cache knows or
// the API server does.
func (s *Server) signedBy(ctx context.Context, to route, timestamp, signature string, data []byte) ([]byte, *answer) {
	for _, fresh := range []bool{false, true} {
		secret, err := s.Interactions.Secret(ctx, to.channel(), fresh)
		switch {
		case errors.As(err, new(*webhookkey.Problem)):
			continue
		case err != nil:
			return nil, again(5, err, "the signature could not be checked")
		case secret == nil:
			return nil, unsigned()
		case interact.Signed(secret, timestamp, signature, data):
			s.signers.put(to, signer{interact.HeaderSignature, secret})
			return secret, nil
		}
	}
	return nil, unsigned()
}

func (to route) channel() types.NamespacedName {
	return types.NamespacedName{Namespace: to.namespace, Name: to.name}
}
