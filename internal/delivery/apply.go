package delivery

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Event is what came of a step, or what kept it from being made.
type Event interface {
	apply(d *Delivery, w Want, c Can, now time.Time)
}

// Apply takes an event in. One that does not belong to where the delivery is
// changes nothing; a receipt and an answer that got lost belong everywhere.
func (d *Delivery) Apply(e Event, w Want, c Can, now time.Time) {
	if !d.expects(e, w) {
		return
	}
	e.apply(d, w, c, now)
	if d.Phase != Delivered {
		d.Stale = ""
	}
}

func (d *Delivery) expects(e Event, w Want) bool {
	switch e := e.(type) {
	case Found, Absent, Unreadable, ThreadGone:
		return d.Phase == Verifying
	case Announced:
		return d.Phase == Unsent
	case EditOK, Confirmed, Unconfirmable, NotOurs, Gone:
		return d.Posted != nil
	case SameAs:
		return d.Posted == nil && (d.Phase == Unsent || d.Phase == Verifying)
	case NeedsPerson:
		return d.Phase == Unsent || d.Phase == Verifying || d.Phase == Editing
	case Refused:
		return d.awaits(e, w)
	default:
		return true
	}
}

// awaits reports whether a call that was refused can have been this delivery's.
func (d *Delivery) awaits(e Refused, w Want) bool {
	going := d.Phase == Unsent || d.Phase == Verifying || d.Phase == Editing
	switch e.Do {
	case Post:
		return e.Err.Class == slack.ClassAmbiguous || d.Phase == Unsent
	case Read:
		return d.Phase == Verifying
	case Edit:
		return d.Phase == Editing
	case Check, Delete:
		return d.Posted != nil && (w.Remove || d.Phase == Editing)
	default:
		return w.Remove || going
	}
}

// Held means that the step was not made, because it waits for something. It never
// changes the phase; an announcement has to be made anew, since the status does
// not say any more that the message is being posted.
type Held struct {
	Note Note
	// Until is the earliest time of the next attempt; zero where something else
	// wakes the delivery.
	Until time.Time
}

func (e Held) apply(d *Delivery, _ Want, _ Can, _ time.Time) {
	if !d.Open() {
		return
	}
	d.Note = e.Note
	if !e.Until.IsZero() {
		d.Retry.At = e.Until
	}
}

// Announced means that the status says that the message is about to be posted.
type Announced struct{}

func (Announced) apply(d *Delivery, _ Want, _ Can, now time.Time) {
	d.attempt(now)
	d.Note = Note{Reason: v1alpha1.ReasonDelivering, Message: "it is being sent"}
}

// Attempting means that the request of a post or an edit is being made now.
type Attempting struct{}

func (Attempting) apply(d *Delivery, _ Want, _ Can, now time.Time) {
	if !d.announced() {
		d.attempt(now)
	}
}

func (d *Delivery) attempt(now time.Time) {
	d.Attempts++
	d.LastAttemptAt = now
}

// PostOK is Slack's receipt for a post.
type PostOK struct {
	Conversation, Timestamp, Thread, Permalink string
	Outside                                    bool
}

func (e PostOK) apply(d *Delivery, w Want, _ Can, now time.Time) {
	d.Posted = &Posted{
		Conversation: e.Conversation, Timestamp: e.Timestamp, Thread: e.Thread, Permalink: e.Permalink, Outside: e.Outside,
		Hash: w.Hash, Via: w.Via, ViaUID: w.ViaUID, Ours: true, Last: true, At: now,
	}
	d.Conversation, d.After, d.Adopted = e.Conversation, e.Timestamp, false
	d.Retry.Joined = false
	d.deliver()
}

// EditOK means that Slack took an edit.
type EditOK struct{}

func (EditOK) apply(d *Delivery, w Want, _ Can, now time.Time) {
	d.Posted.Hash, d.Posted.EditedAt = w.Hash, now
	d.Replaces = ""
	d.deliver()
}

