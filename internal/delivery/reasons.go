package delivery

import (
	"fmt"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// verdict is what an error of a call means for a delivery.
type verdict struct {
	reason string
	// then says what happens once somebody has followed the advice.
	then string
	// halt: a person must act. final: on the notification.
	halt, final bool
}

const (
	afterSecret  = "; it is sent as soon as the Secret has changed"
	afterRecheck = "; it is tried again when the annotation slack.notify.dev/requestedAt changes, and else within the hour"
	// Public warns who would mend a message to a person by taking the person out.
	Public    = " (a message without spec.recipients goes to the SlackChannel's own channel, for all in it to see)"
	afterEdit = "; it is sent as soon as this SlackNotification has changed"
)

var verdicts = map[slack.Class]verdict{
	slack.ClassRateLimited:   {reason: v1alpha1.ReasonRateLimited},
	slack.ClassUnavailable:   {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassUnknown:       {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassInvalidCursor: {reason: v1alpha1.ReasonSlackUnavailable},
	slack.ClassAmbiguous:     {reason: v1alpha1.ReasonSlackUnavailable},

	slack.ClassInvalidCredentials: {reason: v1alpha1.ReasonInvalidToken, then: afterSecret, halt: true},
	slack.ClassAccessDenied:       {reason: v1alpha1.ReasonInvalidToken, then: afterRecheck, halt: true},
	slack.ClassWebhookRevoked:     {reason: v1alpha1.ReasonWebhookRevoked, then: afterSecret, halt: true},
	slack.ClassMissingScope:       {reason: v1alpha1.ReasonMissingScope, then: "; where the token changes by that, put the new one in the Secret" + afterRecheck, halt: true},
	slack.ClassChannelNotFound:    {reason: v1alpha1.ReasonChannelNotFound, then: afterRecheck, halt: true},
	slack.ClassNotInChannel:       {reason: v1alpha1.ReasonNotInChannel, then: afterRecheck, halt: true},
	slack.ClassChannelArchived:    {reason: v1alpha1.ReasonChannelArchived, then: afterRecheck, halt: true},
	slack.ClassPostingRestricted:  {reason: v1alpha1.ReasonPostingRestricted, then: afterRecheck, halt: true},
	slack.ClassUserNotFound:       {reason: v1alpha1.ReasonUserNotFound, then: Public + afterEdit, halt: true},
	slack.ClassUserDeactivated:    {reason: v1alpha1.ReasonUserDeactivated, then: Public + afterEdit, halt: true},
	slack.ClassUserNotMessageable: {reason: v1alpha1.ReasonUserNotMessageable, then: Public + afterEdit, halt: true},
	slack.ClassQuotaExceeded:      {reason: v1alpha1.ReasonQuotaExceeded, then: afterRecheck, halt: true},
	slack.ClassMessageRejected:    {reason: v1alpha1.ReasonMessageRejected, then: afterEdit, halt: true, final: true},
	slack.ClassMessageNotFound:    {reason: v1alpha1.ReasonThreadNotFound, then: afterEdit, halt: true},
	slack.ClassMessageClosed:      {reason: v1alpha1.ReasonPostingRestricted, then: afterRecheck, halt: true},
	slack.ClassInvalidCall:        {reason: v1alpha1.ReasonInternalError, then: afterEdit, halt: true, final: true},
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
	advice := e.Advice()
	if advice == "" {
		return e.Error()
	}
	advice = strings.Replace(advice, "the SlackChannel", "SlackChannel "+w.Via, 1)
	return fmt.Sprintf("%v: %s%s", e, advice, v.then)
}
