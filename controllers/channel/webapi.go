package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// check is one look at a SlackChannel by the Web API.
type check struct {
	c    *v1alpha1.SlackChannel
	conn *connection.Connection
	// holds: an earlier answer about the same spec and credential still does.
	holds bool
	// sameCredential: as far as this process knows, the status is about the
	// credential that is used now.
	sameCredential bool
	// anew: the channel is to be found anew, as it is since.
	anew  bool
	since time.Time
	// unproven is memory.unproven.
	unproven string

	// owner is the SlackChannel's name in the directory.
	owner string
	// identity that the token has, and the workspace, once authenticated.
	identity slack.Identity
	ws       directory.Workspace
	// called: each check takes a call of conversations.info.
	called bool
	// managed is nil for a channel that is not managed.
	managed *managed
}

// begin a check, given what was known before it.
func (r *Reconciler) begin(c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) *check {
	k := &check{
		c: c, conn: conn, holds: answerHolds(c, conn, known), owner: OwnerPrefix + Owner(client.ObjectKeyFromObject(c)),
		sameCredential: known.credential == "" || known.credential == conn.Credential,
		unproven:       known.unproven,
	}
	if requested(c) != "" {
		k.anew, k.since = known.anew, known.requested
	}
	if c.Spec.Manage != nil {
		k.managed = r.beginManaged(c, conn.Credential)
	}
	return k
}

// answerHolds reports whether an earlier answer about the same spec and
// credential still holds: one of this process or, so that a restart holds up no
// message, a good one of an earlier process until this one has its own.
func answerHolds(c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) bool {
	if !known.checked.IsZero() {
		return known.credential == conn.Credential && known.generation == c.Generation
	}
	if known.credential != "" && known.credential != conn.Credential {
		return false
	}
	cond := conditions.Find(c, v1alpha1.ConditionReady)
	return cond != nil && cond.Status == metav1.ConditionTrue && c.Status.ObservedGeneration == c.Generation
}

// verifyWebAPI asks Slack whom the token belongs to, finds the channel, joins
// it where it must and may, and learns whether it may be read back.
func (r *Reconciler) verifyWebAPI(ctx context.Context, k *check) *outcome {
	if stop := r.authenticate(ctx, k); stop != nil {
		return stop
	}
	if k.c.Spec.WebAPI.Channel == "" {
		r.crowds.leave(client.ObjectKeyFromObject(k.c))
		r.learn(k.c, k.conn, k.identity, slack.Conversation{})
		r.answered(k.c)
		o := ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s", describe(k.identity)))
		o.facts, o.exactlyOnce = factsOf(k.identity).withoutChannel(), exactlyOnceForRecipients(k.identity)
		return o
	}
	r.crowd(k)
	if k.managed != nil {
		return r.manage(ctx, k)
	}
	found, err := r.find(ctx, k)
	if err != nil {
		return r.noChannel(k, r.lookupOutcome(k, err))
	}
	if stop := r.join(ctx, k, &found); stop != nil {
		return r.noChannel(k, stop)
	}
	o := ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s, and channel #%s was found", describe(k.identity), found.Name))
	if found.Unseen {
		o = ready(v1alpha1.ReasonVerified, fmt.Sprintf(
			"the token was accepted by workspace %s; channel %s could not be verified, because the app has neither of the bot scopes channels:read and groups:read: messages are sent to it by its ID",
			describe(k.identity), found.ID))
	}
	o.exactlyOnce, o.after = r.exactlyOnce(ctx, k, found)
	r.hasChannel(k, o, found)
	return o
}

// hasChannel ends a check that has found its channel.
func (r *Reconciler) hasChannel(k *check, o *outcome, found slack.Conversation) {
	r.counted(k, found)
	o.facts, o.every = factsOf(k.identity).with(found), r.every(k)
	r.learn(k.c, k.conn, k.identity, found)
	r.answered(k.c)
}

// noChannel is the outcome of a check that has found no channel to use, and may
// have come to an answer by that.
func (r *Reconciler) noChannel(k *check, o *outcome) *outcome {
	o.facts, o.every = factsOf(k.identity), r.every(k)
	if o.recheck {
		o.facts.withoutChannel()
		r.learn(k.c, k.conn, k.identity, slack.Conversation{})
		r.answered(k.c)
	}
	return o
}

// learn tells those who deliver what Slack has said of a credential.
func (r *Reconciler) learn(c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, channel slack.Conversation) {
	r.Health.Learn(client.ObjectKeyFromObject(c), c.UID, connection.Facts{Credential: conn.Credential, Identity: identity, Channel: channel})
}

