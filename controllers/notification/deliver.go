package notification

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// errTurnLost means that nothing was posted, and the queue wakes it again.
var errTurnLost = errors.New("the turn to post was taken back")

// parallelPosts of one notification.
const parallelPosts = 8

// deliver posts to the recipients whose turn has come.
func (r *Reconciler) deliver(ctx context.Context, w *work) error {
	var turn []*recipient
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		if rcpt.conversation == "" || rcpt.done() {
			continue
		}
		if rcpt.editable() {
			r.edit(ctx, w, rcpt)
			continue
		}
		r.suspectRepost(rcpt)
		if !r.certain(ctx, w, rcpt) {
			continue
		}
		if r.granted(w, rcpt) {
			turn = append(turn, rcpt)
		}
	}
	if len(turn) == 0 {
		return nil
	}
	w.news = true
	if turn = r.intend(ctx, w, turn); len(turn) == 0 {
		return nil
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, parallelPosts)
	results := make([]error, len(turn))
	for i, rcpt := range turn {
		slots <- struct{}{}
		group.Go(func() {
			results[i] = r.post(ctx, w, rcpt)
			<-slots
		})
	}
	group.Wait()
	for i, rcpt := range turn {
		rcpt.intended = false
		if errors.Is(results[i], errTurnLost) {
			rcpt.pend(v1alpha1.ReasonWaitingForTurn, "Slack has asked to wait, so it waits for another turn")
			w.wait(r.Clock.Now().Add(time.Minute))
			continue
		}
		e := slack.AsError(results[i])
		if e == nil {
			r.delivered(w, rcpt)
			continue
		}
		r.refused(ctx, w, rcpt, e)
	}
	return nil
}

// answered tells the queue whether the workspace answers. When it has stopped
// to, its SlackChannel is checked, so that its status says so.
func (r *Reconciler) answered(w *work, e *slack.Error) {
	if e == nil || e.Class != slack.ClassUnavailable && e.Class != slack.ClassAmbiguous {
		r.Lanes.Answered(w.workspace.TeamID)
		return
	}
	if r.Lanes.Failed(r.Clock.Now(), w.workspace.TeamID) {
		r.Health.Channels.Wake(channelKey(w.n))
	}
}

func (w *work) lane(rcpt *recipient) pacing.Lane {
	return pacing.Lane{Workspace: w.workspace.TeamID, Conversation: rcpt.conversation}
}

func (w *work) ticket(rcpt *recipient) string { return string(w.n.UID) + "/" + rcpt.key }

// holder names a delivery to the Limiter.
func (w *work) holder(rcpt *recipient) pacing.Holder {
	return pacing.Holder{Name: w.ticket(rcpt), Group: w.n.Namespace, Priority: priorities[w.n.Spec.Severity]}
}

// priorities of the severities within a conversation.
var priorities = map[v1alpha1.Severity]int{
	v1alpha1.SeverityCritical: 3, v1alpha1.SeverityError: 2, v1alpha1.SeverityWarning: 1,
}

// granted asks for the recipient's turn, and notes the wait when it has not
// come yet.
func (r *Reconciler) granted(w *work, rcpt *recipient) bool {
	now := r.Clock.Now()
	turn := r.Lanes.Ask(now, w.lane(rcpt), pacing.Ticket{
		ID: w.ticket(rcpt), Owner: w.name.String(), Priority: priorities[w.n.Spec.Severity],
		Group: w.n.Namespace, Since: w.n.CreationTimestamp.Time,
	})
	if turn.Granted {
		return true
	}
	left := turn.At.Sub(now)
	if turn.Down {
		rcpt.pend(v1alpha1.ReasonSlackUnavailable, "Slack does not answer: it is tried with one message now and then, and this one is sent as soon as it answers")
		w.wait(now.Add(2 * time.Minute))
		return false
	}
	rcpt.brief = left < patience
	// One figure for the whole wait, so that it costs one write.
	if rcpt.delivery.Reason != v1alpha1.ReasonWaitingForTurn || rcpt.brief {
		rcpt.pend(v1alpha1.ReasonWaitingForTurn,
			fmt.Sprintf("waits for its turn in %s, about %s, %d before it", w.place(rcpt), about(left), turn.Ahead))
	}
	// The queue wakes it; this is for the case that the wake-up gets lost.
	w.wait(turn.At.Add(time.Minute))
	return false
}

