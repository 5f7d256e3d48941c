package channel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// visit is one look at a managed channel.
type visit struct {
	c        *v1alpha1.SlackChannel
	conn     *connection.Connection
	identity slack.Identity
	// stands: an earlier answer about the same spec and credential does.
	stands bool
	ws     directory.Workspace
	// owner is the SlackChannel's name in the directory.
	owner string
	// name that the channel is to have.
	name string
	own  *owned
}

// owned is what this process knows of a channel that it manages, beyond the
// status.
type owned struct {
	// made is the channel that was just created, until the next look: a lost
	// write of the status does not lose it.
	made string
	// topic and purpose as Slack has stored them.
	topic, purpose wording
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

// wording is a text that was set, and what Slack has made of it.
type wording struct{ want, stored string }

// wantedName is the name that a managed channel is to have.
func wantedName(c *v1alpha1.SlackChannel) string {
	if c.Spec.WebAPI == nil {
		return ""
	}
	return strings.TrimPrefix(c.Spec.WebAPI.Channel, "#")
}

// begin returns what is known of a managed channel, and begins a check unless
// one of the same spec and credential is under way.
func (r *Reconciler) begin(c *v1alpha1.SlackChannel, credential string) *owned {
	o := r.remember(c, func(m *memory) {
		if m.owned == nil {
			m.owned = &owned{}
		}
	}).owned
	if o.began.IsZero() || o.credential != credential || o.generation != c.Generation {
		o.credential, o.generation = credential, c.Generation
		o.progress = progress{began: r.Clock.Now()}
	}
	return o
}

// finish ends a check: the next one asks Slack for everything anew.
func (o *owned) finish() {
	if o != nil {
		o.progress = progress{}
	}
}

func (r *Reconciler) visit(c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, own *owned, stands bool) *visit {
	return &visit{
		c: c, conn: conn, identity: identity, stands: stands, own: own, name: wantedName(c),
		owner: OwnerPrefix + Owner(client.ObjectKeyFromObject(c)), ws: workspaceOf(c, conn, identity),
	}
}

// manage makes the channel what spec.manage says, and then looks at it as at
// any other.
func (r *Reconciler) manage(ctx context.Context, v *visit, facts func(*v1alpha1.SlackChannelStatus)) outcome {
	found, o, ok := r.possess(ctx, v)
	if ok {
		o, ok = r.enter(ctx, v.c, v.conn, v.identity, &found, v.stands)
	}
	if ok {
		o, ok = r.shape(ctx, v, &found)
	}
	if !ok {
		if o.recheck {
			v.own.finish()
		}
		return r.without(v.c, o, facts)
	}
	members, pause := r.keepMembers(ctx, v, found)
	if pause != nil {
		if left := v.own.began.Add(memberPatience).Sub(r.Clock.Now()); left > 0 {
			o = waiting(v.stands, pause.message, min(pause.after, left))
			o.facts = withChannel(facts, found)
			return o
		}
	}
	o = ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s, and channel #%s is managed by this SlackChannel", describe(v.identity), found.Name))
	o.facts, o.members = withChannel(facts, found), members
	o.exactlyOnce, o.after = r.exactlyOnce(ctx, v.c, v.conn, v.identity, found)
	r.answered(v.c)
	if pause == nil {
		v.own.finish()
		return o
	}
	o.members = pause.condition(v.c)
	if o.after == 0 || pause.after < o.after {
		o.after = pause.after
	}
	return o
}

// possess finds the channel that this resource owns, or comes to own it: by
// creating it, by being told to adopt it, or because it created it before and
// could not write that down.
func (r *Reconciler) possess(ctx context.Context, v *visit) (slack.Conversation, outcome, bool) {
	id := firstOf(v.c.Status.Managed, v.own.made)
	v.c.Status.Managed, v.own.made = id, ""
	if o, ok := r.claim(ctx, v, id); !ok {
		return slack.Conversation{}, o, false
	}
	if id == "" || v.own.gone == id {
		return r.establish(ctx, v)
	}
	found, err := r.ask(ctx, v, id)
	switch {
	case err == nil:
		return found, outcome{}, true
	case slack.ClassOf(err) == slack.ClassChannelNotFound:
		// It was deleted, or the bot does not see it any more.
		v.own.gone, v.own.since = id, r.Clock.Now()
		return r.establish(ctx, v)
	}
	return found, r.lookupTrouble(v.c, err, v.stands), false
}

// ask asks Slack for a channel, once in a check.
func (r *Reconciler) ask(ctx context.Context, v *visit, id string) (slack.Conversation, error) {
	if v.own.asked != id {
		r.Directory.Invalidate(v.identity.TeamID, id)
		v.own.asked = id
	}
	return r.Directory.FindConversation(ctx, v.ws, id, v.owner)
}

// again has the next step taken when what this one has brought is written.
func (v *visit) again(done string) outcome {
	return waiting(v.stands, fmt.Sprintf("channel #%s: %s; the check goes on", v.name, done), time.Millisecond)
}

// slot asks for a slot to make a call now.
func (r *Reconciler) slot(v *visit, method string) (outcome, bool) {
	now := r.Clock.Now()
	at, ok := r.Limiter.Reserve(now, v.identity.TeamID, method, holder(v.c, ""))
	if ok {
		return outcome{}, true
	}
	return waiting(v.stands, turn(method), at.Sub(now)), false
}

func turn(method string) string {
	return fmt.Sprintf("waits for its turn to call %s, to stay within Slack's rate limit", method)
}

// refused turns the error of a call that changes the channel into an outcome.
func (r *Reconciler) refused(v *visit, err error, advice string) outcome {
	e := slack.AsError(err)
	switch e.Class {
	case slack.ClassRateLimited:
		r.Limiter.Penalize(r.Clock.Now(), v.identity.TeamID, e.Method, e.RetryAfter)
	case slack.ClassNameTaken:
		return stalled(v1alpha1.ReasonNameTaken, fmt.Sprintf("%v: another channel has the name %q, maybe an archived one or one that the bot can't see; name another one in spec.webAPI.channel", e, v.name))
	case slack.ClassInvalidName:
		return stalled(v1alpha1.ReasonManageFailed, fmt.Sprintf("%v: Slack does not take %q as the name of a channel; name another one in spec.webAPI.channel", e, v.name))
	case slack.ClassMissingScope, slack.ClassInvalidCredentials, slack.ClassAccessDenied, slack.ClassNotInChannel,
		slack.ClassChannelArchived, slack.ClassChannelNotFound:
	default:
		if !e.Class.Transient() {
			return stalled(v1alpha1.ReasonManageFailed, fmt.Sprintf("%v: %s", e, advice))
		}
	}
	return r.judge(v.c, e, v.stands)
}
