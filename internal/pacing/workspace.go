package pacing

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// workspace shares a budget between its lanes.
type workspace struct {
	key     slack.Workspace
	seq     uint64
	used    window
	blocked time.Time
	// budget is what is kept to of LaneOptions.Budget since scaledTo was learnt,
	// and kept what is left of it for light groups.
	budget   []Limit
	kept     reserve
	learnt   learnt
	scaledTo float64
	// queued counts the tickets that wait, by flow, and busy those that are granted,
	// taken or being posted.
	queued  map[flowKey]int
	busy    int
	breaker breaker
	// ready lanes may post now; later ones wait for their time.
	ready queue[*candidate]
	later ordered[*lane]
	// next is when there is something to do, if planned.
	next    time.Time
	planned bool
	// touched is when it was last used.
	touched time.Time
}

func (l *Lanes) workspace(now time.Time, key slack.Workspace) *workspace {
	w := l.workspaces[key]
	if w == nil {
		l.seq++
		w = &workspace{
			key: key, seq: l.seq, queued: map[flowKey]int{}, budget: l.options.Budget, kept: reserved(l.options.Budget), scaledTo: 1,
			ready: newQueue(func(a, b *candidate) bool { return before(a.place, b.place) }),
			later: ordered[*lane]{less: func(a, b *lane) bool {
				if !a.ready.Equal(b.ready) {
					return a.ready.Before(b.ready)
				}
				return a.seq < b.seq
			}},
		}
		w.ready.kept = w.kept
		l.workspaces[key] = w
	}
	if now.After(w.touched) {
		w.touched = now
	}
	l.scale(now, w)
	return w
}

// scale has the budget follow what was learnt.
func (l *Lanes) scale(now time.Time, w *workspace) {
	part := w.learnt.part(now)
	if !differs(w.scaledTo, part) {
		return
	}
	w.scaledTo, w.budget = part, scaled(l.options.Budget, part)
	w.kept = reserved(w.budget)
	w.ready.keep(w.kept)
}

// sent notes that a message was posted, and that its answer is there.
func (l *Lanes) sent(now time.Time, one *lane) {
	one.gap, one.last = now.Sub(one.last), now
	one.learnt.called(now)
	one.workspace.learnt.called(now)
	l.scale(now, one.workspace)
	one.delay(now, l.after(one, now))
}

// push queues a ticket in its lane.
func (one *lane) push(now time.Time, it *item) {
	one.queue.push(now, it.flow(), it)
	one.workspace.queued[it.flow()]++
	if one.candidates != nil {
		one.stand(now, it.flow())
		return
	}
	one.settle()
}

// pull takes a queued ticket out of its lane.
func (one *lane) pull(now time.Time, it *item) {
	one.queue.remove(it.flow(), it)
	one.workspace.left(it)
	switch {
	case one.candidates != nil:
		one.stand(now, it.flow())
		one.settle() // some flows may have had no candidate
	case one.queue.size == 0:
		one.lift()
	}
}

// settle has a lane wait for its time, unless it is busy, has nothing to wait
// for, or has its place already.
func (one *lane) settle() {
	if one.busy == nil && one.queue.size > 0 && !one.waits && one.candidates == nil {
		one.waits = true
		one.workspace.later.insert(one)
	}
}

// lift takes a lane out of what it waits in.
func (one *lane) lift() {
	if one.waits {
		one.waits = false
		one.workspace.later.remove(one)
	}
	for key, c := range one.candidates {
		one.workspace.ready.remove(key, c)
	}
	one.candidates = nil
}

// delay puts the lane's next message off.
func (one *lane) delay(now, until time.Time) {
	if !until.After(one.ready) {
		return
	}
	if one.waits || until.After(now) {
		one.lift() // ordered by ready, or ready no more
	}
	one.ready = until
	one.settle()
}

// stand keeps the lane's place in one flow of the workspace up to date.
func (one *lane) stand(now time.Time, key flowKey) {
	old := one.candidates[key]
	var c *candidate
	if f := one.queue.flows[key]; f != nil {
		c = &candidate{lane: one, place: f.first()}
		if old != nil && old.place == c.place {
			return
		}
		// Added before the old one goes, so that the flow keeps its turn.
		one.workspace.ready.push(now, key, c)
		one.candidates[key] = c
	}
	if old != nil {
		one.workspace.ready.remove(key, old)
	}
	if c == nil {
		delete(one.candidates, key)
		if len(one.candidates) == 0 {
			one.candidates = nil
		}
	}
}

// maxCandidates of a lane. More flows than that (hundreds of namespaces with
// messages for one conversation) are spoken for by those that are next in it,
// so that a turn does not cost a step for each of them.
const maxCandidates = 64

