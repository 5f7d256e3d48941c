package notification

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// record ends a pass: it writes the status if it has changed, and says when to
// look again.
func (r *Reconciler) record(ctx context.Context, w *work) (ctrl.Result, error) {
	now := r.Clock.Now()
	before := w.n.DeepCopy()
	place := ""
	if len(w.recipients) == 1 {
		place = w.place(&w.recipients[0])
	}
	compose(w.n, w.deliveries(), w.block, place, now)
	w.annotate()
	if at, ok := expiry(w.n); ok {
		w.wait(at)
	}
	result := w.result(now)

	if at, ok := w.tooBrief(now); ok {
		result.RequeueAfter = sooner(result.RequeueAfter, at.Sub(now))
		return result, nil
	}
	if equality.Semantic.DeepEqual(*w.record.stored(before), w.n.Status) {
		return result, nil
	}
	status := w.n.Status.DeepCopy()
	// A stop of the process must not keep what was done from being recorded.
	err := r.Client.Status().Update(context.WithoutCancel(ctx), w.n)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("writing the status: %w", err)
	}
	w.record.written, w.record.version = status, w.n.ResourceVersion
	w.record.waiting = time.Time{}
	r.announce(before, w.n)
	return result, nil
}

// result says when to look again.
func (w *work) result(now time.Time) ctrl.Result {
	if w.next.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(w.next.Sub(now), time.Millisecond)}
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return max(b, time.Millisecond)
	}
	return a
}

// tooBrief reports that all that could be told is a wait that will be over in
// a moment, and until when that may be kept back. A message that is delivered
// without trouble so costs one write.
func (w *work) tooBrief(now time.Time) (time.Time, bool) {
	if w.news || w.block != nil && w.block.kind != blockProgress {
		w.record.waiting = time.Time{}
		return time.Time{}, false
	}
	if w.block == nil {
		open := false
		for i := range w.recipients {
			rcpt := &w.recipients[i]
			switch rcpt.delivery.State {
			case v1alpha1.DeliveryPending, v1alpha1.DeliveryRetrying:
				open = true
				if !rcpt.brief {
					return time.Time{}, false
				}
			case v1alpha1.DeliveryFailed:
				return time.Time{}, false
			}
		}
		if !open {
			return time.Time{}, false
		}
	}
	if w.record.waiting.IsZero() {
		w.record.waiting = now
	}
	until := w.record.waiting.Add(patience)
	return until, now.Before(until)
}

// announce tells of a new need for a person in an Event.
func (r *Reconciler) announce(before, n *v1alpha1.SlackNotification) {
	now := conditions.Find(n, v1alpha1.ConditionStalled)
	if now == nil {
		return
	}
	if was := conditions.Find(before, v1alpha1.ConditionStalled); was != nil && was.Reason == now.Reason && was.Message == now.Message {
		return
	}
	r.Recorder.Eventf(n, nil, corev1.EventTypeWarning, now.Reason, "Deliver", "%s", conditions.Note(now.Message))
}
