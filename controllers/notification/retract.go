package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Finalizer holds an object with deletionPolicy Delete until its messages are
// gone from Slack.
const Finalizer = "slack.notify.dev/delete-message"

// retractWithin is how long the deletion of an object is held up at the most.
const retractWithin = 10 * time.Minute

// guard sets the finalizer where the spec wants one, before anything is sent,
// and removes it where it does not.
func (r *Reconciler) guard(ctx context.Context, n *v1alpha1.SlackNotification) error {
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

// retract deletes the messages of an object that is being deleted, and lets it
// go.
func (r *Reconciler) retract(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	name := client.ObjectKeyFromObject(n)
	if !controllerutil.ContainsFinalizer(n, Finalizer) {
		r.forget(ctrl.Request{NamespacedName: name})
		return ctrl.Result{}, nil
	}
	reply, err := r.replyOf(ctx, n)
	if err != nil {
		return ctrl.Result{}, err
	}
	w := r.begin(n, reply)
	r.Lanes.ForgetOwner(r.Clock.Now(), w.name.String())
	if n.Spec.DeletionPolicy != v1alpha1.DeletionDelete || !w.mayBeOut() {
		return r.release(ctx, w, "")
	}
	why, err := r.reach(ctx, w)
	if err != nil {
		return ctrl.Result{}, err
	}
	if why != "" {
		return r.release(ctx, w, why)
	}
	if w.block == nil {
		why = r.remove(ctx, w)
	}
	if w.next.IsZero() {
		return r.release(ctx, w, why)
	}
	if !r.Clock.Now().Before(n.DeletionTimestamp.Add(retractWithin)) {
		return r.release(ctx, w, "Slack could not be reached within 10 minutes")
	}
	return r.holdDeletion(ctx, w)
}

// mayBeOut reports whether a message of this object may be in Slack.
func (w *work) mayBeOut() bool {
	for i := range w.recipients {
		if rcpt := &w.recipients[i]; rcpt.out() || !rcpt.doubt.IsZero() || rcpt.delivery.State == v1alpha1.DeliveryUnknown {
			return true
		}
	}
	return false
}

// reach finds the way to Slack; why is not empty when there is none any more.
func (r *Reconciler) reach(ctx context.Context, w *work) (why string, err error) {
	key := channelKey(w.n)
	c := &v1alpha1.SlackChannel{}
	err = r.Client.Get(ctx, key, c)
	if apierrors.IsNotFound(err) {
		return fmt.Sprintf("SlackChannel %s is gone", key), nil
	}
	if err != nil {
		return "", err
	}
	w.channel = c
	if b := channelBlock(key, c); b != nil && b.kind != blockHold {
		if b.kind == blockStall {
			return b.message, nil
		}
		w.block = b
		w.wait(r.Clock.Now().Add(backoff(3)))
		return "", nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	var problem *connection.Problem
	if errors.As(err, &problem) {
		return fmt.Sprintf("SlackChannel %s: %s", key, problem.Message), nil
	}
	if err != nil {
		return "", err
	}
	if conn.API == nil {
		return "a message that was sent by an incoming webhook can't be deleted", nil
	}
	r.adopt(w, conn)
	w.stop = false
	return "", nil
}

// remove deletes what is out, and looks for what may be. It returns why some of
// it stays for good; the work's next is set while it is not done.
func (r *Reconciler) remove(ctx context.Context, w *work) (why string) {
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		r.suspectRepost(rcpt)
		if !rcpt.doubt.IsZero() && !r.lookedFor(ctx, w, rcpt) {
			continue
		}
		switch {
		case !rcpt.out(), rcpt.deleted:
		case rcpt.delivery.Timestamp == "":
			rcpt.leftover = "a message that was sent by an incoming webhook can't be deleted"
		default:
			r.deleteOne(ctx, w, rcpt)
		}
		if rcpt.leftover != "" {
			why = rcpt.leftover
		}
	}
	return why
}

// lookedFor clears up whether a message has arrived whose object was deleted
// before that was known; false while that takes time.
func (r *Reconciler) lookedFor(ctx context.Context, w *work, rcpt *recipient) bool {
	rcpt.conversation = rcpt.delivery.ConversationID
	if rcpt.conversation == "" {
		if rcpt.key == defaultKey {
			if w.channel.Status.Channel != nil {
				rcpt.conversation = w.channel.Status.Channel.ID
			}
		} else if err := r.resolveOne(ctx, w, rcpt); err != nil {
			_, _, refused := refusal(err)
			if !refused {
				w.wait(r.Clock.Now().Add(backoff(3)))
			}
			return refused
		}
	}
	if rcpt.conversation == "" {
		return true
	}
	r.follow(w, rcpt)
	return rcpt.conversation == "" || r.certain(ctx, w, rcpt) || rcpt.done()
}

// deleteOne removes a message. It may be repeated without harm.
func (r *Reconciler) deleteOne(ctx context.Context, w *work, rcpt *recipient) {
	now := r.Clock.Now()
	if now.Before(rcpt.notBefore) {
		w.wait(rcpt.notBefore)
		return
	}
	at, ok := r.Limiter.Reserve(now, w.workspace.TeamID, slack.MethodDelete, w.holder(rcpt))
	if !ok {
		w.wait(at)
		return
	}
	e := slack.AsError(w.conn.API.Delete(context.WithoutCancel(ctx), rcpt.delivery.ConversationID, rcpt.delivery.Timestamp))
	r.answered(w, e)
	switch {
	case e == nil:
		rcpt.deleted = true
	case e.Class == slack.ClassMessageNotFound && rcpt.outdated && rcpt.anew == "":
		// An edit may have found it gone, and posted the content anew.
		rcpt.anew = v1alpha1.ReasonMessageGone
		w.wait(now.Add(time.Millisecond))
	case e.Class == slack.ClassMessageNotFound:
		rcpt.deleted = true
	case e.Class == slack.ClassRateLimited:
		r.Limiter.Penalize(now, w.workspace.TeamID, slack.MethodDelete, e.RetryAfter)
		w.wait(now.Add(max(e.RetryAfter, time.Second)))
	case e.Class.Transient():
		rcpt.failures++
		rcpt.notBefore = now.Add(min(backoff(rcpt.failures), time.Minute))
		rcpt.pend(v1alpha1.ReasonSlackUnavailable, fmt.Sprintf("the message is to be deleted: %v; it is tried again", e))
		w.wait(rcpt.notBefore)
	default:
		rcpt.deleted, rcpt.leftover = true, fmt.Sprintf("%s: %v", rcpt.key, e)
	}
}

// release lets the object go; why, if not empty, says what stays in Slack.
func (r *Reconciler) release(ctx context.Context, w *work, why string) (ctrl.Result, error) {
	before := w.n.DeepCopy()
	if why != "" {
		r.Recorder.Eventf(w.n, nil, corev1.EventTypeWarning, v1alpha1.ReasonMessageNotDeleted, "Delete", "%s",
			conditions.Note("the object is deleted, but its message stays in Slack: "+why))
	}
	controllerutil.RemoveFinalizer(w.n, Finalizer)
	err := r.Client.Patch(ctx, w.n, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err == nil || apierrors.IsNotFound(err):
		r.forget(ctrl.Request{NamespacedName: w.name})
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

// holdDeletion says in the status what the deletion waits for, when it is more
// than a moment.
func (r *Reconciler) holdDeletion(ctx context.Context, w *work) (ctrl.Result, error) {
	result := w.result(r.Clock.Now())
	text := "the message is being deleted from Slack"
	reason := v1alpha1.ReasonDeleting
	if w.block != nil {
		text, reason = "the message is to be deleted: "+w.block.message, w.block.reason
	}
	for i := range w.recipients {
		if d := &w.recipients[i].delivery; d.Reason == v1alpha1.ReasonSlackUnavailable {
			text, reason = d.Message, d.Reason
		}
	}
	if reason == v1alpha1.ReasonDeleting && w.next.Sub(r.Clock.Now()) < patience {
		return result, nil
	}
	before := w.n.DeepCopy()
	conditions.Retrying(w.n, reason, text)
	if equality.Semantic.DeepEqual(w.record.stored(before).Conditions, w.n.Status.Conditions) {
		return result, nil
	}
	err := r.Client.Status().Update(context.WithoutCancel(ctx), w.n)
	switch {
	case apierrors.IsConflict(err):
		result.RequeueAfter = 100 * time.Millisecond
		return result, nil
	case err != nil:
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	w.record.written, w.record.version = w.n.Status.DeepCopy(), w.n.ResourceVersion
	return result, nil
}
