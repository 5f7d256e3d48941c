package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	// memberPatience is how long a check is not Ready for the sake of its
	// members: long enough to find and invite them in the usual case, and short
	// enough that the list of a large workspace holds up no message.
	memberPatience = 10 * time.Second
	membersPage    = 200
	// maxPresent members of a channel, on maxMemberPages, are read; more is the work
	// of a server that goes on for ever.
	maxPresent     = 100_000
	maxMemberPages = 2_000
	// invitedAtOnce is what conversations.invite takes.
	invitedAtOnce = 100
)

// roster is how far a check has come with the members.
type roster struct {
	// found are the IDs of those listed in the spec.
	found map[v1alpha1.Member]string
	// present are the IDs of those in the channel, when all has been read.
	present map[string]bool
	cursor  string
	pages   int
	read    bool
	// alone are those who were in a batch that was refused.
	alone map[string]bool
	// refused are those who could not be invited or removed.
	refused map[string]*slack.Error
	// failures in a row.
	failures int
}

// pause is a wait before the members are dealt with.
type pause struct {
	message string
	after   time.Duration
}

// condition while the members are not dealt with yet; nil when an older one
// about the same spec stands.
func (p *pause) condition(c *v1alpha1.SlackChannel) *metav1.Condition {
	if was := conditions.Find(c, v1alpha1.ConditionMembersInSync); was != nil && was.ObservedGeneration == c.Generation {
		return nil
	}
	return &metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonVerifying, Message: p.message}
}

func managesMembers(c *v1alpha1.SlackChannel) bool {
	return c.Spec.Manage != nil && (len(c.Spec.Manage.Members) > 0 || c.Spec.Manage.PruneMembers)
}

// keepMembers invites those who are missing and, when it is told to, removes
// those who are not listed. What fails for one holds up nobody else.
func (r *Reconciler) keepMembers(ctx context.Context, k *check, found slack.Conversation) (*metav1.Condition, *pause) {
	if !managesMembers(k.c) {
		return nil, nil
	}
	unfound, p := r.findMembers(ctx, k)
	if p != nil {
		return nil, p
	}
	general, p := r.readMembers(ctx, k, found.ID)
	if p != nil {
		return nil, p
	}
	if general == nil {
		if general, p = r.invite(ctx, k, found.ID); p != nil {
			return nil, p
		}
	}
	// Who was not found may be in the channel under an ID that is not known.
	if general == nil && k.c.Spec.Manage.PruneMembers && len(unfound) == 0 {
		if general, p = r.prune(ctx, k, found.ID); p != nil {
			return nil, p
		}
	}
	return r.membersCondition(k, unfound, general), nil
}

// findMembers finds out who the listed members are; it returns why some were
// not found.
func (r *Reconciler) findMembers(ctx context.Context, k *check) ([]string, *pause) {
	var unfound []string
	if k.managed.found == nil {
		k.managed.found = map[v1alpha1.Member]string{}
	}
	for _, m := range k.c.Spec.Manage.Members {
		if k.managed.found[m] != "" {
			continue
		}
		u, err := r.Directory.FindUser(ctx, k.ws, directory.Query{User: m.User, Email: m.Email}, k.owner)
		var bot *directory.NotMessageableError
		var loading *directory.LoadingError
		var wait *directory.WaitError
		switch {
		case err == nil:
			k.managed.found[m] = u.ID
		case errors.As(err, &bot):
			k.managed.found[m] = bot.User.ID // a bot can be a member
		case errors.As(err, &loading) && loading.Cause == nil:
			return nil, &pause{loading.Error(), r.nextCheck()}
		case errors.As(err, &wait):
			return nil, &pause{wait.Error(), max(wait.At.Sub(r.Clock.Now()), time.Millisecond)}
		default:
			text, p := r.unfound(k, err)
			if p != nil {
				return nil, p
			}
			if !slices.Contains(unfound, text) {
				unfound = append(unfound, text)
			}
		}
	}
	return unfound, nil
}

// unfound says why somebody was not found, unless the failure passes.
func (r *Reconciler) unfound(k *check, err error) (string, *pause) {
	var e *slack.Error
	if !errors.As(err, &e) {
		return err.Error(), nil
	}
	if e, p := r.memberError(k, e); p != nil {
		return "", p
	} else if e.Class == slack.ClassMissingScope {
		return r.missingScope(k, e), nil
	}
	return err.Error(), nil
}

// readMembers reads who is in the channel. It returns an error that concerns
// all members.
func (r *Reconciler) readMembers(ctx context.Context, k *check, id string) (*slack.Error, *pause) {
	for !k.managed.read {
		end, p := r.turnOf(k, slack.MethodConversationsMembers)
		if p != nil {
			return nil, p
		}
		page, next, err := k.conn.API.ListMembers(ctx, id, k.managed.cursor, membersPage)
		end()
		if e := slack.AsError(err); e != nil {
			k.managed.cursor, k.managed.present, k.managed.pages = "", nil, 0
			return r.memberError(k, e)
		}
		if k.managed.present == nil {
			k.managed.present = map[string]bool{}
		}
		for _, user := range page {
			k.managed.present[user] = true
		}
		k.managed.pages++
		if next != "" && (next == k.managed.cursor || k.managed.pages >= maxMemberPages) || len(k.managed.present) > maxPresent {
			e := &slack.Error{Class: slack.ClassUnknown, Method: slack.MethodConversationsMembers,
				Reason: fmt.Sprintf("the list of members does not end: %d were read on %d pages", len(k.managed.present), k.managed.pages)}
			k.managed.cursor, k.managed.present, k.managed.pages = "", nil, 0
			return r.memberError(k, e)
		}
		k.managed.cursor, k.managed.read = next, next == ""
	}
	return nil, nil
}

