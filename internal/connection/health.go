package connection

import (
	"sync"

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
}

// Health carries what the posting of messages teaches about a SlackChannel to
// its controller, which alone writes its status. It has a webhook's only
// proof that it works, and the first news of a token that was revoked.
type Health struct {
	// Channels wakes the controller of SlackChannels.
	Channels *wakeup.Source

	mu       sync.Mutex
	verdicts map[types.NamespacedName]Verdict
}

// Report notes the outcome of a post through a SlackChannel.
func (h *Health) Report(channel types.NamespacedName, credential string, err *slack.Error) {
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
		h.verdicts[channel] = Verdict{Credential: credential, Err: err}
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

// Verdict returns what is known of a SlackChannel's credential; false when
// nothing was posted with it yet.
func (h *Health) Verdict(channel types.NamespacedName, credential string) (Verdict, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.verdicts[channel]
	return v, ok && v.Credential == credential
}

// Forget drops what is known of a SlackChannel.
func (h *Health) Forget(channel types.NamespacedName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.verdicts, channel)
}
