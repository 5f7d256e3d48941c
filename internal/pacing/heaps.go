package pacing

import "time"

// readyHeap orders lanes by their most urgent ticket.
type readyHeap []*lane

func (h readyHeap) Len() int { return len(h) }
func (h readyHeap) Less(i, j int) bool {
	a, b := h[i].queue.head(), h[j].queue.head()
	if a == nil || b == nil {
		return b == nil && a != nil
	}
	if a.ticket.Priority != b.ticket.Priority {
		return a.ticket.Priority > b.ticket.Priority
	}
	// The lane that has been free for longest, so that all have their turn.
	if !h[i].ready.Equal(h[j].ready) {
		return h[i].ready.Before(h[j].ready)
	}
	return a.seq < b.seq
}
func (h readyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *readyHeap) Push(x any) {
	one := x.(*lane) //nolint:forcetypeassert // container/heap hands back what it was given
	one.index = len(*h)
	*h = append(*h, one)
}
func (h *readyHeap) Pop() any {
	old := *h
	one := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	one.index = -1
	return one
}

// laterHeap orders lanes by when they may post.
type laterHeap []*lane

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].ready.Before(h[j].ready) }
func (h laterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *laterHeap) Push(x any) {
	one := x.(*lane) //nolint:forcetypeassert // container/heap hands back what it was given
	one.index = len(*h)
	*h = append(*h, one)
}
func (h *laterHeap) Pop() any {
	old := *h
	one := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	one.index = -1
	return one
}

// expiries are times at which items lapse, in order because each kind lapses
// after the same time. What was changed meanwhile is skipped.
type expiries struct{ list []expiry }

type expiry struct {
	at    time.Time
	it    *item
	since time.Time
	state state
}

func (e *expiries) push(at time.Time, it *item) {
	e.list = append(e.list, expiry{at: at, it: it, since: it.at, state: it.state})
}

func (x expiry) stale() bool {
	return x.it.state != x.state || !x.it.at.Equal(x.since) || x.it.lane.busy != x.it
}

// next is the time of the first that still holds.
func (e *expiries) next() (time.Time, bool) {
	for len(e.list) > 0 && e.list[0].stale() {
		e.list = e.list[1:]
	}
	if len(e.list) == 0 {
		e.list = nil
		return time.Time{}, false
	}
	return e.list[0].at, true
}

// due takes out what has lapsed in a state.
func (e *expiries) due(now time.Time, s state) []*item {
	var out []*item
	for {
		at, ok := e.next()
		if !ok || at.After(now) {
			return out
		}
		if x := e.list[0]; x.state == s {
			out = append(out, x.it)
		}
		e.list = e.list[1:]
	}
}
