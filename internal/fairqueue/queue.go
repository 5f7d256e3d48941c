// Package fairqueue is the work queue of a controller, which takes namespaces in
// turn: one with 50,000 objects to look at keeps another's waiting for as many
// turns as there are namespaces, and not for 50,000.
//
// It is client-go's work queue (one object is never with two workers, and what is
// added twice is looked at once; its metrics) with another order, and with the
// priorities and delays that controller-runtime's priority queue has.
package fairqueue

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Options of a Queue.
type Options[T comparable] struct {
	// Name of the queue in the metrics workqueue_*; without one there are none.
	Name string
	// RateLimiter says how long what is added by AddRateLimited waits. Required.
	RateLimiter workqueue.TypedRateLimiter[T]
	// Group is whose an item is. Required.
	Group func(T) string
	// Clock is the real one when nil.
	Clock clock.WithTickerAndDelayedExecution
}

// Queue hands out the items of groups in turn; within a group the highest
// priority first, and of one priority what came first. It is safe for concurrent
// use.
//
// Priority counts for nothing between groups. controller-runtime gives what an
// informer lists at first a low one, and everything else would go before it.
type Queue[T comparable] struct {
	ready   *turns[T]
	inner   workqueue.TypedDelayingInterface[T]
	limiter workqueue.TypedRateLimiter[T]
	clock   clock.WithDelayedExecution

	// mu is taken before the lock of inner, never within it.
	mu sync.Mutex
	// waiting is what comes later. No item is there and in ready at once.
	waiting later[T]
	// timer is for the first that waits, at timerAt; nil when nothing waits.
	timer   clock.Timer
	timerAt time.Time
	closed  bool
}

var _ priorityqueue.PriorityQueue[int] = (*Queue[int])(nil)

// New returns an empty Queue, which works until ShutDown.
func New[T comparable](o Options[T]) *Queue[T] {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	ready := newTurns(o.Group)
	return &Queue[T]{
		ready: ready, limiter: o.RateLimiter, clock: o.Clock, waiting: later[T]{began: o.Clock.Now(), places: map[T]int{}},
		inner: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[T]{
			Name: o.Name, Clock: o.Clock,
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[T]{Name: o.Name, Clock: o.Clock, Queue: ready}),
		}),
	}
}

// ForController is the queue of a controller (controller.Options.NewQueue), whose
// groups are the namespaces of the objects.
func ForController(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return New(Options[reconcile.Request]{
		Name: name, RateLimiter: limiter, Group: func(r reconcile.Request) string { return r.Namespace },
	})
}

// AddWithOpts adds items. Of several wishes for one item the earliest time and the
// highest priority count, until it is handed out.
func (q *Queue[T]) AddWithOpts(o priorityqueue.AddOpts, items ...T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for _, item := range items {
		after := o.After
		if o.RateLimited {
			if pause := q.limiter.When(item); after == 0 || pause < after {
				after = pause
			}
		}
		q.add(item, after, ptr.Deref(o.Priority, 0))
	}
}

func (q *Queue[T]) add(item T, after time.Duration, priority int) {
	at := q.clock.Now().Add(after)
	if w, waits := q.waiting.get(item); waits {
		priority = max(priority, w.priority)
		if sooner := q.waiting.at(w); sooner.Before(at) {
			at = sooner
		}
	}
	switch {
	case after <= 0:
		q.waiting.remove(item)
		q.ready.note(item, priority)
		q.inner.Add(item)
	case q.ready.raise(item, priority):
		// It comes before that.
	default:
		q.waiting.set(item, at, priority)
	}
	q.schedule()
}

// schedule has the timer end when the first that waits is due.
func (q *Queue[T]) schedule() {
	first, ok := q.waiting.first()
	at := q.waiting.at(first)
	if ok && q.timer != nil && q.timerAt.Equal(at) {
		return
	}
	q.stopTimer()
	if ok {
		q.timerAt = at
		// Not within the timer, which may hold a lock of the clock's.
		q.timer = q.clock.AfterFunc(max(at.Sub(q.clock.Now()), 0), func() { go q.due() })
	}
}

func (q *Queue[T]) stopTimer() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
}

// due has the items whose time has come handed out.
func (q *Queue[T]) due() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	now := q.clock.Now()
	for w, ok := q.waiting.first(); ok && !q.waiting.at(w).After(now); w, ok = q.waiting.first() {
		q.waiting.remove(w.item)
		q.ready.note(w.item, w.priority)
		// By AddAfter, which counts it in workqueue_retries_total.
		q.inner.AddAfter(w.item, 0)
	}
	q.stopTimer()
	q.schedule()
}

// Add adds an item with priority 0.
func (q *Queue[T]) Add(item T) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddAfter adds an item that is handed out after a time at the earliest, unless it
// is added for an earlier one.
func (q *Queue[T]) AddAfter(item T, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, item)
}

// AddRateLimited adds an item for when the rate limiter says.
func (q *Queue[T]) AddRateLimited(item T) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

// Get waits for an item, and is GetWithPriority without the priority.
func (q *Queue[T]) Get() (item T, shutdown bool) { return q.inner.Get() }

// GetWithPriority waits for an item. Done must be called with it: until then it is
// not handed out again. After ShutDown there is none, whatever was added.
func (q *Queue[T]) GetWithPriority() (item T, priority int, shutdown bool) {
	item, shutdown = q.inner.Get()
	if shutdown {
		return item, 0, true
	}
	return item, q.ready.priority(item), false
}

// Done says that an item was worked on. If it was added meanwhile, it is handed out
// once more.
func (q *Queue[T]) Done(item T) {
	q.ready.finish(item)
	q.inner.Done(item)
}

// Forget has the rate limiter begin anew with an item.
func (q *Queue[T]) Forget(item T) { q.limiter.Forget(item) }

// NumRequeues is how often an item was added by AddRateLimited since Forget.
func (q *Queue[T]) NumRequeues(item T) int { return q.limiter.NumRequeues(item) }

// Len is how many items could be handed out now; none after ShutDown.
func (q *Queue[T]) Len() int { return q.inner.Len() }

// ShuttingDown reports whether ShutDown was called.
func (q *Queue[T]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// ShutDown ends the queue: who waits in Get is told, what is queued is not handed
// out any more, and what is added is dropped.
func (q *Queue[T]) ShutDown() {
	q.mu.Lock()
	q.closed = true
	q.waiting = later[T]{}
	q.stopTimer()
	q.ready.close()
	q.mu.Unlock()
	q.inner.ShutDown()
}

// ShutDownWithDrain is ShutDown, as in controller-runtime's priority queue: a
// controller waits for its workers itself.
func (q *Queue[T]) ShutDownWithDrain() { q.ShutDown() }
