package pacing

import "time"

// expiries are times at which elements lapse, in order because each list has
// elements that lapse after the same time. An element whose stamp has changed
// since is skipped.
type expiries[T interface{ stamped() uint64 }] struct{ list []expiry[T] }

type expiry[T any] struct {
	at      time.Time
	element T
	stamp   uint64
}

func (e *expiries[T]) push(at time.Time, x T) {
	e.list = append(e.list, expiry[T]{at: at, element: x, stamp: x.stamped()})
}

// next is the time of the first that still holds.
func (e *expiries[T]) next() (time.Time, bool) {
	for len(e.list) > 0 && e.list[0].element.stamped() != e.list[0].stamp {
		e.list = e.list[1:]
	}
	if len(e.list) == 0 {
		e.list = nil
		return time.Time{}, false
	}
	return e.list[0].at, true
}

// pop takes out the first when it has lapsed.
func (e *expiries[T]) pop(now time.Time) (x T, ok bool) {
	at, ok := e.next()
	if !ok || at.After(now) {
		return x, false
	}
	x = e.list[0].element
	e.list = e.list[1:]
	return x, true
}
