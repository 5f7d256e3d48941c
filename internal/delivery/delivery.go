package delivery

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Phase of a delivery. Exactly one holds.
type Phase int

const (
	// Unsent means: the wanted content is certainly not in Slack, and is to be
	// posted. An older message may be there (Posted), which it replaces.
	Unsent Phase = iota
	// Verifying means: it may be in Slack; the conversation is to be read before
	// anything is sent (Doubt is set).
	Verifying
	// Editing means: an older or unknown content is in Slack, and is to be edited
	// (Posted is set).
	Editing
	// Delivered means: Slack has what is wanted, or what Stale says.
	Delivered
	// Unknown means: it may be in Slack, can't be read, and must not be sent again.
	Unknown
	// Removed means: it is not in Slack any more, or stays there for the reason in
	// Leftover.
	Removed
)

// Delivery is one message to one recipient.
type Delivery struct {
	// Recipient names who gets it, as the status does.
	Recipient string
	Phase     Phase
	// Posted is the newest message that is known to be in Slack; nil when none is.
	Posted *Posted
	// Doubt is set while Verifying, and remembered while Unknown. While Unsent it is
	// one that can't be cleared up and that spec.onUnknownOutcome accepts.
	Doubt *Doubt
	// Replaces says, while Unsent or Verifying, why the content is posted anew and
	// not edited in; then, while Delivered, why it was. Empty for a first post.
	Replaces Replacement
	// After is the timestamp of the newest message that is known to have been
	// posted, there or gone: only a newer one can be another.
	After string
	// Halt is why a person must act; nil when nobody must.
	Halt *Halt
	// Retry is when the next attempt may be made.
	Retry Retry
	// Note is what the status says while it is open.
	Note Note
	// Stale is the reason why another content than the wanted one stays in Slack;
	// empty when none does.
	Stale string
	// SameAs is the other recipient who turned out to be the same person or
	// channel, and has the message; empty for everybody else.
	SameAs string
	// Adopted means: the message is another object's with the same idempotency key.
	Adopted bool
	// Leftover says, when Removed, why the message stays in Slack.
	Leftover string

	// Conversation and UserID are where it goes, once that is known.
	Conversation, UserID string
	// Attempts made, and when the last began.
	Attempts      int32
	LastAttemptAt time.Time
}

// Posted is a message in Slack.
type Posted struct {
	Conversation string
	// Timestamp is Slack's ts; empty for a webhook.
	Timestamp string
	// Thread is the ts of the message that it replies to.
	Thread    string
	Permalink string
	// Hash of its content; empty when an edit of unknown outcome was made.
	Hash string
	// Via is the SlackChannel, as namespace/name, that it went through, and ViaUID
	// that one's UID. Empty where an older version of the operator sent it.
	Via    string
	ViaUID types.UID
	// Ours means: this process posted it, or Slack has shown that it is this
	// object's. A status alone proves nothing.
	Ours bool
	// Last means: nobody but this process can have posted a newer one.
	Last bool
	// Outside means: it was to be a reply, and Slack posted it outside of the
	// thread, because the message to reply to is gone.
	Outside      bool
	At, EditedAt time.Time
}

// Doubt is why, and where, the message may be in Slack.
type Doubt struct {
	Cause Cause
	// Since is when the first attempt was made at the earliest; Settles is when
	// absence begins to prove something.
	Since, Settles time.Time
	// Conversation and Thread are where the attempt was made; empty for where the
	// recipient is found now. Via is the SlackChannel that it was made through.
	Conversation, Thread string
	Via                  string
	ViaUID               types.UID
	// OutsideThread means: the thread is gone, so the message is looked for
	// outside of it.
	OutsideThread bool
	// Unannounced means: nobody has sent it, since the status would say so.
	Unannounced bool
	// ByKey means: what is looked for is a message with the idempotency key.
	ByKey bool
	// Bot and User are who has made the attempt; empty for the bot of today's token.
	Bot, User string
	// Again is the earliest time of another attempt, where the answer was lost, and
	// Lost says what came in its place.
	Again time.Time
	Lost  string
}

// Cause of a doubt.
type Cause int

const (
	// AnswerLost means: a post of this process got no answer.
	AnswerLost Cause = iota
	// Takeover means: another process may have posted it.
	Takeover
	// Replacing means: another process may have posted what replaces a message.
	Replacing
	// KeyLookup means: nothing was sent for this object; another object may have
	// sent a message with the same idempotency key.
	KeyLookup
)

