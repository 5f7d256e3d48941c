package alert

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// requested returns the value of the annotation requestedAt that is not handled
// yet; empty when there is none.
func requested(alert *v1alpha1.SlackAlert) string {
	if value := alert.Annotations[v1alpha1.AnnotationRequestedAt]; value != alert.Status.LastHandledRequest {
		return value
	}
	return ""
}

// takeUp ends the pauses of a rule for a new request: what may not be watched is
// asked for anew, and what the API server has refused to store is tried. The
// request counts as handled when the answer is told.
func (r *Reconciler) takeUp(alert *v1alpha1.SlackAlert) {
	key, value := client.ObjectKeyFromObject(alert), requested(alert)
	r.mu.Lock()
	defer r.mu.Unlock()
	if value == "" {
		delete(r.requests, key)
		return
	}
	if r.requests[key] == value {
		return
	}
	if r.requests == nil {
		r.requests = map[client.ObjectKey]string{}
	}
	r.requests[key] = value
	if target, err := source.TargetOf(alert); err == nil && !source.TakesPosts(alert) {
		r.Kinds.Anew(target.Kind)
	}
	if run := r.runs[key]; run != nil {
		run.tryRefused(r.Clock.Now())
	}
}

// requestChanged lets a new value of the annotation requestedAt through.
func requestChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[v1alpha1.AnnotationRequestedAt] != e.ObjectNew.GetAnnotations()[v1alpha1.AnnotationRequestedAt]
	}}
}
