package connection

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
)

// Keys of the Secrets that spec.interactions names.
const (
	DefaultAppTokenKey      = "appToken"
	DefaultSigningSecretKey = "signingSecret"
)

func appTokenUse(ref v1alpha1.SecretKeyReference) secretUse {
	return secretUse{name: ref.Name, key: or(ref.Key, DefaultAppTokenKey), field: "spec.interactions.appTokenSecretRef",
		holds: "the app-level token (xapp-…) with the scope connections:write"}
}

func signingUse(ref v1alpha1.SecretKeyReference) secretUse {
	return secretUse{name: ref.Name, key: or(ref.Key, DefaultSigningSecretKey), field: "spec.interactions.signingSecretRef",
		holds: "the app's signing secret"}
}

// interactionUses lists the Secrets that spec.interactions names. What is wrong
// with them keeps no message from being sent.
func interactionUses(c *v1alpha1.SlackChannel) []secretUse {
	var out []secretUse
	if i := c.Spec.Interactions; i != nil {
		if i.AppTokenSecretRef != nil {
			out = append(out, appTokenUse(*i.AppTokenSecretRef))
		}
		if i.SigningSecretRef != nil {
			out = append(out, signingUse(*i.SigningSecretRef))
		}
	}
	return out
}

// AppTokenPlace names where the app-level token of a SlackChannel is.
func AppTokenPlace(c *v1alpha1.SlackChannel) string {
	for _, u := range interactionUses(c) {
		return fmt.Sprintf("key %q of Secret %s/%s", u.key, c.Namespace, u.name)
	}
	return "the Secret that spec.interactions names"
}

// Socket is what a connection by Socket Mode is made of.
type Socket struct {
	// Key is the same for SlackChannels that share a connection: those with the same
	// token, of the same trust domain and by the same way to Slack. It is no secret,
	// and means nothing to another process.
	Key string
	// Domain says whose word comes over the connection.
	Domain slack.Domain
	// Frames is the memory for what comes over all connections of the namespace by a
	// proxy or CA of its own; nil, which is without a bound, by the operator's own way.
	Frames *egress.Budget

	token   string
	client  string
	options egress.Options
	resolve *Resolver
}

// Socket returns what the connection of a SlackChannel by Socket Mode is made of,
// or a *Problem that a person must mend, or another error when the API server does
// not answer. It reads the Secrets each time.
func (r *Resolver) Socket(ctx context.Context, c *v1alpha1.SlackChannel) (*Socket, error) {
	if problem := r.notAllowed(c); problem != nil {
		return nil, problem
	}
	use := appTokenUse(*c.Spec.Interactions.AppTokenSecretRef)
	_, token, err := r.read(ctx, c.Namespace, use)
	if err != nil {
		return nil, err
	}
	p := &parts{options: egress.Options{Timeout: egress.DefaultTimeout, Allow: r.Allow}}
	network, err := r.network(ctx, c, p, func(*corev1.Secret) {})
	if err != nil {
		return nil, err
	}
	r.guard(c, &p.options)
	// The time-out is one of the client alone, and parts no connection.
	p.client = "socket"
	if len(network) > 0 {
		p.client += "/" + c.Namespace + "/" + r.fingerprint(network...)
	}
	d := DomainOf(c)
	var frames *egress.Budget
	if d.Private() {
		frames = r.frames.of(d)
	}
	return &Socket{Key: p.client + "/" + r.fingerprint("appToken", token), Domain: d, Frames: frames, token: token, client: p.client, options: p.options, resolve: r}, nil
}

// Open returns a client with the app-level token, and the HTTP client for the
// connection, which release gives back.
func (s *Socket) Open() (api *webapi.Client, client *http.Client, release func(), err error) {
	r := s.resolve
	client, err = r.clients.acquire(s.client, s.Domain, s.options)
	if err != nil {
		return nil, nil, nil, &Problem{v1alpha1.ReasonInvalidConnection, fmt.Sprintf("spec.connection can't be used: %v; %s", err, seenAtOnce)}
	}
	var once sync.Once
	release = func() { once.Do(func() { r.clients.release(s.client) }) }
	observe := r.observer(s.Domain)
	api, err = webapi.New(webapi.Options{Token: s.token, APIURL: r.APIURL, Client: client, Observe: observe})
	if err != nil {
		release()
		return nil, nil, nil, &Problem{v1alpha1.ReasonInvalidAppToken, fmt.Sprintf("the app-level token can't be used: %v; %s", err, seenAtOnce)}
	}
	return api, client, release, nil
}

// SigningSecret reads the signing secret of a SlackChannel's app, or returns a
// *Problem that a person must mend.
func (r *Resolver) SigningSecret(ctx context.Context, c *v1alpha1.SlackChannel) (string, error) {
	_, value, err := r.read(ctx, c.Namespace, signingUse(*c.Spec.Interactions.SigningSecretRef))
	return strings.TrimSpace(value), err
}
