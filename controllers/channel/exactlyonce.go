package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// historyScope lets a bot read back what it has posted.
func historyScope(found slack.Conversation) string {
	switch {
	case found.DM:
		return "im:history"
	case found.Private:
		return "groups:history"
	}
	return "channels:history"
}

// exactlyOnce tells whether the operator may read the channel back, and, when
// not 0, when to look again.
func (r *Reconciler) exactlyOnce(ctx context.Context, k *check, found slack.Conversation) (*metav1.Condition, time.Duration) {
	if !found.Member && !found.DM {
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotInChannel,
			Message: "the bot may post to the channel without being a member, but reads back only what it is a member of; to rule out duplicates, have a member " + k.invite()}, 0
	}
	scope := historyScope(found)
	if slices.Contains(k.identity.Scopes, scope) {
		return r.prove(ctx, k, found)
	}
	// Only an answer proves that a scope is missing.
	place := readback.Place{Workspace: k.ws.Key, Conversation: found.ID}
	a, ok := r.Readback.May(ctx, r.Clock.Now, k.conn.API, place, k.conn.Credential, holder(k.c, "probe of "+found.ID))
	switch {
	case ok:
		return r.prove(ctx, k, found)
	case a.Kind == readback.Later:
		return unknown(), max(a.At.Sub(r.Clock.Now()), time.Millisecond)
	}
	switch e := a.Err; e.Class {
	case slack.ClassMissingScope:
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMissingScope, Message: fmt.Sprintf(
			"the app may not read the channel back: to rule out duplicates, add the bot %s to the Slack app, reinstall the app and, if it has another token then, put that into %s",
			scopes(firstOf(e.Needed, scope)), k.tokenPlace())}, 0
	case slack.ClassNotInChannel:
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotInChannel,
			Message: "the bot reads back only what it is a member of; to rule out duplicates, have a member " + k.invite()}, 0
	}
	return unknown(), 0
}

func exactlyOnceForRecipients(identity slack.Identity) *metav1.Condition {
	if len(identity.Scopes) == 0 {
		return &metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown,
			Message: "Slack does not report the token's scopes, and there is no channel to try"}
	}
	var lacking []string
	for _, scope := range []string{"im:history", "channels:history", "groups:history"} {
		if !slices.Contains(identity.Scopes, scope) {
			lacking = append(lacking, scope)
		}
	}
	if len(lacking) == 0 {
		return verifiable("the app may read back what it has posted")
	}
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMissingScope, Message: fmt.Sprintf(
		"to rule out duplicates in all kinds of conversations, add the bot %s to the Slack app, and reinstall the app", scopes(strings.Join(lacking, ",")))}
}

func verifiable(message string) *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVerifiable, Message: message}
}

func unknown() *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown,
		Message: "Slack has not said yet whether the channel can be read back"}
}
