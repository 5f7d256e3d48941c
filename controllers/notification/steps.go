package notification

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// keyLife is how long a message counts for the idempotency key that it carries.
const keyLife = 7 * 24 * time.Hour

func (r *Reconciler) settleTime() time.Duration {
	if r.SettleTime > 0 {
		return r.SettleTime
	}
	return readback.SettleTime
}

// suspicion says why the message may be in Slack already.
func suspicion(d *delivery.Delivery) string {
	switch d.Doubt.Cause {
	case delivery.Replacing:
		return "the new content may have been posted before"
	case delivery.Takeover:
		return "it is older than this run of the operator and may have been sent before"
	case delivery.KeyLookup:
		return "a message with the same spec.idempotencyKey may be there"
	default:
		return "Slack may have taken the message at the last attempt"
	}
}

// hold notes what a look into the conversation waits for.
func (r *Reconciler) hold(p *pass, rcpt *recipient, text string, quiet bool, until time.Time) {
	p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonVerifyingOutcome, Message: suspicion(rcpt.Delivery) + text, Quiet: quiet}})
	p.requeueBy(until)
}

// expect lets one reading serve all who will be in doubt about a conversation.
func (r *Reconciler) expect(p *pass, w *way, rcpt *recipient) {
	if own := rcpt.Doubt.Cause != delivery.AnswerLost; own || rcpt.Note.Reason == "" {
		r.hold(p, rcpt, ", so the conversation is read before anything is sent", own, rcpt.Doubt.Settles)
	}
	if in := rcpt.Doubt.Conversation; in != "" && !isUserID(in) {
		r.Readback.Expect(r.Clock.Now(), r.question(p, w, rcpt, in, rcpt.Doubt.Thread))
	}
}

// read looks for the message in its conversation; true when that is cleared up.
func (r *Reconciler) read(ctx context.Context, p *pass, w *way, rcpt *recipient) bool {
	conversation, thread, ok := r.whereToRead(ctx, p, w, rcpt)
	if !ok {
		return false
	}
	q := r.question(p, w, rcpt, conversation, thread)
	a := r.Readback.Ask(ctx, r.Clock.Now, w.conn.API, q)
	switch {
	case a.Kind == readback.Found:
		r.found(p, w, rcpt, conversation, a.Message)
		return true
	case a.Kind == readback.Absent && a.Stripped && rcpt.Doubt.Cause != delivery.KeyLookup:
		p.apply(r, rcpt, delivery.Unreadable{Why: "Slack gives messages back without the metadata by which they are recognised"})
		return true
	case a.Kind == readback.Absent:
		here := conversation
		if rcpt.target != nil {
			here = rcpt.target.conversation
		}
		p.apply(r, rcpt, delivery.Absent{Here: here})
		return true
	case a.Kind == readback.Refused && a.Err.Class == slack.ClassMessageNotFound && thread != "":
		p.apply(r, rcpt, delivery.ThreadGone{})
		return true
	case a.Kind == readback.Refused:
		p.refused(r, w, rcpt, delivery.Read, a.Err)
		return rcpt.Halt == nil
	case a.Err != nil:
		r.hold(p, rcpt, fmt.Sprintf(", and the conversation could not be read: %v; it is tried again by itself", a.Err), false, a.At)
	default:
		r.hold(p, rcpt, ", so the conversation is being read", a.At.Sub(r.Clock.Now()) < quietFor, a.At)
	}
	return false
}

// whereToRead finds the conversation and thread that the message may be in.
func (r *Reconciler) whereToRead(ctx context.Context, p *pass, w *way, rcpt *recipient) (conversation, thread string, ok bool) {
	doubt := rcpt.Doubt
	conversation, thread = doubt.Conversation, doubt.Thread
	if conversation == "" || doubt.Cause != delivery.AnswerLost && p.n.Spec.Thread != nil && thread == "" || isUserID(conversation) && rcpt.UserID == "" {
		if !r.locate(ctx, p, rcpt) {
			if p.want.Remove && rcpt.Halt != nil {
				p.apply(r, rcpt, delivery.Unreadable{Why: "where it went can't be found any more: " + rcpt.Halt.Message})
			}
			return "", "", false
		}
		if conversation == "" {
			conversation = rcpt.target.conversation
		}
		if thread == "" && (conversation == rcpt.target.conversation || rcpt.target.user != "") {
			thread = rcpt.target.thread
		}
		if doubt.Cause == delivery.Takeover && !isUserID(conversation) {
			// It stays where it is now looked for, whatever becomes of the SlackChannel.
			doubt.Conversation, doubt.Thread = conversation, thread
		}
	}
	if doubt.OutsideThread {
		thread = ""
	}
	if isUserID(conversation) {
		if conversation, ok = r.openDirectMessage(ctx, p, w, rcpt, conversation); !ok {
			return "", "", false
		}
	}
	return conversation, thread, true
}

