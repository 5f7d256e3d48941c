// Package readback answers whether a message that this operator may have sent
// is in a conversation, by reading the conversation back page by page. Slack has
// no idempotency key: what it gives back of a message's metadata is the only
// documented way to recognise one (docs.slack.dev/messaging/message-metadata).
//
// One reading serves everybody who asks about its conversation. The package
// makes no goroutine, has no clock and knows no controller: the caller hands in
// the time and the client, and is woken when a reading of somebody else's has
// an answer for it.
//
// The rules:
//
//   - Presence counts wherever it is seen. Absence counts only after a reading
//     that was begun at Question.Settled or later, of pages that all came well, back
//     to Question.Oldest. Slack gives a conversation newest first
//     (docs.slack.dev/reference/methods/conversations.history), so a question
//     is answered as soon as the pages are older than it, however far others
//     want to read; a thread has to come to its end.
//   - A question that comes too late for a reading does not begin it anew: a
//     second one is opened, and their pages take turns.
//   - A 429, a failure or a cursor that Slack has forgotten is no answer. What
//     fails in passing is paused for all who ask; the reading goes on where it
//     stood. Pages without end are an error.
//   - A refusal is remembered for half a minute, for the place and credential.
//   - What is kept has a bound. A reading that could not keep everything proves
//     no absence for who asks after that.
package readback

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// The entries of a message's metadata by which it is recognised.
const (
	// PayloadNotification is the UID of the SlackNotification.
	PayloadNotification = "notification"
	// PayloadRecipient is the hash of the recipient.
	PayloadRecipient = "recipient"
	// PayloadKey is the hash of the idempotency key.
	PayloadKey = "key"
)

// Place is a conversation, or one thread in it, as one bot of one workspace
// sees it.
type Place struct {
	// Workspace, with the app whose bot reads.
	Workspace slack.Workspace
	// Conversation is the ID (C…, D…, G…).
	Conversation string
	// Thread is the ts of the message whose replies are read; empty for the
	// conversation itself.
	Thread string
}

// method that reads the place.
func (p Place) method() string {
	if p.Thread != "" {
		return slack.MethodReplies
	}
	return slack.MethodHistory
}

// holder of the Limiter's slot. There is one for a place, since one call at a
// time reads it.
func (p Place) holder(group string, priority int) pacing.Holder {
	return pacing.Holder{
		Name:  "readback/" + p.Conversation + "/" + p.Thread,
		Group: group, Priority: priority,
	}
}

// Author of a message. Slack leaves out either ID at times.
type Author struct {
	// BotID is B…, UserID U….
	BotID, UserID string
}

// wrote reports whether a message can be the author's: one of the IDs is the
// same, or the two have none in common that could differ.
func (a Author) wrote(m slack.StoredMessage) bool {
	bots := a.BotID != "" && m.BotID != ""
	users := a.UserID != "" && m.UserID != ""
	return bots && a.BotID == m.BotID || users && a.UserID == m.UserID || !bots && !users
}

// posted reports whether the author certainly posted a message with that
// author by chat.postMessage. Slack tells the bot ID of those. It tells the user
// alone of a notice (joined, left, set the topic), and another user beside the
// bot ID of the notice that somebody has added the app.
func (a Author) posted(by Author) bool {
	if by.BotID == "" || a.UserID != "" && by.UserID != "" && a.UserID != by.UserID {
		return false
	}
	return a.BotID == by.BotID || a.BotID == "" && a.UserID != "" && a.UserID == by.UserID
}

// Question asks for one message.
type Question struct {
	Place Place
	// Credential names the token that reads the place without telling it. A
	// refusal is remembered for this credential alone.
	Credential string
	// Notification (a UID) and Recipient (a hash) name a message of one object;
	// Key (a hash) names the newest one with that idempotency key. Exactly one
	// of Notification and Key is set.
	Notification, Recipient, Key string
	// After is the ts of a message that is not meant, nor are older ones; empty
	// when any will do.
	After string
	// Oldest is the time of the attempt, less what the clocks of Slack and of
	// this cluster may be apart. An older message is not the answer.
	Oldest time.Time
	// Settled is when absence begins to mean something: only a reading begun
	// then or later proves it.
	Settled time.Time
	// Author of the message; what is empty, here or in the message, is not
	// compared.
	Author Author
	// Owner is woken when somebody else's reading has the answer, or nobody
	// reads on.
	Owner types.NamespacedName
	// Group and Priority for the Limiter.
	Group    string
	Priority int
}

