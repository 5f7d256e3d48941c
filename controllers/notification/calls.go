package notification

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// call makes a call of a method with a tier, once it has its slot; false when it
// has to wait, which the delivery has been told.
func (r *Reconciler) call(p *pass, w *way, rcpt *recipient, method, waits string, do func() error) (*slack.Error, bool) {
	now := r.Clock.Now()
	h := p.holder(rcpt, "")
	at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, method, h)
	if !ok {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForTurn, Message: waits, Quiet: at.Sub(now) < quietFor}})
		p.requeueBy(at)
		return nil, false
	}
	e := slack.AsError(do())
	now = r.Clock.Now()
	r.Limiter.Done(now, w.workspace.TeamID, method, h.Name)
	if e != nil && e.Class == slack.ClassRateLimited {
		r.Limiter.Penalize(now, w.workspace.TeamID, method, e.RetryAfter)
	}
	return e, true
}

// edit replaces the content of a message that is out; true when something came
// of it. It may be repeated without harm, so nothing has to be looked up after an
// edit whose answer got lost.
func (r *Reconciler) edit(ctx context.Context, p *pass, rcpt *recipient) bool {
	e, called := r.call(p, p.way, rcpt, slack.MethodUpdate, "the message is out with an older content; the edit waits for its turn, to stay within Slack's rate limit", func() error {
		p.apply(r, rcpt, delivery.Attempting{})
		return p.way.conn.API.Update(context.WithoutCancel(ctx), rcpt.Posted.Conversation, rcpt.Posted.Timestamp, p.messageTo(rcpt))
	})
	if !called {
		return false
	}
	p.mustWrite = true
	if e != nil {
		p.refused(r, p.way, rcpt, delivery.Edit, e)
		r.afterFailure(ctx, p, rcpt, e)
		return true
	}
	p.finishAnew()
	p.apply(r, rcpt, delivery.EditOK{})
	r.Metrics.Attempt(metrics.OutcomeEdited, p.way.adapter(), 0)
	ctrl.LoggerFrom(ctx).Info("Edited message", "recipient", rcpt.key, "conversation", rcpt.Posted.Conversation, "timestamp", rcpt.Posted.Timestamp)
	return true
}

// join makes the bot a member of the channel.
func (r *Reconciler) join(ctx context.Context, p *pass, w *way, rcpt *recipient) bool {
	conversation := rcpt.Conversation
	if rcpt.target != nil {
		conversation = rcpt.target.conversation
	}
	e, called := r.call(p, w, rcpt, slack.MethodConversationsJoin, "the bot is not a member of the channel, and waits for its turn to join it", func() error {
		return w.conn.API.JoinConversation(ctx, conversation)
	})
	switch {
	case !called:
		return false
	case e == nil || e.Class == slack.ClassAlreadyDone:
		r.Directory.Invalidate(w.workspace.TeamID, conversation)
		p.apply(r, rcpt, delivery.JoinOK{})
		return true
	}
	p.refused(r, w, rcpt, delivery.Join, e)
	return rcpt.Halt == nil && !rcpt.Retry.MustJoin
}

// remove deletes a message. It may be repeated without harm.
func (r *Reconciler) remove(ctx context.Context, p *pass, w *way, rcpt *recipient) bool {
	posted := rcpt.Posted
	e, called := r.call(p, w, rcpt, slack.MethodDelete, "the message is to be deleted, which waits for its turn, to stay within Slack's rate limit", func() error {
		return w.conn.API.Delete(context.WithoutCancel(ctx), posted.Conversation, posted.Timestamp)
	})
	switch {
	case !called:
		return false
	case e == nil:
		p.apply(r, rcpt, delivery.DeleteOK{})
		ctrl.LoggerFrom(ctx).Info("Deleted message", "recipient", rcpt.key, "conversation", posted.Conversation, "timestamp", posted.Timestamp)
		return true
	}
	p.refused(r, w, rcpt, delivery.Delete, e)
	return true
}

// refused tells a delivery of a failed call, and everybody else whom it concerns.
func (p *pass) refused(r *Reconciler, w *way, rcpt *recipient, do delivery.Do, e *slack.Error) {
	rcpt.Apply(delivery.Refused{Do: do, Err: e}, p.want, r.can(w, rcpt), r.Clock.Now())
	r.learn(w, rcpt, e)
	p.requeueBy(rcpt.Retry.At)
}

// learn passes on what an answer says of the credential and of the conversation;
// nil for a success.
func (r *Reconciler) learn(w *way, rcpt *recipient, e *slack.Error) {
	if e == nil {
		r.Lanes.Answered(w.workspace.TeamID)
		return
	}
	credential, conversation := false, false
	switch e.Class {
	case slack.ClassInvalidCredentials, slack.ClassAccessDenied, slack.ClassWebhookRevoked:
		credential = true
	case slack.ClassChannelNotFound, slack.ClassNotInChannel, slack.ClassChannelArchived:
		// What goes wrong in a recipient's conversation says nothing of the
		// SlackChannel's own.
		credential, conversation = rcpt.key == defaultKey, true
	case slack.ClassUserNotMessageable:
		conversation = true
	}
	if conversation && !w.webhook() && rcpt.Conversation != "" {
		r.Directory.Invalidate(w.workspace.TeamID, rcpt.Conversation)
	}
	if credential {
		r.Health.Report(w.key, w.conn.Credential, e, r.Clock.Now())
	}
}

// answered tells the queue whether posts to the workspace are answered; true when
// it counts as down from now on, so that its SlackChannel is checked and says so.
func (r *Reconciler) answered(w *way, e *slack.Error) bool {
	if e.Class != slack.ClassUnavailable && e.Class != slack.ClassAmbiguous {
		r.Lanes.Answered(w.workspace.TeamID)
		return false
	}
	return r.Lanes.Failed(r.Clock.Now(), w.workspace.TeamID)
}
