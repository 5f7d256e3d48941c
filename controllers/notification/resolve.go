package notification

import (
	"context"
	"errors"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// OwnerPrefix marks this controller's names in the directory.
const OwnerPrefix = "SlackNotification/"

// patience is how long a wait may be before it is told in the status. What is
// over sooner would cost more writes than it is worth.
const patience = 3 * time.Second

// resolve finds the conversation of each recipient that is to be tried now.
func (r *Reconciler) resolve(ctx context.Context, w *work) error {
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		if !r.ripe(w, rcpt) {
			continue
		}
		rcpt.brief = false
		if rcpt.editable() {
			rcpt.conversation = rcpt.delivery.ConversationID
			continue
		}
		if rcpt.key == defaultKey {
			r.resolveDefault(w, rcpt)
		} else if w.conn.API == nil {
			w.blocked(blockStall, v1alpha1.ReasonRecipientsNotSupported,
				"the SlackChannel uses an incoming webhook, which posts to its own channel alone: remove spec.recipients, or refer to a SlackChannel with webAPI")
		} else if err := r.resolveOne(ctx, w, rcpt); err != nil {
			r.unresolved(w, rcpt, err)
		}
		if w.stop {
			return nil
		}
		r.follow(w, rcpt)
	}
	return nil
}

// ripe reports whether the recipient is to be tried now.
func (r *Reconciler) ripe(w *work, rcpt *recipient) bool {
	switch {
	case rcpt.delivery.State == v1alpha1.DeliveryDelivered, rcpt.delivery.State == v1alpha1.DeliveryUnknown, rcpt.final:
		return false
	case rcpt.dormant && rcpt.stamp == "":
		rcpt.stamp = w.stamp
	}
	if rcpt.stamp != w.stamp && rcpt.delivery.Reason != v1alpha1.ReasonRateLimited {
		rcpt.dormant, rcpt.failures, rcpt.notBefore = false, 0, time.Time{}
		return true
	}
	if w.now.Before(rcpt.notBefore) {
		w.wait(rcpt.notBefore)
		return false
	}
	rcpt.dormant = false
	return true
}

func (r *Reconciler) resolveDefault(w *work, rcpt *recipient) {
	switch {
	case w.conn.API == nil:
		rcpt.conversation = w.conn.WebhookKey
	case w.channel.Status.Channel != nil:
		rcpt.conversation = w.channel.Status.Channel.ID
		rcpt.delivery.ConversationID = rcpt.conversation
	default:
		w.blocked(blockStall, v1alpha1.ReasonChannelRequired,
			"the SlackChannel has no channel of its own: name spec.recipients, or set spec.webAPI.channel in the SlackChannel")
	}
}

func (r *Reconciler) resolveOne(ctx context.Context, w *work, rcpt *recipient) error {
	owner := OwnerPrefix + w.name.String()
	if rcpt.Channel != "" {
		found, err := r.Directory.FindConversation(ctx, w.workspace, rcpt.Channel, owner)
		if err != nil {
			return err
		}
		rcpt.conversation, rcpt.delivery.ConversationID = found.ID, found.ID
		return nil
	}
	user, err := r.Directory.FindUser(ctx, w.workspace, directory.Query{User: rcpt.User, Email: rcpt.Email}, owner)
	if err != nil {
		return err
	}
	rcpt.delivery.UserID = user.ID
	// To post to the user's ID would do, but with a username or an icon the
	// message would land in the user's own conversation with Slackbot.
	dm, err := r.Directory.DirectMessage(ctx, w.workspace, user.ID, owner)
	if err != nil {
		return err
	}
	rcpt.conversation, rcpt.delivery.ConversationID = dm, dm
	return nil
}

// unresolved notes why a recipient was not found.
func (r *Reconciler) unresolved(w *work, rcpt *recipient, err error) {
	now := r.Clock.Now()
	var loading *directory.LoadingError
	var wait *directory.WaitError
	switch {
	case errors.As(err, &loading) && loading.Cause != nil:
		rcpt.set(v1alpha1.DeliveryRetrying, v1alpha1.ReasonSlackUnavailable, loading.Error())
		w.wait(now.Add(time.Minute)) // in case that the wake-up gets lost
		return
	case errors.As(err, &loading):
		rcpt.pend(v1alpha1.ReasonDirectoryLoading, loading.Error())
		rcpt.brief = true
		w.wait(now.Add(time.Minute))
		return
	case errors.As(err, &wait):
		rcpt.pend(v1alpha1.ReasonWaitingForTurn, wait.Error())
		rcpt.brief = wait.At.Sub(now) < patience
		w.wait(wait.At)
		return
	}
	reason, message, ok := refusal(err)
	if !ok {
		r.fail(w, rcpt, slack.AsError(err))
		return
	}
	rcpt.set(v1alpha1.DeliveryFailed, reason, message)
	// The directory wakes it when the list has been read again.
	rcpt.notBefore = time.Time{}
	w.wait(now.Add(recheck(0)))
}

// refusal tells of the directory's answers that need a person.
func refusal(err error) (reason, message string, ok bool) {
	var missing *directory.NotFoundError
	var ambiguous *directory.AmbiguousError
	var deactivated *directory.DeactivatedError
	var mute *directory.NotMessageableError
	var archived *directory.ArchivedError
	switch {
	case errors.As(err, &missing) && missing.What == "channel":
		return v1alpha1.ReasonChannelNotFound, missing.Error(), true
	case errors.As(err, &missing):
		return v1alpha1.ReasonUserNotFound, missing.Error(), true
	case errors.As(err, &ambiguous):
		return v1alpha1.ReasonUserAmbiguous, ambiguous.Error(), true
	case errors.As(err, &deactivated):
		return v1alpha1.ReasonUserDeactivated, deactivated.Error(), true
	case errors.As(err, &mute):
		return v1alpha1.ReasonUserNotMessageable, mute.Error(), true
	case errors.As(err, &archived):
		return v1alpha1.ReasonChannelArchived, archived.Error(), true
	}
	return "", "", false
}

func (r *recipient) set(state v1alpha1.DeliveryState, reason, message string) {
	r.delivery.State, r.delivery.Reason, r.delivery.Message = state, reason, message
}

// pend notes what a delivery waits for. One that was tried before stays
// Retrying.
func (r *recipient) pend(reason, message string) {
	state := v1alpha1.DeliveryPending
	if r.delivery.Attempts > 0 {
		state = v1alpha1.DeliveryRetrying
	}
	r.set(state, reason, message)
}