// find looks the channel up, as it is now when it was requested so.
func (r *Reconciler) find(ctx context.Context, k *check) (slack.Conversation, error) {
	ref := k.c.Spec.WebAPI.Channel
	if id, ok := directory.ConversationID(ref); ok && k.anew {
		r.remember(k.c, func(m *memory) { m.anew = false })
		r.Directory.Invalidate(k.ws.Key, id)
	}
	found, err := r.lookUp(ctx, k, ref)
	if !k.anew {
		return found, err
	}
	if errors.As(err, new(*directory.NotFoundError)) || errors.As(err, new(*directory.ScopeError)) {
		if err := r.Directory.RenewConversations(k.ws, k.since, directory.ChannelName(ref), k.owner); err != nil {
			return found, err
		}
		r.remember(k.c, func(m *memory) { m.anew = false })
		return r.lookUp(ctx, k, ref)
	}
	if found.ID != "" {
		r.remember(k.c, func(m *memory) { m.anew = false })
		r.Directory.Invalidate(k.ws.Key, found.ID)
		return r.lookUp(ctx, k, ref)
	}
	return found, err
}

// lookUp looks the channel up. While the list of channels is still being read,
// the one that the status names counts if Slack confirms that it has the name.
func (r *Reconciler) lookUp(ctx context.Context, k *check, ref string) (slack.Conversation, error) {
	found, err := r.Directory.FindConversation(ctx, k.ws, ref, k.owner)
	s := k.c.Status
	if !errors.As(err, new(*directory.LoadingError)) || s.Channel == nil || s.Workspace == nil ||
		s.Workspace.ID != k.identity.TeamID || s.BotUserID != k.identity.BotUserID {
		return found, err
	}
	known, askErr := r.Directory.FindConversation(ctx, k.ws, s.Channel.ID, k.owner)
	if askErr == nil && known.Name == directory.ChannelName(ref) {
		return known, nil
	}
	if errors.As(askErr, new(*directory.WaitError)) {
		return found, askErr
	}
	return found, err
}

// OwnerPrefix marks this controller's names in the directory.
const OwnerPrefix = "SlackChannel/"

// join makes the bot a member of the channel where that is wanted and needed.
func (r *Reconciler) join(ctx context.Context, k *check, found *slack.Conversation) *outcome {
	if found.Member || found.DM {
		return nil
	}
	public := slices.Contains(k.identity.Scopes, "chat:write.public")
	join := k.c.Spec.WebAPI.Join == nil || *k.c.Spec.WebAPI.Join
	switch {
	case found.Private:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf(
			"the bot is not a member of the private channel %q, which it can't join by itself: have a member %s; %s", found.Name, k.invite(), r.again(k)))
	case !join && public:
		return nil
	case !join:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf(
			"the bot is not a member of channel %q, and spec.webAPI.join is false: have a member %s, set spec.webAPI.join to true, or give the app the bot scope chat:write.public; %s",
			found.Name, k.invite(), r.again(k)))
	}
	end, stop := r.slot(k, slack.MethodConversationsJoin)
	if stop != nil {
		return stop
	}
	err := k.conn.API.JoinConversation(ctx, found.ID)
	if end(); err == nil {
		found.Member = true
		r.Directory.Invalidate(k.ws.Key, found.ID)
		return nil
	}
	e := slack.AsError(err)
	if e.Class == slack.ClassRateLimited {
		r.penalize(k.ws.Key, slack.MethodConversationsJoin, e)
	} else if e.Unserved || !e.Class.Transient() && public {
		return nil // it can post without being a member, or the post will tell
	}
	return r.joinRefused(k, found.Name, e)
}

// penalize obeys a 429 of Slack's. A wait of the operator's own says nothing of
// Slack's limits.
func (r *Reconciler) penalize(workspace slack.Workspace, method string, e *slack.Error) {
	if !e.Busy {
		r.Limiter.Penalize(r.Clock.Now(), workspace, method, e.RetryAfter)
	}
}

// joinRefused is the outcome of a call to join that has failed.
func (r *Reconciler) joinRefused(k *check, name string, e *slack.Error) *outcome {
	switch {
	case e.Class == slack.ClassMissingScope:
		return stalled(v1alpha1.ReasonMissingScope, fmt.Sprintf(
			"the bot is not a member of channel %q and may not join it (Slack answered missing_scope to %s): have a member %s, or %s", name, e.Method, k.invite(), r.addScope(k, e)))
	case !e.Class.Transient() && e.Class != slack.ClassInvalidCredentials && e.Class != slack.ClassChannelArchived:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf(
			"the bot is not a member of channel %q and could not join it: %v; have a member %s; %s", name, e, k.invite(), r.again(k)))
	}
	return r.outcomeOf(k, e)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func describe(i slack.Identity) string {
	if i.TeamName == "" {
		return i.TeamID
	}
	return fmt.Sprintf("%s (%s)", i.TeamName, i.TeamID)
}
