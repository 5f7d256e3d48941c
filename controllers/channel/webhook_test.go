package channel

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func hookedScene(t *testing.T) *scene {
	t.Helper()
	c := slackChannel("c", "")
	c.Spec.WebAPI, c.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}
	return newScene(t, newWorkspace(t), c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hook"},
		Data: map[string][]byte{"url": []byte("https://hooks.slack.com/services/T0/B0/plantedsecret")}})
}

// sent reports what became of a message by the webhook.
func (g *scene) sent(e *slack.Error) {
	g.t.Helper()
	c := g.stored("c")
	conn, err := g.r.Connections.Resolve(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	g.r.Health.Report(client.ObjectKeyFromObject(c), conn.Credential, e, g.r.Clock.Now())
	g.reconcile("c")
}

func (g *scene) changeSecret(name string, change func(*corev1.Secret)) {
	g.t.Helper()
	s := &corev1.Secret{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, s); err != nil {
		g.t.Fatal(err)
	}
	change(s)
	g.update(s)
	g.reconcile("c")
}

func (g *scene) wants(reason, why string) {
	g.t.Helper()
	if c := g.stored("c"); !said(conditions.Find(c, v1alpha1.ConditionReady), reason) {
		g.t.Errorf("%s: %+v, want %s", why, c.Status.Conditions, reason)
	}
}

var revoked = &slack.Error{Class: slack.ClassWebhookRevoked, Method: "webhook", Code: "no_service"}

// What is known of a webhook stands until its URL changes, or somebody asks.
func TestWebhookIsKnownByItsURL(t *testing.T) {
	g := hookedScene(t)
	g.becomes("c", v1alpha1.ReasonWebhookNotVerified)
	g.sent(nil)
	g.wants(v1alpha1.ReasonVerified, "a message went through")
	touch := func(s *corev1.Secret) { s.Labels = map[string]string{"touched": s.ResourceVersion} }
	g.changeSecret("hook", touch)
	g.wants(v1alpha1.ReasonVerified, "a label was put on the Secret")
	g.sent(revoked)
	g.wants(v1alpha1.ReasonWebhookRevoked, "Slack has said so")
	g.changeSecret("hook", touch)
	g.wants(v1alpha1.ReasonWebhookRevoked, "a label was put on the Secret")

	c := g.stored("c")
	c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	g.update(c)
	g.reconcile("c")
	g.wants(v1alpha1.ReasonWebhookNotVerified, "somebody asks to look now, and the next message will tell")
	g.reconcile("c")
	g.wants(v1alpha1.ReasonWebhookNotVerified, "and it stays so")

	g.sent(revoked)
	g.wants(v1alpha1.ReasonWebhookRevoked, "the next message has told")
	g.changeSecret("hook", func(s *corev1.Secret) {
		s.Data["url"] = []byte("https://hooks.slack.com/services/T0/B0/plantedsecret2")
	})
	g.wants(v1alpha1.ReasonWebhookNotVerified, "another webhook")
}

// After a restart a revoked webhook is still known to be, unless the Secret may
// have been mended meanwhile.
func TestRevokedWebhookOverARestart(t *testing.T) {
	at := metav1.NewTime(time.Unix(1_700_000_000, 0))
	for _, one := range []struct {
		name    string
		changed time.Time
		change  func(*v1alpha1.SlackChannel)
		want    string
	}{
		{"the Secret is older", at.Add(-time.Hour), nil, v1alpha1.ReasonWebhookRevoked},
		{"the Secret was written since", at.Add(time.Hour), nil, v1alpha1.ReasonWebhookNotVerified},
		{"the Secret was written about then", at.Add(-time.Second), nil, v1alpha1.ReasonWebhookNotVerified},
		{"the Secret does not tell", time.Time{}, nil, v1alpha1.ReasonWebhookNotVerified},
		{"the spec has changed since", at.Add(-time.Hour), func(c *v1alpha1.SlackChannel) { c.Generation = 2 }, v1alpha1.ReasonWebhookNotVerified},
	} {
		t.Run(one.name, func(t *testing.T) {
			c := slackChannel("c", "")
			c.Spec.WebAPI, c.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}
			conditions.Stalled(c, v1alpha1.ReasonWebhookRevoked, "the webhook no longer works")
			c.Status.ObservedGeneration = 1
			for i := range c.Status.Conditions {
				c.Status.Conditions[i].LastTransitionTime = at
			}
			if one.change != nil {
				one.change(c)
			}
			g := hookedScene(t)
			o := g.r.verifyWebhook(c, &connection.Connection{Credential: "x", Changed: one.changed}, memory{})
			if o.summary.Reason != one.want {
				t.Errorf("%s, want %s", o.summary.Reason, one.want)
			}
		})
	}
}
