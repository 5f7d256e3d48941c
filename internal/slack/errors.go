package slack

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what an error means for the operator. The adapters give each
// error its class; nothing else looks at Slack's error codes.
type Class int

const (
	// ClassUnknown is a code that the adapters don't know. It is treated as
	// passing: only a positive match makes an error final.
	ClassUnknown Class = iota
	// ClassRateLimited means: wait Error.RetryAfter, then repeat. Nothing was done.
	ClassRateLimited
	// ClassUnavailable means: Slack did nothing, and a later repetition may succeed
	// (refused connection, service_unavailable).
	ClassUnavailable
	// ClassAmbiguous means: it can't be known whether Slack did what was asked (5xx,
	// silence or a cut connection after the request was written, an answer
	// that can't be read, internal_error, fatal_error).
	ClassAmbiguous
	// ClassInvalidCredentials means: the token was refused.
	ClassInvalidCredentials
	// ClassMissingScope means: the app lacks the scope Error.Needed.
	ClassMissingScope
	// ClassAccessDenied means: the workspace's administration bars the app or this
	// network; the credentials themselves may be good.
	ClassAccessDenied
	// ClassChannelNotFound means: no such conversation is visible to the bot.
	ClassChannelNotFound
	// ClassNotInChannel means: the bot must be a member first.
	ClassNotInChannel
	// ClassChannelArchived means: the channel is archived.
	ClassChannelArchived
	// ClassPostingRestricted means: settings of the workspace or channel keep the
	// app from posting there.
	ClassPostingRestricted
	// ClassUserNotFound means: no such user is visible to the bot.
	ClassUserNotFound
	// ClassUserDeactivated means: the user has left the workspace.
	ClassUserDeactivated
	// ClassUserNotMessageable means: the user takes no direct messages from the app.
	ClassUserNotMessageable
	// ClassMessageRejected means: the content must be changed.
	ClassMessageRejected
	// ClassQuotaExceeded means: the workspace's plan takes no more messages.
	ClassQuotaExceeded
	// ClassWebhookRevoked means: the incoming webhook no longer exists.
	ClassWebhookRevoked
	// ClassInvalidCursor means: a paged read must be begun anew.
	ClassInvalidCursor
	// ClassInvalidCall means: the operator's own request was wrong.
	ClassInvalidCall
	// ClassMessageNotFound means: the message, or the thread, is gone.
	ClassMessageNotFound
	// ClassMessageClosed means: the message can't be edited or deleted by the
	// app any more.
	ClassMessageClosed
	// ClassNameTaken means: another channel, maybe an archived or an invisible
	// one, has the name.
	ClassNameTaken
	// ClassInvalidName means: Slack does not take that name for a channel.
	ClassInvalidName
	// ClassAlreadyDone means: all is as the call would have made it.
	ClassAlreadyDone
)

// Error is what went wrong with one call to Slack. Its text holds no token and
// no webhook URL, and no request ID, time or counter, so that it can stand in
// a status without churning.
type Error struct {
	Class Class
	// Method that was called, as in "chat.postMessage".
	Method string
	// Code is Slack's own error code, or "http_503", or empty when there was
	// no answer.
	Code string
	// RetryAfter is how long Slack asked to wait; 0 when it did not say.
	RetryAfter time.Duration
	// Needed is the scope that a missing_scope answer asks for, or several with
	// commas of which one is enough; empty when Slack did not name it.
	Needed string
	// Details are Slack's explanations (response_metadata.messages), at most
	// MaxDetails of at most MaxDetailRunes characters each.
	Details []string
	// Reason says in words what happened when there is no code, or what the code
	// means.
	Reason string
	// Remedy is what a person can do about this very code; empty where what
	// Advice says of the class is all that is known.
	Remedy string
	// Unserved is true when who answers does not know the method, as a gateway or
	// another server than Slack's may not; nothing was done.
	Unserved bool
	// Busy is true when no request was made, as too many of the same tenant's are under
	// way: it is a wait of the operator's own, and tells nothing of Slack's limits.
	Busy bool
}

// Bounds of what an error takes over from an answer, since it gets into
// statuses and Events.
const (
	MaxDetails     = 5
	MaxDetailRunes = 300
)

// Error says what was called and what came of it, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Method)
	switch {
	case e.Code != "" && e.Reason != "":
		fmt.Fprintf(&b, "Slack answered %s (%s)", e.Code, e.Reason)
	case e.Code != "":
		fmt.Fprintf(&b, "Slack answered %s", e.Code)
	default:
		b.WriteString(e.Reason)
	}
	if len(e.Details) > 0 {
		fmt.Fprintf(&b, ": %s", strings.Join(e.Details, "; "))
	}
	return b.String()
}

// AsError returns the *Error in err's chain, or one of ClassUnknown that says
// what err says.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: ClassUnknown, Method: "slack", Reason: err.Error()}
}

// ClassOf returns the class of err.
func ClassOf(err error) Class {
	if e := AsError(err); e != nil {
		return e.Class
	}
	return ClassUnknown
}

// Transient reports whether an error of this class can get better by itself, so
// that repeating the call makes sense.
func (c Class) Transient() bool {
	switch c {
	case ClassUnknown, ClassRateLimited, ClassUnavailable, ClassAmbiguous, ClassInvalidCursor:
		return true
	default:
		return false
	}
}
