package pacing

import (
	"container/heap"
	"sync"
	"time"
)

// Lanes are the queues of messages that wait to be posted, one for each
// conversation. It is safe for concurrent use.
type Lanes struct {
	options LaneOptions

	mu         sync.Mutex
	started    time.Time
	seq        uint64
	items      map[string]*item
	owners     map[string]map[string]struct{}
	lanes      map[Lane]*lane
	workspaces map[string]*workspace
	grants     expiries
	flights    expiries
	swept      time.Time
	changed    chan struct{}
}

// lane is one conversation.
type lane struct {
	key       Lane
	workspace *workspace
	queue     queue
	// ready is the earliest time of the next message.
	ready time.Time
	// busy is the ticket that is granted or in flight; nil when there is none.
	busy *item
	// index in the workspace's heap, -1 when in none; isReady tells which.
	index   int
	isReady bool
}

// workspace shares a budget between its lanes.
type workspace struct {
	used    window
	blocked time.Time
	// busy counts the tickets that are granted or in flight.
	busy    int
	breaker breaker
	// ready lanes may post now, the most urgent first; later ones wait for
	// their time, the next first.
	ready readyHeap
	later laterHeap
}

// NewLanes returns empty Lanes that start at now; see Start.
func NewLanes(now time.Time, o LaneOptions) *Lanes {
	o = o.withDefaults()
	return &Lanes{
		options: o, started: now, swept: now, items: map[string]*item{}, owners: map[string]map[string]struct{}{},
		lanes: map[Lane]*lane{}, workspaces: map[string]*workspace{}, changed: make(chan struct{}, 1),
	}
}

// Start says that posting begins, or begins again, at now (a process that has
// just become leader). What was posted just before by another process is not
// known, so for each lane a message is taken to have been sent at now: a lane
// first used within the interval waits for the rest of it, a later one does
// not wait.
func (l *Lanes) Start(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = now
	for _, one := range l.lanes {
		l.delay(one, l.after(now))
	}
	l.signal()
}

// after is the earliest time of a message after one that was sent at t.
func (l *Lanes) after(t time.Time) time.Time { return t.Add(l.options.Interval + l.options.Margin) }

// Ask asks for t's turn in lane. Asking again while it waits changes nothing
// but what t says anew (lane, priority, group), and tells the present
// estimate. When the lane is free, or the turn was granted by Due, the answer
// is Granted, and the ticket is in flight until Done or Forget. Asking again
// while in flight means that the caller lost the former try: it is granted
// again if Sent was not called, and queued as new if it was.
func (l *Lanes) Ask(now time.Time, key Lane, t Ticket) Turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	it := l.items[t.ID]
	if it != nil && (it.lane.key != key || it.state == inFlight && !it.sent.IsZero() ||
		it.state == queued && (it.ticket.Priority != t.Priority || it.ticket.Group != t.Group || !it.ticket.Since.Equal(t.Since))) {
		l.drop(now, it)
		it = nil
	}
	if it == nil {
		it = l.enqueue(key, t)
	}
	if it.state == queued {
		l.promote(it.lane.workspace, now)
		w := it.lane.workspace
		if w.ready.Len() > 0 && w.ready[0] == it.lane && it.lane.queue.head() == it && l.available(w, now) {
			l.grant(w, now)
		}
	}
	if it.state != queued {
		it.state, it.at = inFlight, now
		l.flights.push(now.Add(l.options.InFlightExpiry), it)
		return Turn{Granted: true, At: now}
	}
	l.signal()
	return l.estimate(now, it)
}

func (l *Lanes) enqueue(key Lane, t Ticket) *item {
	w := l.workspaces[key.Workspace]
	if w == nil {
		w = &workspace{}
		l.workspaces[key.Workspace] = w
	}
	one := l.lanes[key]
	if one == nil {
		one = &lane{key: key, workspace: w, ready: l.after(l.started), index: -1}
		l.lanes[key] = one
	}
	l.seq++
	it := &item{ticket: t, lane: one, seq: l.seq}
	one.queue.push(it)
	l.items[t.ID] = it
	if l.owners[t.Owner] == nil {
		l.owners[t.Owner] = map[string]struct{}{}
	}
	l.owners[t.Owner][t.ID] = struct{}{}
	l.place(one)
	return it
}

// place puts a lane into the heap that it belongs to now.
func (l *Lanes) place(one *lane) {
	w := one.workspace
	if one.index >= 0 {
		if one.isReady {
			heap.Remove(&w.ready, one.index)
		} else {
			heap.Remove(&w.later, one.index)
		}
	}
	if one.busy == nil && one.queue.size > 0 {
		one.isReady = false
		heap.Push(&w.later, one)
	}
}

// promote moves the lanes whose time has come.
func (l *Lanes) promote(w *workspace, now time.Time) {
	for w.later.Len() > 0 && !w.later[0].ready.After(now) {
		one := heap.Pop(&w.later).(*lane) //nolint:forcetypeassert // container/heap hands back what it was given
		one.isReady = true
		heap.Push(&w.ready, one)
	}
}

// free is when the workspace takes another message; false when only the end
// of one that is under way can tell.
func (l *Lanes) free(w *workspace, now time.Time) (time.Time, bool) {
	if l.options.InFlight > 0 && w.busy >= l.options.InFlight || l.down(w) && w.busy > 0 {
		return time.Time{}, false
	}
	at := w.used.earliest(now, l.options.Budget)
	if w.blocked.After(at) {
		at = w.blocked
	}
	if l.down(w) && w.breaker.until.After(at) {
		at = w.breaker.until
	}
	return at, true
}

