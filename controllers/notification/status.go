package notification

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
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
