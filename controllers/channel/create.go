package channel

import (
	"context"
	"errors"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// findOrCreate comes to own a channel of the wanted name.
func (r *Reconciler) findOrCreate(ctx context.Context, k *check) (slack.Conversation, *outcome) {
	if since := k.managed.since; !since.IsZero() {
		if err := r.Directory.RenewConversations(k.ws, since, "", k.owner); err != nil {
			return slack.Conversation{}, r.lookupOutcome(k, err)
		}
	}
	found, err := r.Directory.FindConversation(ctx, k.ws, k.managed.name, k.owner)
	switch {
	case errors.As(err, new(*directory.NotFoundError)):
		return slack.Conversation{}, r.create(ctx, k, nil)
	case errors.As(err, new(*directory.ArchivedError)):
		// Whether an archived channel keeps its name is Slack's to say.
		return slack.Conversation{}, r.create(ctx, k, &found)
	case slack.ClassOf(err) == slack.ClassChannelNotFound:
		return r.outdated(ctx, k)
	case err != nil:
		return found, r.lookupOutcome(k, err)
	}
	return r.adopt(ctx, k, found.ID)
}

// adopt decides whether an existing channel becomes this resource's.
func (r *Reconciler) adopt(ctx context.Context, k *check, id string) (slack.Conversation, *outcome) {
	found, err := r.ask(ctx, k, id)
	gone := slack.ClassOf(err) == slack.ClassChannelNotFound || errors.As(err, new(*directory.ArchivedError)) ||
		err == nil && found.Name != k.managed.name
	switch {
	case gone:
		return r.outdated(ctx, k)
	case err != nil:
		return found, r.lookupOutcome(k, err)
	}
	if stop := r.claim(ctx, k, id); stop != nil {
		return found, stop
	}
	log := ctrl.LoggerFrom(ctx).WithValues("channel", id, "name", found.Name)
	if k.c.Spec.Manage.Adopt {
		log.Info("Adopting a channel")
	} else {
		ours, err := r.createdHere(ctx, k, found)
		if err != nil {
			return found, k.waiting("the SlackChannels that may have created the channel could not be listed; the check is repeated by itself", pauseAfter(0))
		}
		if !ours {
			return found, stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf(
				"channel %q (%s) exists already in workspace %s: set spec.manage.adopt to true to take it over, or name another channel in spec.webAPI.channel",
				k.managed.name, id, describe(k.identity)))
		}
		log.Info("Recognising a channel that was created for this SlackChannel")
	}
	k.c.Status.Managed = id
	k.managed.lost, k.managed.inherited = creation{}, creation{}
	return found, nil
}

// outdated goes on when the list has a channel that is not there any more: with
// a new list, and when that is no better, without it.
func (r *Reconciler) outdated(ctx context.Context, k *check) (slack.Conversation, *outcome) {
	if k.managed.since.IsZero() {
		k.managed.since = r.Clock.Now()
		return r.findOrCreate(ctx, k)
	}
	return slack.Conversation{}, r.create(ctx, k, nil)
}

func mayCreate(c *v1alpha1.SlackChannel) bool {
	return c.Spec.Manage.Create == nil || *c.Spec.Manage.Create
}

// create makes the channel. Slack itself says whether the name is free: the
// list of channels may be out of date, and does not show all of them.
func (r *Reconciler) create(ctx context.Context, k *check, archived *slack.Conversation) *outcome {
	own := k.managed
	if own.taken {
		return r.nameTaken(k, archived)
	}
	if !mayCreate(k.c) {
		return stalled(v1alpha1.ReasonChannelNotFound, fmt.Sprintf(
			"no channel %q is visible to the bot in workspace %s, and spec.manage.create is false: create it in Slack, or set spec.manage.create to true; %s",
			own.name, describe(k.identity), r.again(k)))
	}
	if o := r.announceCreation(k); o != nil {
		return o
	}
	end, o := r.slot(k, slack.MethodConversationsCreate)
	if o != nil {
		if announcedCreation(k.c).name != "" {
			o.summary = nil // the announcement stays
		}
		return o
	}
	attempt := creation{name: own.name, from: r.Clock.Now()}
	made, err := k.conn.API.CreateConversation(ctx, own.name, k.c.Spec.Manage.Private)
	end()
	attempt.to = r.Clock.Now()
	switch e := slack.AsError(err); {
	case e == nil:
		made.Member = true
		r.Directory.Remember(k.ws, made)
		k.c.Status.Managed, own.made, own.asked = made.ID, made.ID, made.ID
		own.lost, own.inherited = creation{}, creation{}
		ctrl.LoggerFrom(ctx).Info("Created a channel", "channel", made.ID, "name", made.Name)
		return k.requeueNow("created")
	case e.Class == slack.ClassNameTaken:
		own.taken, own.since = true, r.Clock.Now()
		const taken = "its name is taken, by whom is being looked up"
		if announcedCreation(k.c).name == "" {
			return k.requeueNow(taken)
		}
		return progressing(fmt.Sprintf("channel #%s: %s", own.name, taken), requeueSoon) // the announcement must go
	case e.Class.Transient() && e.Class != slack.ClassRateLimited:
		// It may have been created all the same: it is looked for first.
		own.since, own.lost = r.Clock.Now(), attempt
		return r.outcomeOf(k, e)
	}
	return r.refused(k, err, "ask an administrator of the workspace to let the app create channels, or create the channel and set spec.manage.adopt to true")
}

// nameTaken says who has the name.
func (r *Reconciler) nameTaken(k *check, archived *slack.Conversation) *outcome {
	name, workspace := k.managed.name, describe(k.identity)
	switch {
	case archived != nil && k.c.Spec.Manage.Adopt:
		return stalled(v1alpha1.ReasonChannelArchived, fmt.Sprintf(
			"channel %q (%s), which is to be adopted, is archived in workspace %s: unarchive it in Slack, or name another channel in spec.webAPI.channel; %s", name, archived.ID, workspace, r.again(k)))
	case archived != nil:
		return stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf(
			"the archived channel %q (%s) has the name in workspace %s: rename it in Slack, or name another channel in spec.webAPI.channel; %s", name, archived.ID, workspace, r.again(k)))
	}
	return stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf(
		"Slack answered name_taken: a channel that the bot can't see has the name %q in workspace %s: invite the bot to it (have a member %s) and set spec.manage.adopt to true, or name another channel in spec.webAPI.channel",
		name, workspace, k.invite()))
}
