package channel

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// requestPatience is how long a request to look now may wait for an answer
// before it counts as handled.
const requestPatience = time.Second

// requested returns the value of the annotation requestedAt that is not handled
// yet; empty when there is none.
func requested(c *v1alpha1.SlackChannel) string {
	if value := c.Annotations[v1alpha1.AnnotationRequestedAt]; value != c.Status.LastHandledRequest {
		return value
	}
	return ""
}

// takeUp begins a check for a new request: without back-off, and with all that
// is known of the channel asked for anew.
func (r *Reconciler) takeUp(c *v1alpha1.SlackChannel) {
	value := requested(c)
	if value == "" {
		return
	}
	r.remember(c, func(m *memory) {
		if m.request == value {
			return
		}
		m.request, m.requested, m.anew = value, r.Clock.Now(), true
		m.failures = 0
		m.managed.finish()
	})
}

// handle notes in the status that a request was acted on: when the check has
// come to an answer, or will take longer than somebody waits.
func (r *Reconciler) handle(c *v1alpha1.SlackChannel, o *outcome) {
	value := requested(c)
	if value == "" {
		return
	}
	answer := o.summary != nil && o.summary.Kind != conditions.KindProgressing
	m := r.remember(c, func(*memory) {})
	if left := m.requested.Add(requestPatience).Sub(r.Clock.Now()); !answer && left > 0 {
		if o.after == 0 || o.after > left {
			o.after = left
		}
		return
	}
	c.Status.LastHandledRequest = value
}

// requestChanged lets a new value of the annotation requestedAt through.
func requestChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[v1alpha1.AnnotationRequestedAt] != e.ObjectNew.GetAnnotations()[v1alpha1.AnnotationRequestedAt]
	}}
}
