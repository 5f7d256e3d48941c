// Package webhookkey reads the keys by which posts for SlackAlerts are signed,
// from Secrets in the namespaces of the SlackAlerts.
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
	return place{types.NamespacedName{Namespace: rule.Namespace, Name: w.Signature.SecretRef.Name}, posts.KeyOf(w.Signature)}, true
}

// Get returns the key of a rule that has a signature, as the cache knows it: a
// change may show some milliseconds late. The error is a *Problem if a person must
// mend it.
func (k *Keys) Get(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error) {
	at, ok := of(rule)
	if !ok {
		return nil, fmt.Errorf("SlackAlert %s/%s has no signature", rule.Namespace, rule.Name)
	}
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
	return k.Fresh(ctx, rule)
}

// Fresh returns the key of a rule that has a signature as the API server knows it.
func (k *Keys) Fresh(ctx context.Context, rule *v1alpha1.SlackAlert) ([]byte, error) {
	at, ok := of(rule)
	if !ok {
		return nil, fmt.Errorf("SlackAlert %s/%s has no signature", rule.Namespace, rule.Name)
	}
	secret := &corev1.Secret{}
	if err := k.Secrets.Get(ctx, at.secret, secret); err != nil {
		return nil, at.failed(err)
	}
	data, ok := secret.Data[at.key]
	if !ok {
		return nil, &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
			"Secret %s, which spec.source.webhook.signature.secretRef names, has no key %q (%s): put the key there that the sender signs with, or name the right one in spec.source.webhook.signature.secretRef.key; until then all posts are refused", at.secret, at.key, secretkeys.Has(secret))}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
			"key %q of Secret %s, which spec.source.webhook.signature.secretRef names, is empty: put the key there that the sender signs with; until then all posts are refused", at.key, at.secret)}
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
			"Secret %q, which spec.source.webhook.signature.secretRef names, does not exist in namespace %q: create it there, with the key that the sender signs with under %q; until then all posts are refused", p.secret.Name, p.secret.Namespace, p.key)}
	}
	return fmt.Errorf("reading Secret %s: %w", p.secret, err)
}
