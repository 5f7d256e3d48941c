// Package finished tells when nothing is left to do for a SlackNotification, and
// keeps little of those in the cache: most of a cluster's SlackNotifications are
// finished, and what they say is in Slack.
//
// Nothing is decided by what is left of them but that they may rest: whoever finds
// a Reduced one and wants more of it reads it from the API server.
package finished

import (
	"slices"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Settled reports whether nothing is left to do for n but to delete the object when
// its time has come.
func Settled(n *v1alpha1.SlackNotification) bool {
	s := &n.Status
	if s.FinishedAt == nil || s.ObservedGeneration != n.Generation || Requested(n) {
		return false
	}
	for i := range s.Deliveries {
		d := &s.Deliveries[i]
		if d.State != v1alpha1.DeliveryDelivered && (d.State != v1alpha1.DeliveryFailed || d.Reason != v1alpha1.ReasonDeadlineExceeded) {
			return false
		}
	}
	return true
}

// Requested reports whether somebody asks to look at n now.
func Requested(n *v1alpha1.SlackNotification) bool {
	asked := n.Annotations[v1alpha1.AnnotationRequestedAt]
	return asked != "" && asked != n.Status.LastHandledRequest
}

// reduced marks what was reduced. Who manages which fields is not kept in the
// cache, so the field is free; all objects share the one slice. The API server stores
// no such operation, so nobody can forge it.
var reduced = []metav1.ManagedFieldsEntry{{Manager: "slack-notifier", Operation: "Reduced"}}

// Reduced reports whether n lacks most of what is stored: all but who it is, when
// it finished and when it is to be deleted.
func Reduced(n *v1alpha1.SlackNotification) bool {
	return len(n.ManagedFields) == 1 && n.ManagedFields[0].Operation == reduced[0].Operation
}

// Reduce leaves of n, when it is settled, what tells that it may rest. Those of
// SlackAlerts stay whole, because their state is looked up at any time, and so do
// those that people can answer.
func Reduce(n *v1alpha1.SlackNotification) {
	if !n.DeletionTimestamp.IsZero() || !Settled(n) || ofAlert(n) || len(n.Spec.Actions) > 0 || len(n.Status.Responses) > 0 {
		return
	}
	*n = v1alpha1.SlackNotification{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: unique.Make(n.Namespace).Value(), Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion,
			Generation: n.Generation, CreationTimestamp: n.CreationTimestamp, Finalizers: finalizers(n.Finalizers),
			Labels: trackingMarks(n.Labels), Annotations: trackingMarks(n.Annotations), ManagedFields: reduced,
		},
		Spec: v1alpha1.SlackNotificationSpec{
			DeletionPolicy:          policy(n.Spec.DeletionPolicy),
			TTLSecondsAfterFinished: n.Spec.TTLSecondsAfterFinished,
		},
		Status: v1alpha1.SlackNotificationStatus{
			ObservedGeneration: n.Status.ObservedGeneration, LastHandledRequest: n.Status.LastHandledRequest,
			Phase: v1alpha1.Phase(unique.Make(string(n.Status.Phase)).Value()), FinishedAt: n.Status.FinishedAt,
		},
	}
}

// Finalizer holds an object until its message is deleted in Slack.
const Finalizer = "slack.notify.dev/delete-message"

// onlyOurs is what all objects share that have no other finalizer.
var onlyOurs = []string{Finalizer}

func finalizers(of []string) []string {
	if slices.Equal(of, onlyOurs) {
		return onlyOurs
	}
	return of
}

func policy(p v1alpha1.DeletionPolicy) v1alpha1.DeletionPolicy {
	if p == v1alpha1.DeletionRetain {
		return v1alpha1.DeletionRetain
	}
	return p
}

// ofAlert reports whether n is a SlackAlert's.
func ofAlert(n *v1alpha1.SlackNotification) bool {
	owner := metav1.GetControllerOfNoCopy(n)
	return owner != nil && owner.Kind == "SlackAlert"
}

// trackingMarks are those that say what asks for the object or tracks it; nil when
// there is none.
func trackingMarks(all map[string]string) map[string]string {
	var kept map[string]string
	keep := func(key string) {
		if v, ok := all[key]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = v
		}
	}
	for _, mark := range marks {
		keep(mark.key)
	}
	keep(v1alpha1.AnnotationRequestedAt)
	return kept
}

// marks are what GitOps tools mark the objects with that they apply, and would make
// again.
var marks = []struct {
	tool, key  string
	annotation bool
}{
	{"Flux", "kustomize.toolkit.fluxcd.io/name", false},
	{"Flux", "helm.toolkit.fluxcd.io/name", false},
	{"Argo CD", "argocd.argoproj.io/instance", false},
	{"Argo CD", "argocd.argoproj.io/tracking-id", true},
}

// TrackedBy names the tool that would make n again if it were deleted; empty for
// none.
func TrackedBy(n *v1alpha1.SlackNotification) string {
	for _, mark := range marks {
		from := n.Labels
		if mark.annotation {
			from = n.Annotations
		}
		if from[mark.key] != "" {
			return mark.tool + " (" + mark.key + ")"
		}
	}
	return ""
}
