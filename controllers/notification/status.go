package notification

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/statuswrite"
)

// tally counts the deliveries by what is left to do.
type tally struct {
	// reached had a message; delivered have the wanted one.
	all, reached, delivered, failed, open, tried, retrying int
	firstFailed, firstRetrying, firstOpen                  *v1alpha1.Delivery
}

func count(deliveries []v1alpha1.Delivery) tally {
	t := tally{all: len(deliveries)}
	for i := range deliveries {
		d := &deliveries[i]
		if d.Attempts > 0 {
			t.tried++
		}
		if d.DeliveredAt != nil || d.State == v1alpha1.DeliveryDelivered {
			t.reached++
		}
		switch d.State {
		case v1alpha1.DeliveryDelivered:
			t.delivered++
		case v1alpha1.DeliveryFailed, v1alpha1.DeliveryUnknown:
			t.failed++
			if t.firstFailed == nil {
				t.firstFailed = d
			}
		default:
			t.open++
			if t.firstOpen == nil {
				t.firstOpen = d
			}
			if d.State == v1alpha1.DeliveryRetrying {
				t.retrying++
				if t.firstRetrying == nil {
					t.firstRetrying = d
				}
			}
		}
	}
	return t
}

// compose writes the status that follows from the deliveries and the block. It
// is a pure function of its arguments.
func compose(n *v1alpha1.SlackNotification, deliveries []v1alpha1.Delivery, b *conditions.Summary, place string, now time.Time) {
	t := count(deliveries)
	s := &n.Status
	s.ObservedGeneration = n.Generation
	s.Deliveries = deliveries
	s.Summary = fmt.Sprintf("%d/%d", t.reached, t.all)
	s.Phase = phaseOf(t, b)
	switch {
	case t.open > 0:
		s.FinishedAt = nil
	case s.FinishedAt == nil:
		s.FinishedAt = &metav1.Time{Time: now.Truncate(time.Second)}
	}
	summarise(n, t, b, place)
}

func phaseOf(t tally, b *conditions.Summary) v1alpha1.Phase {
	switch {
	case t.delivered == t.all:
		return v1alpha1.PhaseDelivered
	case b != nil && b.Reason == v1alpha1.ReasonSuspended && t.open > 0:
		return v1alpha1.PhaseSuspended
	case t.open == 0 && t.reached == t.all:
		// An edit has failed; everybody has the message as it was.
		return v1alpha1.PhaseDelivered
	case t.open == 0 && t.reached > 0:
		return v1alpha1.PhasePartiallyDelivered
	case t.open == 0:
		return v1alpha1.PhaseFailed
	case t.tried > 0 || t.reached > 0:
		return v1alpha1.PhaseDelivering
	default:
		return v1alpha1.PhasePending
	}
}

// summarise sets Ready, Reconciling and Stalled.
func summarise(n *v1alpha1.SlackNotification, t tally, b *conditions.Summary, place string) {
	switch {
	case t.delivered == t.all && t.all == 1:
		conditions.Ready(n, v1alpha1.ReasonDelivered, "delivered to "+place+remarks(n.Status.Deliveries, t))
	case t.delivered == t.all:
		conditions.Ready(n, v1alpha1.ReasonDelivered, fmt.Sprintf("delivered to all %d recipients", t.all)+remarks(n.Status.Deliveries, t))
	case b != nil && t.open > 0:
		b.Apply(n)
	case t.open == 0:
		reason, text := t.firstFailed.Reason, failures(n.Status.Deliveries, t)
		conditions.Stalled(n, reason, text)
		if t.reached > 0 && t.reached < t.all {
			conditions.Set(n, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyDelivered, text)
		}
	case t.retrying > 0 && t.firstRetrying.Reason != v1alpha1.ReasonWaitingForTurn:
		conditions.Retrying(n, t.firstRetrying.Reason, label(t, t.firstRetrying)+t.firstRetrying.Message)
	default:
		reason, text := t.firstOpen.Reason, label(t, t.firstOpen)+t.firstOpen.Message
		if reason == "" {
			reason, text = v1alpha1.ReasonPending, "waits to be sent"
		}
		conditions.Progressing(n, reason, text)
	}
}

