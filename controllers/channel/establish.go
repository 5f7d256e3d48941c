package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// establish comes to own a channel of the wanted name.
func (r *Reconciler) establish(ctx context.Context, v *visit) (slack.Conversation, outcome, bool) {
	if !v.own.since.IsZero() {
		if err := r.Directory.RenewConversations(v.ws, v.own.since, v.owner); err != nil {
			return slack.Conversation{}, r.lookupTrouble(v.c, err, v.stands), false
		}
	}
	found, err := r.Directory.FindConversation(ctx, v.ws, v.name, v.owner)
	switch {
	case errors.As(err, new(*directory.NotFoundError)):
		return r.create(ctx, v, nil)
	case errors.As(err, new(*directory.ArchivedError)):
		// Whether an archived channel keeps its name is Slack's to say.
		return r.create(ctx, v, &found)
	case slack.ClassOf(err) == slack.ClassChannelNotFound:
		return r.outdated(ctx, v)
	case err != nil:
		return found, r.lookupTrouble(v.c, err, v.stands), false
	}
	return r.takeOver(ctx, v, found.ID)
}

// takeOver decides whether an existing channel becomes this resource's.
func (r *Reconciler) takeOver(ctx context.Context, v *visit, id string) (slack.Conversation, outcome, bool) {
	found, err := r.ask(ctx, v, id)
	gone := slack.ClassOf(err) == slack.ClassChannelNotFound || errors.As(err, new(*directory.ArchivedError)) ||
		err == nil && found.Name != v.name
	switch {
	case gone:
		return r.outdated(ctx, v)
	case err != nil:
		return found, r.lookupTrouble(v.c, err, v.stands), false
	}
	if o, ok := r.claim(ctx, v, id); !ok {
		return found, o, false
	}
	switch {
	case v.c.Spec.Manage.Adopt:
		ctrl.LoggerFrom(ctx).Info("Adopting a channel", "channel", id, "name", found.Name)
	case mayCreate(v.c) && createdFor(v.c, v.identity, found):
		ctrl.LoggerFrom(ctx).Info("Recognising a channel that was created for this SlackChannel", "channel", id, "name", found.Name)
	default:
		return found, stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf("channel %q (%s) exists already in workspace %s: set spec.manage.adopt to true to take it over, or name another channel",
			v.name, id, describe(v.identity))), false
	}
	v.c.Status.Managed = id
	return found, outcome{}, true
}

// outdated goes on when the list has a channel that is not there any more: with
// a new list, and when that is no better, without it.
func (r *Reconciler) outdated(ctx context.Context, v *visit) (slack.Conversation, outcome, bool) {
	if v.own.since.IsZero() {
		v.own.since = r.Clock.Now()
		return r.establish(ctx, v)
	}
	return r.create(ctx, v, nil)
}

// clockMargin is how far Slack's clock may be behind the API server's.
const clockMargin = time.Minute

// createdFor reports whether a channel must have been created for this very
// SlackChannel, by an operator that could not write it down: it is the bot's
// own, and no older.
func createdFor(c *v1alpha1.SlackChannel, identity slack.Identity, found slack.Conversation) bool {
	return found.Creator != "" && found.Creator == identity.BotUserID &&
		!found.Created.Before(c.CreationTimestamp.Add(-clockMargin))
}

func mayCreate(c *v1alpha1.SlackChannel) bool {
	return c.Spec.Manage.Create == nil || *c.Spec.Manage.Create
}

// create makes the channel. Slack itself says whether the name is free: the
// list of channels may be out of date, and does not show all of them.
func (r *Reconciler) create(ctx context.Context, v *visit, archived *slack.Conversation) (none slack.Conversation, o outcome, ok bool) {
	switch {
	case v.own.taken && archived != nil && v.c.Spec.Manage.Adopt:
		return none, stalled(v1alpha1.ReasonChannelArchived, fmt.Sprintf("channel %q (%s), which is to be adopted, is archived in workspace %s: unarchive it, or name another channel", v.name, archived.ID, describe(v.identity))), false
	case v.own.taken && archived != nil:
		return none, stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf("the archived channel %q (%s) has the name in workspace %s: rename it, or name another channel", v.name, archived.ID, describe(v.identity))), false
	case v.own.taken:
		return none, stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf("Slack answered name_taken: a channel that the bot can't see has the name %q in workspace %s; invite the bot to it and set spec.manage.adopt to true, or name another channel", v.name, describe(v.identity))), false
	case !mayCreate(v.c):
		return none, stalled(v1alpha1.ReasonChannelNotFound, fmt.Sprintf("no channel %q is visible to the bot in workspace %s, and spec.manage.create is false: create it, or set create to true", v.name, describe(v.identity))), false
	}
	if o, ok := r.slot(v, slack.MethodConversationsCreate); !ok {
		return none, o, false
	}
	made, err := v.conn.API.CreateConversation(ctx, v.name, v.c.Spec.Manage.Private)
	switch e := slack.AsError(err); {
	case e == nil:
		made.Member = true
		r.Directory.Remember(v.ws, made)
		v.c.Status.Managed, v.own.made, v.own.asked = made.ID, made.ID, made.ID
		ctrl.LoggerFrom(ctx).Info("Created a channel", "channel", made.ID, "name", made.Name)
		return none, v.again("created"), false
	case e.Class == slack.ClassNameTaken:
		v.own.taken, v.own.since = true, r.Clock.Now()
		return none, v.again("its name is taken, by whom is being looked up"), false
	case e.Class.Transient() && e.Class != slack.ClassRateLimited:
		// It may have been created all the same: it is looked for first.
		v.own.since = r.Clock.Now()
		return none, r.judge(v.c, e, v.stands), false
	}
	return none, r.refused(v, err, "ask an administrator of the workspace to let the app create channels, or create the channel and set spec.manage.adopt to true"), false
}
