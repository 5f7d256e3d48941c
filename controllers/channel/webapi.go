package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// checkWebAPI asks Slack whom the token belongs to, finds the channel, joins
// it where it must and may, and learns whether it may be read back.
func (r *Reconciler) checkWebAPI(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, known memory) outcome {
	stands := known.credential == conn.Credential && known.generation == c.Generation && !known.checked.IsZero() ||
		known.checked.IsZero() && (known.credential == "" || known.credential == conn.Credential) && verifiedByAnother(c)

	var own *owned
	if c.Spec.Manage != nil {
		own = r.begin(c, conn.Credential)
	}
	identity, o, ok := r.authenticate(ctx, c, conn, own, stands)
	if !ok {
		return o
	}
	facts := func(s *v1alpha1.SlackChannelStatus) {
		s.Workspace = &v1alpha1.Workspace{ID: identity.TeamID, Name: identity.TeamName, URL: identity.URL}
		s.BotUserID = identity.BotUserID
		s.Scopes = slices.Compact(slices.Sorted(slices.Values(identity.Scopes)))
	}
	if c.Spec.WebAPI.Channel == "" {
		o := ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s", describe(identity)))
		o.facts = facts
		o.exactlyOnce = exactlyOnceForRecipients(identity)
		r.answered(c)
		return o.withoutChannel()
	}
	if own != nil {
		return r.manage(ctx, r.visit(c, conn, identity, own, stands), facts)
	}
	found, o, ok := r.find(ctx, c, conn, identity, stands)
	if ok {
		o, ok = r.enter(ctx, c, conn, identity, &found, stands)
	}
	if !ok {
		return r.without(c, o, facts)
	}
	o = ready(v1alpha1.ReasonVerified, fmt.Sprintf("the token was accepted by workspace %s, and channel #%s was found", describe(identity), found.Name))
	o.facts = withChannel(facts, found)
	o.exactlyOnce, o.after = r.exactlyOnce(ctx, c, conn, identity, found)
	r.answered(c)
	return o
}

// without is the outcome of a check that has found no channel to use, and may
// have come to an answer by that.
func (r *Reconciler) without(c *v1alpha1.SlackChannel, o outcome, facts func(*v1alpha1.SlackChannelStatus)) outcome {
	o.facts = facts
	if o.recheck {
		r.answered(c)
		o = o.withoutChannel()
	}
	return o
}

func withChannel(facts func(*v1alpha1.SlackChannelStatus), found slack.Conversation) func(*v1alpha1.SlackChannelStatus) {
	return func(s *v1alpha1.SlackChannelStatus) {
		facts(s)
		s.Channel = &v1alpha1.ChannelInfo{ID: found.ID, Name: found.Name, Private: found.Private, Archived: found.Archived}
	}
}

func workspaceOf(c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity) directory.Workspace {
	return directory.Workspace{
		TeamID: identity.TeamID, TeamName: identity.TeamName, BotUserID: identity.BotUserID,
		Credential: conn.Credential, API: conn.API, Namespace: c.Namespace,
	}
}

// verifiedByAnother reports whether an earlier process has found all to be well.
// That stands until this one has come to an answer of its own, so that a
// restart holds up no message.
func verifiedByAnother(c *v1alpha1.SlackChannel) bool {
	cond := conditions.Find(c, v1alpha1.ConditionReady)
	return cond != nil && cond.Status == metav1.ConditionTrue && c.Status.ObservedGeneration == c.Generation
}

func (r *Reconciler) answered(c *v1alpha1.SlackChannel) {
	r.remember(c, func(m *memory) {
		m.failures, m.checked, m.generation = 0, r.Clock.Now(), c.Generation
	})
}

// authenticate asks for the identity behind the token.
func (r *Reconciler) authenticate(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, own *owned, stands bool) (slack.Identity, outcome, bool) {
	if own != nil && own.identity != nil {
		return *own.identity, outcome{}, true
	}
	workspace := "token of " + string(c.UID)
	if c.Status.Workspace != nil {
		workspace = c.Status.Workspace.ID
	}
	at, ok := r.Limiter.Reserve(r.Clock.Now(), workspace, slack.MethodAuthTest, holder(c, ""))
	if !ok {
		return slack.Identity{}, waiting(stands, turn(slack.MethodAuthTest), at.Sub(r.Clock.Now())), false
	}
	identity, err := conn.API.AuthTest(ctx)
	if err == nil {
		if own != nil {
			own.identity = &identity
		}
		return identity, outcome{}, true
	}
	e := slack.AsError(err)
	if e.Class == slack.ClassRateLimited {
		r.Limiter.Penalize(r.Clock.Now(), workspace, slack.MethodAuthTest, e.RetryAfter)
	}
	o := r.judge(c, e, stands)
	if o.mark != nil && o.recheck {
		r.answered(c)
		own.finish()
		o = o.withoutFacts()
	}
	return slack.Identity{}, o, false
}

// tolerated failures in a row don't make a SlackChannel unreachable that was
// verified before: its messages tell as much.
const tolerated = 2

