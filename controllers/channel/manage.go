package channel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// managed is what this process knows of a channel that it manages, beyond the
// status.
type managed struct {
	// name that the channel is to have.
	name string
	// made is the channel that was just created, until the next look: a lost
	// write of the status does not lose it.
	made string
	// lost is the creation whose answer got lost, and inherited one that an
	// earlier process announced; zero when there is none.
	lost, inherited creation
	// topic and purpose as Slack has stored them.
	topic, purpose storedText
	// credential and generation that progress belongs to.
	credential string
	generation int64
	progress
}

// progress of one check. Its calls wait for their slots, so a check may take
// several reconciles.
type progress struct {
	began time.Time
	// identity is what auth.test said; it is asked once in a check.
	identity *slack.Identity
	// asked is the channel that Slack was asked about in this check.
	asked string
	// gone is the channel that Slack does not know any more.
	gone string
	// since is when Slack contradicted the list of channels: only one that was
	// read later counts.
	since time.Time
	// taken is set when Slack said that the name is taken.
	taken bool
	// renamed, topicSet and purposeSet keep a check from doing it twice.
	renamed, topicSet, purposeSet bool
	roster
}

// storedText is a text that was set, and what Slack has made of it.
type storedText struct{ want, stored string }

// wantedName is the name that a managed channel is to have.
func wantedName(c *v1alpha1.SlackChannel) string {
	if c.Spec.WebAPI == nil {
		return ""
	}
	return strings.TrimPrefix(c.Spec.WebAPI.Channel, "#")
}

// beginManaged returns what is known of a managed channel, and begins a check
// unless one of the same spec and credential is under way.
func (r *Reconciler) beginManaged(c *v1alpha1.SlackChannel, credential string) *managed {
	o := r.remember(c, func(m *memory) {
		if m.managed == nil {
			m.managed = &managed{inherited: announcedCreation(c)}
		}
	}).managed
	if o.began.IsZero() || o.credential != credential || o.generation != c.Generation {
		o.credential, o.generation = credential, c.Generation
		o.progress = progress{began: r.Clock.Now()}
	}
	o.name = wantedName(c)
	return o
}

// finish ends a check: the next one asks Slack for everything anew.
func (o *managed) finish() {
	if o != nil {
		o.progress = progress{}
	}
}

// manage makes the channel what spec.manage says, and then looks at it as at
// any other.
func (r *Reconciler) manage(ctx context.Context, k *check) *outcome {
	found, stop := r.shape(ctx, k)
	if stop != nil {
		if stop.recheck {
			k.managed.finish()
		}
		return r.noChannel(k, stop)
	}
	members, pause := r.keepMembers(ctx, k, found)
	if pause != nil {
		if left := k.managed.began.Add(memberPatience).Sub(r.Clock.Now()); left > 0 {
			o := k.waiting(pause.message, min(pause.after, left))
			o.facts = factsOf(k.identity).with(found)
			return o
		}
	}
	o := ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s, and channel #%s is managed by this SlackChannel", describe(k.identity), found.Name))
	o.members = members
	o.exactlyOnce, o.after = r.exactlyOnce(ctx, k, found)
	r.hasChannel(k, o, found)
	if pause == nil {
		k.managed.finish()
		return o
	}
	o.members = pause.condition(k.c)
	if o.after == 0 || pause.after < o.after {
		o.after = pause.after
	}
	return o
}

// shape comes to own the channel, is in it, and makes it what the spec says.
func (r *Reconciler) shape(ctx context.Context, k *check) (slack.Conversation, *outcome) {
	found, stop := r.acquire(ctx, k)
	if stop != nil {
		return found, stop
	}
	if stop := r.join(ctx, k, &found); stop != nil {
		return found, stop
	}
	return found, r.setProperties(ctx, k, &found)
}

// acquire finds the channel that this resource owns, or comes to own it: by
// creating it, by being told to adopt it, or because it created it before and
// could not write that down.
func (r *Reconciler) acquire(ctx context.Context, k *check) (slack.Conversation, *outcome) {
	own := k.managed
	id := firstOf(k.c.Status.Managed, own.made)
	k.c.Status.Managed, own.made = id, ""
	if stop := r.claim(ctx, k, id); stop != nil {
		return slack.Conversation{}, stop
	}
	if id == "" || own.gone == id {
		return r.findOrCreate(ctx, k)
	}
	found, err := r.ask(ctx, k, id)
	switch {
	case err == nil:
		own.lost, own.inherited = creation{}, creation{}
		return found, nil
	case slack.ClassOf(err) == slack.ClassChannelNotFound:
		// It was deleted, or the bot does not see it any more.
		own.gone, own.since = id, r.Clock.Now()
		return r.findOrCreate(ctx, k)
	}
	return found, r.lookupOutcome(k, err)
}

// ask asks Slack for a channel, once in a check.
func (r *Reconciler) ask(ctx context.Context, k *check, id string) (slack.Conversation, error) {
	if k.managed.asked != id {
		r.Directory.Invalidate(k.ws.Key, id)
		k.managed.asked = id
	}
	return r.Directory.FindConversation(ctx, k.ws, id, k.owner)
}

// requeueNow goes on with the next step as soon as the status holds what this
// one has brought.
func (k *check) requeueNow(done string) *outcome {
	return k.waiting(fmt.Sprintf("channel #%s: %s; the check goes on", k.managed.name, done), time.Millisecond)
}

// slot asks for a slot to make a call now, of whose end the Limiter is to be told;
// without one it says until when to wait.
func (r *Reconciler) slot(k *check, method string) (end func(), stop *outcome) {
	end, wait := r.reserve(k.c, k.ws.Key, method, "")
	if wait > 0 {
		return nil, k.waiting(turn(method), wait)
	}
	return end, nil
}

func turn(method string) string {
	return fmt.Sprintf("waits for its turn to call %s, to stay within Slack's rate limit", method)
}

// refused turns the error of a call that changes the channel into an outcome.
func (r *Reconciler) refused(k *check, err error, advice string) *outcome {
	e := slack.AsError(err)
	name := k.managed.name
	switch e.Class {
	case slack.ClassRateLimited:
		r.penalize(k.ws.Key, e.Method, e)
	case slack.ClassNameTaken:
		return stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf(
			"%v: another channel has the name %q, maybe an archived one or one that the bot can't see; name another one in spec.webAPI.channel", e, name))
	case slack.ClassInvalidName:
		return stalled(v1alpha1.ReasonManageFailed, fmt.Sprintf(
			"%v: Slack does not take %q as the name of a channel; name another one in spec.webAPI.channel", e, name))
	case slack.ClassMissingScope, slack.ClassInvalidCredentials, slack.ClassAccessDenied, slack.ClassNotInChannel,
		slack.ClassChannelArchived, slack.ClassChannelNotFound:
	default:
		if !e.Class.Transient() {
			return stalled(v1alpha1.ReasonManageFailed, fmt.Sprintf("%v: %s; %s", e, advice, r.again(k)))
		}
	}
	return r.outcomeOf(k, e)
}
