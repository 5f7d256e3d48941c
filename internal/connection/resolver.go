package connection

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slack/webhook"
)

// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Connection reaches Slack with the credentials of one SlackChannel.
type Connection struct {
	// Poster sends messages.
	Poster slack.Poster
	// API is nil for a webhook.
	API slack.API
	// Responder answers people who press buttons; nil for a webhook.
	Responder *webhook.Responder
	// WebhookKey names a webhook for pacing; empty for the Web API.
	WebhookKey string
	// Credential is a name for what the connection is made of: the values that
	// are used of the Secrets and, by the Web API, the spec. It is no secret
	// itself, means nothing to another process, and stays as it is when
	// anything else about a Secret changes.
	Credential string
	// Version names the present versions of the spec and of the Secrets. It
	// changes with anything about them, so that what has failed is tried again
	// when somebody has touched the Secret.
	Version string
	// Domain says whose word its answers are.
	Domain slack.Domain
	// Changed is when the data of the Secrets was last written, in whole
	// seconds; zero when they do not tell.
	Changed time.Time

	// unnamed stands for a workspace that is not known.
	unnamed string
}

// Workspace is the key of the workspace that the connection leads to, with its
// app, as auth.test names them; of the token or the webhook itself where no
// identity is known, which is the zero one.
func (c *Connection) Workspace(i slack.Identity) slack.Workspace {
	if i.TeamID == "" {
		return c.Domain.Workspace(c.unnamed, "")
	}
	return c.Domain.Workspace(i.TeamID, i.BotUserID)
}

// Problem is why a SlackChannel has no connection. Its text stands in the
// status.
type Problem struct {
	// Reason is one of the reasons of a SlackChannel.
	Reason  string
	Message string
}

// Error returns the message.
func (p *Problem) Error() string { return p.Message }

// Resolver makes connections and keeps them for as long as they hold.
type Resolver struct {
	// Versions reads the metadata of Secrets, from a cache.
	Versions client.Reader
	// Secrets reads Secrets from the API server.
	Secrets client.Reader
	// Allow says which hosts may receive a credential.
	Allow egress.AllowList
	// APIURL of Slack's Web API, normalised.
	APIURL string
	// Custom names the namespaces whose SlackChannels may have a proxy or a
	// certificate authority of their own; none when empty.
	Custom Namespaces
	// Proxies says where such a proxy may be.
	Proxies egress.ProxyRules
	// Calls keeps the servers of tenants from holding all workers; nil lets all
	// calls through.
	Calls *Gate
	// Observe is told of every call.
	Observe slack.Observer

	// salt keeps anybody from trying values against a Credential.
	salt    []byte
	salted  sync.Once
	clients clients
	answers answers
	// frames are the memory for what comes by Socket Mode.
	frames answers

	mu          sync.Mutex
	connections map[types.UID]cached
}

type cached struct {
	conn *Connection
	// client is the key of the HTTP client in use.
	client string
}

// Resolve returns the connection of a SlackChannel, or a *Problem that a
// person must mend, or another error when the API server does not answer.
func (r *Resolver) Resolve(ctx context.Context, c *v1alpha1.SlackChannel) (*Connection, error) {
	if problem := r.notAllowed(c); problem != nil {
		return nil, problem
	}
	version, err := r.version(ctx, c)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	have, ok := r.connections[c.UID]
	r.mu.Unlock()
	if ok && have.conn.Version == version {
		return have.conn, nil
	}
	p, err := r.parts(ctx, c)
	if err != nil {
		return nil, err
	}
	return r.keep(c, version, p)
}

// keep returns the connection that is made of the parts: by the present clients
// when it is made of the same.
func (r *Resolver) keep(c *v1alpha1.SlackChannel, version string, p *parts) (*Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.connections[c.UID]
	if ok && have.conn.Credential == p.credential && have.client == p.client {
		conn := *have.conn
		conn.Version, conn.Changed = version, p.changed
		r.connections[c.UID] = cached{conn: &conn, client: have.client}
		return &conn, nil
	}
	r.guard(c, &p.options)
	httpClient, err := r.clients.acquire(p.client, DomainOf(c), p.options)
	if err != nil {
		r.dropUnused(DomainOf(c))
		return nil, &Problem{v1alpha1.ReasonInvalidConnection, fmt.Sprintf("spec.connection can't be used: %v; %s", err, seenAtOnce)}
	}
	conn := &Connection{
		Credential: p.credential, Version: version, Changed: p.changed, Domain: DomainOf(c), unnamed: "token of " + string(c.UID),
	}
	if c.Spec.Webhook != nil {
		conn.Poster = webhook.New(webhook.Options{URL: p.url, Client: httpClient, Observe: r.observer(conn.Domain)})
		conn.WebhookKey = p.url.Key()
		conn.unnamed = "webhook " + conn.WebhookKey
	} else {
		api, err := webapi.New(webapi.Options{Token: p.token, APIURL: r.APIURL, Client: httpClient, Observe: r.observer(conn.Domain)})
		if err != nil {
			r.release(p.client, DomainOf(c))
			return nil, &Problem{v1alpha1.ReasonInvalidToken, fmt.Sprintf("the token in Secret %s/%s can't be used: %v; %s",
				c.Namespace, c.Spec.WebAPI.TokenSecretRef.Name, err, seenAtOnce)}
		}
		conn.Poster, conn.API = api, api
		conn.Responder = webhook.NewResponder(httpClient, r.observer(conn.Domain))
	}
	if ok {
		r.release(have.client, have.conn.Domain)
	}
	if r.connections == nil {
		r.connections = map[types.UID]cached{}
	}
	r.connections[c.UID] = cached{conn: conn, client: p.client}
	return conn, nil
}

// Forget drops the connection of a SlackChannel that was deleted.
func (r *Resolver) Forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.connections[uid]; ok {
		r.release(have.client, have.conn.Domain)
		delete(r.connections, uid)
	}
}

// release gives a client back.
func (r *Resolver) release(key string, d slack.Domain) {
	r.clients.release(key)
	r.dropUnused(d)
}

// dropUnused drops what is kept of a domain that has no client any more.
func (r *Resolver) dropUnused(d slack.Domain) {
	if !r.clients.has(d) {
		r.answers.forget(d)
		r.frames.forget(d)
	}
}

// version names the present versions of all that a connection is made of.
func (r *Resolver) version(ctx context.Context, c *v1alpha1.SlackChannel) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d", c.UID, c.Generation)
	for _, u := range uses(c) {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Versions.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: u.name}, meta)
		if apierrors.IsNotFound(err) {
			return "", u.notFound(c.Namespace)
		}
		if err != nil {
			return "", fmt.Errorf("reading the metadata of Secret %s/%s: %w", c.Namespace, u.name, err)
		}
		fmt.Fprintf(&b, "/%s@%s", meta.UID, meta.ResourceVersion)
	}
	return b.String(), nil
}

// parts are what a connection is made of.
type parts struct {
	token string
	url   webhook.URL
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
