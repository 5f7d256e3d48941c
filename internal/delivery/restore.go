package delivery

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Ownership is what is known of who may have worked on a delivery before this
// process did.
type Ownership struct {
	// Made means: the object was certainly created under this leadership and
	// nobody else has touched it, so that nobody else can have sent it.
	Made bool
	// Observed means: the stored status is about the present spec. Skipped means:
	// the spec has changed more than once since.
	Observed, Skipped bool
	// Intends means: with GiveUp, each post is announced in the status.
	Intends bool
	// Mine means: this process has posted the message that is out, or has looked at
	// it, so that nobody else can have edited it since.
	Mine bool
	// NotBefore is the earliest time that it can have been sent.
	NotBefore time.Time
}

// Restore makes a delivery of what the status says of it; s is nil where the
// status says nothing. The reason Delivering in a status is read back here, and
// so is part of what is stored.
func Restore(recipient string, s *v1alpha1.Delivery, w Want, o Ownership, now time.Time) Delivery {
	d := Delivery{Recipient: recipient}
	if s == nil {
		s = &v1alpha1.Delivery{Recipient: recipient, State: v1alpha1.DeliveryPending}
	}
	d.Conversation, d.UserID, d.Attempts = s.ConversationID, s.UserID, s.Attempts
	d.LastAttemptAt = timeOf(s.LastAttemptAt)
	if s.State == v1alpha1.DeliveryFailed {
		// Left alone until it is its time, so that a restart does not stir up what
		// failed long ago.
		d.Halt = &Halt{Reason: s.Reason, Message: s.Message, Final: isFinal(s.Reason) && !s.Unverified}
		d.Retry.At = now.Add(recheck(1))
	} else if s.State != v1alpha1.DeliveryDelivered {
		d.Note = Note{Reason: s.Reason, Message: s.Message}
	}
	switch {
	case s.State == v1alpha1.DeliveryUnknown:
		d.Phase = Unknown
		d.Doubt = &Doubt{Cause: Takeover, Since: later(d.LastAttemptAt, w.Created), Conversation: s.ConversationID, ByKey: w.Keyed}
		d.Halt, d.Note = &Halt{Reason: s.Reason, Message: s.Message, Final: true}, Note{}
		d.restorePosted(s, o, w)
	case s.State == v1alpha1.DeliveryDelivered && s.Reason == v1alpha1.ReasonSameAs:
		d.Phase, d.SameAs = Delivered, "?"
	case s.DeliveredAt != nil:
		d.Phase = Editing
		if s.State == v1alpha1.DeliveryDelivered {
			d.Phase, d.Replaces, d.Adopted = Delivered, Replacement(replacementOf(s.Reason)), s.Reason == v1alpha1.ReasonAdopted
		}
		d.restorePosted(s, o, w)
		d.suspectNewer(s, o, w)
	default:
		d.restoreUnsent(s, w, o)
	}
	return d
}

// restorePosted reads back the message that is out.
func (d *Delivery) restorePosted(s *v1alpha1.Delivery, o Ownership, w Want) {
	if s.DeliveredAt == nil {
		return
	}
	d.Posted = &Posted{
		Conversation: s.ConversationID, Timestamp: s.Timestamp, Thread: s.ThreadTimestamp, Permalink: s.Permalink, Hash: s.ContentHash,
		Via: s.Via, ViaUID: s.ViaUID, At: s.DeliveredAt.Time, EditedAt: timeOf(s.EditedAt), Outside: s.Reason == v1alpha1.ReasonThreadGone,
	}
	d.After = s.Timestamp
	// Another process may have edited it since this was written. To edit once more
	// than needed does no harm.
	blurred := s.State != v1alpha1.DeliveryDelivered || !o.Mine && (o.Skipped || !o.Observed && w.Update == v1alpha1.UpdateEdit)
	d.Posted.Ours = o.Mine
	if blurred && s.Timestamp != "" {
		d.Posted.Hash = ""
	}
}

// suspectNewer has a newer message looked for where another process may have
// posted one: to edit the older one would double it.
func (d *Delivery) suspectNewer(s *v1alpha1.Delivery, o Ownership, w Want) {
	cause, settled := Replacing, s.State == v1alpha1.DeliveryDelivered
	switch {
	case s.Unverified, s.Reason == v1alpha1.ReasonDelivering:
		cause = Takeover
	case o.Mine, settled && !o.Skipped:
		d.Posted.Last = settled && (o.Mine || o.Observed)
		return
	}
	d.Phase, d.Replaces, d.Adopted = Verifying, "", false
	d.Doubt = &Doubt{
		Cause: cause, Since: d.Posted.At, Settles: w.Settled, Conversation: s.ConversationID, Thread: s.ThreadTimestamp, Unannounced: unannounced(s, w, o),
	}
}

// unannounced reports whether the status would say so if a post had been tried.
func unannounced(s *v1alpha1.Delivery, w Want, o Ownership) bool {
	return s.Reason != v1alpha1.ReasonDelivering && !s.Unverified && w.GiveUp() && o.Intends && o.Observed
}

// restoreUnsent restores what was not recorded as delivered.
func (d *Delivery) restoreUnsent(s *v1alpha1.Delivery, w Want, o Ownership) {
	announced := s.Reason == v1alpha1.ReasonDelivering
	untried := o.Made && !announced && !s.Unverified
	switch {
	case untried && w.Keyed:
		d.Doubt = &Doubt{Cause: KeyLookup, Since: w.Created, Settles: later(w.Settled, w.Created.Add(w.Settle)), ByKey: true}
	case untried:
		return
	default:
		since := w.Created
		if o.NotBefore.After(since) {
			since = o.NotBefore
		}
		if !d.LastAttemptAt.IsZero() && d.LastAttemptAt.After(since) && !w.Keyed {
			since = d.LastAttemptAt
		}
		d.Doubt = &Doubt{
			Cause: Takeover, Since: since, Settles: w.Settled, Conversation: s.ConversationID, ByKey: w.Keyed,
			Unannounced: unannounced(s, w, o),
		}
		if w.Keyed {
			d.Doubt.Settles = later(w.Settled, w.Created.Add(w.Settle))
		}
	}
	d.Phase = Verifying
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// isFinal reports whether only a change of the notification can help.
func isFinal(reason string) bool {
	if reason == v1alpha1.ReasonDeadlineExceeded {
		return true
	}
	for _, v := range verdicts {
		if v.reason == reason && v.final {
			return true
		}
	}
	return false
}

func replacementOf(reason string) string {
	switch reason {
	case v1alpha1.ReasonMessageGone, v1alpha1.ReasonEditClosed, v1alpha1.ReasonChannelChanged:
		return reason
	default:
		return ""
	}
}
