package notification

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/finished"
)

// Finalizer holds an object with deletionPolicy Delete until its messages are
// gone from Slack.
const Finalizer = finished.Finalizer

// finalizeWithin is how long the deletion of an object is held up at the most.
const finalizeWithin = 10 * time.Minute

// ensureFinalizer sets the finalizer where the spec wants one, before anything is
// sent, and removes it where it does not.
func (r *Reconciler) ensureFinalizer(ctx context.Context, n *v1alpha1.SlackNotification) error {
	wanted := n.Spec.DeletionPolicy == v1alpha1.DeletionDelete
	if controllerutil.ContainsFinalizer(n, Finalizer) == wanted {
		return nil
	}
	before := n.DeepCopy()
	if wanted {
		controllerutil.AddFinalizer(n, Finalizer)
	} else {
		controllerutil.RemoveFinalizer(n, Finalizer)
	}
	return r.Client.Patch(ctx, n, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// finalize deletes the messages of an object that is being deleted, and lets it
// go.
func (r *Reconciler) finalize(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(n, Finalizer) {
		r.forget(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)})
		return ctrl.Result{}, nil
	}
	p, err := r.gather(ctx, n)
	late := !r.Clock.Now().Before(n.DeletionTimestamp.Add(finalizeWithin))
	if err == nil {
		r.Lanes.ForgetOwner(r.Clock.Now(), p.name.String())
		if n.Spec.DeletionPolicy != v1alpha1.DeletionDelete {
			return r.removeFinalizer(ctx, n, "")
		}
		err = r.act(ctx, p)
	}
	switch {
	case err == nil && p.removed():
		return r.removeFinalizer(ctx, n, p.leftovers())
	case late:
		why := "Slack could not be reached within 10 minutes"
		if err != nil {
			why = fmt.Sprintf("it could not be deleted within 10 minutes: %v", err)
		} else if note := p.openNote(); note.Message != "" {
			why += "; at last: " + note.Message
		}
		return r.removeFinalizer(ctx, n, why)
	case err != nil:
		return ctrl.Result{}, err
	}
	return r.reportDeletion(ctx, p)
}

// removed reports whether nothing of the message is left to delete.
func (p *pass) removed() bool {
	for _, rcpt := range p.recipients {
		if rcpt.Phase != delivery.Removed {
			return false
		}
	}
	return true
}

// leftovers says what stays in Slack, and why; empty when nothing does.
func (p *pass) leftovers() string {
	var parts []string
	for _, rcpt := range p.recipients {
		if rcpt.Leftover != "" && len(parts) < failuresShown {
			parts = append(parts, rcpt.key+": "+rcpt.Leftover)
		}
	}
	return strings.Join(parts, "; ")
}

func (p *pass) openNote() delivery.Note {
	for _, rcpt := range p.recipients {
		switch {
		case rcpt.Phase == delivery.Removed:
		case rcpt.Halt != nil:
			return delivery.Note{Reason: rcpt.Halt.Reason, Message: rcpt.Halt.Message}
		case rcpt.Note.Message != "":
			return rcpt.Note
		}
	}
	return delivery.Note{}
}

// removeFinalizer lets the object go; why, if not empty, says what stays in Slack.
func (r *Reconciler) removeFinalizer(ctx context.Context, n *v1alpha1.SlackNotification, why string) (ctrl.Result, error) {
	before := n.DeepCopy()
	controllerutil.RemoveFinalizer(n, Finalizer)
	err := r.Client.Patch(ctx, n, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, err
	}
	if why != "" {
		r.Recorder.Eventf(n, nil, corev1.EventTypeWarning, v1alpha1.ReasonMessageNotDeleted, "Delete", "%s",
			conditions.Note("the object is deleted, but its message stays in Slack: "+why))
	}
	r.forget(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)})
	return ctrl.Result{}, nil
}

// reportDeletion says in the status what the deletion waits for, when it is more
// than a moment.
func (r *Reconciler) reportDeletion(ctx context.Context, p *pass) (ctrl.Result, error) {
	p.requeueBy(p.n.DeletionTimestamp.Add(finalizeWithin))
	result := p.result(r.Clock.Now())
	reason, text := v1alpha1.ReasonDeleting, "the message is being deleted from Slack"
	note := p.openNote()
	if note.Message != "" {
		text = "the message is to be deleted: " + note.Message
		if note.Reason != v1alpha1.ReasonEditPending {
			reason = note.Reason
		}
	}
	if note.Quiet || note.Message == "" && p.requeueAt.Sub(r.Clock.Now()) < quietFor {
		return result, nil
	}
	before := p.n.DeepCopy()
	conditions.Retrying(p.n, reason, text)
	if equality.Semantic.DeepEqual(p.tracked.Stored(before).Conditions, p.n.Status.Conditions) {
		return result, nil
	}
	if err := r.store(ctx, p.n, p.tracked); apierrors.IsConflict(err) {
		result.RequeueAfter = conflictRetry
	} else if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return result, nil
}

// expiry is when the object is to be deleted; false when it is to stay.
func expiry(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.TTLSecondsAfterFinished == nil || n.Status.FinishedAt == nil || n.Status.ObservedGeneration != n.Generation {
		return time.Time{}, false
	}
	return n.Status.FinishedAt.Add(time.Duration(*n.Spec.TTLSecondsAfterFinished) * time.Second), true
}

// expired reports whether the object is finished, delivered or not, and its time
// to live is over.
func expired(n *v1alpha1.SlackNotification, now time.Time) bool {
	at, ok := expiry(n)
	return ok && !now.Before(at)
}

// expire deletes the object when its time to live is over.
func (r *Reconciler) expire(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	r.Lanes.ForgetOwner(r.Clock.Now(), client.ObjectKeyFromObject(n).String())
	r.ledger.Settle(n)
	var result ctrl.Result
	if by := answerBy(n); !by.IsZero() {
		result.RequeueAfter = max(by.Sub(r.Clock.Now()), time.Millisecond)
	}
	at, ok := expiry(n)
	if !ok {
		return result, nil
	}
	if left := at.Sub(r.Clock.Now()); left > 0 {
		result.RequeueAfter = sooner(result.RequeueAfter, left)
		return result, nil
	}
	if by := finished.TrackedBy(n); by != "" {
		return r.keep(ctx, n, by)
	}
	// With the resourceVersion, an object that was changed meanwhile, and so
	// has something new to deliver, stays.
	err := r.Client.Delete(ctx, n, client.Preconditions{UID: &n.UID, ResourceVersion: &n.ResourceVersion})
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// keep says why the object stays though its time to live is over.
func (r *Reconciler) keep(ctx context.Context, n *v1alpha1.SlackNotification, by string) (ctrl.Result, error) {
	if have := conditions.Find(n, v1alpha1.ConditionExpired); have != nil && have.ObservedGeneration == n.Generation {
		return ctrl.Result{}, nil
	}
	conditions.Set(n, v1alpha1.ConditionExpired, metav1.ConditionFalse, v1alpha1.ReasonTrackedByGitOps,
		"spec.ttlSecondsAfterFinished has passed, and the object stays because "+by+" tracks it and would make it again at once: remove it where it is kept, or remove spec.ttlSecondsAfterFinished")
	err := r.store(ctx, n, nil)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
