package delivery

import (
	"fmt"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// verdict is what an error of a call means for a delivery.
type verdict struct {
	reason string
	// advice says what to do, and what happens then. %s is the SlackChannel.
	advice string
	// halt: a person must act. final: on the notification.
	halt, final bool
}

const (
	afterSecret  = "; it is sent as soon as the Secret has changed"
	afterRecheck = "; it is tried again within the hour, or at once with the annotation slack.notify.dev/requestedAt"
	afterEdit    = "; it is sent as soon as this SlackNotification has changed"
)

var verdicts = map[slack.Class]verdict{
	slack.ClassRateLimited:   {reason: v1alpha1.ReasonRateLimited, advice: "it is sent by itself when the time that Slack asked for has passed"},
	slack.ClassUnavailable:   {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassUnknown:       {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassInvalidCursor: {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassAmbiguous:     {reason: v1alpha1.ReasonSlackUnavailable},

	slack.ClassInvalidCredentials: {reason: v1alpha1.ReasonInvalidToken, advice: "put a valid token in the Secret of SlackChannel %s" + afterSecret, halt: true},
	slack.ClassAccessDenied:       {reason: v1alpha1.ReasonInvalidToken, advice: "ask an administrator of the workspace to let the app of SlackChannel %s in" + afterRecheck, halt: true},
	slack.ClassWebhookRevoked:     {reason: v1alpha1.ReasonWebhookRevoked, advice: "create a new webhook and put its URL in the Secret of SlackChannel %s" + afterSecret, halt: true},
	slack.ClassMissingScope:       {reason: v1alpha1.ReasonMissingScope, advice: "add the scope to the Slack app of SlackChannel %s and reinstall it (the token may change then)" + afterRecheck, halt: true},
	slack.ClassChannelNotFound:    {reason: v1alpha1.ReasonChannelNotFound, advice: "check the channel, and invite the bot with /invite when it is private" + afterRecheck, halt: true},
	slack.ClassNotInChannel:       {reason: v1alpha1.ReasonNotInChannel, advice: "invite the bot to the channel with /invite" + afterRecheck, halt: true},
	slack.ClassChannelArchived:    {reason: v1alpha1.ReasonChannelArchived, advice: "unarchive the channel, or name another one" + afterRecheck, halt: true},
	slack.ClassPostingRestricted:  {reason: v1alpha1.ReasonPostingRestricted, advice: "ask an administrator of the workspace to let the app post there" + afterRecheck, halt: true},
	slack.ClassUserNotFound:       {reason: v1alpha1.ReasonUserNotFound, advice: "give the handle, the ID or the e-mail address of somebody in the workspace" + afterEdit, halt: true},
	slack.ClassUserDeactivated:    {reason: v1alpha1.ReasonUserDeactivated, advice: "name somebody else" + afterEdit, halt: true},
	slack.ClassUserNotMessageable: {reason: v1alpha1.ReasonUserNotMessageable, advice: "name somebody else, or a channel" + afterEdit, halt: true},
	slack.ClassQuotaExceeded:      {reason: v1alpha1.ReasonQuotaExceeded, advice: "the workspace's plan takes no more messages" + afterRecheck, halt: true},
	slack.ClassMessageRejected:    {reason: v1alpha1.ReasonMessageRejected, advice: "correct the content of this SlackNotification" + afterEdit, halt: true, final: true},
	slack.ClassMessageNotFound:    {reason: v1alpha1.ReasonThreadNotFound, advice: "check spec.thread: the message to reply to is gone" + afterEdit, halt: true},
	slack.ClassMessageClosed:      {reason: v1alpha1.ReasonPostingRestricted, advice: "ask an administrator of the workspace to let the app post there" + afterRecheck, halt: true},
	slack.ClassInvalidCall:        {reason: v1alpha1.ReasonInternalError, advice: "this is a fault of the operator or of its set-up: please report it" + afterEdit, halt: true, final: true},
}

// verdictOf returns the verdict on a class. What is not known passes by itself:
// only a positive match needs a person.
func verdictOf(class slack.Class) verdict {
	if v, ok := verdicts[class]; ok {
		return v
	}
	return verdicts[slack.ClassUnknown]
}

// text says what is wrong, what to do, and what happens then.
func (v verdict) text(e *slack.Error, w Want) string {
	advice := v.advice
	if e.Class == slack.ClassMissingScope && e.Needed != "" {
		return fmt.Sprintf("Slack answered missing_scope to %s: add the bot scope %s to the Slack app of SlackChannel %s and reinstall it (the token may change then)%s",
			e.Method, e.Needed, w.Via, afterRecheck)
	}
	if e.Class == slack.ClassInvalidCredentials || e.Class == slack.ClassAccessDenied || e.Class == slack.ClassWebhookRevoked || e.Class == slack.ClassMissingScope {
		advice = fmt.Sprintf(advice, w.Via)
	}
	return fmt.Sprintf("%v; %s", e, advice)
}
