package notification

import (
	"fmt"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// verdict is what an error of a call means for a delivery.
type verdict struct {
	state  v1alpha1.DeliveryState
	reason string
	advice string
	// final: only a change of the notification can help.
	final bool
	// credential: the SlackChannel's controller should know.
	credential bool
	// conversation: what the directory knows of the conversation is wrong.
	conversation bool
}

var verdicts = map[slack.Class]verdict{
	slack.ClassRateLimited:   {state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonRateLimited, advice: "it is sent when the time that Slack asked for has passed"},
	slack.ClassUnavailable:   {state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, advice: "it is tried again"},
	slack.ClassUnknown:       {state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, advice: "it is tried again"},
	slack.ClassInvalidCursor: {state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, advice: "it is tried again"},
	slack.ClassAmbiguous:     {state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, advice: "it is tried again"},

	slack.ClassInvalidCredentials: {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonInvalidToken, advice: "put a valid token in the Secret of the SlackChannel", credential: true},
	slack.ClassAccessDenied:       {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonInvalidToken, advice: "ask an administrator of the workspace to let the app in", credential: true},
	slack.ClassWebhookRevoked:     {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonWebhookRevoked, advice: "create a new webhook and put its URL in the Secret of the SlackChannel", credential: true},
	slack.ClassMissingScope:       {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonMissingScope, advice: "add the scope to the Slack app and reinstall it"},
	slack.ClassChannelNotFound:    {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonChannelNotFound, advice: "check the channel, and invite the bot when it is private", credential: true, conversation: true},
	slack.ClassNotInChannel:       {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonNotInChannel, advice: "invite the bot to the channel", credential: true, conversation: true},
	slack.ClassChannelArchived:    {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonChannelArchived, advice: "unarchive the channel, or name another one", credential: true, conversation: true},
	slack.ClassPostingRestricted:  {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonPostingRestricted, advice: "ask an administrator of the workspace to let the app post there"},
	slack.ClassUserNotFound:       {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonUserNotFound, advice: "give the handle, the ID or the e-mail address of somebody in the workspace"},
	slack.ClassUserDeactivated:    {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonUserDeactivated, advice: "name somebody else"},
	slack.ClassUserNotMessageable: {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonUserNotMessageable, advice: "name somebody else, or a channel", conversation: true},
	slack.ClassQuotaExceeded:      {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonQuotaExceeded, advice: "the workspace's plan takes no more messages; it is tried again now and then"},
	slack.ClassMessageRejected:    {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonMessageRejected, advice: "correct the content of this SlackNotification", final: true},
	slack.ClassMessageNotFound:    {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonThreadNotFound, advice: "check spec.thread: the message to reply to is gone"},
	slack.ClassMessageClosed:      {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonPostingRestricted, advice: "ask an administrator of the workspace to let the app post there"},
	slack.ClassInvalidCall:        {state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonInternalError, advice: "this is a fault of the operator or of its set-up; please report it", final: true},
}

// fail notes a failed call in the delivery, and when to try again.
func (r *Reconciler) fail(w *work, rcpt *recipient, e *slack.Error) {
	now := r.Clock.Now()
	r.answered(w, e)
	v, ok := verdicts[e.Class]
	if !ok {
		v = verdicts[slack.ClassUnknown]
	}
	text := fmt.Sprintf("%v; %s", e, v.advice)
	if e.Class == slack.ClassMissingScope && e.Needed != "" {
		text = fmt.Sprintf("Slack answered missing_scope to %s: add the bot scope %s to the Slack app, and reinstall the app", e.Method, e.Needed)
	}
	rcpt.set(v.state, v.reason, text)
	rcpt.stamp = w.stamp
	rcpt.failures++
	switch {
	case v.final:
		rcpt.final = true
	case e.Class == slack.ClassRateLimited:
		// The queue holds it for as long as Slack asked; there is no need to
		// wait here too, beyond a moment.
		rcpt.failures = 0
		rcpt.notBefore = now.Add(max(e.RetryAfter, 0))
		w.wait(rcpt.notBefore)
	case v.state == v1alpha1.DeliveryRetrying:
		rcpt.notBefore = now.Add(max(backoff(rcpt.failures), e.RetryAfter))
		w.wait(rcpt.notBefore)
	default:
		rcpt.notBefore = now.Add(recheck(rcpt.failures - 1))
		w.wait(rcpt.notBefore)
	}
	if v.conversation && w.conn.API != nil && rcpt.conversation != "" {
		r.Directory.Invalidate(w.workspace.TeamID, rcpt.conversation)
	}
	// What goes wrong in a recipient's conversation says nothing of the
	// SlackChannel's own.
	if v.credential && (!v.conversation || rcpt.key == defaultKey) {
		r.Health.Report(channelKey(w.n), w.conn.Credential, e, now)
	}
	outcome := metrics.OutcomeRetried
	if v.state == v1alpha1.DeliveryFailed {
		outcome = metrics.OutcomeFailed
	}
	r.Metrics.Attempt(outcome, w.adapter(), 0)
}