// DeleteOK means that Slack deleted the message, or does not have it any more.
type DeleteOK struct{}

func (DeleteOK) apply(d *Delivery, _ Want, _ Can, _ time.Time) { d.deleted() }

// JoinOK means that the bot is a member of the channel now, or need not be.
type JoinOK struct{}

func (JoinOK) apply(d *Delivery, _ Want, _ Can, now time.Time) {
	d.Retry.MustJoin, d.Retry.NotMember, d.Retry.Joined, d.Retry.At = false, false, true, now
}

// NotMember means that the bot is not a member of the channel that it is about to
// post to. It joins first where it may, because only members can read back.
type NotMember struct{}

func (NotMember) apply(d *Delivery, _ Want, c Can, _ time.Time) {
	if c.Join && !d.Retry.Joined {
		d.Retry.MustJoin = true
	}
}

// Found means that the message is in Slack.
type Found struct {
	Conversation, Timestamp, Thread, Permalink, Hash string
	Outside                                          bool
	// Via is the SlackChannel that reads it.
	Via    string
	ViaUID types.UID
	// Adopted means: it carries the idempotency key and is another object's.
	Adopted bool
}

func (e Found) apply(d *Delivery, w Want, _ Can, now time.Time) {
	if d.Attempts == 0 && !e.Adopted {
		d.Attempts, d.LastAttemptAt = 1, now
	}
	d.Posted = &Posted{
		Conversation: e.Conversation, Timestamp: e.Timestamp, Thread: e.Thread, Permalink: e.Permalink, Outside: e.Outside,
		Hash: e.Hash, Via: e.Via, ViaUID: e.ViaUID, Ours: true, Last: true, At: now,
	}
	d.Conversation, d.After, d.Adopted = e.Conversation, e.Timestamp, e.Adopted
	d.deliver()
	if !w.Remove {
		d.compare(w)
	}
}

// Absent means that the message is not where it was looked for: a whole reading,
// begun after the settle time, does not have it.
type Absent struct {
	// Here is the conversation where the recipient is found now.
	Here string
}

func (e Absent) apply(d *Delivery, w Want, _ Can, now time.Time) {
	doubt, failed := d.Doubt, d.Retry
	d.Retry = Retry{Credential: d.Retry.Credential, Joined: d.Retry.Joined}
	if doubt.Cause != AnswerLost && doubt.Conversation != "" && e.Here != "" && doubt.Conversation != e.Here {
		// It was recorded for one conversation and belongs into another by now: the
		// other process may have got as far as that.
		doubt.Conversation, doubt.Thread, doubt.Via, doubt.ViaUID = "", "", "", ""
		return
	}
	if d.Posted != nil {
		d.Posted.Last = true
	}
	d.afterDoubt()
	if doubt.Cause == AnswerLost {
		// That Slack did not take it once says nothing of the next time.
		d.Retry.Failures, d.Retry.Since = failed.Failures, failed.Since
		if failed.Failures > 1 && now.Before(doubt.Again) {
			d.Retry.At = doubt.Again
			d.Note = Note{v1alpha1.ReasonSlackUnavailable, fmt.Sprintf("%s; the message is not in Slack, and %s", doubt.Lost, d.retrying()), false}
		}
	}
	d.reconsider(w)
}

// afterDoubt goes on when it is certain that nothing of it is in Slack.
func (d *Delivery) afterDoubt() {
	d.Phase, d.Doubt, d.Note = Unsent, nil, Note{}
}

// reconsider looks whether what was to be replaced is wanted again.
func (d *Delivery) reconsider(w Want) {
	if d.Posted != nil && !w.Remove {
		d.Stale = ""
		d.compare(w)
	}
}

// Unreadable means that the conversation can't be read at all, so that nothing
// will ever be known.
type Unreadable struct{ Why string }