// missing are the IDs of those to be invited, in the order of the spec.
func (k *check) missing() []string {
	var out []string
	for _, m := range k.c.Spec.Manage.Members {
		id := k.managed.found[m]
		if id != "" && id != k.identity.BotUserID && !k.managed.present[id] && k.managed.refused[id] == nil && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// batch is who is invited next: many at once, and one by one those who were
// refused together, because one who can't be invited keeps out the others.
func (k *check) batch() []string {
	list := k.missing()
	if together := slices.DeleteFunc(slices.Clone(list), func(id string) bool { return k.managed.alone[id] }); len(together) > 0 {
		return together[:min(len(together), invitedAtOnce)]
	}
	return list[:min(len(list), 1)]
}

func (r *Reconciler) invite(ctx context.Context, k *check, id string) (*slack.Error, *pause) {
	for {
		users := k.batch()
		if len(users) == 0 {
			return nil, nil
		}
		end, p := r.turnOf(k, slack.MethodConversationsInvite)
		if p != nil {
			return nil, p
		}
		e := slack.AsError(k.conn.API.InviteToConversation(ctx, id, users))
		end()
		switch {
		case e == nil, len(users) == 1 && e.Class == slack.ClassAlreadyDone:
			ctrl.LoggerFrom(ctx).Info("Invited members", "channel", id, "users", users)
			for _, user := range users {
				k.managed.present[user] = true
			}
		case aboutAll(e.Class) || e.Class.Transient() && e.Class != slack.ClassUnknown:
			return r.memberError(k, e)
		case len(users) == 1:
			k.managed.refuse(users[0], e)
		default:
			k.managed.separate(users)
		}
	}
}

// prune removes who is in the channel and not listed. It is called only when
// everybody listed is known, and never removes the bot.
func (r *Reconciler) prune(ctx context.Context, k *check, id string) (*slack.Error, *pause) {
	keep := map[string]bool{k.identity.BotUserID: true}
	for _, user := range k.managed.found {
		keep[user] = true
	}
	var strangers []string
	for user := range k.managed.present {
		if !keep[user] && k.managed.refused[user] == nil {
			strangers = append(strangers, user)
		}
	}
	slices.Sort(strangers)
	for _, user := range strangers {
		end, p := r.turnOf(k, slack.MethodConversationsKick)
		if p != nil {
			return nil, p
		}
		e := slack.AsError(k.conn.API.RemoveFromConversation(ctx, id, user))
		end()
		switch {
		case e == nil, e.Class == slack.ClassNotInChannel, e.Class == slack.ClassAlreadyDone:
			ctrl.LoggerFrom(ctx).Info("Removed a member", "channel", id, "user", user)
			delete(k.managed.present, user)
		case aboutAll(e.Class) || e.Class.Transient() && e.Class != slack.ClassUnknown:
			return r.memberError(k, e)
		default:
			k.managed.refuse(user, e)
		}
	}
	return nil, nil
}

func (o *roster) refuse(user string, e *slack.Error) {
	if o.refused == nil {
		o.refused = map[string]*slack.Error{}
	}
	o.refused[user] = e
}

func (o *roster) separate(users []string) {
	if o.alone == nil {
		o.alone = map[string]bool{}
	}
	for _, user := range users {
		o.alone[user] = true
	}
}

// aboutAll reports whether an error concerns the app or the channel, and not
// one member.
func aboutAll(c slack.Class) bool {
	switch c {
	case slack.ClassMissingScope, slack.ClassInvalidCredentials, slack.ClassAccessDenied, slack.ClassNotInChannel,
		slack.ClassChannelNotFound, slack.ClassChannelArchived:
		return true
	}
	return false
}

// memberError decides whether an error that concerns all members passes.
func (r *Reconciler) memberError(k *check, e *slack.Error) (*slack.Error, *pause) {
	if !e.Class.Transient() {
		return e, nil
	}
	after := e.RetryAfter
	if e.Class == slack.ClassRateLimited {
		r.penalize(k.ws.Key, e.Method, e)
	}
	k.managed.failures++
	return nil, &pause{fmt.Sprintf("%v; the members are looked after later, and nothing needs to be done here", e), max(after, pauseOf(k.c, k.managed.failures))}
}

// turnOf asks for a slot to make a call now, of whose end the Limiter is to be told.
func (r *Reconciler) turnOf(k *check, method string) (end func(), p *pause) {
	end, wait := r.reserve(k.c, k.ws.Key, method, "")
	if wait > 0 {
		return nil, &pause{turn(method), wait}
	}
	return end, nil
}