// remarks say what is unusual about messages that were delivered.
func remarks(deliveries []v1alpha1.Delivery, t tally) string {
	var b strings.Builder
	shown := 0
	for i := range deliveries {
		if d := &deliveries[i]; d.Message != "" && shown < failuresShown {
			shown++
			b.WriteString("; " + label(t, d) + d.Message)
		}
	}
	return b.String()
}

// label names the recipient where there are several.
func label(t tally, d *v1alpha1.Delivery) string {
	if t.all == 1 {
		return ""
	}
	return d.Recipient + ": "
}

// failuresShown in the message of a condition; the deliveries have them all.
const failuresShown = 3

func notReached(t tally) string {
	if t.reached == t.all {
		return "have an older content"
	}
	return "were not reached"
}

func failures(deliveries []v1alpha1.Delivery, t tally) string {
	var parts []string
	if t.all > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d recipients %s", t.failed, t.all, notReached(t)))
	}
	shown := 0
	for i := range deliveries {
		d := &deliveries[i]
		if d.State != v1alpha1.DeliveryFailed && d.State != v1alpha1.DeliveryUnknown {
			continue
		}
		if shown++; shown > failuresShown {
			parts = append(parts, "and more, see status.deliveries")
			break
		}
		parts = append(parts, label(t, d)+d.Message)
	}
	return strings.Join(parts, "; ")
}

// writeStatus ends a pass: it writes the status if it has changed, and says when
// to look again.
func (r *Reconciler) writeStatus(ctx context.Context, p *pass) (ctrl.Result, error) {
	now := r.Clock.Now()
	before := p.n.DeepCopy()
	place := ""
	if len(p.recipients) == 1 {
		place = p.place(p.recipients[0])
	}
	compose(p.n, p.deliveries(), p.block, place, now)
	p.annotate()
	p.n.Status.LastHandledRequest = p.tracked.Request
	if at, ok := expiry(p.n); ok {
		p.requeueBy(at)
	}
	p.requeueBy(answerBy(p.n))
	result := p.result(now)
	stored := p.tracked.Stored(before)
	if at, ok := p.tooBrief(stored, now); ok {
		result.RequeueAfter = sooner(result.RequeueAfter, at.Sub(now))
		return result, nil
	}
	if equality.Semantic.DeepEqual(*stored, p.n.Status) {
		return result, nil
	}
	err := r.store(ctx, p.n, p.tracked)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("writing the status: %w", err)
	}
	p.told()
	conditions.Announce(r.Recorder, "Deliver", before, p.n)
	return result, nil
}

// store writes a status over the one of the same resourceVersion; nothing else
// does. A stop of the process must not keep what was done from being recorded.
func (r *Reconciler) store(ctx context.Context, n *v1alpha1.SlackNotification, t *ledger.Entry) error {
	if err := statuswrite.Write(context.WithoutCancel(ctx), r.Client, n, &n.Status); err != nil {
		return err
	}
	if t != nil {
		t.Wrote(n)
	}
	return nil
}

// result says when to look again.
func (p *pass) result(now time.Time) ctrl.Result {
	if p.requeueAt.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(p.requeueAt.Sub(now), time.Millisecond)}
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return max(b, time.Millisecond)
	}
	return a
}

// quietFor is how long a wait may be before it is told in the status. What is
// over sooner would cost more writes than it is worth.
const quietFor = 3 * time.Second

// quietTurn is the same for a wait in a queue that moves: of a backlog, what is told
// of each message would double the writes. Until then the API server's own default
// says that the message is in progress.
const quietTurn = 35 * time.Second

