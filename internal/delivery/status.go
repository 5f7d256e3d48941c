package delivery

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Status is what the status says of the delivery.
func (d *Delivery) Status() v1alpha1.Delivery {
	out := v1alpha1.Delivery{
		Recipient: d.Recipient, ConversationID: d.Conversation, UserID: d.UserID,
		Attempts: d.Attempts, LastAttemptAt: stamp(d.LastAttemptAt), Unverified: d.mayBeSent(),
	}
	if p := d.Posted; p != nil {
		out.ConversationID, out.Timestamp, out.ThreadTimestamp, out.Permalink = p.Conversation, p.Timestamp, p.Thread, p.Permalink
		out.ContentHash, out.Via, out.ViaUID = p.Hash, p.Via, p.ViaUID
		out.DeliveredAt, out.EditedAt = stamp(p.At), stamp(p.EditedAt)
	}
	out.State, out.Reason, out.Message = d.state()
	return out
}

// mayBeSent reports whether a message that is not known of may be in Slack. What
// may replace one is suspected anyhow of a delivery that the status shows amid it.
func (d *Delivery) mayBeSent() bool {
	return (d.Phase == Verifying || d.Phase == Unsent) && d.Doubt != nil && !d.Doubt.Unannounced && (d.Doubt.Cause == AnswerLost || d.Doubt.Cause == Takeover)
}

func (d *Delivery) state() (state v1alpha1.DeliveryState, reason, message string) {
	switch {
	case d.Phase == Unknown && d.Halt != nil:
		return v1alpha1.DeliveryUnknown, d.Halt.Reason, d.Halt.Message
	case d.Phase == Unknown:
		return v1alpha1.DeliveryUnknown, v1alpha1.ReasonOutcomeUnknown, "Slack may or may not have taken the message"
	case d.Phase == Delivered:
		reason, message = d.remark()
		return v1alpha1.DeliveryDelivered, reason, message
	case d.Halt != nil:
		return v1alpha1.DeliveryFailed, d.Halt.Reason, d.Halt.Message
	case d.Attempts > 0, d.Note.Reason == v1alpha1.ReasonSlackUnavailable:
		return v1alpha1.DeliveryRetrying, d.Note.Reason, d.Note.Message
	default:
		return v1alpha1.DeliveryPending, d.Note.Reason, d.Note.Message
	}
}

// remark says of a delivered message what is unusual about it.
func (d *Delivery) remark() (reason, message string) {
	switch {
	case d.SameAs != "":
		return v1alpha1.ReasonSameAs, fmt.Sprintf("the same person or channel as %s, and so reached by that one's message", d.SameAs)
	case d.Posted == nil:
		return "", ""
	case d.Posted.Outside:
		return v1alpha1.ReasonThreadGone, "the message to reply to is gone from Slack, so the reply was posted outside of its thread"
	case d.Replaces == MessageGone:
		return v1alpha1.ReasonMessageGone, "the earlier message was gone from Slack when it was to be edited, so the new content was posted as a new message"
	case d.Replaces == EditClosed:
		return v1alpha1.ReasonEditClosed, "Slack did not let the earlier message be edited any more, so the new content was posted as a new message"
	case d.Replaces == ChannelChanged:
		return v1alpha1.ReasonChannelChanged, "it went out anew through the SlackChannel that spec.channelRef names now; the earlier message, through another one, stays in Slack as it is"
	case d.Adopted:
		return v1alpha1.ReasonAdopted, "a message with the same spec.idempotencyKey was in Slack already, and counts as this one"
	}
	return "", ""
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}
