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
	settle := r.SettleTime
	if settle == 0 {
		settle = DefaultSettleTime
	}
	if at := rcpt.doubt.Add(settle); now.Before(at) {
		rcpt.pend(v1alpha1.ReasonSlackUnavailable, "an attempt had no clear outcome; the conversation is read before the message is sent again")
		w.wait(at)
		return false
	}
	for range pagesAtOnce {
		at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, slack.MethodHistory, w.ticket(rcpt))
		if !ok {
			rcpt.pend(v1alpha1.ReasonWaitingForTurn, "waits for its turn to read the conversation back, to see whether an earlier attempt reached Slack")
			rcpt.brief = at.Sub(now) < patience
			w.wait(at)
			return false
		}
		done, clear := r.readBack(ctx, w, rcpt)
		if done {
			return clear
		}
	}
	w.wait(now)
	return false
}

// readBack reads one page: done when there is no more to read now.
func (r *Reconciler) readBack(ctx context.Context, w *work, rcpt *recipient) (done, clear bool) {
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
	rcpt.pend(v1alpha1.ReasonSlackUnavailable,
		fmt.Sprintf("an attempt had no clear outcome, and the conversation could not be read back: %v; it is tried again", e))
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
