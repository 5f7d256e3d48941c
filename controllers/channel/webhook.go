package channel

import (
	"fmt"

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

// checkWebhook judges a webhook by what became of the messages sent by it,
// because nothing else tells.
func (r *Reconciler) checkWebhook(c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) outcome {
	name := client.ObjectKeyFromObject(c)
	verdict, tried := r.Health.Verdict(name, conn.Credential)
	if tried && verdict.Err != nil && verdict.Err.Class != slack.ClassWebhookRevoked && r.Clock.Since(verdict.At) > r.checkEvery()*9/10 {
		r.Health.Forget(name, c.UID)
		tried = false
	}
	var o outcome
	switch {
	case tried && verdict.Err != nil:
		reason, message := webhookTrouble(c, verdict.Err)
		o = stalled(reason, message)
	case tried, r.verifiedBefore(c, conn, known):
		o = ready(v1alpha1.ReasonVerified, webhookVerified)
	default:
		o = ready(v1alpha1.ReasonWebhookNotVerified, webhookUntried)
	}
	o = o.withoutFacts()
	// A channel may be unarchived, which nothing but a message would show.
	o.recheck = tried && verdict.Err != nil && verdict.Err.Class != slack.ClassWebhookRevoked
	o.exactlyOnce = &metav1.Condition{
		Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWebhook,
		Message: "a webhook can't be asked what it has taken, so a message whose outcome is unknown may be sent again; use webAPI to rule that out",
	}
	return o
}

// verifiedBefore reports whether an earlier process has seen this webhook
// work. A process that has seen the credential change knows better.
func (r *Reconciler) verifiedBefore(c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) bool {
	cond := conditions.Find(c, v1alpha1.ConditionReady)
	return cond != nil && cond.Reason == v1alpha1.ReasonVerified && c.Status.ObservedGeneration == c.Generation &&
		(known.credential == "" || known.credential == conn.Credential)
}

func webhookTrouble(c *v1alpha1.SlackChannel, err *slack.Error) (reason, message string) {
	secret := fmt.Sprintf("Secret %s/%s", c.Namespace, c.Spec.Webhook.URLSecretRef.Name)
	switch err.Class {
	case slack.ClassChannelArchived:
		return v1alpha1.ReasonChannelArchived, fmt.Sprintf("%v: the webhook's channel is archived; unarchive it, or put the URL of another webhook in %s", err, secret)
	case slack.ClassChannelNotFound:
		return v1alpha1.ReasonChannelNotFound, fmt.Sprintf("%v: the webhook's channel is gone; create a webhook for another channel and put its URL in %s", err, secret)
	default:
		return v1alpha1.ReasonWebhookRevoked, fmt.Sprintf("%v: the webhook no longer works; create a new one and put its URL in %s", err, secret)
	}
}
