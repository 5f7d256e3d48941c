package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// mentionPatience is how long a message waits for somebody whom it mentions to
// be found, when something keeps the operator from looking.
const mentionPatience = 30 * time.Second

// render makes the message, once all whom it mentions have been looked up.
func (r *Reconciler) render(ctx context.Context, w *work) error {
	if w.anyRipe() {
		tokens, ok := r.mentions(ctx, w)
		if !ok {
			w.stop = true
			return nil
		}
		rendered := message.Render(w.n.Spec.Content, message.Options{
			DefaultSender: w.channel.Spec.Sender, ClusterName: r.ClusterName, Webhook: w.conn.API == nil, Mentions: tokens,
		})
		w.rendered = &rendered
	}
	return nil
}

// anyRipe reports whether anything may have to be sent in this pass.
func (w *work) anyRipe() bool {
	return slices.ContainsFunc(w.recipients, func(rcpt recipient) bool {
		return !rcpt.done() && !rcpt.final && (!w.now.Before(rcpt.notBefore) || rcpt.stamp != w.stamp)
	})
}

// mentions looks up whom the content mentions; false when that has to be
// waited for.
func (r *Reconciler) mentions(ctx context.Context, w *work) (tokens map[string]string, ok bool) {
	names := message.MentionedNames(w.n.Spec.Content)
	if len(names) == 0 {
		return nil, true
	}
	if w.conn.API == nil {
		w.unmentioned = names
		w.unmentionedNote = "an incoming webhook can't look people up: give their IDs (<@U…>), or use a SlackChannel with webAPI"
		return nil, true
	}
	tokens = map[string]string{}
	for _, name := range names {
		token, err := r.mention(ctx, w, name)
		switch {
		case token != "":
			tokens[name] = token
		case err != nil && r.awaitsMention(w, err):
			return nil, false
		default:
			w.unmentioned = append(w.unmentioned, name)
			if e := slack.AsError(err); err != nil && e.Class == slack.ClassMissingScope {
				w.unmentionedNote = fmt.Sprintf("the app lacks the bot scope %s", e.Needed)
			}
		}
	}
	w.record.mentioning = time.Time{}
	return tokens, true
}

// mention returns what Slack writes for a name: a user, or a user group. It is
// empty without an error when there is neither.
func (r *Reconciler) mention(ctx context.Context, w *work, name string) (string, error) {
	owner := OwnerPrefix + w.name.String()
	query := directory.Query{User: name}
	if strings.Contains(strings.TrimPrefix(name, "@"), "@") {
		query = directory.Query{Email: name}
	}
	user, err := r.Directory.FindUser(ctx, w.workspace, query, owner)
	var bot *directory.NotMessageableError
	switch {
	case err == nil:
		return "<@" + user.ID + ">", nil
	case errors.As(err, &bot):
		return "<@" + bot.User.ID + ">", nil // a bot can be mentioned all the same
	}
	if query.Email == "" {
		// A handle is unique among users and groups, so that a list of users
		// that is still being read need not be waited for
		// (docs.slack.dev/reference/methods/usergroups.create).
		group, groupErr := r.Directory.FindGroup(ctx, w.workspace, name, owner)
		if groupErr == nil {
			return "<!subteam^" + group.ID + ">", nil
		}
		var wait *directory.WaitError
		if errors.As(groupErr, &wait) || slack.ClassOf(groupErr).Transient() && isCall(groupErr) {
			return "", groupErr
		}
	}
	if _, _, refused := refusal(err); refused {
		return "", nil
	}
	return "", err
}

// isCall reports whether it was a call that failed.
func isCall(err error) bool {
	var e *slack.Error
	return errors.As(err, &e)
}

// awaitsMention notes the wait for a mention; false when it is not worth it.
func (r *Reconciler) awaitsMention(w *work, err error) bool {
	now := r.Clock.Now()
	if w.record.mentioning.IsZero() {
		w.record.mentioning = now
	}
	spent := now.Sub(w.record.mentioning)
	var loading *directory.LoadingError
	var wait *directory.WaitError
	at := now.Add(5 * time.Second)
	switch {
	case errors.As(err, &loading) && loading.Cause == nil && !loading.Again:
		// The list is being read for the first time; the page that has the
		// name wakes it.
		at = now.Add(time.Minute)
	case spent > mentionPatience, isCall(err) && !slack.ClassOf(err).Transient():
		return false
	case errors.As(err, &wait):
		at = wait.At
	}
	for i := range w.recipients {
		if rcpt := &w.recipients[i]; !rcpt.done() && !rcpt.final {
			rcpt.pend(v1alpha1.ReasonDirectoryLoading, "looks up whom the message mentions: "+err.Error())
			rcpt.brief = true
		}
	}
	w.wait(at)
	return true
}

// annotate sets the conditions beside Ready.
func (w *work) annotate() {
	if w.rendered != nil {
		w.annotateContent()
	}
	switch w.stale {
	case "":
		conditions.Remove(w.n, v1alpha1.ConditionUpToDate)
	case v1alpha1.ReasonEditNotSupported:
		conditions.Set(w.n, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, w.stale,
			"the content has changed since it was sent by an incoming webhook, which can't edit: the first message stays; set spec.updatePolicy to Repost to send the new content, or use a SlackChannel with webAPI")
	default:
		conditions.Set(w.n, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, w.stale,
			"the content has changed since it was sent, and spec.updatePolicy is Ignore: the first message stays")
	}
}

func (w *work) annotateContent() {
	if len(w.unmentioned) == 0 {
		conditions.Remove(w.n, v1alpha1.ConditionMentionsResolved)
	} else {
		reason, note := v1alpha1.ReasonMentionsNotFound, w.unmentionedNote
		if w.conn.API == nil {
			reason = v1alpha1.ReasonMentionsNotSupported
		}
		if note == "" {
			note = "nobody, and no user group, in the workspace goes by it: give the handle, the e-mail address or the ID"
		}
		conditions.Set(w.n, v1alpha1.ConditionMentionsResolved, metav1.ConditionFalse, reason,
			fmt.Sprintf("not found, and shown as plain text: %s; %s", strings.Join(w.unmentioned, ", "), note))
	}
	if len(w.rendered.Notes) == 0 {
		conditions.Remove(w.n, v1alpha1.ConditionShortened)
	} else {
		conditions.Set(w.n, v1alpha1.ConditionShortened, metav1.ConditionTrue, v1alpha1.ReasonContentTooLong, strings.Join(w.rendered.Notes, "; "))
	}
}
