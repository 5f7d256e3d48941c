package socket

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Trouble is why there is no connection, or why one was ended.
type Trouble string

// What can be wrong. They are labels of a metric too.
const (
	// NoTrouble means: all is well, or nothing is known yet.
	NoTrouble Trouble = ""
	// Refused means: Slack gave no URL; State.Err says why.
	Refused Trouble = "refused"
	// Unreachable means: the connection could not be opened.
	Unreachable Trouble = "unreachable"
	// NoHello means: the connection was opened, and nothing came.
	NoHello Trouble = "no_hello"
	// Disabled means: Socket Mode is off in the app's settings (link_disabled).
	Disabled Trouble = "link_disabled"
	// TooMany means: the app has ten connections already (too_many_websockets).
	TooMany Trouble = "too_many_websockets"
	// Warned and Refreshed mean: Slack is to end the connection soon (warning,
	// refresh_requested).
	Warned    Trouble = "warning"
	Refreshed Trouble = "refresh_requested"
	// Told means: Slack ends the connection for a reason that is not documented.
	Told Trouble = "other"
	// Silent means: a ping was not answered.
	Silent Trouble = "silent"
	// Closed means: Slack closed the connection with a close frame.
	Closed Trouble = "closed"
	// Cut means: the connection ended without a close frame.
	Cut Trouble = "cut"
	// Renewed means: the operator replaced the connection before its time.
	Renewed Trouble = "renewed"
	// Stopped means: the operator needs it no more, or ends.
	Stopped Trouble = "stopped"
)

// State of the connection to an app.
type State struct {
	// Connected is true while a connection is open that has said hello.
	Connected bool
	// AppID that the last hello named.
	AppID string
	// Hello is when it came, Hellos how many have come, AppConnections how many connections Slack counted then,
	// and Ours how many of them this process had; AppConnections is 0 when Slack did
	// not say.
	Hello          time.Time
	Hellos         int
	AppConnections int
	Ours           int
	// Trouble of the last attempt or the last connection; NoTrouble while all is
	// well.
	Trouble Trouble
	// Err is Slack's refusal, or what hindered the connection; its text is stable.
	Err *slack.Error
	// Since is when the connection was lost, or the first attempt began; zero while
	// there is one.
	Since time.Time
}

// Outcomes of envelopes and other frames, as a Meter is told of them.
const (
	// OutcomeAcked: taken, and acknowledged.
	OutcomeAcked = "acked"
	// OutcomeNotTaken: the Taker did not let it be acknowledged.
	OutcomeNotTaken = "not_taken"
	// OutcomeLate: it was taken too late to be acknowledged.
	OutcomeLate = "late"
	// OutcomeAckFailed: it was taken, and the acknowledgement could not be written.
	OutcomeAckFailed = "ack_failed"
	// OutcomeOverload: too many were being taken.
	OutcomeOverload = "overload"
	// OutcomeIgnored: an envelope of another kind, acknowledged.
	OutcomeIgnored = "ignored"
	// OutcomeOdd: a frame that is none of Slack's.
	OutcomeOdd = "odd"
	// OutcomeTooLarge: a frame that is longer than is read.
	OutcomeTooLarge = "too_large"
)

// Meter is told what happens.
type Meter interface {
	// Frame counts a frame by its outcome; took is how long it took until it was
	// acknowledged, or was not.
	Frame(outcome string, took time.Duration)
	// Connections adds to the number of open connections.
	Connections(change int)
	// Disconnected counts the end of a connection, or of an attempt.
	Disconnected(reason string)
}
