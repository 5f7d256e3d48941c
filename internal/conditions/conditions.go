// Package conditions sets the conditions Ready, Reconciling and Stalled so that
// the three always agree, in the way that kstatus reads them.
//
// It does not write to the API server, and it knows no reasons.
package conditions

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Object is one of the kinds of this group.
type Object interface {
	GetGeneration() int64
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// Kind is how an object is doing, in kstatus' terms.
type Kind int

const (
	// KindReady means: the object is as its spec asks.
	KindReady Kind = iota
	// KindProgressing means: the operator is at work and nothing is wrong.
	KindProgressing
	// KindRetrying means: something is wrong that is expected to pass.
	KindRetrying
	// KindSuspended means: a person has asked to leave the object alone.
	KindSuspended
	// KindStalled means: a person must act.
	KindStalled
)

// Summary is what Ready, Reconciling and Stalled say together.
type Summary struct {
	Kind            Kind
	Reason, Message string
}

// Apply sets the conditions of o.
func (s Summary) Apply(o Object) {
	switch s.Kind {
	case KindReady:
		Ready(o, s.Reason, s.Message)
	case KindProgressing:
		Progressing(o, s.Reason, s.Message)
	case KindRetrying:
		Retrying(o, s.Reason, s.Message)
	case KindSuspended:
		Suspended(o, s.Reason, s.Message)
	case KindStalled:
		Stalled(o, s.Reason, s.Message)
	}
}

// Announce records a Warning Event when after is Stalled for another reason, or
// with another message, than before was.
func Announce(recorder events.EventRecorder, action string, before, after AnnouncedObject) {
	now := Find(after, v1alpha1.ConditionStalled)
	if now == nil {
		return
	}
	if was := Find(before, v1alpha1.ConditionStalled); was != nil && was.Reason == now.Reason && was.Message == now.Message {
		return
	}
	recorder.Eventf(after, nil, corev1.EventTypeWarning, now.Reason, action, "%s", Note(now.Message))
}

// AnnouncedObject is an Object that Events can be recorded for.
type AnnouncedObject interface {
	Object
	runtime.Object
}

// Ready says that the object is as its spec asks.
func Ready(o Object, reason, message string) {
	set(o, v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	remove(o, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)
}

// Progressing says that the operator is at work and nothing is wrong.
func Progressing(o Object, reason, message string) {
	set(o, v1alpha1.ConditionReady, metav1.ConditionUnknown, reason, message)
	set(o, v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	remove(o, v1alpha1.ConditionStalled)
}

// Retrying says that something is wrong which the operator expects to get
// better by itself.
func Retrying(o Object, reason, message string) {
	set(o, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	set(o, v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	remove(o, v1alpha1.ConditionStalled)
}

// Stalled says that a person must act.
func Stalled(o Object, reason, message string) {
	set(o, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	set(o, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	remove(o, v1alpha1.ConditionReconciling)
}

// Suspended says that a person has asked to leave the object alone.
func Suspended(o Object, reason, message string) {
	set(o, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	remove(o, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)
}

// Set sets a condition beside the three.
func Set(o Object, conditionType string, status metav1.ConditionStatus, reason, message string) {
	set(o, conditionType, status, reason, message)
}

// Remove drops a condition.
func Remove(o Object, conditionType string) { remove(o, conditionType) }

// Find returns a condition, or nil.
func Find(o Object, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(o.GetConditions(), conditionType)
}

// maxMessage is what the API server takes as the message of a condition.
const maxMessage = 32768

func set(o Object, conditionType string, status metav1.ConditionStatus, reason, message string) {
	if len(message) > maxMessage {
		message = message[:maxMessage-3] + "..."
	}
	list := o.GetConditions()
	meta.SetStatusCondition(&list, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: o.GetGeneration(),
	})
	o.SetConditions(list)
}

func remove(o Object, types ...string) {
	list := o.GetConditions()
	for _, t := range types {
		meta.RemoveStatusCondition(&list, t)
	}
	o.SetConditions(list)
}

// maxNote is what an Event's note takes, in bytes, with some to spare
// (kubernetes.io/docs/reference: at most 1,024).
const maxNote = 1000

// Note makes the note of an Event from a condition's message.
func Note(message string) string {
	if len(message) <= maxNote {
		return message
	}
	return strings.ToValidUTF8(message[:maxNote], "") + "…"
}