// openDirectMessage finds the conversation with a person, which only a reading or
// a sender needs to know.
func (r *Reconciler) openDirectMessage(ctx context.Context, p *pass, w *way, rcpt *recipient, user string) (string, bool) {
	dm, err := r.Directory.DirectMessage(ctx, w.workspace, user, OwnerPrefix+p.name.String())
	if err != nil {
		p.apply(r, rcpt, r.unresolved(p, rcpt, err))
		return "", false
	}
	return dm, true
}

// question asks for the message of a delivery in doubt.
func (r *Reconciler) question(p *pass, w *way, rcpt *recipient, conversation, thread string) readback.Question {
	doubt := rcpt.Doubt
	q := readback.Question{
		Place:      readback.Place{Workspace: w.workspace.Key, Conversation: conversation, Thread: thread},
		Credential: w.credential, After: rcpt.After, Oldest: doubt.Since.Add(-ledger.Skew), Settled: doubt.Settles,
		Author: author(w), Owner: p.name, Group: p.n.Namespace, Priority: priorities[p.n.Spec.Severity],
	}
	if doubt.Bot != "" || doubt.User != "" { // the token may be another bot's by now
		q.Author = readback.Author{BotID: doubt.Bot, UserID: doubt.User}
	}
	if doubt.ByKey && !p.want.Remove {
		q.Key = message.KeyHash(p.n.Namespace, p.n.Spec.IdempotencyKey)
		if kept := p.now.Add(-keyLife); doubt.Cause == delivery.KeyLookup || kept.Before(q.Oldest) {
			q.Oldest = kept
		}
		return q
	}
	q.Notification, q.Recipient = string(p.n.UID), message.RecipientHash(rcpt.key)
	return q
}

func author(w *way) readback.Author {
	return readback.Author{BotID: w.facts.Identity.BotID, UserID: w.facts.Identity.BotUserID}
}

// found notes that the message is in Slack.
func (r *Reconciler) found(p *pass, w *way, rcpt *recipient, conversation string, m slack.StoredMessage) {
	attempts := rcpt.Attempts
	adopted := m.Metadata.Payload[message.PayloadNotification] != string(p.n.UID)
	p.apply(r, rcpt, delivery.Found{
		Conversation: conversation, Timestamp: m.Timestamp, Thread: m.ThreadTS, Hash: m.Metadata.Payload[message.PayloadContent],
		Permalink: permalink(w, conversation, m.Timestamp, m.ThreadTS), Outside: p.n.Spec.Thread != nil && m.ThreadTS == "",
		Via: w.key.String(), ViaUID: w.channel.UID, Adopted: adopted,
	})
	r.ledger.Posted.Add(p.n.UID, conversation, m.Timestamp)
	p.finishAnew()
	p.mustWrite = true
	if !adopted || attempts > 0 {
		r.delivered(p, w, rcpt)
	}
}

// check asks Slack whether the message that the status names is this object's;
// true when that is cleared up.
func (r *Reconciler) check(ctx context.Context, p *pass, w *way, rcpt *recipient) bool {
	posted := rcpt.Posted
	at := readback.Place{Workspace: w.workspace.Key, Conversation: posted.Conversation, Thread: posted.Thread}
	now := r.Clock.Now()
	a := r.Readback.One(ctx, r.Clock.Now, w.conn.API, at, w.credential, posted.Timestamp, p.holder(rcpt, "/check"))
	switch a.Kind {
	case readback.Found:
		p.apply(r, rcpt, judge(p, w, a.Message))
		if rcpt.Posted != nil && rcpt.Posted.Ours {
			r.ledger.Posted.Add(p.n.UID, posted.Conversation, posted.Timestamp)
		}
		return true
	case readback.Absent:
		p.apply(r, rcpt, delivery.Gone{})
		return true
	case readback.Refused:
		if a.Err.Class == slack.ClassMessageNotFound {
			p.apply(r, rcpt, delivery.Gone{})
			return true
		}
		p.refused(r, w, rcpt, delivery.Check, a.Err)
		return rcpt.Halt == nil
	case readback.Later:
	}
	text := "the message is out with an older content, and it is looked at before it is edited"
	if a.Err != nil {
		text += fmt.Sprintf(": %v; it is tried again by itself", a.Err)
	}
	p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonEditPending, Message: text, Quiet: a.Err == nil && a.At.Sub(now) < quietFor}})
	p.requeueBy(a.At)
	return false
}