func (l *Lanes) available(w *workspace, now time.Time) bool {
	at, ok := l.free(w, now)
	return ok && !at.After(now)
}

// grant gives the most urgent ready lane its turn.
func (l *Lanes) grant(w *workspace, now time.Time) *item {
	one := heap.Pop(&w.ready).(*lane) //nolint:forcetypeassert // container/heap hands back what it was given
	it := one.queue.pop()
	one.busy = it
	it.state, it.at = granted, now
	w.busy++
	w.used.add(now, l.options.Budget)
	l.grants.push(now.Add(l.options.GrantExpiry), it)
	return it
}

func (l *Lanes) estimate(now time.Time, it *item) Turn {
	ahead := it.lane.queue.ahead(it)
	at := it.lane.ready
	if at.Before(now) {
		at = now
	}
	if w := it.lane.workspace; w.blocked.After(at) {
		at = w.blocked
	}
	turn := Turn{Down: l.down(it.lane.workspace), At: at.Add(time.Duration(ahead) * (l.options.Interval + l.options.Margin)), Ahead: ahead}
	if it.lane.busy != nil {
		turn.Ahead++
		if busy := l.after(now); busy.After(at) {
			turn.At = turn.At.Add(busy.Sub(at))
		}
	}
	return turn
}

// Sent tells that the message of ticket id is being written to Slack now. The
// lane's interval counts from here; without it, from Done.
func (l *Lanes) Sent(now time.Time, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil && it.state == inFlight {
		it.sent = now
	}
}

// Done tells that the post of ticket id is over, well or not. A message that
// must be sent again asks again; with Since it has its old place.
func (l *Lanes) Done(now time.Time, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items[id]
	if it == nil {
		return
	}
	if it.state == inFlight && it.sent.IsZero() {
		it.sent = now
	}
	l.drop(now, it)
	l.signal()
}

// drop takes a ticket out, wherever it is.
func (l *Lanes) drop(now time.Time, it *item) {
	one := it.lane
	if it.state == queued {
		one.queue.remove(it)
	} else if one.busy == it {
		one.busy = nil
		one.workspace.busy--
	}
	if !it.sent.IsZero() {
		if next := l.after(it.sent); next.After(one.ready) {
			one.ready = next
		}
	}
	delete(l.items, it.ticket.ID)
	if set := l.owners[it.ticket.Owner]; set != nil {
		delete(set, it.ticket.ID)
		if len(set) == 0 {
			delete(l.owners, it.ticket.Owner)
		}
	}
	l.place(one)
	l.sweep(now)
}

// Forget drops the ticket, queued or granted. A grant that was not used, as
// Sent was not called, leaves the lane free for the next one at once.
func (l *Lanes) Forget(now time.Time, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil {
		l.drop(now, it)
		l.signal()
	}
}

// ForgetOwner drops all tickets of an owner, as when its object was deleted.
func (l *Lanes) ForgetOwner(now time.Time, owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.owners[owner]
	if len(ids) == 0 {
		return
	}
	for id := range ids {
		l.drop(now, l.items[id])
	}
	l.signal()
}

// Penalize obeys a 429 answer: nothing is granted in the lane before
// now+retryAfter. A Lane without Conversation stands for the whole workspace,
// which is what a 429 of chat.postMessage means.
func (l *Lanes) Penalize(now time.Time, key Lane, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = DefaultRetryAfter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	until := now.Add(retryAfter)
	if key.Conversation == "" {
		w := l.workspaces[key.Workspace]
		if w == nil {
			w = &workspace{}
			l.workspaces[key.Workspace] = w
		}
		if until.After(w.blocked) {
			w.blocked = until
		}
	} else if one := l.lanes[key]; one != nil {
		l.delay(one, until)
	}
	l.signal()
}

func (l *Lanes) delay(one *lane, until time.Time) {
	if until.After(one.ready) {
		one.ready = until
		l.place(one)
	}
}

// Due grants what may be posted now and returns it, to wake the owners. An
// owner takes the grant by Ask, within GrantExpiry.
func (l *Lanes) Due(now time.Time) []Grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	var out []Grant
	for _, w := range l.workspaces {
		l.promote(w, now)
		for w.ready.Len() > 0 && l.available(w, now) {
			it := l.grant(w, now)
			out = append(out, Grant{Ticket: it.ticket, Lane: it.lane.key})
		}
	}
	return out
}

// expire drops the grants that nobody took, and the posts that nobody ended.
func (l *Lanes) expire(now time.Time) {
	for _, it := range l.grants.due(now, granted) {
		l.drop(now, it)
	}
	for _, it := range l.flights.due(now, inFlight) {
		l.drop(now, it)
	}
}

// NextAt is when Due has something to do next; false when nothing is waiting
// for a time.
func (l *Lanes) NextAt() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next time.Time
	consider := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, w := range l.workspaces {
		if w.ready.Len() == 0 && w.later.Len() == 0 {
			continue
		}
		from := time.Time{}
		if w.ready.Len() == 0 {
			from = w.later[0].ready
		}
		if at, ok := l.free(w, from); ok {
			consider(at)
		}
	}
	for _, q := range []*expiries{&l.grants, &l.flights} {
		if at, ok := q.next(); ok {
			consider(at)
		}
	}
	return next, !next.IsZero()
}

// Changed receives when NextAt may have become earlier. It has one receiver.
func (l *Lanes) Changed() <-chan struct{} { return l.changed }

func (l *Lanes) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
