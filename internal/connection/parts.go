package connection

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webhook"
)

// parts are what a connection is made of.
type parts struct {
	token string
	url   webhook.URL
	// name of the token and the way to Slack.
	name string
	// secrets are the versions of the Secrets.
	secrets string
	// options of the HTTP client, and a key for those.
	options egress.Options
	client  string
	// credential and changed are those of Connection.
	credential string
	changed    time.Time
}

// parts reads what a connection is made of.
func (r *Resolver) parts(ctx context.Context, c *v1alpha1.SlackChannel) (*parts, error) {
	p := &parts{options: egress.Options{Timeout: egress.DefaultTimeout, Allow: r.Allow}}
	known := true
	note := func(s *corev1.Secret) {
		changed := dataChanged(s)
		known = known && !changed.IsZero()
		if changed.After(p.changed) {
			p.changed = changed
		}
	}
	// The credential first, so that nothing is made for one that is not there.
	var values []string
	switch {
	case c.Spec.Webhook != nil:
		s, raw, err := r.read(ctx, c.Namespace, urlUse(c.Spec.Webhook.URLSecretRef))
		if err != nil {
			return nil, err
		}
		if p.url, err = webhook.ParseURL(raw, r.Allow); err != nil {
			return nil, &Problem{v1alpha1.ReasonInvalidWebhookURL, fmt.Sprintf("the webhook URL in Secret %s/%s can't be used: %v; %s", c.Namespace, s.Name, err, seenAtOnce)}
		}
		note(s)
		values = append(values, "webhook", raw)
	case c.Spec.WebAPI != nil:
		s, token, err := r.read(ctx, c.Namespace, tokenUse(c.Spec.WebAPI.TokenSecretRef))
		if err != nil {
			return nil, err
		}
		p.token = token
		note(s)
		values = append(values, "webAPI", token, fmt.Sprint(c.Generation))
	default:
		return nil, &Problem{v1alpha1.ReasonInvalidToken, "the SlackChannel has neither spec.webAPI nor spec.webhook: set one of them"}
	}
	network, err := r.network(ctx, c, p, note)
	if err != nil {
		return nil, err
	}
	p.client = p.options.Timeout.Round(time.Millisecond).String()
	if len(network) > 0 {
		// A client has its namespace's part of the memory for answers.
		p.client += "/" + c.Namespace + "/" + r.fingerprint(network...)
	}
	if p.token != "" {
		p.name = r.fingerprint(append([]string{"token", DomainOf(c).Namespace(), p.token}, network...)...)
	}
	p.credential = string(c.UID) + "/" + r.fingerprint(append(values, network...)...)
	if !known {
		p.changed = time.Time{}
	}
	return p, nil
}

// maxTimeout of a request. A server that does not answer keeps a worker for as
// long; the schema refuses more, but older objects may have it.
const maxTimeout = 30 * time.Second

// network reads how requests leave the cluster, and returns the values that
// this is made of; none for the usual way.
func (r *Resolver) network(ctx context.Context, c *v1alpha1.SlackChannel, p *parts, note func(*corev1.Secret)) ([]string, error) {
	spec := c.Spec.Connection
	if spec == nil {
		return nil, nil
	}
	var values []string
	if spec.Timeout != nil {
		p.options.Timeout = min(spec.Timeout.Duration, maxTimeout)
	}
	if ref := spec.CASecretRef; ref != nil {
		s, _, err := r.read(ctx, c.Namespace, caUse(*ref))
		if err != nil {
			return nil, err
		}
		p.options.RootCAs = s.Data[caKey]
		note(s)
		values = append(values, "ca", string(s.Data[caKey]))
	}
	if ref := spec.ProxySecretRef; ref != nil {
		s, address, err := r.read(ctx, c.Namespace, proxyUse(*ref))
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			// The parser's own error would print the address, password and all.
			return nil, &Problem{v1alpha1.ReasonInvalidConnection, fmt.Sprintf(
				"key %q of Secret %s/%s, which spec.connection.proxySecretRef names, is no URL: write it as http://host:port; %s", proxyAddressKey, c.Namespace, ref.Name, seenAtOnce)}
		}
		if user := string(s.Data[proxyUserKey]); user != "" {
			u.User = url.UserPassword(user, string(s.Data[proxyPassKey]))
		}
		p.options.Proxy = u
		note(s)
		values = append(values, "proxy", u.String())
	}
	return values, nil
}

// fingerprint of values, which another process can neither compute nor compare.
func (r *Resolver) fingerprint(values ...string) string {
	r.salted.Do(func() {
		r.salt = make([]byte, sha256.Size)
		_, _ = rand.Read(r.salt) // it never fails (crypto/rand)
	})
	sum := hmac.New(sha256.New, r.salt)
	for _, v := range values {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(v), v) // a hash takes all
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