// Replacement says why a content is posted anew, by the reason that the status
// gives for it.
type Replacement string

// The reasons to post anew.
const (
	Reposted       Replacement = v1alpha1.ReasonReposted
	MessageGone    Replacement = v1alpha1.ReasonMessageGone
	EditClosed     Replacement = v1alpha1.ReasonEditClosed
	ChannelChanged Replacement = v1alpha1.ReasonChannelChanged
)

// Halt means that a person must act.
type Halt struct {
	Reason, Message string
	// Final means: only a change of the notification can help. Otherwise it is
	// tried again at Retry.At, and when the credential changes.
	Final bool
}

// Retry spaces the attempts.
type Retry struct {
	// Failures in a row, and since when.
	Failures int
	Since    time.Time
	// At is the earliest time of the next attempt.
	At time.Time
	// Credential that the last attempt was made with; empty after a restart.
	Credential string
	// Limited means: Slack asked to wait, which another credential does not change.
	Limited bool
	// MustJoin means: the bot joins the channel first. Joined means: it has tried to.
	// NotMember means: Slack has refused a call because the bot is not a member.
	MustJoin, Joined, NotMember bool
	// JoinReason and JoinMessage say why the bot could not join; empty when it could,
	// or has not tried.
	JoinReason, JoinMessage string
}

// Note is what an open delivery waits for.
type Note struct {
	Reason, Message string
	// Quiet means: it is over so soon that it is not worth a write.
	Quiet bool
}

// Want is what the spec asks for.
type Want struct {
	// Hash of the content; after a "-", of what stands below it. Where that alone
	// differs from what is out, it is edited in whatever the policy.
	Hash string
	// Update and OnUnknown are the spec's policies.
	Update    v1alpha1.UpdatePolicy
	OnUnknown v1alpha1.UnknownOutcomePolicy
	// Deadline is when to give up what was never delivered; zero for never.
	Deadline time.Time
	// DeadlineSeconds is the deadline as the spec has it, for the text.
	DeadlineSeconds int64
	// Remove means: the message is to be deleted from Slack.
	Remove bool
	// Via is the SlackChannel that the spec names, as namespace/name; ViaUID is its
	// UID, empty when it does not exist.
	Via    string
	ViaUID types.UID
	// Changed means: the spec is another than at the last pass.
	Changed bool
	// Settled is when the absence of what another process may have posted begins to
	// prove something; Created is when the object was made.
	Settled, Created time.Time
	// Settle is the time after which a message that Slack took shows in the
	// conversation.
	Settle time.Duration
	// Keyed means: the spec has an idempotency key.
	Keyed bool
}

// GiveUp reports whether a message of unknown outcome is not sent again.
func (w Want) GiveUp() bool { return w.OnUnknown == v1alpha1.UnknownOutcomeGiveUp }

// Can is what the way to Slack allows.
type Can struct {
	// Read means: conversations can be read, as far as is known. Edit means:
	// messages can be edited and deleted.
	Read, Edit bool
	// Join means: the bot may join the recipient's channel.
	Join bool
	// PostUnseen means: the bot may post where it is not a member, and so can't read.
	PostUnseen bool
	// Proven means: it has been seen that the conversation is read back as written,
	// so that a post need not be announced.
	Proven bool
	// Credential names the credential and changes with it.
	Credential string
}

// Open reports whether the delivery is on its way.
func (d *Delivery) Open() bool {
	return d.Halt == nil && (d.Phase == Unsent || d.Phase == Verifying || d.Phase == Editing)
}

// announced reports whether the status says that the message is about to be
// posted. Whatever it says instead takes that back.
func (d *Delivery) announced() bool {
	return d.Phase == Unsent && d.Halt == nil && d.Note.Reason == v1alpha1.ReasonDelivering
}

// MayBeOut reports whether a message of this delivery may be in Slack.
func (d *Delivery) MayBeOut() bool {
	return d.Posted != nil || d.Phase == Verifying && d.Doubt.Cause != KeyLookup || d.Phase == Unknown
}

// Reached reports whether the recipient has had a message of this delivery.
func (d *Delivery) Reached() bool { return d.Posted != nil || d.SameAs != "" }

// Leave gives up the deletion of the message, which stays in Slack for a reason.
func (d *Delivery) Leave(why string) { d.remove(why) }
