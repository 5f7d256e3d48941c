package connection

import (
	"context"
	"fmt"
	"net/http"
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

// Defaults of the keys of a Secret.
const (
	DefaultTokenKey = "token"
	DefaultURLKey   = "url"
	caKey           = "ca.crt"
	proxyAddressKey = "address"
	proxyUserKey    = "username"
	proxyPassKey    = "password"
)

// Connection reaches Slack with the credentials of one SlackChannel.
type Connection struct {
	// Poster sends messages.
	Poster slack.Poster
	// API is nil for a webhook.
	API slack.API
	// WebhookKey names a webhook for pacing; empty for the Web API.
	WebhookKey string
	// Credential is a name for what the connection is made of. It changes with
	// the Secrets and is no secret itself.
	Credential string
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
	// Observe is told of every call.
	Observe slack.Observer

	mu          sync.Mutex
	connections map[types.UID]cached
	clients     map[string]*http.Client
}

type cached struct {
	stamp string
	conn  *Connection
}

// SecretNames lists the Secrets that a SlackChannel names.
func SecretNames(c *v1alpha1.SlackChannel) []string {
	var names []string
	if c.Spec.WebAPI != nil {
		names = append(names, c.Spec.WebAPI.TokenSecretRef.Name)
	}
	if c.Spec.Webhook != nil {
		names = append(names, c.Spec.Webhook.URLSecretRef.Name)
	}
	if conn := c.Spec.Connection; conn != nil {
		if conn.ProxySecretRef != nil {
			names = append(names, conn.ProxySecretRef.Name)
		}
		if conn.CASecretRef != nil {
			names = append(names, conn.CASecretRef.Name)
		}
	}
	return names
}

// Resolve returns the connection of a SlackChannel, or a *Problem that a
// person must mend, or another error when the API server does not answer.
func (r *Resolver) Resolve(ctx context.Context, c *v1alpha1.SlackChannel) (*Connection, error) {
	stamp, err := r.stamp(ctx, c)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	have, ok := r.connections[c.UID]
	r.mu.Unlock()
	if ok && have.stamp == stamp {
		return have.conn, nil
	}
	conn, err := r.connect(ctx, c, stamp)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connections == nil {
		r.connections = map[types.UID]cached{}
	}
	r.connections[c.UID] = cached{stamp: stamp, conn: conn}
	return conn, nil
}

// Forget drops the connection of a SlackChannel that was deleted.
func (r *Resolver) Forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.connections, uid)
}

// stamp names the present versions of all that a connection is made of.
func (r *Resolver) stamp(ctx context.Context, c *v1alpha1.SlackChannel) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d", c.UID, c.Generation)
	for _, name := range SecretNames(c) {
		meta := &metav1.PartialObjectMetadata{}
		meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Versions.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, meta)
		if apierrors.IsNotFound(err) {
			return "", secretNotFound(c, name)
		}
		if err != nil {
			return "", fmt.Errorf("reading the metadata of Secret %s/%s: %w", c.Namespace, name, err)
		}
		fmt.Fprintf(&b, "/%s@%s", meta.UID, meta.ResourceVersion)
	}
	return b.String(), nil
}

func secretNotFound(c *v1alpha1.SlackChannel, name string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonSecretNotFound,
		Message: fmt.Sprintf("Secret %q, which the SlackChannel names, does not exist in namespace %q: create it there",
			name, c.Namespace),
	}
}

func (r *Resolver) secret(ctx context.Context, c *v1alpha1.SlackChannel, name string) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	err := r.Secrets.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, secretNotFound(c, name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", c.Namespace, name, err)
	}
	return s, nil
}

func (r *Resolver) value(ctx context.Context, c *v1alpha1.SlackChannel, ref v1alpha1.SecretKeyReference, defaultKey string) (string, error) {
	s, err := r.secret(ctx, c, ref.Name)
	if err != nil {
		return "", err
	}
	key := ref.Key
	if key == "" {
		key = defaultKey
	}
	value := strings.TrimSpace(string(s.Data[key]))
	if value != "" {
		return value, nil
	}
	if _, ok := s.Data[key]; ok {
		return "", &Problem{v1alpha1.ReasonSecretKeyNotFound,
			fmt.Sprintf("key %q of Secret %s/%s is empty: put the value there", key, c.Namespace, ref.Name)}
	}
	return "", &Problem{v1alpha1.ReasonSecretKeyNotFound,
		fmt.Sprintf("Secret %s/%s has no key %q: add it, or name the right key in the SlackChannel", c.Namespace, ref.Name, key)}
}

