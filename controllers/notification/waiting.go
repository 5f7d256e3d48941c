package notification

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
)

// quietFor is how long a wait may be before it is told in the status. What is
// over sooner would cost more writes than it is worth.
const quietFor = 3 * time.Second

// quietTurn is the same for a wait in a queue that moves: of a backlog, what is told
// of each message would double the writes. Until then the API server's own default
// says that the message is in progress.
const quietTurn = 35 * time.Second

// granted asks for the recipient's turn, and notes the wait when it has not come
// yet.
func (r *Reconciler) granted(p *pass, rcpt *recipient) bool {
	now := r.Clock.Now()
	turn := r.Lanes.Ask(now, p.lane(rcpt), pacing.Ticket{
		ID: p.ticket(rcpt), Owner: p.name.String(), Priority: priorities[p.n.Spec.Severity],
		Group: p.n.Namespace, Since: p.since(),
	})
	if turn.Granted {
		return true
	}
	left := turn.At.Sub(now)
	if turn.Down {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonSlackUnavailable,
			Message: "Slack does not answer: it is tried with one message now and then, and this one is sent by itself as soon as it answers"}})
		p.requeueBy(now.Add(2 * time.Minute))
		return false
	}
	quiet := left < quietFor || left < quietTurn && moves(turn, left)
	// One figure for the whole wait, so that it costs one write.
	if rcpt.Note.Reason != v1alpha1.ReasonWaitingForTurn || rcpt.Note.Quiet {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForTurn,
			Message: fmt.Sprintf("waits for its turn in %s, about %s, %d before it", p.place(rcpt), about(left), turn.Ahead), Quiet: quiet}})
	}
	if turn.At.After(p.turnBy) {
		p.turnBy = turn.At
	}
	// The queue wakes it; this is for the case that the wake-up gets lost.
	p.requeueBy(turn.At.Add(time.Minute))
	return false
}

// moves reports whether a wait is for others' messages, and not for a pause that
// Slack has asked for: twice the time that they take is more than a busy queue needs.
func moves(turn pacing.Turn, left time.Duration) bool {
	return left < time.Duration(turn.Ahead+1)*2*time.Second
}

// since is when the notification came: the API server tells it in whole seconds,
// so what this process has seen at once keeps the order in which it saw it.
func (p *pass) since() time.Time {
	created, seen := p.n.CreationTimestamp.Time, p.tracked.FirstSeen
	if late := seen.Sub(created); late >= 0 && late < 2*time.Second {
		return seen
	}
	return created
}

// about rounds a time for people.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return max(d, time.Second).Round(time.Second).String()
	case d < 2*time.Minute:
		return d.Round(10 * time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}

// tooBrief reports that all that could be told is a wait that will be over in a
// moment, and until when that may be kept back. A message that is delivered
// without trouble so costs one write.
func (p *pass) tooBrief(stored *v1alpha1.SlackNotificationStatus, now time.Time) (time.Time, bool) {
	if p.mustWrite || p.block != nil && p.block.Kind != conditions.KindProgressing {
		p.tracked.Waiting, p.tracked.TurnBy = time.Time{}, time.Time{}
		return time.Time{}, false
	}
	if p.block == nil && !p.onlyQuiet() {
		return time.Time{}, false
	}
	if p.tracked.Waiting.IsZero() {
		p.tracked.Waiting = now
	}
	until := p.tracked.Waiting.Add(quietFor)
	if p.onlyQueued() && stored.ObservedGeneration != p.n.Generation {
		// The status says nothing yet that could have become wrong.
		until = p.quietTurnUntil(until)
	}
	return until, now.Before(until)
}

// quietTurnUntil is until when a wait for the queue alone may be kept back, if that
// is later than soon: until it is late.
func (p *pass) quietTurnUntil(soon time.Time) time.Time {
	t := p.tracked
	if t.TurnBy.IsZero() {
		t.TurnBy = p.turnBy
	}
	late := t.TurnBy.Add(quietFor + t.TurnBy.Sub(t.Waiting)/10)
	if end := t.Waiting.Add(quietTurn + quietFor); late.After(end) {
		late = end
	}
	if late.After(soon) {
		return late
	}
	return soon
}

// onlyQueued reports whether all that is open waits for its turn.
func (p *pass) onlyQueued() bool {
	return p.block == nil && !slices.ContainsFunc(p.recipients, func(r *recipient) bool { return r.Open() && r.Note.Reason != v1alpha1.ReasonWaitingForTurn })
}

// told notes that the status says what is waited for. It is not told again with
// another figure.
func (p *pass) told() {
	p.tracked.Waiting, p.tracked.TurnBy = time.Time{}, time.Time{}
	for _, rcpt := range p.recipients {
		if rcpt.Note.Reason == v1alpha1.ReasonWaitingForTurn {
			rcpt.Note.Quiet = false
		}
	}
}

// onlyQuiet reports whether something is open, and waits for a moment alone.
func (p *pass) onlyQuiet() bool {
	open := false
	for _, rcpt := range p.recipients {
		switch {
		case rcpt.Open() && !rcpt.Note.Quiet, rcpt.Halt != nil && rcpt.Phase != delivery.Delivered:
			return false
		case rcpt.Open():
			open = true
		}
	}
	return open
}
