package delivery

import (
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Do is a kind of step.
type Do int

const (
	// Nothing is left to do, until something changes.
	Nothing Do = iota
	// Wait until Step.Until.
	Wait
	// Read the conversation for the message (Found, Absent, Unreadable).
	Read
	// Check that the message that is out is this object's (Confirmed, NotOurs, Gone,
	// Unconfirmable).
	Check
	// Join the recipient's channel (Joined).
	Join
	// Post the message; with Step.Announce, say so in the status first.
	Post
	// Edit the message that is out.
	Edit
	// Delete the message that is out.
	Delete
)

// Step is what to do next.
type Step struct {
	Do Do
	// Until is when to look again; zero when nothing waits for a time.
	Until time.Time
	// Announce means: the status must say that the message is about to be posted
	// before it is.
	Announce bool
}

// EditInterval is the least time between two attempts on one message, so that a
// series of changes ends in few edits, the last of which counts.
const EditInterval = time.Second

// Next returns the next step.
func (d *Delivery) Next(w Want, c Can, now time.Time) Step {
	d.useCredential(c, w.Remove)
	if w.Remove {
		return d.nextRemoval(c, now)
	}
	if d.Expire(w, now) || d.Phase == Delivered || d.Phase == Removed || d.Phase == Unknown || d.Halt != nil && d.Halt.Final {
		return Step{}
	}
	if now.Before(d.Retry.At) {
		return Step{Do: Wait, Until: d.Retry.At}
	}
	if d.Halt != nil {
		d.Halt, d.Retry.Joined = nil, false // the person may have acted where nobody sees it
	}
	switch d.Phase {
	case Verifying:
		return d.nextVerifying(w, c, now)
	case Editing:
		return d.nextEditing(w, c, now)
	default:
		return d.nextUnsent(w, c)
	}
}

func (d *Delivery) nextUnsent(w Want, c Can) Step {
	switch {
	case d.Doubt != nil && w.GiveUp():
		d.giveUp("the conversation can't be read back")
		return Step{}
	case d.Retry.MustJoin:
		return Step{Do: Join}
	}
	return Step{Do: Post, Announce: w.GiveUp() && !c.Proven && !d.announced()}
}

func (d *Delivery) nextVerifying(w Want, c Can, now time.Time) Step {
	if !c.Read {
		d.Apply(Unreadable{Why: "a webhook can't be asked"}, w, c, now)
		return d.Next(w, c, now)
	}
	if d.Retry.MustJoin {
		return Step{Do: Join}
	}
	if now.Before(d.Doubt.Settles) {
		return Step{Do: Wait, Until: d.Doubt.Settles}
	}
	return Step{Do: Read}
}

func (d *Delivery) nextEditing(w Want, c Can, now time.Time) Step {
	switch {
	case !c.Edit:
		d.keep(v1alpha1.ReasonEditNotSupported)
		return Step{}
	case d.Retry.MustJoin:
		return Step{Do: Join}
	case c.Read && (!d.Posted.Ours || d.Posted.Hash == "" && w.Update == v1alpha1.UpdateRepost):
		return Step{Do: Check}
	case now.Before(d.LastAttemptAt.Add(EditInterval)):
		return Step{Do: Wait, Until: d.LastAttemptAt.Add(EditInterval)}
	}
	return Step{Do: Edit}
}

// nextRemoval finds what may be out, and deletes what is.
func (d *Delivery) nextRemoval(c Can, now time.Time) Step {
	switch {
	case d.Phase == Removed:
		return Step{}
	case now.Before(d.Retry.At):
		return Step{Do: Wait, Until: d.Retry.At}
	case d.Phase == Unknown:
		d.reopen(now)
	case d.Phase == Verifying && d.Doubt.Cause == KeyLookup:
		d.remove("") // nothing was sent for this object
		return Step{}
	}
	d.Halt = nil
	if d.Phase == Verifying {
		return d.nextSearch(c, now)
	}
	return d.nextDeletion(c)
}

// nextDeletion deletes what is out.
func (d *Delivery) nextDeletion(c Can) Step {
	switch {
	case d.Retry.MustJoin:
		return Step{Do: Join}
	case d.Posted == nil && d.Doubt != nil:
		d.remove("it may be in Slack, and the conversation can't be read back")
	case d.Posted == nil || d.SameAs != "":
		d.remove("")
	case d.Posted.Timestamp == "" || !c.Edit:
		d.remove("a message that was sent by an incoming webhook can't be deleted")
	case !d.Posted.Ours && c.Read:
		return Step{Do: Check}
	default:
		return Step{Do: Delete}
	}
	return Step{}
}

// nextSearch looks for what is to be deleted.
func (d *Delivery) nextSearch(c Can, now time.Time) Step {
	switch {
	case !c.Read && d.Doubt.Unannounced && d.Posted == nil:
		d.remove("")
		return Step{}
	case !c.Read:
		d.remove("it may be in Slack, and a message that was sent by an incoming webhook can't be found or deleted")
		return Step{}
	case now.Before(d.Doubt.Settles):
		return Step{Do: Wait, Until: d.Doubt.Settles}
	case d.Retry.MustJoin:
		return Step{Do: Join}
	}
	return Step{Do: Read}
}

// deleted ends the removal of the message that is known of.
func (d *Delivery) deleted() {
	if d.mayBeSent() {
		d.remove("a newer one may be in Slack, and the conversation can't be read back")
		return
	}
	d.remove("")
}

func (d *Delivery) remove(leftover string) {
	d.Phase, d.Leftover, d.Doubt, d.Halt, d.Note, d.Stale = Removed, leftover, nil, nil, Note{}, ""
}

// useCredential starts at once what another credential may mend.
func (d *Delivery) useCredential(c Can, removing bool) {
	was := d.Retry.Credential
	d.Retry.Credential = c.Credential
	if was == "" || was == c.Credential || d.Retry.Limited || d.Halt != nil && d.Halt.Final && d.Phase != Unknown {
		return
	}
	d.Halt, d.Retry = nil, Retry{Credential: c.Credential, MustJoin: d.Retry.MustJoin}
	// To look costs nothing; what can't be read stays as it is.
	if c.Read && !removing && d.Doubt != nil {
		d.Phase = Verifying
	}
	if c.Read && d.Posted != nil && d.Posted.Hash == unreadHash {
		d.Posted.Hash = ""
	}
}

// Expire gives up what was never delivered when the deadline has passed, and
// reports whether it did. What may be in Slack is looked for first.
func (d *Delivery) Expire(w Want, now time.Time) bool {
	if w.Deadline.IsZero() || now.Before(w.Deadline) || w.Remove || d.Phase != Unsent || d.Posted != nil || d.Halt != nil && d.Halt.Final {
		return false
	}
	text := fmt.Sprintf("not delivered within spec.activeDeadlineSeconds (%d)", w.DeadlineSeconds)
	if d.Doubt != nil {
		d.giveUp("the conversation can't be read back, and spec.activeDeadlineSeconds has passed")
		return true
	}
	last := d.Note.Message
	if d.Halt != nil {
		last = d.Halt.Message
	}
	if last != "" {
		text += "; at last: " + last
	}
	d.Halt = &Halt{Reason: v1alpha1.ReasonDeadlineExceeded, Message: text + "; it is not sent unless spec.activeDeadlineSeconds is raised", Final: true}
	d.Retry = Retry{Credential: d.Retry.Credential}
	return true
}
