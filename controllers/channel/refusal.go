package channel

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What the messages of a SlackChannel say of the way out, and of what follows.
const (
	// seenAtOnce says what follows a change of the Secret, which is watched.
	seenAtOnce = "the SlackChannel is verified again as soon as the Secret changes"
)

// handle is what is taken for the handle of a bot, when it is no longer than
// maxHandle. A bound in the expression would cost 3 MiB of memory.
var handle = regexp.MustCompile(`^[\pL\pN._-]+$`)

// maxHandle are the bytes of the longest handle.
const maxHandle = 80 * utf8.UTFMax

// invite says how a bot becomes a member of a channel: Slack's own command.
func (k *check) invite() string {
	if name := k.identity.BotName; len(name) <= maxHandle && handle.MatchString(name) {
		return "of it type /invite @" + name + " there"
	}
	return "of it type /invite, @ and the name of the app's bot there"
}

// again says what follows a change in Slack, which is not told to the operator.
//
// The time is told in steps, so that a status is not written for each SlackChannel
// that comes or goes.
func (r *Reconciler) again(k *check) string {
	told, most := r.checkEvery(), ""
	for every := r.every(k); told < every; told *= 2 {
		most = "at least "
	}
	return fmt.Sprintf("it is checked again %severy %d minutes, and at once when the annotation %s changes",
		most, max(int(told.Round(time.Minute)/time.Minute), 1), v1alpha1.AnnotationRequestedAt)
}

// tokenPlace names where the token is.
func (k *check) tokenPlace() string {
	ref := k.c.Spec.WebAPI.TokenSecretRef
	return fmt.Sprintf("key %q of Secret %s/%s", firstOf(ref.Key, "token"), k.c.Namespace, ref.Name)
}

// remedy says what to do about a refused token.
func (k *check) remedy(e *slack.Error) string {
	if e.Remedy == "" {
		return fmt.Sprintf("put a valid bot token (xoxb-…) into %s", k.tokenPlace())
	}
	return strings.ReplaceAll(e.Remedy, "the Secret of the SlackChannel", k.tokenPlace())
}

// tolerated failures in a row don't make a SlackChannel unreachable that was
// verified before: its messages tell as much.
const tolerated = 2

// outcomeOf turns an error of a call into an outcome.
func (r *Reconciler) outcomeOf(k *check, e *slack.Error) *outcome {
	name := k.c.Spec.WebAPI.Channel
	switch e.Class {
	case slack.ClassRateLimited:
		if e.Busy { // no server has said so
			return k.waiting(e.Reason, max(e.RetryAfter, pauseAfter(0)))
		}
		return k.waiting("Slack asked to wait (rate limit) while this SlackChannel was being checked; the check goes on by itself", max(e.RetryAfter, pauseAfter(0)))
	case slack.ClassInvalidCredentials:
		return stalled(v1alpha1.ReasonInvalidToken, fmt.Sprintf("%v: %s; %s", e, k.remedy(e), seenAtOnce))
	case slack.ClassAccessDenied:
		return stalled(v1alpha1.ReasonInvalidToken, fmt.Sprintf(
			"%v: ask an administrator of the workspace to let the app in, or put another token into %s; %s", e, k.tokenPlace(), r.again(k)))
	case slack.ClassMissingScope:
		return stalled(v1alpha1.ReasonMissingScope, r.missingScope(k, e))
	case slack.ClassChannelNotFound:
		return stalled(v1alpha1.ReasonChannelNotFound, fmt.Sprintf(
			"Slack answered %s: no channel %q is visible to the bot: correct spec.webAPI.channel (a name, or the ID of a public channel) or, if the channel is private, where its ID is of no help either, invite the bot: have a member %s; %s",
			e.Code, name, k.invite(), r.again(k)))
	case slack.ClassNotInChannel:
		return stalled(v1alpha1.ReasonNotInChannel, fmt.Sprintf("%v: the bot is not a member of channel %q: have a member %s; %s", e, name, k.invite(), r.again(k)))
	case slack.ClassChannelArchived:
		return stalled(v1alpha1.ReasonChannelArchived, fmt.Sprintf("%v: unarchive channel %q in Slack, or name another one in spec.webAPI.channel; %s", e, name, r.again(k)))
	}
	return r.unreachable(k, e)
}

