package directory

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// LoadingError means that the answer is being fetched, and that the owner of
// the lookup is woken when it is there.
type LoadingError struct {
	// What is being read, as in "the users of workspace Acme (T0ACME)".
	What string
	// Cause is the last failure of the reading, which is repeated; nil when
	// there was none.
	Cause *slack.Error
	// Again is true when a whole list is there that does not have the name, and
	// is read once more for it.
	Again bool
}

func (e *LoadingError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("waits for %s, which could not be read yet: %v", e.What, e.Cause)
	}
	return fmt.Sprintf("waits for %s to be read", e.What)
}

// WaitError means that a call has to wait for its slot: the lookup is to be
// repeated at At, for which the slot is kept.
type WaitError struct {
	Method string
	At     time.Time
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("waits for its turn to call %s, to stay within Slack's rate limit", e.Method)
}

// NotFoundError means that nobody, or no channel, goes by that name.
type NotFoundError struct {
	// What is "user", "e-mail address", "channel" or "user group".
	What string
	// Ref is the name as it was given.
	Ref string
	// In is the workspace, as in "Acme (T0ACME)".
	In string
}

func (e *NotFoundError) Error() string {
	switch e.What {
	case "channel":
		return fmt.Sprintf("no channel %q is visible to the bot in workspace %s: check the name, invite the bot when the channel is private, or give the channel's ID", e.Ref, e.In)
	case "e-mail address":
		return fmt.Sprintf("no active user with the e-mail address %q in workspace %s: check the address, or give the handle or the ID", e.Ref, e.In)
	case "user group":
		return fmt.Sprintf("no user group %q in workspace %s: check the handle, and that the group is not disabled", e.Ref, e.In)
	default:
		return fmt.Sprintf("no user %q in workspace %s: give the handle, the ID or the e-mail address; the list of users is read again every 10 minutes", e.Ref, e.In)
	}
}

// AmbiguousError means that several people go by that name.
type AmbiguousError struct {
	Ref, In string
	// Candidates are up to 5 of the people, and Total is how many there are.
	Candidates []slack.User
	Total      int
}

func (e *AmbiguousError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d users in workspace %s are called %q: ", e.Total, e.In, e.Ref)
	for i, u := range e.Candidates {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(describe(u))
	}
	if e.Total > len(e.Candidates) {
		b.WriteString(", …")
	}
	b.WriteString("; give the handle or the ID of one")
	return b.String()
}

// DeactivatedError means that the user has left the workspace.
type DeactivatedError struct {
	Ref, In string
	User    slack.User
}

func (e *DeactivatedError) Error() string {
	return fmt.Sprintf("user %q, %s, is deactivated in workspace %s: name somebody else", e.Ref, describe(e.User), e.In)
}

// NotMessageableError means that the user is a bot, which takes no direct
// messages from other bots.
type NotMessageableError struct {
	Ref, In string
	User    slack.User
}

func (e *NotMessageableError) Error() string {
	return fmt.Sprintf("user %q, %s, is a bot in workspace %s, and bots can't be sent direct messages: name a person or a channel", e.Ref, describe(e.User), e.In)
}

// ArchivedError means that the channel is there, but archived.
type ArchivedError struct {
	Conversation slack.Conversation
	In           string
}

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("channel %q (%s) is archived in workspace %s: unarchive it, or name another channel", e.Conversation.Name, e.Conversation.ID, e.In)
}

// describe names a user by what people know: Yueh Liu (@yueh.liu, U0123).
func describe(u slack.User) string {
	name := u.RealName
	if name == "" {
		name = u.DisplayName
	}
	switch {
	case u.Name == "" && name == "":
		return u.ID
	case u.Name == "":
		return fmt.Sprintf("%s (%s)", name, u.ID)
	case name == "":
		return fmt.Sprintf("@%s (%s)", u.Name, u.ID)
	default:
		return fmt.Sprintf("%s (@%s, %s)", name, u.Name, u.ID)
	}
}
