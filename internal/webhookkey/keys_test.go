package webhookkey

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// What is wrong with a Secret is told with its name, the field and the way out, and
// without its content.
func TestKeys(t *testing.T) {
	for name, row := range map[string]struct {
		secret       map[string][]byte
		key          string
		want, reason string
		words        []string
	}{
		"the default key": {map[string][]byte{"token": []byte("planted")}, "", "planted", "", nil},
		"another key":     {map[string][]byte{"token": []byte("planted"), "hook": []byte("k")}, "hook", "k", "", nil},
		"no Secret":       {nil, "", "", v1alpha1.ReasonSecretNotFound, []string{`Secret "s"`, `namespace "ns"`, "spec.source.webhook.signature.secretRef", `"token"`}},
		"no such key":     {map[string][]byte{"other": []byte("planted")}, "", "", v1alpha1.ReasonSecretKeyNotFound, []string{"Secret ns/s", `no key "token"`, "secretRef.key"}},
		"an empty key":    {map[string][]byte{"token": []byte(" \n")}, "", "", v1alpha1.ReasonSecretKeyNotFound, []string{`key "token" of Secret ns/s`, "is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			b := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if _, whole := o.(*corev1.Secret); whole {
					reads++
				}
				return c.Get(ctx, key, o, opts...)
			}})
			if row.secret != nil {
				b = b.WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}, Data: row.secret})
			}
			c := b.Build()
			k := &Keys{Versions: c, Secrets: c}
			rule := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r"}}
			rule.Spec.Source.Webhook = &v1alpha1.WebhookSource{Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "s", Key: row.key}}}
			got, err := k.Get(t.Context(), rule)
			if row.reason == "" {
				if err != nil || string(got) != row.want {
					t.Errorf("%q: %v", got, err)
				}
				if _, err := k.Get(t.Context(), rule); err != nil || reads != 1 {
					t.Errorf("a Secret that has not changed is read %d times: %v", reads, err)
				}
				return
			}
			var problem *Problem
			if !errors.As(err, &problem) || problem.Reason != row.reason {
				t.Fatalf("ends with %v, want %s", err, row.reason)
			}
			for _, words := range row.words {
				if !strings.Contains(problem.Message, words) {
					t.Errorf("%q lacks %q", problem.Message, words)
				}
			}
			if strings.Contains(problem.Message, "planted") {
				t.Errorf("%q holds a secret", problem.Message)
			}
		})
	}
}