func (e Unreadable) apply(d *Delivery, w Want, _ Can, now time.Time) {
	nothingSent := d.Doubt.Cause == KeyLookup || d.Doubt.Unannounced
	switch {
	case w.Remove && (nothingSent || d.Posted != nil && d.Doubt.Cause == Replacing):
		d.afterDoubt()
	case w.Remove:
		d.remove("it may be in Slack, and " + e.Why)
	case nothingSent, d.Doubt.Cause == Replacing && d.Replaces == "":
		// To edit what is out sends nothing again.
		d.afterDoubt()
		d.reconsider(w)
	case w.GiveUp() || d.late(w, now):
		d.giveUp(e.Why)
	default:
		// The risk is taken by the policy at the time of the post.
		doubt := d.Doubt
		d.afterDoubt()
		d.Doubt = doubt
		d.reconsider(w)
	}
}

// giveUp leaves open whether the message is in Slack.
func (d *Delivery) giveUp(why string) {
	d.Phase, d.Note = Unknown, Note{}
	d.Halt = &Halt{Reason: v1alpha1.ReasonOutcomeUnknown, Message: fmt.Sprintf(
		"Slack may or may not have taken the message, and %s: look into the conversation; it is not sent again unless spec.onUnknownOutcome is set to Retry", why), Final: true}
}

// late reports whether the deadline of what was never delivered has passed. To
// say of what may be in Slack that it was not delivered could be a lie.
func (d *Delivery) late(w Want, now time.Time) bool {
	return d.Posted == nil && !w.Deadline.IsZero() && !now.Before(w.Deadline)
}

// ThreadGone means that the thread where it was looked for is gone; without its
// parent Slack posts a reply outside of the thread.
type ThreadGone struct{}

func (ThreadGone) apply(d *Delivery, _ Want, _ Can, _ time.Time) { d.Doubt.OutsideThread = true }

// Confirmed means that Slack has shown that the message is this object's, and
// which content it has.
type Confirmed struct{ Hash string }

func (e Confirmed) apply(d *Delivery, w Want, _ Can, _ time.Time) {
	d.Posted.Ours, d.Posted.Hash = true, e.Hash
	if e.Hash == "" {
		d.Posted.Hash = unreadHash
	}
	d.reconsider(w)
}

// Unconfirmable means that the conversation can't be read, so that nobody can tell
// whose the message is. It went through the SlackChannel that is used now.
type Unconfirmable struct{}

func (Unconfirmable) apply(d *Delivery, _ Want, _ Can, _ time.Time) {
	d.Posted.Ours = true
	if d.Posted.Hash == "" {
		d.Posted.Hash = unreadHash
	}
}

// unreadHash stands for a content of which Slack tells no hash. It differs from
// every other one, so that it is replaced.
const unreadHash = "unknown"

// NotOurs means that the message that the status names is not this object's.
// What the status says of it counts for nothing.
type NotOurs struct{}

func (NotOurs) apply(d *Delivery, w Want, _ Can, _ time.Time) {
	d.Doubt = &Doubt{Cause: Takeover, Since: d.Posted.At, Settles: w.Settled, ByKey: w.Keyed}
	if w.Created.Before(d.Doubt.Since) {
		d.Doubt.Since = w.Created
	}
	d.Phase, d.Posted, d.After, d.Replaces, d.Adopted, d.Conversation = Verifying, nil, "", "", false, ""
}

// Gone means that the message is not there any more.
type Gone struct{}

func (Gone) apply(d *Delivery, w Want, _ Can, _ time.Time) {
	if w.Remove && d.Phase != Editing {
		d.deleted()
		return
	}
	// An edit by another process may have found it gone, and posted anew.
	d.repost(w, MessageGone)
}

// SameAs means that another recipient is the same person or channel, and has the
// message.
type SameAs struct {
	Recipient string
	// Conversation and UserID of both.
	Conversation, UserID string
}

func (e SameAs) apply(d *Delivery, _ Want, _ Can, _ time.Time) {
	d.SameAs, d.Posted, d.Replaces = e.Recipient, nil, ""
	d.Conversation, d.UserID = e.Conversation, e.UserID
	d.deliver()
}
