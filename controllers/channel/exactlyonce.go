package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// historyScopes let a bot read back what it has posted.
var historyScopes = map[bool]string{false: "channels:history", true: "groups:history"}

// exactlyOnce tells whether the operator may read the channel back, and, when
// not 0, when to look again.
func (r *Reconciler) exactlyOnce(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, found slack.Conversation) (*metav1.Condition, time.Duration) {
	scope := historyScopes[found.Private]
	if found.DM {
		scope = "im:history"
	}
	if !found.Member && !found.DM {
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotInChannel,
			Message: "the bot may post to the channel without being a member, but reads back only what it is a member of: invite it to rule out duplicates"}, 0
	}
	if slices.Contains(identity.Scopes, scope) {
		return r.prove(ctx, c, conn, identity, found)
	}
	// Only an answer proves that a scope is missing.
	now := r.Clock.Now()
	if at, ok := r.Limiter.Reserve(now, identity.TeamID, slack.MethodHistory, holder(c, "probe of "+found.ID)); !ok {
		return unknown(), max(at.Sub(now), time.Millisecond)
	}
	_, _, err := conn.API.History(ctx, slack.HistoryQuery{Conversation: found.ID, Limit: 1})
	if err == nil {
		return r.prove(ctx, c, conn, identity, found)
	}
	e := slack.AsError(err)
	switch e.Class {
	case slack.ClassMissingScope:
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMissingScope,
			Message: fmt.Sprintf("the app may not read the channel back: add the bot scope %s and reinstall the app, to rule out duplicates", firstOf(e.Needed, scope))}, 0
	case slack.ClassNotInChannel:
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotInChannel,
			Message: "the bot reads back only what it is a member of: invite it to the channel to rule out duplicates"}, 0
	case slack.ClassRateLimited:
		r.Limiter.Penalize(now, identity.TeamID, slack.MethodHistory, e.RetryAfter)
	}
	return unknown(), 0
}

// What ExactlyOnce=True says before and after a message has been read back.
const (
	unproven = "the operator may read back what it has posted; the first message will show that it is recognised"
	proven   = "the operator can read back what it has posted, as a message has shown"
)

// settleTime is how long after a message was sent it is looked for.
const settleTime = 3 * time.Second

// prove reads the first message back, once: Slack does not document that the
// metadata by which messages are recognised is kept for every app.
func (r *Reconciler) prove(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, found slack.Conversation) (*metav1.Condition, time.Duration) {
	was := conditions.Find(c, v1alpha1.ConditionExactlyOnce)
	same := c.Status.Channel != nil && c.Status.Channel.ID == found.ID
	if same && was != nil && was.Status == metav1.ConditionTrue && was.Message == proven {
		return verifiable(proven), 0
	}
	first, ok := r.Health.FirstPost(client.ObjectKeyFromObject(c), conn.Credential)
	if !ok || first.Conversation != found.ID {
		return verifiable(unproven), 0
	}
	now := r.Clock.Now()
	if wait := first.At.Add(settleTime).Sub(now); wait > 0 {
		return verifiable(unproven), wait
	}
	if at, ok := r.Limiter.Reserve(now, identity.TeamID, slack.MethodHistory, holder(c, "proof of "+found.ID)); !ok {
		return verifiable(unproven), max(at.Sub(now), time.Millisecond)
	}
	list, _, err := conn.API.History(ctx, slack.HistoryQuery{Conversation: found.ID, Oldest: first.At.Add(-5 * time.Minute)})
	if err != nil {
		return verifiable(unproven), 0
	}
	for _, m := range list {
		if m.Timestamp != first.Timestamp {
			continue
		}
		if m.Metadata != nil && len(m.Metadata.Payload) > 0 {
			return verifiable(proven), 0
		}
		return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMetadataNotReturned,
			Message: "Slack gave a message back without the metadata by which the operator recognises it, so duplicates can't be ruled out"}, 0
	}
	return verifiable(unproven), 0
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
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMissingScope,
		Message: fmt.Sprintf("Slack reports no bot scope %s: add it and reinstall the app, to rule out duplicates in all kinds of conversations", strings.Join(lacking, ", "))}
}

func verifiable(message string) *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVerifiable, Message: message}
}

func unknown() *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown,
		Message: "Slack has not said yet whether the channel can be read back"}
}