// judge turns an error of a call into an outcome.
func (r *Reconciler) judge(c *v1alpha1.SlackChannel, e *slack.Error, stands bool) outcome {
	secret := fmt.Sprintf("Secret %s/%s", c.Namespace, c.Spec.WebAPI.TokenSecretRef.Name)
	name := c.Spec.WebAPI.Channel
	switch e.Class {
	case slack.ClassRateLimited:
		return waiting(stands, "Slack asked to wait (rate limit) while this SlackChannel was being checked; the check goes on by itself", max(e.RetryAfter, backoff(0)))
	case slack.ClassInvalidCredentials:
		return stalled(v1alpha1.ReasonInvalidToken, fmt.Sprintf("%v: put a valid bot token (xoxb-…) in %s", e, secret))
	case slack.ClassAccessDenied:
		return stalled(v1alpha1.ReasonInvalidToken, fmt.Sprintf("%v: ask an administrator of the workspace to let the app in, or put another token in %s", e, secret))
	case slack.ClassMissingScope:
		return stalled(v1alpha1.ReasonMissingScope, missingScope(e))
	case slack.ClassChannelNotFound:
		return stalled(v1alpha1.ReasonChannelNotFound, fmt.Sprintf("Slack answered %s: no channel %q is visible to the bot; invite it, or use the channel's ID", e.Code, name))
	case slack.ClassNotInChannel:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf("%v: invite the bot to channel %q", e, name))
	case slack.ClassChannelArchived:
		return stalled(v1alpha1.ReasonChannelArchived, fmt.Sprintf("%v: unarchive channel %q, or name another one", e, name))
	}
	failures := r.remember(c, func(m *memory) { m.failures++ }).failures
	if stands && failures < tolerated {
		return waiting(stands, "", backoff(failures))
	}
	return retrying(v1alpha1.ReasonSlackUnreachable, fmt.Sprintf("%v; the check is repeated", e), backoff(failures))
}

func missingScope(e *slack.Error) string {
	needed := e.Needed
	if needed == "" {
		return fmt.Sprintf("%v: add the scope that this method needs to the Slack app, and reinstall the app", e)
	}
	return fmt.Sprintf("Slack answered missing_scope to %s: add the bot scope %s to the Slack app, and reinstall the app", e.Method, needed)
}

// find looks the channel up.
func (r *Reconciler) find(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, stands bool) (slack.Conversation, outcome, bool) {
	found, err := r.Directory.FindConversation(ctx, workspaceOf(c, conn, identity), c.Spec.WebAPI.Channel, OwnerPrefix+Owner(client.ObjectKeyFromObject(c)))
	if err == nil {
		return found, outcome{}, true
	}
	return found, r.lookupTrouble(c, err, stands), false
}

// lookupTrouble turns what the directory has answered into an outcome.
func (r *Reconciler) lookupTrouble(c *v1alpha1.SlackChannel, err error, stands bool) outcome {
	var loading *directory.LoadingError
	var wait *directory.WaitError
	var missing *directory.NotFoundError
	var archived *directory.ArchivedError
	switch {
	case errors.As(err, &loading) && loading.Cause != nil && !stands:
		return retrying(v1alpha1.ReasonSlackUnreachable, loading.Error(), 0)
	case errors.As(err, &loading):
		// The usual check is the safety net for a wake-up that gets lost.
		return waiting(stands, loading.Error(), r.nextCheck())
	case errors.As(err, &wait):
		return waiting(stands, wait.Error(), max(wait.At.Sub(r.Clock.Now()), 0)+1)
	case errors.As(err, &missing):
		return stalled(v1alpha1.ReasonChannelNotFound, missing.Error())
	case errors.As(err, &archived):
		return stalled(v1alpha1.ReasonChannelArchived, archived.Error())
	}
	return r.judge(c, slack.AsError(err), stands)
}

// OwnerPrefix marks this controller's names in the directory.
const OwnerPrefix = "SlackChannel/"

// enter makes the bot a member of the channel where that is wanted and needed.
func (r *Reconciler) enter(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity, found *slack.Conversation, stands bool) (outcome, bool) {
	if found.Member || found.DM {
		return outcome{}, true
	}
	public := slices.Contains(identity.Scopes, "chat:write.public")
	join := c.Spec.WebAPI.Join == nil || *c.Spec.WebAPI.Join
	name := found.Name
	switch {
	case found.Private:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf("the bot is not a member of the private channel %q, which it can't join by itself: invite it", name)), false
	case !join && public:
		return outcome{}, true
	case !join:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf("the bot is not a member of channel %q, and spec.webAPI.join is false: invite it, set join to true, or give the app the scope chat:write.public", name)), false
	}
	at, ok := r.Limiter.Reserve(r.Clock.Now(), identity.TeamID, slack.MethodConversationsJoin, holder(c, ""))
	if !ok {
		return waiting(stands, turn(slack.MethodConversationsJoin), at.Sub(r.Clock.Now())), false
	}
	err := conn.API.JoinConversation(ctx, found.ID)
	if err == nil {
		found.Member = true
		r.Directory.Invalidate(identity.TeamID, found.ID)
		return outcome{}, true
	}
	e := slack.AsError(err)
	switch {
	case e.Class == slack.ClassRateLimited:
		r.Limiter.Penalize(r.Clock.Now(), identity.TeamID, slack.MethodConversationsJoin, e.RetryAfter)
	case !e.Class.Transient() && public:
		return outcome{}, true // it can post without being a member
	case e.Class == slack.ClassMissingScope:
		return stalled(v1alpha1.ReasonMissingScope, fmt.Sprintf("the bot is not a member of channel %q and may not join it: %s; or invite it", name, missingScope(e))), false
	case !e.Class.Transient() && e.Class != slack.ClassInvalidCredentials && e.Class != slack.ClassChannelArchived:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf("the bot is not a member of channel %q and could not join it: %v; invite it", name, e)), false
	}
	return r.judge(c, e, stands), false
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