// unreachable is the outcome of a failure that is expected to pass.
func (r *Reconciler) unreachable(k *check, e *slack.Error) *outcome {
	m := r.failed(k.c)
	if k.holds && m.failures < tolerated {
		return k.waiting("", pauseOf(k.c, m.failures))
	}
	return retrying(v1alpha1.ReasonSlackUnreachable, fmt.Sprintf("%v; %s", e, unreachableSince(k.c, m.failingSince)), pauseOf(k.c, m.failures))
}

// failed counts a failure to reach Slack.
func (r *Reconciler) failed(c *v1alpha1.SlackChannel) memory {
	return r.remember(c, func(m *memory) {
		m.failures++
		if !m.failingSince.IsZero() {
			return
		}
		m.failingSince = r.Clock.Now()
		// An earlier process may have begun to count.
		if cond := conditions.Find(c, v1alpha1.ConditionReady); cond != nil && cond.Reason == v1alpha1.ReasonSlackUnreachable {
			m.failingSince = cond.LastTransitionTime.Time
		}
	})
}

// unreachableSince says what happens meanwhile. It names no number of attempts,
// since each would be a write of the status.
func unreachableSince(c *v1alpha1.SlackChannel, since time.Time) string {
	every := fmt.Sprintf("%d seconds", int(longestPause/time.Second))
	if longest := longestPauseOf(c); longest > longestPause {
		every = fmt.Sprintf("%d minutes, and at once when the annotation %s changes", int(longest/time.Minute), v1alpha1.AnnotationRequestedAt)
	}
	return fmt.Sprintf("this has been so since %s, and it is tried again at least every %s: nothing needs to be done here",
		since.UTC().Format("2006-01-02 15:04 UTC"), every)
}

// missingScope says which scope to add, and what that takes.
func (r *Reconciler) missingScope(k *check, e *slack.Error) string {
	return fmt.Sprintf("Slack answered missing_scope to %s: %s", e.Method, r.addScope(k, e))
}

func (r *Reconciler) addScope(k *check, e *slack.Error) string {
	scope := "scope that this method needs"
	if e.Needed != "" {
		scope = scopes(e.Needed)
	}
	return fmt.Sprintf("add the bot %s to the Slack app under OAuth & Permissions, reinstall the app in the workspace and, if it has another token then, put that into %s; %s",
		scope, k.tokenPlace(), r.again(k))
}

// scopesNamed in a message, one by one.
const scopesNamed = 10

// scopes names the scopes of a list as Slack gives it ("a,b"), one by one.
func scopes(list string) string {
	names := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
	if len(names) < 2 {
		return "scope " + strings.Join(names, "")
	}
	names = names[:min(len(names), scopesNamed)]
	return fmt.Sprintf("scopes %s and %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// lookupOutcome turns what the directory has answered into an outcome.
func (r *Reconciler) lookupOutcome(k *check, err error) *outcome {
	var loading *directory.LoadingError
	var wait *directory.WaitError
	var missing *directory.NotFoundError
	var archived *directory.ArchivedError
	switch {
	case errors.As(err, &loading) && loading.Cause != nil && !k.holds:
		m := r.failed(k.c)
		return retrying(v1alpha1.ReasonSlackUnreachable, fmt.Sprintf("%v; %s", loading, unreachableSince(k.c, m.failingSince)), pauseOf(k.c, m.failures))
	case errors.As(err, &loading):
		// The usual check is the safety net for a wake-up that gets lost.
		return k.waiting(loading.Error(), backoff.Around(r.every(k)))
	case errors.As(err, &wait):
		return k.waiting(wait.Error(), max(wait.At.Sub(r.Clock.Now()), 0)+1)
	case errors.As(err, &missing):
		return stalled(v1alpha1.ReasonChannelNotFound, fmt.Sprintf(
			"no channel %q is visible to the bot in workspace %s: correct spec.webAPI.channel (a name, or the ID of a public channel) or, if the channel is private, where its ID is of no help either, invite the bot: have a member %s; %s",
			missing.Ref, describe(k.identity), k.invite(), r.again(k)))
	case errors.As(err, &archived):
		return stalled(v1alpha1.ReasonChannelArchived, fmt.Sprintf(
			"channel %q (%s) is archived in workspace %s: unarchive it in Slack, or name another one in spec.webAPI.channel; %s",
			archived.Conversation.Name, archived.Conversation.ID, describe(k.identity), r.again(k)))
	}
	return r.outcomeOf(k, slack.AsError(err))
}
