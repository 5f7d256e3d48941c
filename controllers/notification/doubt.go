package notification

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// DefaultSettleTime of Reconciler.SettleTime.
const DefaultSettleTime = 3 * time.Second

// skew is how far the clocks of Slack and of this cluster may be apart.
const skew = 2 * time.Minute

// pagesAtOnce is how much of a conversation is read in one pass.
const pagesAtOnce = 5

// certain clears up whether an earlier attempt reached Slack, by reading the
// conversation back: true when the message may be posted now.
func (r *Reconciler) certain(ctx context.Context, w *work, rcpt *recipient) bool {
	if rcpt.doubt.IsZero() || w.conn.API == nil {
		return true
	}
	now := r.Clock.Now()
	if now.Before(rcpt.settled) {
		rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+", so the conversation is read before it is sent")
		rcpt.brief = rcpt.restarted
		w.wait(rcpt.settled)
		return false
	}
	for range pagesAtOnce {
		at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, slack.MethodHistory, w.ticket(rcpt))
		if !ok {
			rcpt.pend(v1alpha1.ReasonVerifyingOutcome, rcpt.suspicion()+"; it waits for its turn to read the conversation, to stay within Slack's rate limit")
			rcpt.brief = at.Sub(now) < patience
			w.wait(at)
			return false
		}
		done, absent := r.readBack(ctx, w, rcpt)
		if done {
			return absent
		}
	}
	w.wait(now)
	return false
}

// suspicion says why the message may be in Slack already.
func (r *recipient) suspicion() string {
	if r.restarted {
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

// readBack reads one page: done when there is no more to read now.
func (r *Reconciler) readBack(ctx context.Context, w *work, rcpt *recipient) (done, absent bool) {
	page, next, err := w.conn.API.History(ctx, slack.HistoryQuery{
		Conversation: rcpt.conversation, Oldest: rcpt.doubt.Add(-skew), Cursor: rcpt.cursor,
	})
	if err != nil {
		return true, r.unread(w, rcpt, slack.AsError(err))
	}
	want := message.Metadata(string(w.n.UID), rcpt.key, "").Payload
	for _, m := range page {
		if m.Metadata == nil || m.Metadata.EventType != message.EventType ||
			m.Metadata.Payload["notification"] != want["notification"] || m.Metadata.Payload["recipient"] != want["recipient"] {
			continue
		}
		r.found(w, rcpt, m)
		return true, false
	}
	rcpt.cursor = next
	if next != "" {
		return false, false
	}
	rcpt.doubt = time.Time{}
	return true, true
}

// unread decides when the conversation can't be read: true to post all the same.
func (r *Reconciler) unread(w *work, rcpt *recipient, e *slack.Error) bool {
	rcpt.cursor = ""
	switch {
	case e.Class == slack.ClassRateLimited:
		r.Limiter.Penalize(r.Clock.Now(), w.workspace.TeamID, slack.MethodHistory, e.RetryAfter)
	case !e.Class.Passing():
		// It may not be read at all, so nothing will ever be known.
		rcpt.doubt = time.Time{}
		return true
	}
	rcpt.failures++
	rcpt.notBefore = r.Clock.Now().Add(max(backoff(rcpt.failures), e.RetryAfter))
	rcpt.pend(v1alpha1.ReasonVerifyingOutcome,
		fmt.Sprintf("%s, and the conversation could not be read: %v; it is tried again", rcpt.suspicion(), e))
	rcpt.stamp = w.stamp
	w.wait(rcpt.notBefore)
	return false
}

// found notes that an earlier attempt had reached Slack.
func (r *Reconciler) found(w *work, rcpt *recipient, m slack.StoredMessage) {
	rcpt.delivery.Timestamp = m.Timestamp
	rcpt.delivery.ConversationID = rcpt.conversation
	r.delivered(w, rcpt)
	if hash := m.Metadata.Payload["content"]; hash != "" {
		rcpt.delivery.ContentHash = hash
	}
	if rcpt.delivery.Attempts == 0 {
		rcpt.delivery.Attempts = 1
		rcpt.delivery.LastAttemptAt = &metav1.Time{Time: rcpt.delivery.DeliveredAt.Time}
	}
	w.news = true
}
