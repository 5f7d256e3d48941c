package kindwatch

import (
	"runtime"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// Limits of what subscribers are evaluated with, in the cost units of CEL: a million
// take 0.2 to 0.7 seconds of a core.
const (
	// costRate is what the subscribers of one namespace may cost in a second, for long,
	// and costBurst at once.
	costRate  = 500_000
	costBurst = 5_000_000
	// lookCost is what any look at an object costs, beside what the handler says.
	lookCost = 100
	// maxWorkers look at objects at once.
	maxWorkers = 8
)

// Pool has handlers look at objects: not in the handler of a watch, which would
// hold up all subscribers of its kind, but by a few workers, which serve namespaces
// in turn. What is more than a namespace may cost waits, and is not lost: of an
// object that changes meanwhile a subscriber sees the last state. The zero value is
// ready to use.
type Pool struct {
	// Clock is the real one when nil.
	Clock clock.WithDelayedExecution
	// Looked, if not nil, is told of each object when a handler has looked at it. It
	// must be quick, and ask the pool nothing.
	Looked func(types.UID)

	mu    sync.Mutex
	lanes map[string]*lane
	// turn are the lanes that can be served now, in their order.
	turn    []*lane
	workers int
}

// lane are the looks of one namespace's subscribers.
type lane struct {
	looks []*glance
	// busy workers, and whether it is in turn or waits for its budget.
	busy           int
	queued, waking bool
	// forgetting while it is looked at later whether it is of use.
	forgetting bool
	// left is the budget as it was at a time. It may be overdrawn, since what a
	// look costs is known afterwards.
	left float64
	at   time.Time
}

// glance is what a subscriber has yet to see of an object.
type glance struct {
	sub         *Subscription
	uid         types.UID
	obj, before *Object
	// initial is true for what the API server listed at first, and counted while
	// the subscriber's beginning waits for it.
	initial, counted bool
	gone, running    bool
	// next is what has come while it was being looked at.
	next *glance
}

func (p *Pool) clock() clock.WithDelayedExecution {
	if p.Clock == nil {
		return clock.RealClock{}
	}
	return p.Clock
}

// size of the pool.
func (p *Pool) size() int { return min(max(2, runtime.GOMAXPROCS(0)), maxWorkers) }

// submit has a subscriber look at an object.
func (p *Pool) submit(l *glance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.sub.closed {
		return
	}
	waiting := l.sub.looks[l.uid]
	switch {
	case waiting == nil:
		p.add(l)
	case !waiting.running:
		p.merge(waiting, l)
	case waiting.next == nil:
		p.count(l)
		waiting.next = l
	default:
		p.merge(waiting.next, l)
	}
}

func (p *Pool) add(l *glance) {
	if l.sub.looks == nil {
		l.sub.looks = map[types.UID]*glance{}
	}
	l.sub.looks[l.uid] = l
	p.count(l)
	lane := p.lane(l.sub.namespace)
	lane.looks = append(lane.looks, l)
	p.schedule(lane)
}

// count has the beginning of a subscriber wait for what was listed at first.
func (p *Pool) count(l *glance) {
	if l.initial && !l.counted {
		l.counted = true
		l.sub.unseen++
	}
}

// merge has a look see what has come since. What was before stays what the subscriber
// has seen last.
func (p *Pool) merge(l, later *glance) {
	if l.gone {
		l.before = nil
	}
	l.obj, l.gone, l.initial = later.obj, later.gone, later.initial
	p.count(l)
}

func (p *Pool) lane(namespace string) *lane {
	if p.lanes == nil {
		p.lanes = map[string]*lane{}
	}
	l := p.lanes[namespace]
	if l == nil {
		l = &lane{left: costBurst, at: p.clock().Now()}
		p.lanes[namespace] = l
	}
	return l
}

// schedule gives a lane its turn, now or when its budget allows it. The caller
// holds the lock.
func (p *Pool) schedule(l *lane) {
	// Half of the workers are left to others, whose looks are then never late by
	// more than those of one look.
	if l.queued || l.waking || len(l.looks) == 0 || l.busy >= p.size()/2 {
		return
	}
	now := p.clock().Now()
	l.left = min(costBurst, l.left+costRate*max(0, now.Sub(l.at).Seconds()))
	l.at = now
	if l.left < 0 {
		l.waking = true
		wait := time.Duration(-l.left/costRate*float64(time.Second)) + time.Millisecond
		p.clock().AfterFunc(wait, func() { go p.resume(l) })
		return
	}
	l.queued = true
	p.turn = append(p.turn, l)
	if p.workers < p.size() {
		p.workers++
		go p.work()
	}
}

// resume gives a lane its turn when its budget allows it again.
func (p *Pool) resume(l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.waking = false
	p.schedule(l)
}

// work serves the lanes in turn until there is nothing to do.
func (p *Pool) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		lane, l := p.take()
		if l == nil {
			p.workers--
			return
		}
		p.mu.Unlock()
		cost := l.sub.see(l)
		p.mu.Lock()
		p.done(lane, l, cost)
	}
}

func (p *Pool) take() (*lane, *glance) {
	for len(p.turn) > 0 {
		lane := p.turn[0]
		p.turn = p.turn[1:]
		lane.queued = false
		if len(lane.looks) == 0 {
			continue
		}
		l := lane.looks[0]
		lane.looks[0] = nil
		lane.looks = lane.looks[1:]
		l.running = true
		lane.busy++
		p.schedule(lane)
		return lane, l
	}
	return nil, nil
}

func (p *Pool) done(lane *lane, l *glance, cost uint64) {
	lane.busy--
	lane.left -= float64(cost)
	sub := l.sub
	delete(sub.looks, l.uid)
	if p.Looked != nil {
		p.Looked(l.uid)
	}
	if !sub.closed && l.next != nil {
		sub.looks[l.uid] = l.next
		lane.looks = append(lane.looks, l.next)
	}
	if l.counted {
		if sub.unseen--; sub.unseen == 0 && !sub.closed {
			sub.wake()
		}
	}
	p.schedule(lane)
}

// pending reports whether a subscriber has yet to look at an object.
func (p *Pool) pending(s *Subscription, uid types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.looks[uid] != nil
}

// begun reports whether a subscriber has looked at all that was there at first.
func (p *Pool) begun(s *Subscription) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.unseen == 0
}

// drop has a subscriber look at nothing any more.
func (p *Pool) drop(s *Subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.closed = true
	lane := p.lanes[s.namespace]
	if lane == nil {
		return
	}
	var left []*glance
	for _, l := range lane.looks {
		if l.sub != s {
			left = append(left, l)
		}
	}
	lane.looks, s.looks = left, nil
	p.forget(s.namespace, lane)
}

// forget drops a lane that nothing waits in once it has its whole budget again, so
// that nobody gets a new one by making his rules anew.
func (p *Pool) forget(namespace string, l *lane) {
	if p.lanes[namespace] != l || len(l.looks) > 0 || l.forgetting {
		return
	}
	missing := costBurst - l.left - costRate*p.clock().Now().Sub(l.at).Seconds()
	if missing <= 0 && l.busy == 0 && !l.waking && !l.queued {
		delete(p.lanes, namespace)
		return
	}
	l.forgetting = true
	wait := time.Duration(max(missing, 0)/costRate*float64(time.Second)) + time.Second
	p.clock().AfterFunc(wait, func() {
		go func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			l.forgetting = false
			p.forget(namespace, l)
		}()
	})
}
