package notification

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
)

// Finalizer holds an object with deletionPolicy Delete until its messages are
// gone from Slack.
const Finalizer = "slack.notify.dev/delete-message"

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

// wayOf finds the way to Slack for a delivery's next step. What went through one
// SlackChannel is read and deleted through that one alone.
func (r *Reconciler) wayOf(ctx context.Context, p *pass, rcpt *recipient) (*way, bool) {
	via, uid := p.viaOf(rcpt)
	switch {
	case p.want.Remove && !rcpt.MayBeOut():
		rcpt.Next(p.want, delivery.Can{}, p.now)
		return nil, false
	case via == p.want.Via && p.way != nil && !p.want.Remove:
		return p.way, true
	}
	got, why, err := r.reachVia(ctx, p, via, uid)
	switch {
	case err != nil:
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonSlackChannelNotReady, Message: "the SlackChannel can't be read: " + err.Error()}})
		p.requeueBy(p.now.Add(backoff.Full(3, time.Second, time.Minute)))
		return nil, false
	case why != "" && p.want.Remove:
		rcpt.Leave(why)
		return nil, false
	case why != "":
		p.apply(r, rcpt, delivery.Unreadable{Why: "it can't be looked for: " + why})
		return nil, false
	case got.block != nil:
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: got.block.Reason, Message: got.block.Message}})
		p.requeueBy(p.now.Add(backoff.Full(3, time.Second, time.Minute)))
		return nil, false
	}
	if p.want.Remove {
		p.way = got.way
	}
	return got.way, true
}

// viaOf is the SlackChannel that a delivery's next step goes through.
func (p *pass) viaOf(rcpt *recipient) (via string, uid types.UID) {
	switch {
	case rcpt.Phase == delivery.Verifying && rcpt.Doubt.Via != "":
		return rcpt.Doubt.Via, rcpt.Doubt.ViaUID
	case p.want.Remove && rcpt.Phase != delivery.Verifying && rcpt.Posted != nil && rcpt.Posted.Via != "":
		return rcpt.Posted.Via, rcpt.Posted.ViaUID
	}
	return p.want.Via, ""
}

// reachVia finds the way through a SlackChannel that something went through; why
// is not empty when there never will be one again.
func (r *Reconciler) reachVia(ctx context.Context, p *pass, via string, uid types.UID) (got reached, why string, err error) {
	got, ok := p.others[via]
	if !ok {
		namespace, name, _ := strings.Cut(via, "/")
		got, err = r.reach(ctx, p, v1alpha1.ChannelReference{Namespace: namespace, Name: name})
		if err != nil {
			return got, "", err
		}
		p.others[via] = got
	}
	b := got.block
	switch {
	case b != nil && (b.Kind == conditions.KindStalled):
		return got, b.Message, nil
	case got.way != nil && uid != "" && got.way.channel.UID != uid:
		return got, fmt.Sprintf("SlackChannel %s, which it went through, was deleted and made again since", via), nil
	}
	return got, "", nil
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
	if equality.Semantic.DeepEqual(p.tracked.stored(before).Conditions, p.n.Status.Conditions) {
		return result, nil
	}
	err := r.Client.Status().Update(context.WithoutCancel(ctx), p.n)
	switch {
	case apierrors.IsConflict(err):
		result.RequeueAfter = conflictRetry
		return result, nil
	case err != nil:
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p.tracked.wrote(p.n)
	return result, nil
}