// Kind of an Answer.
type Kind int

const (
	// Later means: nothing is known yet; ask again at Answer.At, or when woken.
	Later Kind = iota
	// Found means: Answer.Message is the message.
	Found
	// Absent means: the message is not there, unless Answer.Stripped.
	Absent
	// Refused means: Slack refuses the reading, for a reason (Answer.Err) that
	// repetition alone does not mend. It is refused without a call until
	// Answer.At.
	Refused
)

// String names the kind.
func (k Kind) String() string { return [...]string{"Later", "Found", "Absent", "Refused"}[k] }

// Answer to a Question.
type Answer struct {
	Kind    Kind
	Message slack.StoredMessage
	// Err is why the place could not be read: always with Refused; with Later
	// when a call failed and is repeated, nil when the question waits for its
	// time, for a slot, or for another's reading.
	Err *slack.Error
	// At is when to ask again; not after now when there is more to read.
	At time.Time
	// Stripped, with Absent, tells that the absence proves nothing: the reading
	// saw messages that the author posted at or after Question.Oldest, and not
	// one of the author's came with the metadata that this operator always
	// sends, so Slack does not return metadata to this app. A message counts
	// that tells the bot's ID and no other user: a notice that the bot joined,
	// left or set the topic tells its user alone. One message with metadata, in
	// any reading of the place, proves the contrary, since a token may be used
	// by others who send none. With Found by One, it tells that the message has
	// no metadata.
	Stripped bool
}

// Limiter is what a Reader needs of pacing.Limiter.
type Limiter interface {
	Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration)
	Done(now time.Time, workspace slack.Workspace, method, holder string)
}

// Options of New.
type Options struct {
	// Limiter gives the slots for the calls.
	Limiter Limiter
	// Wake makes the owner of a question ask again; may be nil. It is called
	// without a lock held.
	Wake func(types.NamespacedName)
}

// Reader reads conversations back. It is safe for concurrent use.
type Reader struct {
	limiter Limiter
	wake    func(types.NamespacedName)

	mu     sync.Mutex
	states map[Place]*state
	swept  time.Time
}

// New returns a Reader that has read nothing.
func New(o Options) *Reader {
	if o.Wake == nil {
		o.Wake = func(types.NamespacedName) {}
	}
	return &Reader{limiter: o.Limiter, wake: o.Wake, states: map[Place]*state{}}
}

// The limits of what is read and remembered.
const (
	// pagesAtOnce is how much of a place is read in one Ask.
	pagesAtOnce = 5
	// remembered is how long what was read, and what nobody asks for any more,
	// is kept.
	remembered = 5 * time.Minute
	// lasting is how long a reading is used, in a place that is asked about all
	// the time. A key's message may have been deleted meanwhile.
	lasting = 15 * time.Minute
	// overlap is how long before a reading began a message must have been sent
	// to be seen for sure: what the clocks may be apart, and as much again.
	overlap = 10 * time.Minute
	// refusedFor is how long Slack is not asked again after a refusal.
	refusedFor = 30 * time.Second
	// fallback is when to ask again in case that a wake-up gets lost.
	fallback = 30 * time.Second
	// firstPause and longestPause between calls that fail.
	firstPause, longestPause = time.Second, 2 * time.Minute
	// mostPages of one reading: 1,000,000 messages.
	mostPages = 5000
	// mostKept messages of one reading; beyond it only those are kept that
	// somebody asks for.
	mostKept = 10_000
	// mostKeptInAll of all readings.
	mostKeptInAll = 50_000
	// mostAlike messages of one object or key are kept beyond mostKept.
	mostAlike = 64
	// mostPayload is the size of the metadata, in bytes, beyond which a message
	// is none of this operator's.
	mostPayload = 1024
	// mostAuthors whose posts without metadata are noted in one reading.
	mostAuthors = 256
	// mostPast readings of a place are kept.
	mostPast = 3
)
