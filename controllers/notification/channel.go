package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// hold keeps what is open while spec.suspend is true.
func (r *Reconciler) hold(_ context.Context, w *work) error {
	if !w.n.Spec.Suspend {
		return nil
	}
	if d, ok := deadline(w.n); ok {
		if !r.Clock.Now().Before(d) {
			return nil
		}
		w.wait(d)
	}
	w.blocked(blockHold, v1alpha1.ReasonSuspended, "spec.suspend is true: what is not delivered yet is held until it is set to false")
	return nil
}

// giveUp fails what is open when the deadline has passed.
func (r *Reconciler) giveUp(_ context.Context, w *work) error {
	d, ok := deadline(w.n)
	if !ok {
		return nil
	}
	if r.Clock.Now().Before(d) {
		w.wait(d)
		return nil
	}
	editing := false
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		delivery := &rcpt.delivery
		if delivery.State != v1alpha1.DeliveryPending && delivery.State != v1alpha1.DeliveryRetrying {
			continue
		}
		if rcpt.out() {
			editing = true // a later change of what was delivered in time
			continue
		}
		rcpt.final = true
		text := fmt.Sprintf("not delivered within spec.activeDeadlineSeconds (%d)", *w.n.Spec.ActiveDeadlineSeconds)
		if delivery.Message != "" {
			text += "; at last: " + delivery.Message
		}
		delivery.State, delivery.Reason, delivery.Message = v1alpha1.DeliveryFailed, v1alpha1.ReasonDeadlineExceeded, text
	}
	if editing {
		return nil
	}
	r.Lanes.ForgetOwner(r.Clock.Now(), w.name.String())
	w.next = r.Clock.Now()
	w.stop, w.news = true, true
	return nil
}

// schedule holds what is to be sent later. The object's own time wakes it.
func (r *Reconciler) schedule(_ context.Context, w *work) error {
	at := w.n.Spec.NotBefore
	if at == nil || w.allDone() {
		return nil
	}
	left := at.Sub(r.Clock.Now())
	if left <= 0 {
		return nil
	}
	w.blocked(blockProgress, v1alpha1.ReasonScheduled, fmt.Sprintf("held until %s (spec.notBefore)", at.UTC().Format(time.RFC3339)))
	w.wait(at.Time)
	w.news = left > patience
	return nil
}

// connect finds the SlackChannel, and the way to Slack through it.
func (r *Reconciler) connect(ctx context.Context, w *work) error {
	if w.allDone() {
		w.stop = true
		return nil
	}
	key := channelKey(w.n)
	c := &v1alpha1.SlackChannel{}
	if err := r.Client.Get(ctx, key, c); apierrors.IsNotFound(err) {
		w.blocked(blockStall, v1alpha1.ReasonSlackChannelNotFound,
			fmt.Sprintf("SlackChannel %q does not exist in namespace %q: create it, or correct spec.channelRef", key.Name, key.Namespace))
		return nil
	} else if err != nil {
		return err
	}
	w.channel = c
	if allowed, err := reference.Allowed(ctx, r.Client, w.n.Namespace, c); err != nil {
		return err
	} else if !allowed {
		w.blocked(blockStall, v1alpha1.ReasonNamespaceNotAllowed,
			fmt.Sprintf("SlackChannel %s does not let namespace %q refer to it: ask its owner to add the namespace to spec.allowedNamespaces", key, w.n.Namespace))
		return nil
	}
	if b := channelBlock(key, c); b != nil {
		w.blocked(b.kind, b.reason, b.message)
		return nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	var problem *connection.Problem
	if errors.As(err, &problem) {
		w.blocked(blockStall, problem.Reason, fmt.Sprintf("SlackChannel %s: %s", key, problem.Message))
		return nil
	}
	if err != nil {
		return err
	}
	r.adopt(w, conn)
	return nil
}

// adopt prepares the pass for a SlackChannel that is ready.
func (r *Reconciler) adopt(w *work, conn *connection.Connection) {
	c := w.channel
	w.conn = conn
	w.stamp = conn.Version
	if cond := conditions.Find(c, v1alpha1.ConditionReady); cond != nil {
		w.stamp += "/" + cond.LastTransitionTime.UTC().Format("150405")
	}
	w.workspace = directory.Workspace{Credential: conn.Credential, API: conn.API, BotUserID: c.Status.BotUserID, Namespace: w.n.Namespace}
	if c.Status.Workspace != nil {
		w.workspace.TeamID, w.workspace.TeamName = c.Status.Workspace.ID, c.Status.Workspace.Name
	}
	if conn.API == nil {
		w.workspace.TeamID = "webhook " + conn.WebhookKey
	}
	w.keepUneditable()
	w.stop = w.allDone()
}

func (w *work) allDone() bool {
	for i := range w.recipients {
		if !w.recipients[i].done() {
			return false
		}
	}
	return true
}

func channelKey(n *v1alpha1.SlackNotification) types.NamespacedName {
	return reference.Channel(n.Spec.ChannelRef, n.Namespace)
}

// channelBlock says why a SlackChannel can't be used now, or nil.
func channelBlock(key types.NamespacedName, c *v1alpha1.SlackChannel) *block {
	if c.Spec.Suspend {
		return &block{blockHold, v1alpha1.ReasonSlackChannelSuspended,
			fmt.Sprintf("SlackChannel %s is suspended: its notifications are held until its spec.suspend is set to false", key)}
	}
	ready := conditions.Find(c, v1alpha1.ConditionReady)
	switch {
	case ready == nil || c.Status.ObservedGeneration != c.Generation || ready.Status == metav1.ConditionUnknown,
		ready.Reason == v1alpha1.ReasonSuspended:
		return &block{blockProgress, v1alpha1.ReasonSlackChannelNotReady,
			fmt.Sprintf("waits for SlackChannel %s to be verified", key)}
	case ready.Status == metav1.ConditionTrue:
		return nil
	case conditions.Find(c, v1alpha1.ConditionStalled) != nil:
		return &block{blockStall, ready.Reason, fmt.Sprintf("SlackChannel %s is not ready: %s", key, ready.Message)}
	default:
		return &block{blockRetry, ready.Reason, fmt.Sprintf("SlackChannel %s is not ready: %s", key, ready.Message)}
	}
}
