package slack

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// advice is what a person can do about an error of a class. The transient ones
// have none, since they pass by themselves.
var advice = map[Class]string{
	ClassInvalidCredentials: "put a valid bot token (xoxb-…) in the Secret of the SlackChannel",
	ClassAccessDenied:       "ask an administrator of the workspace to let the app in",
	ClassWebhookRevoked:     "create a new webhook and put its URL in the Secret of the SlackChannel",
	ClassChannelNotFound:    "check the channel and, when it is private, have a member of it type /invite, @ and the name of the app's bot there",
	ClassNotInChannel:       "have a member of the channel type /invite, @ and the name of the app's bot there",
	ClassChannelArchived:    "unarchive the channel, or name another one",
	ClassPostingRestricted:  "ask an administrator of the workspace to allow it to the app",
	ClassUserNotFound:       "give the handle, the ID or the e-mail address of somebody in the workspace",
	ClassUserDeactivated:    "name somebody else",
	ClassUserNotMessageable: "name somebody else, or a channel",
	ClassMessageRejected:    "correct the content of the message",
	ClassQuotaExceeded:      "wait until the workspace's plan takes messages again, or upgrade the plan",
	ClassInvalidCall:        "this is a fault of the operator or of its set-up; please report it",
	ClassMessageNotFound:    "the message is gone from Slack; check the thread to reply to",
	ClassMessageClosed:      "post a new message instead",
	ClassNameTaken:          "choose another name, or rename the channel that has it",
	ClassInvalidName:        "choose a name of lower-case letters, digits, - and _, of at most 80 characters",
}

// Advice is what a person can do about the error, without a capital or a full
// stop; empty when it passes by itself.
func (e *Error) Advice() string {
	switch {
	case e.Remedy != "":
		return e.Remedy
	case e.Class != ClassMissingScope:
		return advice[e.Class]
	case e.Needed == "":
		return fmt.Sprintf("add the scope that %s needs to the Slack app, and reinstall the app", e.Method)
	case strings.Contains(e.Needed, ","):
		return fmt.Sprintf("add one of the bot scopes %s to the Slack app, and reinstall the app", strings.ReplaceAll(e.Needed, ",", ", "))
	default:
		return fmt.Sprintf("add the bot scope %s to the Slack app, and reinstall the app", e.Needed)
	}
}

// Answers that an Observer is told beside the codes of Slack.
const (
	AnswerOK = "ok"
	// AnswerNone stands for a call without an answer, or without one that can be
	// read.
	AnswerNone = "no_answer"
	// AnswerOther stands for every code that is not known.
	AnswerOther = "other"
	// AnswerRateLimited is 429, and both of the codes that Slack has for it.
	AnswerRateLimited = "ratelimited"
)

// AnswerOf names the answer to a call for an Observer: one of a closed set,
// whatever a server answers, so that it can be the label of a metric. Known
// reports whether the adapter knows a code of Slack's.
func AnswerOf(e *Error, known func(code string) bool) string {
	switch {
	case e == nil:
		return AnswerOK
	case e.Code == "":
		return AnswerNone
	case e.Code == "rate_limited":
		return AnswerRateLimited
	case known(e.Code):
		return e.Code
	}
	if text, ok := strings.CutPrefix(e.Code, "http_"); ok {
		if status, err := strconv.Atoi(text); err == nil && http.StatusText(status) != "" {
			return "http_" + strconv.Itoa(status)
		}
	}
	return AnswerOther
}
