package notification

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// editInterval is the least time between two attempts on one message, so that
// a series of changes ends in few edits, the last of which counts.
const editInterval = time.Second

// supersede compares what is out with what the spec asks for, and begins the
// delivery again where the two differ.
func (w *work) supersede(e *entry, fresh bool) {
	if !e.out() {
		return
	}
	d := &e.delivery
	same := d.ContentHash == w.hash && !e.blurred
	if fresh && same && w.n.Spec.UpdatePolicy == v1alpha1.UpdateEdit && w.n.Generation-w.n.Status.ObservedGeneration > 1 {
		// Another process may have edited in what was asked for in between, and
		// died. To edit once more than needed does no harm.
		same = false
	}
	e.outdated = !same && w.n.Spec.UpdatePolicy != v1alpha1.UpdateIgnore
	switch {
	case !e.outdated:
		if !same {
			w.stale = v1alpha1.ReasonUpdateIgnored
		}
		if d.State != v1alpha1.DeliveryDelivered {
			d.State, d.Reason, d.Message = v1alpha1.DeliveryDelivered, "", ""
		}
	case d.State == v1alpha1.DeliveryDelivered:
		d.State, d.Reason = v1alpha1.DeliveryPending, v1alpha1.ReasonEditPending
		d.Message = "the message is out with an older content, which is about to be replaced"
		e.failures, e.notBefore, e.dormant, e.joined, e.final, e.brief = 0, time.Time{}, false, false, false, true
		e.anew, e.asked, e.unthreaded = "", false, false
	}
	if reposts := w.n.Spec.UpdatePolicy == v1alpha1.UpdateRepost; e.outdated && reposts {
		e.anew = v1alpha1.ReasonReposted
	} else if e.anew == v1alpha1.ReasonReposted {
		e.anew = ""
	}
}

// keepUneditable leaves alone what was sent by a webhook and can't be edited.
func (w *work) keepUneditable() {
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		if rcpt.outdated && rcpt.anew == "" && (w.conn.API == nil || rcpt.delivery.Timestamp == "") {
			rcpt.outdated, w.stale = false, v1alpha1.ReasonEditNotSupported
			rcpt.set(v1alpha1.DeliveryDelivered, "", "")
		}
	}
}

// editable reports whether the recipient's message is to be edited, rather than
// to be posted.
func (r *recipient) editable() bool { return r.outdated && r.anew == "" && r.delivery.Timestamp != "" }

// edit replaces the content of a message that is out. It may be repeated
// without harm, so nothing has to be looked up after an answer that got lost.
func (r *Reconciler) edit(ctx context.Context, w *work, rcpt *recipient) {
	now := r.Clock.Now()
	if last := rcpt.delivery.LastAttemptAt; last != nil && now.Before(last.Add(editInterval)) {
		rcpt.pend(v1alpha1.ReasonEditPending, "the message is out with an older content, which is about to be replaced")
		rcpt.brief = true
		w.wait(last.Add(editInterval))
		return
	}
	at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, slack.MethodUpdate, w.holder(rcpt))
	if !ok {
		rcpt.pend(v1alpha1.ReasonWaitingForTurn, "the message is out with an older content; the edit waits for its turn, to stay within Slack's rate limit")
		rcpt.brief = at.Sub(now) < patience
		w.wait(at)
		return
	}
	rcpt.attempt(now)
	before := rcpt.blurred
	rcpt.stamp, rcpt.blurred, w.news = w.stamp, true, true
	err := w.conn.API.Update(context.WithoutCancel(ctx), rcpt.delivery.ConversationID, rcpt.delivery.Timestamp, w.message(rcpt))
	if err != nil {
		e := slack.AsError(err)
		rcpt.blurred = before || e.Class == slack.ClassAmbiguous
		r.editRefused(w, rcpt, e)
		return
	}
	r.answered(w, nil)
	w.n.Status.FinishedAt = nil // it is finished anew
	rcpt.replaced(w.hash)
	rcpt.delivery.EditedAt = &metav1.Time{Time: r.Clock.Now().Truncate(time.Second)}
	r.Metrics.Attempt(metrics.OutcomeEdited, w.adapter(), 0)
}

// replaced notes that the spec's content is out.
func (r *recipient) replaced(hash string) {
	r.set(v1alpha1.DeliveryDelivered, "", "")
	r.delivery.ContentHash = hash
	r.failures, r.notBefore, r.doubt, r.brief = 0, time.Time{}, time.Time{}, false
	r.outdated, r.blurred, r.anew, r.asked = false, false, "", false
}

// editRefused notes a failed edit. What is gone or closed is posted anew.
func (r *Reconciler) editRefused(w *work, rcpt *recipient, e *slack.Error) {
	switch e.Class {
	case slack.ClassMessageNotFound:
		rcpt.anew = v1alpha1.ReasonMessageGone
	case slack.ClassMessageClosed:
		rcpt.anew = v1alpha1.ReasonEditClosed
	case slack.ClassRateLimited:
		r.Limiter.Penalize(r.Clock.Now(), w.workspace.TeamID, slack.MethodUpdate, e.RetryAfter)
	}
	if rcpt.anew == "" {
		r.fail(w, rcpt, e)
		return
	}
	r.answered(w, nil)
	rcpt.pend(v1alpha1.ReasonEditPending, anewNotes[rcpt.anew])
	rcpt.brief = true
	w.wait(r.Clock.Now().Add(time.Millisecond))
}

// anewNotes say why a content is posted anew.
var anewNotes = map[string]string{
	v1alpha1.ReasonMessageGone: "the message was gone from Slack when it was to be edited, so the new content is posted as a new message",
	v1alpha1.ReasonEditClosed:  "Slack did not let the message be edited any more, so the new content is posted as a new message",
	v1alpha1.ReasonReposted:    "the content has changed and spec.updatePolicy is Repost, so it is posted as a new message",
}

// suspectRepost puts a message that is posted anew in doubt, once: another
// process may have done so before it died.
func (r *Reconciler) suspectRepost(rcpt *recipient) {
	if !rcpt.outdated || rcpt.anew == "" || rcpt.asked {
		return
	}
	rcpt.asked = true
	if !rcpt.doubt.IsZero() {
		return
	}
	since := r.ledger.leadership().at
	if since.IsZero() {
		since = r.Clock.Now()
	}
	rcpt.doubt, rcpt.settled, rcpt.restarted = rcpt.delivery.DeliveredAt.Time, since.Add(r.settleTime()), true
}

// message is what Slack is sent for a recipient.
func (w *work) message(rcpt *recipient) slack.Message {
	m := w.rendered.Message
	if w.conn.API != nil {
		m.Metadata = message.Metadata(message.Identity{NotificationUID: string(w.n.UID), Recipient: rcpt.key, ContentHash: w.hash})
	}
	if rcpt.thread != "" {
		m.ThreadTS = rcpt.thread
		m.Broadcast = w.n.Spec.Thread != nil && w.n.Spec.Thread.Broadcast
	}
	return m
}