func (r *Resolver) connect(ctx context.Context, c *v1alpha1.SlackChannel, stamp string) (*Connection, error) {
	httpClient, err := r.client(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.Spec.Webhook != nil {
		raw, err := r.value(ctx, c, c.Spec.Webhook.URLSecretRef, DefaultURLKey)
		if err != nil {
			return nil, err
		}
		u, err := webhook.ParseURL(raw, r.Allow)
		if err != nil {
			return nil, &Problem{v1alpha1.ReasonInvalidWebhookURL,
				fmt.Sprintf("the webhook URL in Secret %s/%s can't be used: %v", c.Namespace, c.Spec.Webhook.URLSecretRef.Name, err)}
		}
		poster := webhook.New(webhook.Options{URL: u, Client: httpClient, Observe: r.Observe})
		return &Connection{Poster: poster, WebhookKey: u.Key(), Credential: stamp}, nil
	}
	if c.Spec.WebAPI == nil {
		return nil, &Problem{v1alpha1.ReasonInvalidToken, "the SlackChannel has neither webAPI nor webhook: set one of them"}
	}
	token, err := r.value(ctx, c, c.Spec.WebAPI.TokenSecretRef, DefaultTokenKey)
	if err != nil {
		return nil, err
	}
	api, err := webapi.New(webapi.Options{Token: token, APIURL: r.APIURL, Client: httpClient, Observe: r.Observe})
	if err != nil {
		return nil, &Problem{v1alpha1.ReasonInvalidToken,
			fmt.Sprintf("the token in Secret %s/%s can't be used: %v", c.Namespace, c.Spec.WebAPI.TokenSecretRef.Name, err)}
	}
	return &Connection{Poster: api, API: api, Credential: stamp}, nil
}

// client returns the HTTP client for the SlackChannel's connection. Those that
// ask for nothing special share one, and its connections.
func (r *Resolver) client(ctx context.Context, c *v1alpha1.SlackChannel) (*http.Client, error) {
	o := egress.Options{Timeout: egress.DefaultTimeout, Allow: r.Allow}
	key := ""
	if spec := c.Spec.Connection; spec != nil {
		if spec.Timeout != nil {
			o.Timeout = spec.Timeout.Duration
		}
		if ref := spec.CASecretRef; ref != nil {
			s, err := r.secret(ctx, c, ref.Name)
			if err != nil {
				return nil, err
			}
			if len(s.Data[caKey]) == 0 {
				return nil, &Problem{v1alpha1.ReasonSecretKeyNotFound,
					fmt.Sprintf("Secret %s/%s has no key %q with the certificate authorities in PEM form: add it", c.Namespace, ref.Name, caKey)}
			}
			o.RootCAs = s.Data[caKey]
			key += fmt.Sprintf("/ca=%s@%s", s.UID, s.ResourceVersion)
		}
		if ref := spec.ProxySecretRef; ref != nil {
			proxy, s, err := r.proxy(ctx, c, ref.Name)
			if err != nil {
				return nil, err
			}
			o.Proxy = proxy
			key += fmt.Sprintf("/proxy=%s@%s", s.UID, s.ResourceVersion)
		}
	}
	key = o.Timeout.Round(time.Millisecond).String() + key
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, ok := r.clients[key]; ok {
		return have, nil
	}
	made, err := egress.NewClient(o)
	if err != nil {
		return nil, &Problem{v1alpha1.ReasonInvalidConnection, fmt.Sprintf("spec.connection can't be used: %v", err)}
	}
	if r.clients == nil {
		r.clients = map[string]*http.Client{}
	}
	r.clients[key] = made
	return made, nil
}

func (r *Resolver) proxy(ctx context.Context, c *v1alpha1.SlackChannel, name string) (*url.URL, *corev1.Secret, error) {
	s, err := r.secret(ctx, c, name)
	if err != nil {
		return nil, nil, err
	}
	address := strings.TrimSpace(string(s.Data[proxyAddressKey]))
	if address == "" {
		return nil, nil, &Problem{v1alpha1.ReasonSecretKeyNotFound,
			fmt.Sprintf("Secret %s/%s has no key %q with the proxy's URL: add it", c.Namespace, name, proxyAddressKey)}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		// The parser's own error would print the address, password and all.
		return nil, nil, &Problem{v1alpha1.ReasonInvalidConnection,
			fmt.Sprintf("key %q of Secret %s/%s is no URL: write it as http://host:port", proxyAddressKey, c.Namespace, name)}
	}
	if user := string(s.Data[proxyUserKey]); user != "" {
		u.User = url.UserPassword(user, string(s.Data[proxyPassKey]))
	}
	return u, s, nil
}
