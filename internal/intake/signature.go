package intake

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// SigningKeys are the keys by which posts for SlackAlerts are signed: as a cache
// knows them, and as the API server does. The error of both is a
// *webhookkey.Problem if the rule has no key.
type SigningKeys interface {
	Get(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error)
	Fresh(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error)
}

// maxSigners are remembered.
const maxSigners = 2000

// signers are the rules for which something was posted with a right signature.
// They spare those who sign from waiting behind those who only try. Nothing is
// let in by them alone.
type signers struct {
	mu sync.Mutex
	by map[route]signer
}

type signer struct {
	header string
	key    []byte
}

func (s *signers) get(to route) (signer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, ok := s.by[to]
	return out, ok
}

func (s *signers) put(to route, is signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil || len(s.by) >= maxSigners {
		s.by = map[route]signer{}
	}
	s.by[to] = is
}

// stranger is what all are told who show neither a token nor a right signature:
// whether there is such a rule, and what it asks for, is not theirs to know.
func stranger() *answer {
	return refuse(http.StatusUnauthorized, "show the token of a ServiceAccount (Authorization: Bearer …), or sign the body as the SlackAlert asks")
}

// signed takes a post without a token, if it is signed for the rule. What costs
// the API server something is held to a rate by the address, unless the signature
// is right by what is in memory.
func (s *Server) signed(r *http.Request, to route) *answer {
	data, release, refused := s.remembered(r, to)
	defer func() { release() }()
	if refused != nil {
		return refused
	}
	var rule *v1alpha1.SlackAlert
	refused = s.work(r.Context(), to.namespace, func(ctx context.Context) (refused *answer) {
		rule, refused = s.rule(ctx, to)
		return refused
	})
	switch {
	case refused != nil && refused.code >= http.StatusInternalServerError:
		return refused
	case refused != nil || !signs(rule) || signatureOf(r.Header, posts.HeaderOf(rule.Spec.Source.Webhook)) == "":
		return stranger()
	}
	if data == nil {
		if data, release, refused = s.body(r); refused != nil {
			return refused
		}
	}
	return s.work(r.Context(), to.namespace, func(ctx context.Context) *answer {
		if err := s.verify(ctx, to, rule, r.Header, data); err != nil {
			return notVerified(err)
		}
		if !s.limits.callers.Allow("signed for "+to.namespace+"/"+to.name) || !s.limits.namespaces.Allow(to.namespace) {
			return tooOften()
		}
		return s.receive(ctx, to, rule, r.Header, data)
	})
}

// remembered holds to a rate whoever does not sign by the key that is in memory for
// the rule. It reads the body only if there is one, and the caller calls release.
func (s *Server) remembered(r *http.Request, to route) (data []byte, release func(), refused *answer) {
	release = func() {}
	known, ok := s.signers.get(to)
	signature := ""
	if ok {
		signature = signatureOf(r.Header, known.header)
	}
	if signature != "" {
		if data, release, refused = s.body(r); refused != nil {
			return nil, release, refused
		}
	}
	trusted := signature != "" && posts.Verify(known.key, signature, data)
	if !trusted && !s.limits.signatures.Allow(kubeauth.Address(r)) {
		return nil, release, tooOften()
	}
	return data, release, nil
}

// signs reports whether a rule asks for signatures.
func signs(rule *v1alpha1.SlackAlert) bool {
	return rule.Spec.Source.Webhook != nil && rule.Spec.Source.Webhook.Signature != nil
}

// signatureOf is the signature of a request; empty if there is none, or more than
// one.
func signatureOf(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// errSignature means that a post is not signed as its rule asks.
var errSignature = errors.New("the signature is not right")

// verify returns nil if a post is signed as its rule asks, and else errSignature or
// what went wrong at the API server. That a rule has no key is the former: nobody
// is let in, and the rule's status says why.
func (s *Server) verify(ctx context.Context, to route, rule *v1alpha1.SlackAlert, h http.Header, data []byte) error {
	header := posts.HeaderOf(rule.Spec.Source.Webhook)
	signature := signatureOf(h, header)
	if signature == "" || s.Keys == nil {
		return errSignature
	}
	// What the cache does not know yet, the API server does.
	for _, read := range []func(context.Context, *v1alpha1.SlackAlert) ([]byte, error){s.Keys.Get, s.Keys.Fresh} {
		key, err := read(ctx, rule)
		var missing *webhookkey.Problem
		switch {
		case errors.As(err, &missing):
			continue
		case err != nil:
			return err
		case posts.Verify(key, signature, data):
			s.signers.put(to, signer{header, key})
			return nil
		}
	}
	return errSignature
}

func notVerified(err error) *answer {
	if errors.Is(err, errSignature) {
		return stranger()
	}
	return again(5, err, "the signature could not be checked")
}
