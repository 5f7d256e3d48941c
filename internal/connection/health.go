package connection

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// Verdict is what Slack last said of a credential when a message was posted.
type Verdict struct {
	// Credential that the verdict is about.
	Credential string
	// Err is nil when a message went through.
	Err *slack.Error
	// At is when it was said first, and Last when it was said again.
	At, Last time.Time
}

// Health carries what the posting of messages teaches about a SlackChannel to
// its controller, which alone writes its status. It has a webhook's only
// proof that it works, and the first news of a token that was revoked.
type Health struct {
	// Channels wakes the controller of SlackChannels.
	Channels *wakeup.Source
	// Learned, if set, is called with a SlackChannel of which there are new Facts.
	Learned func(channel types.NamespacedName)

	mu       sync.Mutex
	verdicts map[types.NamespacedName]Verdict
	firsts   map[types.NamespacedName]Post
	// unreached is when Slack could not be reached by messages.
	unreached map[types.NamespacedName]time.Time
	facts     map[types.UID]Facts
}

// Facts are what Slack itself has told this process of a credential. What
// stands in a SlackChannel's status is for people: anybody who may write a
// status can claim it.
type Facts struct {
	// Credential that the facts are about.
	Credential string
	// Identity is whom the token belongs to; zero for a webhook.
	Identity slack.Identity
	// Channel is the SlackChannel's own channel, once Slack has told it; zero
	// before that, and where the SlackChannel has none.
	Channel slack.Conversation
}

// Learn records what Slack has told of a SlackChannel's credential, and calls
// Learned when that is new.
func (h *Health) Learn(channel types.NamespacedName, uid types.UID, f Facts) {
	h.mu.Lock()
	was, known := h.facts[uid]
	if h.facts == nil {
		h.facts = map[types.UID]Facts{}
	}
	h.facts[uid] = f
	h.mu.Unlock()
	same := known && was.Credential == f.Credential && was.Channel == f.Channel && was.Identity.TeamID == f.Identity.TeamID &&
		was.Identity.BotUserID == f.Identity.BotUserID && was.Identity.BotID == f.Identity.BotID
	if !same && h.Learned != nil {
		h.Learned(channel)
	}
}

// Facts returns what Slack has told this process of a credential; false when
// it has not been asked yet.
func (h *Health) Facts(uid types.UID, credential string) (Facts, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.facts[uid]
	return f, ok && f.Credential == credential
}

// Post is a message that Slack has taken.
type Post struct {
	// Credential that it was sent with.
	Credential              string
	Conversation, Timestamp string
	At                      time.Time
}

// Posted notes a message through a SlackChannel to its own channel. The first
// one with a credential wakes the SlackChannel's controller, which reads it
// back to see that what it is recognised by returns.
func (h *Health) Posted(channel types.NamespacedName, p Post) {
	h.mu.Lock()
	if h.firsts[channel].Credential == p.Credential {
		h.mu.Unlock()
		return
	}
	if h.firsts == nil {
		h.firsts = map[types.NamespacedName]Post{}
	}
	h.firsts[channel] = p
	h.mu.Unlock()
	h.Channels.Wake(channel)
}

// FirstPost returns the first message that this process has sent with a
// credential; false when there is none.
func (h *Health) FirstPost(channel types.NamespacedName, credential string) (Post, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.firsts[channel]
	return p, ok && p.Credential == credential
}

// Report notes the outcome of a post through a SlackChannel.
func (h *Health) Report(channel types.NamespacedName, credential string, err *slack.Error, now time.Time) {
	if err != nil && !aboutCredential(err.Class) {
		return
	}
	h.mu.Lock()
	old, known := h.verdicts[channel]
	same := known && old.Credential == credential && (old.Err == nil) == (err == nil)
	if !same {
		if h.verdicts == nil {
			h.verdicts = map[types.NamespacedName]Verdict{}
		}
		old = Verdict{Credential: credential, Err: err, At: now}
	}
	if !same || err != nil {
		old.Last = now
		h.verdicts[channel] = old
	}
	h.mu.Unlock()
	// A refusal is worth a look each time: the controller has found the
	// credential to be good since the last one, or it would not be in use.
	if !same || err != nil {
		h.Channels.Wake(channel)
	}
}

func aboutCredential(c slack.Class) bool {
	switch c {
	case slack.ClassInvalidCredentials, slack.ClassWebhookRevoked, slack.ClassAccessDenied,
		slack.ClassChannelArchived, slack.ClassChannelNotFound, slack.ClassNotInChannel:
		return true
	default:
		return false
	}
}

// Unreached notes that messages of a SlackChannel did not get through to Slack, and
// has it checked.
func (h *Health) Unreached(channel types.NamespacedName, now time.Time) {
	h.mu.Lock()
	if h.unreached == nil {
		h.unreached = map[types.NamespacedName]time.Time{}
	}
	h.unreached[channel] = now
	h.mu.Unlock()
	h.Channels.Wake(channel)
}

// LastUnreached is when Unreached was called last; the zero time when it was not.
func (h *Health) LastUnreached(channel types.NamespacedName) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unreached[channel]
}

// Verdict returns what is known of a SlackChannel's credential; false when
// nothing was posted with it yet.
func (h *Health) Verdict(channel types.NamespacedName, credential string) (Verdict, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.verdicts[channel]
	return v, ok && v.Credential == credential
}

// ForgetVerdict drops the verdict about a SlackChannel's credential, which the
// next message decides anew.
func (h *Health) ForgetVerdict(channel types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.verdicts, channel)
}

// Forget drops what is known of a SlackChannel.
func (h *Health) Forget(channel types.NamespacedName, uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.unreached, channel)
	delete(h.verdicts, channel)
	delete(h.firsts, channel)
	delete(h.facts, uid)
}
