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

// ScopeError means that the app lacks the scope without which it can't be known
// what was asked for: there may be such a user, group or channel, or not. The
// *slack.Error, of slack.ClassMissingScope, is in its chain.
type ScopeError struct {
	// What can't be read, as in "the user groups".
	What string
	// Scope that the app needs, as in "usergroups:read".
	Scope string
	// In is the workspace, as in "Acme (T0ACME)".
	In  string
	Err *slack.Error
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("the app may not read %s of workspace %s: add the bot scope %s to the Slack app, and reinstall the app there", e.What, e.In, e.Scope)
}

// Unwrap returns what Slack has answered.
func (e *ScopeError) Unwrap() error { return e.Err }

// NotFoundError means that nobody, or no channel, goes by that name.
type NotFoundError struct {
	// What is "user", "e-mail address", "channel" or "user group".
	What string
	// Ref is the name as it was given.
	Ref string
	// In is the workspace, as in "Acme (T0ACME)".
	In string
	// Near are up to two names that are like it: of people and of user groups,
	// and of channels that are public. No e-mail address is ever among them.
	Near []string
	// Every is how often the name is looked for again; 0 when that is not known.
	Every time.Duration
}

func (e *NotFoundError) Error() string {
	switch e.What {
	case "channel":
		return fmt.Sprintf("no channel %q is visible to the bot in workspace %s%s check the name and, when the channel is private, invite the bot with /invite (its ID is of no help without that)%s",
			e.Ref, e.In, e.meant(), e.again("it is looked for again every "))
	case "e-mail address":
		return fmt.Sprintf("no active user with the e-mail address %q in workspace %s: check the address, or give the handle or the ID", e.Ref, e.In)
	case "user group":
		return fmt.Sprintf("no user group %q in workspace %s%s check the handle, and that the group is not disabled", e.Ref, e.In, e.meant())
	case "user":
		if strings.ContainsAny(strings.Trim(e.Ref, "<@\uff20 "), "@\uff20") {
			return fmt.Sprintf("no user is called %q in workspace %s: an e-mail address is given in the field email, in place of user", e.Ref, e.In)
		}
		fallthrough
	default:
		return fmt.Sprintf("no user %q in workspace %s%s give the handle, the e-mail address, or the ID (in Slack: the profile, then \"Copy member ID\")%s",
			e.Ref, e.In, e.meant(), e.again("the list of users is read again every "))
	}
}

// meant asks for a typing error, and leads on to what else can be done.
func (e *NotFoundError) meant() string {
	switch len(e.Near) {
	case 0:
		return ":"
	case 1:
		return fmt.Sprintf("; did you mean %q? Else", e.Near[0])
	default:
		return fmt.Sprintf("; did you mean %q or %q? Else", e.Near[0], e.Near[1])
	}
}

func (e *NotFoundError) again(text string) string {
	switch {
	case e.Every <= 0:
		return ""
	case e.Every == time.Minute:
		return "; " + text + "minute"
	case e.Every%time.Minute == 0:
		return fmt.Sprintf("; %s%d minutes", text, e.Every/time.Minute)
	}
	return "; " + text + e.Every.String()
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
	return fmt.Sprintf("%s is deactivated in workspace %s: name somebody else, or have the account activated again", called(e.Ref, e.User), e.In)
}

// NotMessageableError means that the user is a bot, which takes no direct
// messages from other bots.
type NotMessageableError struct {
	Ref, In string
	User    slack.User
}

func (e *NotMessageableError) Error() string {
	return fmt.Sprintf("%s is a bot in workspace %s, and bots can't be sent direct messages: name a person or a channel", called(e.Ref, e.User), e.In)
}

// ArchivedError means that the channel is there, but archived.
type ArchivedError struct {
	Conversation slack.Conversation
	In           string
}

func (e *ArchivedError) Error() string {
	name := e.Conversation.ID
	if e.Conversation.Name != "" {
		name = fmt.Sprintf("%q (%s)", e.Conversation.Name, name)
	}
	return fmt.Sprintf("channel %s is archived in workspace %s: unarchive it, or name another channel", name, e.In)
}

// called names a user by what was written, if that does not stand in the
// description of the user anyway.
func called(ref string, u slack.User) string {
	description := describe(u)
	if strings.Contains(strings.ToLower(description), strings.ToLower(strings.TrimLeft(ref, "@"))) {
		return description
	}
	return fmt.Sprintf("%s, whom %q names,", description, ref)
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