// granted asks for the recipient's turn, and notes the wait when it has not come
// yet.
func (r *Reconciler) granted(p *pass, rcpt *recipient) bool {
	now := r.Clock.Now()
	turn := r.Lanes.Ask(now, p.lane(rcpt), pacing.Ticket{
		ID: p.ticket(rcpt), Owner: p.name.String(), Priority: priorities[p.n.Spec.Severity],
		Group: p.n.Namespace, Since: p.since(),
	})
	if turn.Granted {
		return true
	}
	left := turn.At.Sub(now)
	if turn.Down {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonSlackUnavailable,
			Message: "Slack does not answer: it is tried with one message now and then, and this one is sent by itself as soon as it answers"}})
		p.requeueBy(now.Add(2 * time.Minute))
		return false
	}
	quiet := left < quietFor || left < quietTurn && moves(turn, left)
	// One figure for the whole wait, so that it costs one write.
	if rcpt.Note.Reason != v1alpha1.ReasonWaitingForTurn || rcpt.Note.Quiet {
		in := p.place(rcpt)
		if turn.Workspace {
			in = "its workspace"
		}
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForTurn,
			Message: fmt.Sprintf("waits for its turn in %s, about %s, %d before it", in, about(left), turn.Ahead), Quiet: quiet}})
	}
	if turn.At.After(p.turnBy) {
		p.turnBy = turn.At
	}
	// The queue wakes it; this is for the case that the wake-up gets lost.
	p.requeueBy(turn.At.Add(time.Minute))
	return false
}

// moves reports whether a wait is for others' messages, and not for a pause that
// Slack has asked for: twice the time that they take is more than a busy queue needs.
func moves(turn pacing.Turn, left time.Duration) bool {
	return left < time.Duration(turn.Ahead+1)*2*time.Second
}

// since is when the notification came: the API server tells it in whole seconds,
// so what this process has seen at once keeps the order in which it saw it.
func (p *pass) since() time.Time {
	created, seen := p.n.CreationTimestamp.Time, p.tracked.FirstSeen
	if late := seen.Sub(created); late >= 0 && late < 2*time.Second {
		return seen
	}
	return created
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

// tooBrief reports that all that could be told is a wait that will be over in a
// moment, and until when that may be kept back. A message that is delivered
// without trouble so costs one write.
func (p *pass) tooBrief(stored *v1alpha1.SlackNotificationStatus, now time.Time) (time.Time, bool) {
	if p.mustWrite || p.block != nil && p.block.Kind != conditions.KindProgressing {
		p.tracked.Waiting, p.tracked.TurnBy = time.Time{}, time.Time{}
		return time.Time{}, false
	}
	if p.block == nil && !p.onlyQuiet() {
		return time.Time{}, false
	}
	if p.tracked.Waiting.IsZero() {
		p.tracked.Waiting = now
	}
	until := p.tracked.Waiting.Add(quietFor)
	if p.onlyQueued() && stored.ObservedGeneration != p.n.Generation {
		// The status says nothing yet that could have become wrong.
		until = p.quietTurnUntil(until)
	}
	return until, now.Before(until)
}

// quietTurnUntil is until when a wait for the queue alone may be kept back, if that
// is later than soon: until it is late.
func (p *pass) quietTurnUntil(soon time.Time) time.Time {
	t := p.tracked
	if t.TurnBy.IsZero() {
		t.TurnBy = p.turnBy
	}
	late := t.TurnBy.Add(quietFor + t.TurnBy.Sub(t.Waiting)/10)
	if end := t.Waiting.Add(quietTurn + quietFor); late.After(end) {
		late = end
	}
	if late.After(soon) {
		return late
	}
	return soon
}

// onlyQueued reports whether all that is open waits for its turn.
func (p *pass) onlyQueued() bool {
	return p.block == nil && !slices.ContainsFunc(p.recipients, func(r *recipient) bool { return r.Open() && r.Note.Reason != v1alpha1.ReasonWaitingForTurn })
}

// told notes that the status says what is waited for. It is not told again with
// another figure.
func (p *pass) told() {
	p.tracked.Waiting, p.tracked.TurnBy = time.Time{}, time.Time{}
	for _, rcpt := range p.recipients {
		if rcpt.Note.Reason == v1alpha1.ReasonWaitingForTurn {
			rcpt.Note.Quiet = false
		}
	}
}

// onlyQuiet reports whether something is open, and waits for a moment alone.
func (p *pass) onlyQuiet() bool {
	open := false
	for _, rcpt := range p.recipients {
		switch {
		case rcpt.Open() && !rcpt.Note.Quiet, rcpt.Halt != nil && rcpt.Phase != delivery.Delivered:
			return false
		case rcpt.Open():
			open = true
		}
	}
	return open
}
