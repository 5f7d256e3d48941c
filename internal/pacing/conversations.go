package pacing

import (
	"sync"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Lanes are the queues of messages that wait to be posted, one for each
// conversation. It is safe for concurrent use.
//
// A workspace chooses between its conversations, and a conversation between its
// messages, both by the rule of queue: a conversation stands in the
// workspace's queue once for each priority and group that waits in it, so that
// neither the messages of another group in the same conversation nor those in
// others keep it from its turn.
type Lanes struct {
	options LaneOptions

	mu         sync.Mutex
	started    time.Time
	seq        uint64
	items      map[string]*item
	owners     map[string]map[string]*item
	lanes      map[Lane]*lane
	workspaces map[slack.Workspace]*workspace
	// agenda has the workspaces that have something to do, by when.
	agenda  ordered[*workspace]
	grants  expiries[*item]
	flights expiries[*item]
	swept   time.Time
	changed chan struct{}
}

// lane is one conversation.
type lane struct {
	key       Lane
	seq       uint64
	workspace *workspace
	queue     queue[*item]
	// ready is the earliest time of the next message.
	ready time.Time
	// busy is the ticket that is granted or in flight; nil when there is none.
	busy *item
	// last is when the last message ended, and gap how long after the one before.
	last   time.Time
	gap    time.Duration
	learnt learnt
	// A lane without busy that has tickets waits for ready, or stands in the
	// workspace's queue, with a candidate for each of its flows.
	waits      bool
	candidates map[flowKey]*candidate
}

// candidate is a lane's place in a flow of its workspace, which is that of its
// first ticket of the flow.
type candidate struct {
	lane  *lane
	place *item
}

type state int

const (
	// queued waits for its turn.
	queued state = iota
	// granted by Due; its owner has not come yet.
	granted
	// taken by Ask; nothing is written yet.
	taken
	// posting: Slack may have it.
	posting
)

// item is a ticket in a lane.
type item struct {
	ticket Ticket
	lane   *lane
	state  state
	seq    uint64
	// stamp changes with the state.
	stamp uint64
}

func (i *item) stamped() uint64 { return i.stamp }

func (i *item) flow() flowKey { return flowKey{priority: i.ticket.Priority, group: i.ticket.Group} }

// before orders the tickets of a flow.
func before(a, b *item) bool {
	if !a.ticket.Since.Equal(b.ticket.Since) {
		return a.ticket.Since.Before(b.ticket.Since)
	}
	return a.seq < b.seq
}

// NewLanes returns empty Lanes that start at now; see Start.
func NewLanes(now time.Time, o LaneOptions) *Lanes {
	o = o.withDefaults()
	return &Lanes{
		options: o, started: now, swept: now,
		items: map[string]*item{}, owners: map[string]map[string]*item{},
		lanes: map[Lane]*lane{}, workspaces: map[slack.Workspace]*workspace{},
		agenda: ordered[*workspace]{less: func(a, b *workspace) bool {
			if !a.next.Equal(b.next) {
				return a.next.Before(b.next)
			}
			return a.seq < b.seq
		}},
		changed: make(chan struct{}, 1),
	}
}

// Start says that posting begins, or begins again, at now (a process that has
// just become leader). What was posted just before by another process is not
// known, so for each lane a message is taken to have been answered at now: a
// lane first used within the interval waits for the rest of it, a later one
// does not wait.
func (l *Lanes) Start(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = now
	for _, one := range l.lanes {
		one.delay(now, l.after(one, now))
	}
	for _, w := range l.workspaces {
		l.plan(w)
	}
	l.signal()
}

// interval between two messages of a lane.
func (l *Lanes) interval(one *lane, now time.Time) time.Duration {
	return time.Duration(float64(l.options.Interval)/one.learnt.part(now)) + l.options.Margin
}

// after is the earliest time of a message after one that was answered at t.
func (l *Lanes) after(one *lane, t time.Time) time.Time { return t.Add(l.interval(one, t)) }

// Ask asks for t's turn in lane. Asking again while it waits changes nothing
// but what t says anew (lane, priority, group), and tells the present
// estimate. When the lane is free, or the turn was granted by Due, the answer
// is Granted, and the lane is the ticket's until Done, ForgetUnused or Forget;
// but a turn that was granted before Slack asked to wait goes back into the
// queue, with its place. Asking again after Granted means that the caller lost
// the former try: it is granted again if Begin was not called, and queued as
// new if it was.
func (l *Lanes) Ask(now time.Time, key Lane, t Ticket) Turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	it := l.items[t.ID]
	if it != nil && (it.lane.key != key || it.state == posting || it.state == queued &&
		(it.flow() != flowKey{t.Priority, t.Group} || !it.ticket.Since.Equal(t.Since))) {
		l.drop(now, it, it.state == posting)
		it = nil
	}
	if it == nil {
		it = l.enqueue(now, key, t)
	}
	w := it.lane.workspace
	if it.state != queued && l.halted(now, it) {
		l.requeue(now, it)
	}
	if it.state == queued {
		w.promote(now)
		if l.choice(now, w) == it {
			l.grant(now, w)
		}
	}
	l.plan(w)
	if it.state == queued {
		l.signal()
		return l.estimate(now, it)
	}
	l.turn(it, taken)
	l.flights.push(now.Add(l.options.InFlightExpiry), it)
	return Turn{Granted: true, At: now}
}

