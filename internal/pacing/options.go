package pacing

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// DefaultRetryAfter is waited after a 429 answer without Retry-After.
const DefaultRetryAfter = 10 * time.Second

// Lane is what Slack limits to one message a second: a conversation, however
// it is posted to. For a webhook, whose conversation is not known, the
// Conversation is any stable name of the webhook that is no secret.
type Lane struct {
	Workspace    slack.Workspace
	Conversation string
}

// Ticket is a message that wants to be posted.
type Ticket struct {
	// ID is unique among all tickets, for example a notification's UID and
	// its recipient.
	ID string
	// Owner is given back when the ticket's turn has come.
	Owner string
	// Priority: higher goes first, but for what has waited long; each level
	// is worth a minute.
	Priority int
	// Group takes turns with the other groups of the same priority, in its
	// lane and over the lanes of its workspace; for example a namespace.
	Group string
	// Since orders the tickets of one group and priority, for example the
	// notification's creation; those with the same, as the zero time, keep
	// the order in which they asked. It keeps the order over retries and
	// restarts.
	Since time.Time
}

// Turn is the answer to Ask.
type Turn struct {
	// Granted means: post now, between Begin and Done.
	Granted bool
	// At is about when the turn comes; the present when granted. It is right
	// for the lane, given that nobody more important comes and nobody less
	// important has waited for long. Of the workspace's budget it foresees what
	// the messages that are ready take.
	At time.Time
	// Ahead is how many messages of the lane go before, the one that is being
	// sent included.
	Ahead int
	// Workspace tells that it waits for the workspace's budget rather than for
	// the lane; Ahead then counts the messages to all of its conversations.
	Workspace bool
	// Down is true while nothing is posted to the workspace because it does
	// not answer.
	Down bool
}

// Grant is a ticket whose turn has come.
type Grant struct {
	Ticket Ticket
	Lane   Lane
}

// LaneOptions of NewLanes; the zero value is meant to be used.
type LaneOptions struct {
	// Interval between two messages of a lane; 1 s when 0, which is Slack's
	// "1 message per second per channel" (docs.slack.dev/apis/web-api/rate-limits).
	// Negative: none.
	Interval time.Duration
	// Margin is added to the interval, for clocks that run at another speed
	// than Slack's; 5 ms when 0, none when negative. The network's delays need
	// none, since the interval counts from the answer.
	Margin time.Duration
	// Budget limits the posts of one workspace over all its lanes, each of
	// which counts from its grant until Per after its answer;
	// DefaultBudget() when nil, none when empty. Slack says only "several
	// hundred messages per minute" (docs.slack.dev/reference/methods/chat.postMessage).
	Budget []Limit
	// Share of the limits above that this process takes, above 0 and at most 1;
	// when 0 it is all of them, and less when a 429 tells that others post too.
	Share float64
	// InFlight is how many posts of one workspace may be under way, so that a
	// workspace that hangs can't take every worker; 32 when 0, no cap when
	// negative.
	InFlight int
	// GrantExpiry is how long a grant waits for its owner; 30 s when 0. Then
	// the ticket is dropped and the next one has its turn.
	GrantExpiry time.Duration
	// BreakAfter failures in a row of a workspace's posts, nothing is posted
	// there for a while that doubles from 1 s to 30 s, and then one message
	// at a time until one gets an answer; 5 when 0, never when negative.
	BreakAfter int
	// InFlightExpiry is how long a turn that was taken may last without Done,
	// as a backstop; 5 minutes when 0.
	InFlightExpiry time.Duration
}

func (o LaneOptions) withDefaults() LaneOptions {
	switch {
	case o.Interval == 0:
		o.Interval = time.Second
	case o.Interval < 0:
		o.Interval = 0
	}
	switch {
	case o.Margin == 0:
		o.Margin = 5 * time.Millisecond
	case o.Margin < 0:
		o.Margin = 0
	}
	if o.Budget == nil {
		o.Budget = DefaultBudget()
	}
	if o.Share > 0 {
		o.Interval = time.Duration(float64(o.Interval) / o.Share)
		o.Budget = Share(o.Budget, o.Share)
	}
	if o.InFlight == 0 {
		o.InFlight = 32
	}
	if o.BreakAfter == 0 {
		o.BreakAfter = 5
	}
	if o.GrantExpiry == 0 {
		o.GrantExpiry = 30 * time.Second
	}
	if o.InFlightExpiry == 0 {
		o.InFlightExpiry = 5 * time.Minute
	}
	return o
}