// promote moves the lanes whose time has come.
func (w *workspace) promote(now time.Time) {
	for {
		one, ok := w.later.first()
		if !ok || one.ready.After(now) {
			return
		}
		one.lift()
		one.candidates = make(map[flowKey]*candidate, min(len(one.queue.flows), maxCandidates))
		for f := range one.queue.strict.all {
			if one.stand(now, f.flowKey); len(one.candidates) == maxCandidates {
				break
			}
		}
	}
}

// choose is the flow whose turn it is, or nil; kept tells that it is on what
// is kept for the light ones.
func (l *Lanes) choose(now time.Time, w *workspace) (f *flow[*candidate], kept bool) {
	if l.available(w, now, w.kept.others) {
		return w.ready.next(), false
	}
	if f = w.ready.nextLight(now); f != nil && l.available(w, now, w.budget) {
		return f, true
	}
	return nil, false
}

// choice is the ticket that may be posted now, or nil. The workspace chooses
// the lane, and the lane the ticket.
func (l *Lanes) choice(now time.Time, w *workspace) *item {
	f, _ := l.choose(now, w)
	if f == nil {
		return nil
	}
	return f.first().lane.queue.next().first()
}

// grant gives the next lane its turn, with one ticket of it; nil when there is
// none now.
func (l *Lanes) grant(now time.Time, w *workspace) *item {
	f, kept := l.choose(now, w)
	if f == nil {
		return nil
	}
	one := f.first().lane
	if kept {
		w.ready.again(now, f)
	} else {
		w.ready.take(now, f)
	}
	one.lift()
	own := one.queue.next()
	one.queue.take(now, own)
	it := one.queue.pop(own)
	w.left(it)
	one.busy = it
	w.busy++
	w.used.begin()
	l.turn(it, granted)
	l.grants.push(now.Add(l.options.GrantExpiry), it)
	return it
}

// release takes a ticket's turn from it. If it was sent, Slack has seen it at
// now at the latest.
func (l *Lanes) release(now time.Time, it *item, sent bool) {
	one, w := it.lane, it.lane.workspace
	one.busy = nil
	w.busy--
	if sent {
		w.used.end(now, l.options.Budget)
		l.sent(now, one)
	} else {
		w.used.cancel()
	}
	one.settle()
}

// halted reports that a turn, though granted, is not to be used: since then
// Slack has asked to wait, or has stopped to answer.
func (l *Lanes) halted(now time.Time, it *item) bool {
	w := it.lane.workspace
	return w.blocked.After(now) || it.lane.ready.After(now) ||
		l.down(w) && (w.breaker.until.After(now) || w.busy > 1)
}

// requeue puts a ticket whose turn was not used back into its place.
func (l *Lanes) requeue(now time.Time, it *item) {
	l.turn(it, queued)
	l.release(now, it, false)
	it.lane.push(now, it)
}

// free is when the workspace takes another message within limits; false when
// only the end of one that is under way can tell.
func (l *Lanes) free(w *workspace, t time.Time, limits []Limit) (time.Time, bool) {
	if l.options.InFlight > 0 && w.busy >= l.options.InFlight || l.down(w) && w.busy > 0 {
		return time.Time{}, false
	}
	at, ok := w.used.earliest(t, limits)
	if w.blocked.After(at) {
		at = w.blocked
	}
	if l.down(w) && w.breaker.until.After(at) {
		at = w.breaker.until
	}
	return at, ok
}

func (l *Lanes) available(w *workspace, now time.Time, limits []Limit) bool {
	at, ok := l.free(w, now, limits)
	return ok && !at.After(now)
}

// upcoming is when the workspace has something to do next, if it has.
func (l *Lanes) upcoming(w *workspace) (next time.Time, ok bool) {
	if w.ready.size > 0 {
		limits := w.kept.others
		if w.ready.light.len() > 0 {
			limits = w.budget
		}
		next, ok = l.free(w, time.Time{}, limits)
	}
	// A lane whose time comes may have a turn on what is kept.
	if one, waits := w.later.first(); waits {
		if at, free := l.free(w, one.ready, w.budget); free && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	return next, ok
}

// left notes that a ticket does not wait any more.
func (w *workspace) left(it *item) {
	key := it.flow()
	if w.queued[key]--; w.queued[key] == 0 {
		delete(w.queued, key)
	}
}

// plan notes when the workspace has something to do next.
func (l *Lanes) plan(w *workspace) {
	next, ok := l.upcoming(w)
	if ok == w.planned && (!ok || next.Equal(w.next)) {
		return
	}
	if w.planned {
		l.agenda.remove(w)
	}
	if w.next, w.planned = next, ok; ok {
		l.agenda.insert(w)
	}
}
