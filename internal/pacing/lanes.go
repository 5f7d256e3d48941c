package pacing

import "time"

// DefaultRetryAfter is waited after a 429 answer without Retry-After.
const DefaultRetryAfter = 10 * time.Second

// Lane is what Slack limits to one message a second: a conversation, however
// it is posted to. For a webhook, whose conversation is not known, the
// Conversation is any stable name of the webhook that is no secret.
type Lane struct {
	Workspace, Conversation string
}

// Ticket is a message that wants to be posted.
type Ticket struct {
	// ID is unique among all tickets, for example a notification's UID and
	// its recipient.
	ID string
	// Owner is given back when the ticket's turn has come.
	Owner string
	// Priority: higher goes first.
	Priority int
	// Group shares a lane fairly with the other groups of the same priority,
	// for example a namespace.
	Group string
	// Since orders the tickets of one group and priority, for example the
	// notification's creation; those with the same, as the zero time, keep
	// the order in which they asked. It keeps the order over retries and
	// restarts.
	Since time.Time
}

// Turn is the answer to Ask.
type Turn struct {
	// Granted means: post now, then call Sent and Done.
	Granted bool
	// At is about when the turn comes; the present when granted. It is right
	// for the lane, given that nobody more important comes; it does not
	// foresee that the workspace's budget gets scarce.
	At time.Time
	// Ahead is how many messages of the lane go before, the one that is being
	// sent included.
	Ahead int
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
	// Margin is added to the interval, so that the network's jitter does not
	// make two messages arrive in less than that; 20 ms when 0, none when
	// negative.
	Margin time.Duration
	// Budget limits the posts of one workspace over all its lanes;
	// DefaultBudget() when nil, none when empty. Slack says only "several
	// hundred messages per minute" (docs.slack.dev/reference/methods/chat.postMessage).
	Budget []Limit
	// InFlight is how many posts of one workspace may be under way, so that a
	// workspace that hangs can't take every worker; 32 when 0, no cap when
	// negative.
	InFlight int
	// GrantExpiry is how long a grant waits for its owner; 30 s when 0. Then
	// the ticket is dropped and the next one has its turn.
	GrantExpiry time.Duration
	// InFlightExpiry is how long a post may be under way without Done, as a
	// backstop; 5 minutes when 0.
	InFlightExpiry time.Duration
}

// Lanes are the queues of messages that wait to be posted, one for each
// conversation. It is safe for concurrent use.
type Lanes struct{}

// NewLanes returns empty Lanes that start at now; see Start.
func NewLanes(now time.Time, o LaneOptions) *Lanes { return &Lanes{} }

// Start says that posting begins, or begins again, at now (a process that has
// just become leader). What was posted just before by another process is not
// known, so for each lane a message is taken to have been sent at now: a lane
// first used within the interval waits for the rest of it, a later one does
// not wait.
func (l *Lanes) Start(now time.Time) {}

// Ask asks for t's turn in lane. Asking again while it waits changes nothing
// but what t says anew (lane, priority, group), and tells the present
// estimate. When the lane is free, or the turn was granted by Due, the answer
// is Granted, and the ticket is in flight until Done or Forget. Asking again
// while in flight means that the caller lost the former try: it is granted
// again if Sent was not called, and queued as new if it was.
func (l *Lanes) Ask(now time.Time, lane Lane, t Ticket) Turn { return Turn{Granted: true, At: now} }

// Sent tells that the message of ticket id is being written to Slack now. The
// lane's interval counts from here; without it, from Done.
func (l *Lanes) Sent(now time.Time, id string) {}

// Done tells that the post of ticket id is over, well or not. A message that
// must be sent again asks again; with Since it has its old place.
func (l *Lanes) Done(now time.Time, id string) {}

// Forget drops the ticket, queued or granted. A grant that was not used, as
// Sent was not called, leaves the lane free for the next one at once.
func (l *Lanes) Forget(now time.Time, id string) {}

// ForgetOwner drops all tickets of an owner, as when its object was deleted.
func (l *Lanes) ForgetOwner(now time.Time, owner string) {}

// Penalize obeys a 429 answer: nothing is granted in the lane before
// now+retryAfter. A Lane without Conversation stands for the whole workspace,
// which is what a 429 of chat.postMessage means.
func (l *Lanes) Penalize(now time.Time, lane Lane, retryAfter time.Duration) {}

// Due grants what may be posted now and returns it, to wake the owners. An
// owner takes the grant by Ask, within GrantExpiry.
func (l *Lanes) Due(now time.Time) []Grant { return nil }

// NextAt is when Due has something to do next; false when nothing is waiting
// for a time.
func (l *Lanes) NextAt() (time.Time, bool) { return time.Time{}, false }

// Changed receives when NextAt may have become earlier. It has one receiver.
func (l *Lanes) Changed() <-chan struct{} { return nil }

// Stats are numbers for metrics.
type Stats struct {
	// Queued tickets wait; Granted have their turn and were not taken yet;
	// InFlight are being posted.
	Queued, Granted, InFlight int
	// Lanes and Workspaces that are remembered.
	Lanes, Workspaces int
}

// Stats counts what is there now.
func (l *Lanes) Stats() Stats { return Stats{} }
