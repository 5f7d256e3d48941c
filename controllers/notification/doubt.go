package notification

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// DefaultSettleTime of Reconciler.SettleTime.
const DefaultSettleTime = 3 * time.Second

// skew is how far the clocks of Slack and of this cluster may be apart.
const skew = 5 * time.Minute

// pagesAtOnce is how much of a conversation is read in one pass.
const pagesAtOnce = 5

// certain clears up whether an earlier attempt reached Slack: true when the
// message may be posted now.
func (r *Reconciler) certain(ctx context.Context, w *work, rcpt *recipient) bool {
	switch {
	case rcpt.doubt.IsZero():
		return true
	case w.unintended(rcpt) && (w.conn.API == nil || rcpt.key != defaultKey):
		rcpt.doubt = time.Time{}
		return true
	case w.conn.API == nil:
		return r.unverifiable(w, rcpt, "a webhook can't be asked")
	}
	now := r.Clock.Now()
	key := conversationKey{w.workspace.TeamID, rcpt.conversation, rcpt.thread}
	if rcpt.unthreaded {
		key.thread = ""
	}
	if now.Before(rcpt.settled) {
		r.readback.want(key, rcpt.doubt.Add(-skew), now)
		rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+", so the conversation is read before it is sent")
		rcpt.brief = rcpt.restarted
		w.wait(rcpt.settled)
		return false
	}
	return r.verify(ctx, w, rcpt, question{
		key: key, id: storedAs(w, rcpt), after: rcpt.replacing(), oldest: rcpt.doubt.Add(-skew), settled: rcpt.settled, owner: w.name,
	})
}

// replacing is the ts of the message that another one is to replace; only what
// is newer can be that other one.
func (r *recipient) replacing() string {
	if r.outdated {
		return r.delivery.Timestamp
	}
	return ""
}

func storedAs(w *work, rcpt *recipient) stored {
	payload := message.Metadata(message.Identity{NotificationUID: string(w.n.UID), Recipient: rcpt.key}).Payload
	return stored{payload["notification"], payload["recipient"]}
}

// verify reads the conversation as far as it can be read now.
func (r *Reconciler) verify(ctx context.Context, w *work, rcpt *recipient, q question) bool {
	for range pagesAtOnce {
		now := r.Clock.Now()
		known, m := r.readback.ask(q, now)
		switch known {
		case present:
			r.found(w, rcpt, m)
			return false
		case absent:
			rcpt.doubt = time.Time{}
			return true
		case elsewhere:
			rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+", so the conversation is being read")
			rcpt.brief = true
			w.wait(now.Add(30 * time.Second)) // in case that the wake-up gets lost
			return false
		case postponed:
			return r.postponed(w, rcpt, q)
		}
		at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, q.key.method(), pacing.Holder{Name: "readback/" + q.key.conversation + q.key.thread, Group: w.n.Namespace})
		if !ok {
			r.leave(q, now)
			rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+"; it waits for its turn to read the conversation, to stay within Slack's rate limit")
			rcpt.brief = at.Sub(now) < patience
			w.wait(at)
			return false
		}
		err := r.readback.page(ctx, w.conn.API, q.key, now)
		r.leave(q, now)
		if err != nil {
			return r.unread(w, rcpt, q, slack.AsError(err))
		}
	}
	w.wait(r.Clock.Now().Add(time.Millisecond))
	return false
}

// leave ends this notification's part in a reading.
func (r *Reconciler) leave(q question, now time.Time) {
	for _, owner := range r.readback.leave(q.key, now) {
		r.Wake.Wake(owner)
	}
}

// suspicion says why the message may be in Slack already.
func (r *recipient) suspicion() string {
	switch {
	case r.outdated:
		return "the new content may have been posted before"
	case r.restarted:
		return "it is older than this run of the operator and may have been sent before"
	}
	return "Slack may have taken the message at the last attempt"
}

func (r *Reconciler) settleTime() time.Duration {
	if r.SettleTime > 0 {
		return r.SettleTime
	}
	return DefaultSettleTime
}

// givesUp reports whether a message of unknown outcome is not to be sent again.
func (w *work) givesUp() bool { return w.n.Spec.OnUnknownOutcome == v1alpha1.UnknownOutcomeGiveUp }

// unintended reports that nothing can have been sent: with GiveUp the intent is
// written before each attempt, but for a SlackChannel's own channel that can be
// read back.
func (w *work) unintended(rcpt *recipient) bool {
	return w.givesUp() && rcpt.restarted && !rcpt.intended
}

// unverifiable decides where nothing will ever be known: true to post all the
// same.
func (r *Reconciler) unverifiable(w *work, rcpt *recipient, why string) bool {
	rcpt.doubt = time.Time{}
	if !w.givesUp() || w.unintended(rcpt) {
		return true
	}
	rcpt.set(v1alpha1.DeliveryUnknown, v1alpha1.ReasonOutcomeUnknown, fmt.Sprintf(
		"Slack may or may not have taken the message, and %s: look into the conversation; to have it sent again, set spec.onUnknownOutcome to Retry", why))
	rcpt.intended, w.news = false, true
	return false
}

// unread decides when the conversation could not be read: true to post all the
// same.
func (r *Reconciler) unread(w *work, rcpt *recipient, q question, e *slack.Error) bool {
	r.answered(w, e)
	switch {
	case e.Class == slack.ClassMessageNotFound && q.key.thread != "":
		// Without its parent a reply is posted outside of the thread.
		rcpt.unthreaded = true
		rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+", so the conversation is being read")
		rcpt.brief = true
		w.wait(r.Clock.Now().Add(time.Millisecond))
		return false
	case e.Class == slack.ClassRateLimited:
		r.Limiter.Penalize(r.Clock.Now(), w.workspace.TeamID, q.key.method(), e.RetryAfter)
	case !e.Class.Transient():
		return r.unverifiable(w, rcpt, fmt.Sprintf("the conversation can't be read back (%v)", e))
	}
	return r.postponed(w, rcpt, q)
}

// postponed waits for the next attempt to read.
func (r *Reconciler) postponed(w *work, rcpt *recipient, q question) bool {
	e, at := r.readback.trouble(q.key, r.Clock.Now())
	rcpt.pend(v1alpha1.ReasonVerifyingOutcome,
		fmt.Sprintf("%s, and the conversation could not be read: %v; it is tried again", rcpt.suspicion(), e))
	w.wait(at)
	return false
}

// found notes that an earlier attempt had reached Slack.
func (r *Reconciler) found(w *work, rcpt *recipient, m slack.StoredMessage) {
	rcpt.delivery.Timestamp = m.Timestamp
	rcpt.delivery.ConversationID = rcpt.conversation
	rcpt.delivery.ThreadTimestamp = m.ThreadTS
	rcpt.unthreaded = rcpt.thread != "" && m.ThreadTS == ""
	r.delivered(w, rcpt)
	if hash := m.Metadata.Payload["content"]; hash != "" && hash != w.hash {
		// What has been found is out, but is not what is asked for by now.
		rcpt.delivery.ContentHash = hash
		w.supersede(rcpt.entry, false)
		w.wait(r.Clock.Now().Add(time.Millisecond))
	}
	if rcpt.delivery.Attempts == 0 {
		rcpt.delivery.Attempts = 1
		rcpt.delivery.LastAttemptAt = &metav1.Time{Time: rcpt.delivery.DeliveredAt.Time}
	}
	w.news = true
}
