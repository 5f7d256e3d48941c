package notification

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
)

// parent is what is known of the SlackNotification that another one replies to.
type parent struct {
	// n is nil when there is none to wait for.
	n *v1alpha1.SlackNotification
	// block is why no reply can be sent now; nil when one can.
	block *conditions.Summary
	// recipients are the parent's, for a reply that names none of its own and whose
	// parent did not go to the SlackChannel's channel; else nil.
	recipients []v1alpha1.Recipient
}

// parentOf looks at the SlackNotification that n replies to.
func (r *Reconciler) parentOf(ctx context.Context, n *v1alpha1.SlackNotification) (parent, error) {
	if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
		return parent{}, nil
	}
	name := n.Spec.Thread.NotificationRef.Name
	if name == n.Name {
		return parent{block: threadNotFound("spec.thread.notificationRef names this SlackNotification itself: name the one to reply to")}, nil
	}
	up := &v1alpha1.SlackNotification{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: name}, up)
	if apierrors.IsNotFound(err) {
		return parent{block: threadNotFound(fmt.Sprintf(
			"SlackNotification %q, which this one replies to, does not exist in namespace %q: create it, or correct spec.thread.notificationRef; this one is sent as soon as that one has been delivered", name, n.Namespace))}, nil
	}
	if err != nil {
		return parent{}, err
	}
	out := parent{n: up}
	if len(n.Spec.Recipients) > 0 {
		return out, nil
	}
	out.recipients, err = r.inherited(ctx, n, up)
	return out, err
}

func threadNotFound(message string) *conditions.Summary {
	return &conditions.Summary{Kind: conditions.KindStalled, Reason: v1alpha1.ReasonThreadNotFound, Message: message}
}

// inherited are the recipients of a reply that names none: nil for the
// SlackChannel's own channel, unless the parent has gone elsewhere.
func (r *Reconciler) inherited(ctx context.Context, n, up *v1alpha1.SlackNotification) ([]v1alpha1.Recipient, error) {
	if len(up.Spec.Recipients) == 0 {
		return nil, nil
	}
	c := &v1alpha1.SlackChannel{}
	if err := r.Client.Get(ctx, channelKey(n), c); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	for i := range up.Status.Deliveries {
		if c.Status.Channel != nil && up.Status.Deliveries[i].ConversationID == c.Status.Channel.ID {
			return nil, nil
		}
	}
	return up.Spec.Recipients, nil
}

// awaitParent holds what is to be posted until its parent has something to reply
// to; what is out needs no parent to be edited. The parent's status wakes it.
func (r *Reconciler) awaitParent(_ context.Context, p *pass) error {
	if !p.posts() {
		return nil
	}
	if b := p.parent.block; b != nil {
		p.blocked(*b)
		return nil
	}
	up := p.parent.n
	if up == nil || up.Status.FinishedAt != nil {
		return nil
	}
	for i := range up.Status.Deliveries {
		if up.Status.Deliveries[i].Timestamp != "" {
			return nil // some can be replied to
		}
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonWaitingForThread, Message: p.waitsForParent("")})
	return nil
}

func (p *pass) waitsForParent(where string) string {
	return fmt.Sprintf("waits for SlackNotification %q, which this one replies to, to be delivered%s", p.parent.n.Name, where)
}

// posts reports whether anything may have to be posted, and nothing be edited.
func (p *pass) posts() bool {
	posts := false
	for _, rcpt := range p.recipients {
		if rcpt.Phase == delivery.Editing {
			return false
		}
		posts = posts || rcpt.Phase == delivery.Unsent || rcpt.Phase == delivery.Verifying
	}
	return posts
}

// threadOf finds the message in a recipient's conversation to reply to.
func (p *pass) threadOf(rcpt *recipient, t *target) delivery.Event {
	thread := p.n.Spec.Thread
	switch {
	case thread == nil:
		return nil
	case thread.NotificationRef == nil:
		t.thread = thread.Timestamp
		return nil
	case p.parent.block != nil:
		return delivery.Held{Note: delivery.Note{Reason: p.parent.block.Reason, Message: p.parent.block.Message}}
	}
	up := p.parent.n
	for i := range up.Status.Deliveries {
		d := &up.Status.Deliveries[i]
		if d.Timestamp == "" || d.ConversationID != t.conversation && (t.user == "" || d.UserID != t.user) {
			continue
		}
		t.conversation = d.ConversationID
		// A reply to a reply goes to where the thread begins.
		if t.thread = d.ThreadTimestamp; t.thread == "" {
			t.thread = d.Timestamp
		}
		return nil
	}
	if up.Status.FinishedAt == nil || up.Status.ObservedGeneration != up.Generation {
		return delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForThread, Message: p.waitsForParent(" here")}}
	}
	return delivery.NeedsPerson{Reason: v1alpha1.ReasonThreadFailed, Message: p.noThreadReason(up)}
}

// noThreadReason says why a parent has no message that can be replied to.
func (p *pass) noThreadReason(up *v1alpha1.SlackNotification) string {
	switch {
	case p.way != nil && p.way.webhook() || up.Status.Phase == v1alpha1.PhaseDelivered && up.Status.Deliveries[0].Timestamp == "":
		return fmt.Sprintf("SlackNotification %q, which this one replies to, was sent by an incoming webhook, or this one would be, and a webhook tells no message to reply to: use SlackChannels with webAPI", up.Name)
	case up.Status.Phase == v1alpha1.PhaseDelivered:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, did not go to this conversation: name recipients that it went to", up.Name)
	default:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, has not been delivered here: see its status; this one is sent as soon as that one has been", up.Name)
	}
}
