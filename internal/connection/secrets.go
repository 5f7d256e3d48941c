package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/secretkeys"
)

// Keys of the Secrets that a SlackChannel names.
const (
	DefaultTokenKey = "token"
	DefaultURLKey   = "url"
	caKey           = "ca.crt"
	proxyAddressKey = "address"
	proxyUserKey    = "username"
	proxyPassKey    = "password"
)

// secretUse is what a SlackChannel uses a Secret for.
type secretUse struct {
	// name of the Secret, and key that it must have.
	name, key string
	// field of the spec that names it, and holds what the key's value is.
	field, holds string
}

func or(key, standard string) string {
	if key == "" {
		return standard
	}
	return key
}

func tokenUse(ref v1alpha1.SecretKeyReference) secretUse {
	return secretUse{name: ref.Name, key: or(ref.Key, DefaultTokenKey), field: "spec.webAPI.tokenSecretRef", holds: "the app's bot token (xoxb-…)"}
}

func urlUse(ref v1alpha1.SecretKeyReference) secretUse {
	return secretUse{name: ref.Name, key: or(ref.Key, DefaultURLKey), field: "spec.webhook.urlSecretRef",
		holds: "the URL of the incoming webhook (https://hooks.slack.com/services/…)"}
}

func proxyUse(ref v1alpha1.SecretReference) secretUse {
	return secretUse{name: ref.Name, key: proxyAddressKey, field: "spec.connection.proxySecretRef",
		holds: "the proxy's URL (http://host:port)"}
}

func caUse(ref v1alpha1.SecretReference) secretUse {
	return secretUse{name: ref.Name, key: caKey, field: "spec.connection.caSecretRef", holds: "the certificate authorities in PEM form"}
}

// uses lists the Secrets that a SlackChannel names.
func uses(c *v1alpha1.SlackChannel) []secretUse {
	var out []secretUse
	if c.Spec.WebAPI != nil {
		out = append(out, tokenUse(c.Spec.WebAPI.TokenSecretRef))
	}
	if c.Spec.Webhook != nil {
		out = append(out, urlUse(c.Spec.Webhook.URLSecretRef))
	}
	if conn := c.Spec.Connection; conn != nil {
		if conn.ProxySecretRef != nil {
			out = append(out, proxyUse(*conn.ProxySecretRef))
		}
		if conn.CASecretRef != nil {
			out = append(out, caUse(*conn.CASecretRef))
		}
	}
	return out
}

// SecretNames lists the names of the Secrets that a SlackChannel names.
func SecretNames(c *v1alpha1.SlackChannel) []string {
	var names []string
	for _, u := range append(uses(c), interactionUses(c)...) {
		if !slices.Contains(names, u.name) {
			names = append(names, u.name)
		}
	}
	return names
}

// seenAtOnce says what follows a change of a Secret, which is watched.
const seenAtOnce = "the SlackChannel is verified again as soon as the Secret changes"

func (u secretUse) notFound(namespace string) *Problem {
	return &Problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
		"Secret %q, which %s names, does not exist in namespace %q: create it there, with %s under the key %q; the SlackChannel is verified as soon as the Secret is there",
		u.name, u.field, namespace, u.holds, u.key)}
}

func (u secretUse) empty(namespace string) *Problem {
	return &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
		"key %q of Secret %s/%s, which %s names, is empty: put %s there; %s", u.key, namespace, u.name, u.field, u.holds, seenAtOnce)}
}

func (u secretUse) keyNotFound(s *corev1.Secret) *Problem {
	advice := ""
	if u.field == "spec.webAPI.tokenSecretRef" || u.field == "spec.webhook.urlSecretRef" || strings.HasPrefix(u.field, "spec.interactions.") {
		advice = ", or name the right key in " + u.field + ".key"
	}
	return &Problem{v1alpha1.ReasonSecretKeyNotFound, fmt.Sprintf(
		"Secret %s/%s, which %s names, has no key %q (%s): put %s there%s; %s", s.Namespace, s.Name, u.field, u.key, secretkeys.Has(s), u.holds, advice, seenAtOnce)}
}

// read reads the Secret, and the value that it must have.
func (r *Resolver) read(ctx context.Context, namespace string, u secretUse) (*corev1.Secret, string, error) {
	s := &corev1.Secret{}
	err := r.Secrets.Get(ctx, client.ObjectKey{Namespace: namespace, Name: u.name}, s)
	if apierrors.IsNotFound(err) {
		return nil, "", u.notFound(namespace)
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading Secret %s/%s: %w", namespace, u.name, err)
	}
	value := strings.TrimSpace(string(s.Data[u.key]))
	if value != "" {
		return s, value, nil
	}
	if _, ok := s.Data[u.key]; ok {
		return nil, "", u.empty(namespace)
	}
	return nil, "", u.keyNotFound(s)
}

// dataChanged returns when the data of a Secret was last written, as its
// managedFields tell; zero when they do not.
func dataChanged(s *corev1.Secret) time.Time {
	var last time.Time
	for _, entry := range s.ManagedFields {
		if entry.Time == nil || entry.FieldsV1 == nil || !ownsData(entry) {
			continue
		}
		if entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

func ownsData(entry metav1.ManagedFieldsEntry) bool {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
		return true // then it may
	}
	for _, name := range []string{"f:data", "f:stringData"} {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return false
}