// judge decides by what a message carries, and by its author, whose it is.
func judge(p *pass, w *way, m slack.StoredMessage) delivery.Event {
	by := author(w)
	foreign := m.BotID != "" && by.BotID != "" && m.BotID != by.BotID || m.UserID != "" && by.UserID != "" && m.UserID != by.UserID
	switch {
	case foreign:
		return delivery.NotOurs{}
	case m.Metadata == nil || m.Metadata.EventType != message.EventType:
		if c := conditions.Find(w.channel, v1alpha1.ConditionExactlyOnce); c != nil && c.Reason == v1alpha1.ReasonMetadataNotReturned {
			return delivery.Unconfirmable{}
		}
		return delivery.NotOurs{}
	}
	key := p.n.Spec.IdempotencyKey
	if m.Metadata.Payload[message.PayloadNotification] == string(p.n.UID) ||
		key != "" && m.Metadata.Payload[message.PayloadKey] == message.KeyHash(p.n.Namespace, key) {
		return delivery.Confirmed{Hash: m.Metadata.Payload[message.PayloadContent]}
	}
	return delivery.NotOurs{}
}

// holder names a delivery's call to the Limiter.
func (p *pass) holder(rcpt *recipient, purpose string) pacing.Holder {
	return pacing.Holder{Name: p.ticket(rcpt) + purpose, Group: p.n.Namespace, Priority: priorities[p.n.Spec.Severity]}
}

// call makes a call of a method with a tier, once it has its slot; false when it
// has to wait, which the delivery has been told.
func (r *Reconciler) call(p *pass, w *way, rcpt *recipient, method, waits string, do func() error) (*slack.Error, bool) {
	now := r.Clock.Now()
	h := p.holder(rcpt, "")
	at, ok := r.Limiter.Reserve(now, w.workspace.Key, method, h)
	if !ok {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForTurn, Message: waits, Quiet: at.Sub(now) < quietFor}})
		p.requeueBy(at)
		return nil, false
	}
	e := slack.AsError(do())
	now = r.Clock.Now()
	r.Limiter.Done(now, w.workspace.Key, method, h.Name)
	if e != nil && e.Class == slack.ClassRateLimited && !e.Busy {
		r.Limiter.Penalize(now, w.workspace.Key, method, e.RetryAfter)
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
		r.afterFailure(ctx, p, rcpt)
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
	if w == p.way && rcpt.Phase == delivery.Unsent && !p.mayReach(rcpt) {
		p.apply(r, rcpt, p.notAllowed())
		return false
	}
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
		r.Directory.Invalidate(w.workspace.Key, conversation)
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
	if do == delivery.Edit && p.content != nil {
		e = p.content.rendered.Name(e)
	}
	rcpt.Apply(delivery.Refused{Do: do, Err: e}, p.want, r.can(w, rcpt), r.Clock.Now())
	r.learn(w, rcpt, e)
	p.requeueBy(rcpt.Retry.At)
}

// learn passes on what an answer says of the credential and of the conversation;
// nil for a success.
func (r *Reconciler) learn(w *way, rcpt *recipient, e *slack.Error) {
	if e == nil {
		r.Lanes.Answered(w.workspace.Key)
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
	case slack.ClassUnavailable, slack.ClassAmbiguous:
		if r.Lanes.Failed(r.Clock.Now(), w.workspace.Key) {
			// Its SlackChannel is checked, and says so.
			r.Health.Unreached(w.key, r.Clock.Now())
		}
	}
	if conversation && !w.webhook() && rcpt.Conversation != "" {
		r.Directory.Invalidate(w.workspace.Key, rcpt.Conversation)
	}
	if credential {
		r.Health.Report(w.key, w.conn.Credential, e, r.Clock.Now())
	}
}
