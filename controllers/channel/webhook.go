package channel

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	webhookUntried  = "a webhook can't be asked whether it works; the first message will tell"
	webhookVerified = "Slack has taken a message by this webhook"
)

// verifyWebhook judges a webhook by what became of the messages sent by it,
// because nothing else tells.
func (r *Reconciler) verifyWebhook(c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) *outcome {
	r.learn(c, conn, slack.Identity{}, slack.Conversation{})
	name := client.ObjectKeyFromObject(c)
	verdict, tried := r.Health.Verdict(name, conn.Credential)
	refused := tried && verdict.Err != nil
	lasting := refused && verdict.Err.Class == slack.ClassWebhookRevoked
	anew := requested(c) != "" && known.anew
	r.remember(c, func(m *memory) { m.anew = false })
	// Whether a channel was unarchived shows only when a message is tried.
	if refused && (anew || !lasting && r.Clock.Since(verdict.At) > r.checkEvery()*8/10) {
		r.Health.ForgetVerdict(name)
		tried, refused = false, false
	}
	var o *outcome
	before := conditions.Find(c, v1alpha1.ConditionReady)
	switch {
	case refused:
		o = stalled(r.webhookTrouble(c, verdict.Err))
	case !tried && !anew && said(before, v1alpha1.ReasonWebhookRevoked) && sameWebhook(c, before, conn, known):
		o = stalled(before.Reason, before.Message)
	case tried, said(before, v1alpha1.ReasonVerified) && sameWebhook(c, before, conn, known):
		o = ready(v1alpha1.ReasonVerified, webhookVerified)
	default:
		o = ready(v1alpha1.ReasonWebhookNotVerified, webhookUntried)
	}
	o.facts = &facts{}
	o.recheck = refused && !lasting
	o.exactlyOnce = &metav1.Condition{
		Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWebhook,
		Message: "a webhook can't be asked what it has taken, so a message whose outcome is unknown may be sent again; use webAPI to rule that out",
	}
	return o
}

func said(c *metav1.Condition, reason string) bool { return c != nil && c.Reason == reason }

// clockSkew is how far the clocks of the API server and of the operator may be
// apart.
const clockSkew = time.Minute

// sameWebhook reports whether a condition is about the webhook that is used
// now. Of what an earlier process has found, the times tell: neither the spec nor
// the Secret must have been written since.
func sameWebhook(c *v1alpha1.SlackChannel, cond *metav1.Condition, conn *connection.Connection, known memory) bool {
	if known.credential != "" {
		return known.credential == conn.Credential
	}
	return c.Status.ObservedGeneration == c.Generation && !conn.Changed.IsZero() && conn.Changed.Before(cond.LastTransitionTime.Add(-clockSkew))
}

// webhookTrouble says what a refusal means.
func (r *Reconciler) webhookTrouble(c *v1alpha1.SlackChannel, err *slack.Error) (reason, message string) {
	ref := c.Spec.Webhook.URLSecretRef
	place := fmt.Sprintf("key %q of Secret %s/%s", firstOf(ref.Key, connection.DefaultURLKey), c.Namespace, ref.Name)
	switch err.Class {
	case slack.ClassChannelArchived:
		return v1alpha1.ReasonChannelArchived, fmt.Sprintf(
			"%v: the webhook's channel is archived: unarchive it in Slack, after which a message is tried again within %d minutes, or put the URL of another webhook into %s",
			err, int(r.checkEvery().Round(time.Minute)/time.Minute), place)
	case slack.ClassChannelNotFound:
		return v1alpha1.ReasonChannelNotFound, fmt.Sprintf(
			"%v: the webhook's channel is gone: create a webhook for another channel and put its URL into %s; messages go through it as soon as the Secret changes", err, place)
	default:
		return v1alpha1.ReasonWebhookRevoked, fmt.Sprintf(
			"%v: the webhook no longer works: create a new one in the Slack app under Incoming Webhooks and put its URL into %s; messages go through it as soon as the Secret changes", err, place)
	}
}