// place names a recipient as people do.
func (w *work) place(rcpt *recipient) string {
	switch {
	case rcpt.key != defaultKey:
		_, name, _ := strings.Cut(rcpt.key, ":")
		return name
	case w.conn != nil && w.conn.API == nil:
		return "the webhook's channel"
	case w.channel != nil && w.channel.Status.Channel != nil:
		return "#" + w.channel.Status.Channel.Name
	default:
		return "the SlackChannel's channel"
	}
}

// about rounds a time for people.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return max(d, time.Second).Round(time.Second).String()
	case d < 2*time.Minute:
		return d.Round(10 * time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}

// post makes one attempt. It is not broken off when the process is asked to
// end, since then nobody would know what became of it.
func (r *Reconciler) post(ctx context.Context, w *work, rcpt *recipient) error {
	id := w.ticket(rcpt)
	now := r.Clock.Now()
	if !r.Lanes.Begin(now, id) {
		return errTurnLost
	}
	if !rcpt.intended {
		rcpt.attempt(now)
	}
	rcpt.stamp = w.stamp
	posted, err := w.conn.Poster.Post(context.WithoutCancel(ctx), rcpt.conversation, w.message(rcpt))
	e := slack.AsError(err)
	// Unavailable without an answer means that nothing was written.
	r.Lanes.Done(r.Clock.Now(), id, e == nil || e.Class != slack.ClassUnavailable || e.Code != "")
	if err != nil {
		return err
	}
	if posted.Conversation != "" {
		rcpt.delivery.ConversationID = posted.Conversation
	}
	rcpt.delivery.Timestamp = posted.Timestamp
	rcpt.delivery.ThreadTimestamp = rcpt.thread
	rcpt.unthreaded = rcpt.thread != "" && w.conn.API != nil && posted.ThreadTS == ""
	return nil
}

func (w *work) adapter() string {
	if w.conn.API == nil {
		return "webhook"
	}
	return "webapi"
}

// delivered notes a success.
func (r *Reconciler) delivered(w *work, rcpt *recipient) {
	now := r.Clock.Now()
	r.answered(w, nil)
	anew := rcpt.anew
	w.n.Status.FinishedAt = nil // it is finished anew
	rcpt.replaced(w.hash)
	rcpt.joined = false
	rcpt.explain(anew)
	rcpt.delivery.EditedAt = nil
	rcpt.delivery.DeliveredAt = &metav1.Time{Time: now.Truncate(time.Second)}
	rcpt.delivery.Permalink = w.permalink(rcpt)
	r.Metrics.Attempt(metrics.OutcomeDelivered, w.adapter(), now.Sub(w.n.CreationTimestamp.Time))
	switch {
	case w.conn.API == nil:
		r.Health.Report(channelKey(w.n), w.conn.Credential, nil, now)
	case rcpt.key == defaultKey:
		r.Health.Posted(channelKey(w.n), connection.Post{
			Credential: w.conn.Credential, Conversation: rcpt.delivery.ConversationID, Timestamp: rcpt.delivery.Timestamp, At: now,
		})
	}
}

