// Package webhookkey reads the keys by which posts for SlackAlerts, and clicks for
// SlackChannels, are signed, from Secrets in the namespaces of these.
//
// As with the Secrets of SlackChannels, their metadata alone is in a cache, which
// tells of a change at once; the value is read from the API server when it has
// changed.
package webhookkey

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/secretkeys"
)

// Problem is why a rule has no key. Its text stands in the status.
type Problem struct {
	// Reason is ReasonSecretNotFound or ReasonSecretKeyNotFound.
	Reason  string
	Message string
}

func (p *Problem) Error() string { return p.Message }

// maxKept values are in memory; more are read each time.
const maxKept = 2000

// Keys reads the keys. It is safe for concurrent use.
type Keys struct {
	// Versions reads the metadata of Secrets, from a cache.
	Versions client.Reader
	// Secrets reads Secrets from the API server.
	Secrets client.Reader

	mu   sync.Mutex
	kept map[place]value
}

type place struct {
	secret types.NamespacedName
	key    string
	// field of the spec that names it, as in "spec.source.webhook.signature.secretRef".
	field string
	// signs is who signs with it, and refused what is refused until it is there.
	signs, refused string
}

type value struct {
	version string
	data    []byte
}

func of(rule *v1alpha1.SlackAlert) (place, bool) {
	w := rule.Spec.Source.Webhook
	if w == nil || w.Signature == nil {
		return place{}, false
	}
	return place{
		types.NamespacedName{Namespace: rule.Namespace, Name: w.Signature.SecretRef.Name}, posts.KeyOf(w.Signature),
		"spec.source.webhook.signature.secretRef", "the key that the sender signs with", "all posts are refused",
	}, true
}

// DefaultSigningSecretKey of a SlackChannel's Secret.
const DefaultSigningSecretKey = "signingSecret"

func ofChannel(c *v1alpha1.SlackChannel) (place, bool) {
	if c.Spec.Interactions == nil || c.Spec.Interactions.SigningSecretRef == nil {
		return place{}, false
	}
	ref := c.Spec.Interactions.SigningSecretRef
	key := ref.Key
	if key == "" {
		key = DefaultSigningSecretKey
	}
	return place{
		types.NamespacedName{Namespace: c.Namespace, Name: ref.Name}, key,
		"spec.interactions.signingSecretRef", "the app's signing secret", "all clicks are refused",
	}, true
}

// Signing returns the signing secret of a SlackChannel's app as Get does for a
// rule's key, and FreshSigning as Fresh does. Spaces round it do not count.
func (k *Keys) Signing(ctx context.Context, c *v1alpha1.SlackChannel) ([]byte, error) {
	at, ok := ofChannel(c)
	if !ok {
		return nil, fmt.Errorf("SlackChannel %s/%s has no signing secret", c.Namespace, c.Name)
	}
	data, err := k.get(ctx, at)
	return bytes.TrimSpace(data), err
}

// FreshSigning is Signing, as the API server knows it.
func (k *Keys) FreshSigning(ctx context.Context, c *v1alpha1.SlackChannel) ([]byte, error) {
	at, ok := ofChannel(c)
	if !ok {
		return nil, fmt.Errorf("SlackChannel %s/%s has no signing secret", c.Namespace, c.Name)
	}
	data, err := k.fresh(ctx, at)
	return bytes.TrimSpace(data), err
}

// Get returns the key of a rule that has a signature, as the cache knows it: a
// change may show some milliseconds late. The error is a *Problem if a person must
// mend it.
func (k *Keys) Get(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error) {
	at, ok := of(rule)
	if !ok {
		return nil, fmt.Errorf("SlackAlert %s/%s has no signature", rule.Namespace, rule.Name)
	}
	return k.get(ctx, at)
}

func (k *Keys) get(ctx context.Context, at place) ([]byte, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := k.Versions.Get(ctx, at.secret, meta); err != nil {
		return nil, at.failed(err)
	}
	k.mu.Lock()
	have, known := k.kept[at]
	k.mu.Unlock()
	if known && have.version == versionOf(meta) {
		return have.data, nil
	}
	return k.fresh(ctx, at)
}

// Fresh returns the key of a rule that has a signature as the API server knows it.
func (k *Keys) Fresh(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error) {
	at, ok := of(rule)
	if !ok {
		return nil, fmt.Errorf("SlackAlert %s/%s has no signature", rule.Namespace, rule.Name)
	}
	return k.fresh(ctx, at)
}

func (k *Keys) fresh(ctx context.Context, at place) ([]byte, error) {
	secret := &corev1.Secret{}
	if err := k.Secrets.Get(ctx, at.secret, secret); err != nil {
		return nil, at.failed(err)
	}
	data, ok := secret.Data[at.key]
	if !ok {
		return nil, &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
			"Secret %s, which %s names, has no key %q (%s): put %s there, or name the right one in %s.key; until then %s", at.secret, at.field, at.key, secretkeys.Has(secret), at.signs, at.field, at.refused)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
			"key %q of Secret %s, which %s names, is empty: put %s there; until then %s", at.key, at.secret, at.field, at.signs, at.refused)}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= maxKept {
		k.kept = map[place]value{}
	}
	k.kept[at] = value{versionOf(secret), data}
	return data, nil
}

func versionOf(o metav1.Object) string { return string(o.GetUID()) + "@" + o.GetResourceVersion() }

func (p place) failed(err error) error {
	if apierrors.IsNotFound(err) {
		return &Problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %q, which %s names, does not exist in namespace %q: create it there, with %s under %q; until then %s", p.secret.Name, p.field, p.secret.Namespace, p.signs, p.key, p.refused)}
	}
	return fmt.Errorf("reading Secret %s: %w", p.secret, err)
}
