package connection

import (
	"context"
	"fmt"
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
	// Token is a name for the bot token and the way to Slack, which all
	// SlackChannels of the Domain that have the same share; empty for a webhook. It is no
	// secret itself, and means nothing to another process.
	Token string
	// Client names how requests leave the cluster, with their time-out.
	Client string
	// Secrets names the present versions of the Secrets.
	Secrets string
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
	secrets, err := r.secretVersions(ctx, c)
	if err != nil {
		return nil, err
	}
	version := fmt.Sprintf("%s/%d%s", c.UID, c.Generation, secrets)
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
	p.secrets = secrets
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
		conn.Version, conn.Changed, conn.Secrets = version, p.changed, p.secrets
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
		Credential: p.credential, Token: p.name, Client: p.client, Secrets: p.secrets, Version: version, Changed: p.changed,
		Domain: DomainOf(c), unnamed: "token " + p.name,
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

// secretVersions names the present versions of the Secrets that a connection is made of.
func (r *Resolver) secretVersions(ctx context.Context, c *v1alpha1.SlackChannel) (string, error) {
	var b strings.Builder
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
