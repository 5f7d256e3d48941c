package notification

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// reply is what is known of the SlackNotification that another one replies to.
type reply struct {
	// parent is nil when there is none to wait for.
	parent *v1alpha1.SlackNotification
	// block is why no reply can be sent now; nil when one can.
	block *block
	// recipients are the parent's, for a reply that names none of its own and
	// whose parent did not go to the SlackChannel's channel; else nil.
	recipients []v1alpha1.Recipient
}

// replyOf looks at the SlackNotification that n replies to.
func (r *Reconciler) replyOf(ctx context.Context, n *v1alpha1.SlackNotification) (reply, error) {
	if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
		return reply{}, nil
	}
	name := n.Spec.Thread.NotificationRef.Name
	if name == n.Name {
		return reply{block: &block{blockStall, v1alpha1.ReasonThreadNotFound,
			"spec.thread.notificationRef names this SlackNotification itself: name the one to reply to"}}, nil
	}
	parent := &v1alpha1.SlackNotification{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: name}, parent)
	if apierrors.IsNotFound(err) {
		return reply{block: &block{blockStall, v1alpha1.ReasonThreadNotFound,
			fmt.Sprintf("SlackNotification %q, which this one replies to, does not exist in namespace %q: create it, or correct spec.thread.notificationRef", name, n.Namespace)}}, nil
	}
	if err != nil {
		return reply{}, err
	}
	out := reply{parent: parent}
	if len(n.Spec.Recipients) > 0 {
		return out, nil
	}
	out.recipients, err = r.inherited(ctx, n, parent)
	return out, err
}

// inherited are the recipients of a reply that names none: nil for the
// SlackChannel's own channel, unless the parent has gone elsewhere.
func (r *Reconciler) inherited(ctx context.Context, n, parent *v1alpha1.SlackNotification) ([]v1alpha1.Recipient, error) {
	if len(parent.Spec.Recipients) == 0 {
		return nil, nil
	}
	c := &v1alpha1.SlackChannel{}
	if err := r.Client.Get(ctx, channelKey(n), c); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	for i := range parent.Status.Deliveries {
		if c.Status.Channel != nil && parent.Status.Deliveries[i].ConversationID == c.Status.Channel.ID {
			return nil, nil
		}
	}
	return parent.Spec.Recipients, nil
}

// awaitThread holds a reply until its parent has something to reply to. The
// parent's status wakes it.
func (r *Reconciler) awaitThread(_ context.Context, w *work) error {
	if w.allDone() {
		return nil
	}
	if b := w.reply.block; b != nil {
		w.blocked(b.kind, b.reason, b.message)
		return nil
	}
	parent := w.reply.parent
	if parent == nil || parent.Status.FinishedAt != nil {
		return nil
	}
	for i := range parent.Status.Deliveries {
		if parent.Status.Deliveries[i].Timestamp != "" {
			return nil // some can be replied to
		}
	}
	w.awaitParent()
	return nil
}

func (w *work) awaitParent() {
	w.blocked(blockProgress, v1alpha1.ReasonWaitingForThread,
		fmt.Sprintf("waits for SlackNotification %q, which this one replies to, to be delivered", w.reply.parent.Name))
}

// follow finds the message in a recipient's conversation to reply to.
func (r *Reconciler) follow(w *work, rcpt *recipient) {
	thread := w.n.Spec.Thread
	if thread == nil || rcpt.conversation == "" {
		return
	}
	if w.reply.parent == nil {
		rcpt.thread = thread.Timestamp
		return
	}
	parent := w.reply.parent
	for i := range parent.Status.Deliveries {
		d := &parent.Status.Deliveries[i]
		if d.Timestamp == "" || d.ConversationID != rcpt.conversation {
			continue
		}
		// A reply to a reply goes to where the thread begins.
		if rcpt.thread = d.ThreadTimestamp; rcpt.thread == "" {
			rcpt.thread = d.Timestamp
		}
		return
	}
	rcpt.conversation = ""
	if parent.Status.FinishedAt == nil || parent.Status.ObservedGeneration != parent.Generation {
		rcpt.pend(v1alpha1.ReasonWaitingForThread, fmt.Sprintf("waits for SlackNotification %q, which this one replies to, to be delivered here", parent.Name))
		rcpt.brief = false
		return
	}
	rcpt.set(v1alpha1.DeliveryFailed, v1alpha1.ReasonThreadFailed, w.threadless(parent))
	rcpt.notBefore = time.Time{} // the parent's status wakes it
}

// threadless says why a parent has no message that can be replied to.
func (w *work) threadless(parent *v1alpha1.SlackNotification) string {
	switch {
	case w.conn.API == nil || parent.Status.Phase == v1alpha1.PhaseDelivered && parent.Status.Deliveries[0].Timestamp == "":
		return fmt.Sprintf("SlackNotification %q, which this one replies to, was sent by an incoming webhook, or this one would be, and a webhook tells no message to reply to: use SlackChannels with webAPI", parent.Name)
	case parent.Status.Phase == v1alpha1.PhaseDelivered:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, did not go to this conversation: name recipients that it went to", parent.Name)
	default:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, has not been delivered here: see its status", parent.Name)
	}
}
