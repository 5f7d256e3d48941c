package notification

import (
	"context"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// intend writes into the status who is about to be posted to, where a crash
// would otherwise leave it unknown whether a message was sent that must not be
// sent twice. It returns who may be posted to now.
func (r *Reconciler) intend(ctx context.Context, w *work, turn []*recipient) []*recipient {
	if !w.givesUp() {
		return turn
	}
	now := r.Clock.Now()
	before := make(map[*recipient]v1alpha1.Delivery, len(turn))
	for _, rcpt := range turn {
		if r.canBeAsked(w, rcpt) {
			continue
		}
		before[rcpt] = *rcpt.delivery.DeepCopy()
		rcpt.attempt(now)
		rcpt.pend(v1alpha1.ReasonDelivering, "it is being sent")
	}
	if len(before) == 0 {
		return turn
	}
	object := w.n.DeepCopy()
	compose(object, w.deliveries(), nil, "", now)
	err := r.Client.Status().Update(ctx, object)
	if err == nil {
		for rcpt := range before {
			rcpt.intended = true
		}
		w.n.ResourceVersion, w.n.Status = object.ResourceVersion, object.Status
		w.record.written, w.record.version = object.Status.DeepCopy(), object.ResourceVersion
		return turn
	}
	// The object has changed, or can't be written now: nothing is sent.
	ctrl.LoggerFrom(ctx).V(1).Info("the intent could not be written", "error", err.Error())
	var rest []*recipient
	for _, rcpt := range turn {
		if old, ok := before[rcpt]; ok {
			rcpt.delivery = old
			r.Lanes.Forget(now, w.ticket(rcpt))
			continue
		}
		rest = append(rest, rcpt)
	}
	w.wait(now.Add(200 * time.Millisecond))
	return rest
}

// canBeAsked reports whether the conversation is known to be readable, so that
// no intent is needed.
func (r *Reconciler) canBeAsked(w *work, rcpt *recipient) bool {
	return w.conn.API != nil && rcpt.key == defaultKey &&
		apimeta.IsStatusConditionTrue(w.channel.Status.Conditions, v1alpha1.ConditionExactlyOnce)
}

// attempt counts one.
func (r *recipient) attempt(now time.Time) {
	r.delivery.Attempts++
	r.delivery.LastAttemptAt = &metav1.Time{Time: now.Truncate(time.Second)}
}

// deliveries of all recipients, as the status shows them.
func (w *work) deliveries() []v1alpha1.Delivery {
	out := make([]v1alpha1.Delivery, len(w.recipients))
	for i := range w.recipients {
		out[i] = *w.recipients[i].delivery.DeepCopy()
	}
	return out
}