// explain says of a delivered message what is unusual about it.
func (r *recipient) explain(anew string) {
	switch {
	case r.unthreaded:
		r.delivery.ThreadTimestamp = ""
		r.set(v1alpha1.DeliveryDelivered, v1alpha1.ReasonThreadGone, "the message to reply to is gone from Slack, so the reply was posted outside of its thread")
	case anew == v1alpha1.ReasonMessageGone:
		r.set(v1alpha1.DeliveryDelivered, anew, "the earlier message was gone from Slack when it was to be edited, so the new content was posted as a new message")
	case anew == v1alpha1.ReasonEditClosed:
		r.set(v1alpha1.DeliveryDelivered, anew, "Slack did not let the earlier message be edited any more, so the new content was posted as a new message")
	}
}

// permalink builds the address of a message. chat.getPermalink would cost
// another call for what can be had from auth.test's URL.
func (w *work) permalink(rcpt *recipient) string {
	ws := w.channel.Status.Workspace
	if ws == nil || ws.URL == "" || rcpt.delivery.Timestamp == "" {
		return ""
	}
	link := fmt.Sprintf("%s/archives/%s/p%s", strings.TrimSuffix(ws.URL, "/"),
		rcpt.delivery.ConversationID, strings.ReplaceAll(rcpt.delivery.Timestamp, ".", ""))
	if thread := rcpt.delivery.ThreadTimestamp; thread != "" {
		link += "?thread_ts=" + thread + "&cid=" + rcpt.delivery.ConversationID
	}
	return link
}

// refused notes a failed attempt.
func (r *Reconciler) refused(ctx context.Context, w *work, rcpt *recipient, e *slack.Error) {
	now := r.Clock.Now()
	switch e.Class {
	case slack.ClassAmbiguous:
		rcpt.doubt, rcpt.restarted = rcpt.delivery.LastAttemptAt.Time, false
		rcpt.settled = now.Add(r.settleTime())
	case slack.ClassRateLimited:
		lane := w.lane(rcpt)
		if w.conn.API != nil {
			// A 429 holds for the method in the whole workspace
			// (docs.slack.dev/apis/web-api/rate-limits).
			lane.Conversation = ""
		}
		r.Lanes.Penalize(now, lane, e.RetryAfter)
	case slack.ClassNotInChannel:
		if r.join(ctx, w, rcpt) {
			return
		}
	}
	r.fail(w, rcpt, e)
	if e.Class == slack.ClassAmbiguous && w.conn.API == nil && w.givesUp() {
		r.unverifiable(w, rcpt, fmt.Sprintf("a webhook can't be asked (%v)", e))
	}
}

// join makes the bot a member of the channel, once, where the SlackChannel
// allows it; true when the message is to be tried again because of it.
func (r *Reconciler) join(ctx context.Context, w *work, rcpt *recipient) bool {
	if w.conn.API == nil || rcpt.joined || rcpt.UserOrEmail() || w.channel.Spec.WebAPI == nil ||
		w.channel.Spec.WebAPI.Join != nil && !*w.channel.Spec.WebAPI.Join {
		return false
	}
	now := r.Clock.Now()
	rcpt.set(v1alpha1.DeliveryRetrying, v1alpha1.ReasonNotInChannel, "the bot is not a member of the channel and is joining it")
	at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, slack.MethodConversationsJoin, w.holder(rcpt))
	if !ok {
		rcpt.notBefore = at
		w.wait(at)
		return true
	}
	rcpt.joined = true
	if err := w.conn.API.JoinConversation(ctx, rcpt.conversation); err != nil {
		e := slack.AsError(err)
		if e.Class == slack.ClassRateLimited {
			r.Limiter.Penalize(now, w.workspace.TeamID, slack.MethodConversationsJoin, e.RetryAfter)
		}
		if e.Class.Transient() {
			rcpt.joined = false
		}
		r.fail(w, rcpt, e)
		return true
	}
	r.Directory.Invalidate(w.workspace.TeamID, rcpt.conversation)
	rcpt.notBefore = now
	w.wait(now.Add(time.Millisecond))
	return true
}

// UserOrEmail reports whether the recipient is a person.
func (r *recipient) UserOrEmail() bool { return r.User != "" || r.Email != "" }