func (l *Lanes) enqueue(now time.Time, key Lane, t Ticket) *item {
	one := l.lane(now, key)
	l.seq++
	it := &item{ticket: t, lane: one, seq: l.seq}
	l.items[t.ID] = it
	if l.owners[t.Owner] == nil {
		l.owners[t.Owner] = map[string]*item{}
	}
	l.owners[t.Owner][t.ID] = it
	one.push(now, it)
	return it
}

func (l *Lanes) lane(now time.Time, key Lane) *lane {
	w := l.workspace(now, key.Workspace)
	one := l.lanes[key]
	if one == nil {
		l.seq++
		one = &lane{key: key, seq: l.seq, workspace: w, queue: newQueue(before)}
		if one.ready = l.after(one, l.started); one.ready.Before(now) {
			one.ready = now
		}
		l.lanes[key] = one
	}
	return one
}

func (l *Lanes) turn(it *item, s state) {
	l.seq++
	it.state, it.stamp = s, l.seq
}

func (l *Lanes) estimate(now time.Time, it *item) Turn {
	one := it.lane
	f := one.queue.flows[it.flow()]
	ahead := one.queue.ahead(f, f.elements.rank(it))
	at := one.ready
	for _, t := range []time.Time{now, one.workspace.blocked} {
		if t.After(at) {
			at = t
		}
	}
	turn := Turn{Down: l.down(one.workspace), At: at.Add(time.Duration(ahead) * l.interval(one, now)), Ahead: ahead}
	if one.busy != nil {
		turn.Ahead++
		if busy := l.after(one, now); busy.After(at) {
			turn.At = turn.At.Add(busy.Sub(at))
		}
	}
	if at, ahead := one.workspace.estimate(now, it); at.After(turn.At) {
		turn.At, turn.Ahead, turn.Workspace = at, ahead, true
	}
	return turn
}

// estimate is about when the budget lets a ticket through that waits, and how many
// messages to all conversations go before it, those under way included. It is that of
// the youngest of its flow, but for the first of a conversation that is ready.
func (w *workspace) estimate(now time.Time, it *item) (at time.Time, ahead int) {
	key := it.flow()
	rank := w.queued[key] - 1
	if c := it.lane.candidates[key]; c != nil && c.place == it {
		f := w.ready.flows[key]
		rank = f.elements.rank(c)
		ahead = w.ready.ahead(f, rank)
	} else {
		ahead = w.ahead(key, rank)
	}
	at = w.used.slot(now, w.busy+ahead, w.kept.others)
	if w.ready.counts[key.group]+rank < w.kept.quota {
		at = earlier(at, w.used.slot(now, w.busy+rank, w.budget))
	}
	return at, w.busy + ahead
}

// ahead counts the tickets that go before one with rank others of its flow before it,
// as queue.ahead does. Among very many flows it may count too few.
func (w *workspace) ahead(key flowKey, rank int) int {
	if len(w.queued) > exactFlows {
		return rank + (rank+1)*(len(w.queued)-1)
	}
	n := rank
	for other, tickets := range w.queued {
		switch {
		case other.priority > key.priority:
			n += tickets
		case other.priority == key.priority && other != key:
			n += min(tickets, rank+1)
		}
	}
	return n
}

// Changed receives when NextAt may have become earlier. It has one receiver.
func (l *Lanes) Changed() <-chan struct{} { return l.changed }

func (l *Lanes) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
