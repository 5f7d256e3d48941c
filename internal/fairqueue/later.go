package fairqueue

import (
	"container/heap"
	"time"
)

// later is what waits for its time, the earliest first. Every finished object with a
// time to live is in it until that is over, so an item costs no timer and no pointer.
type later[T comparable] struct {
	began  time.Time
	heap   []delayed[T]
	places map[T]int
}

// delayed is an item that waits until a time, which is told from when the queue
// began, so that it does not change when somebody sets the clock.
type delayed[T comparable] struct {
	item     T
	until    time.Duration
	priority int
}

func (l *later[T]) at(d delayed[T]) time.Time { return l.began.Add(d.until) }

func (l *later[T]) get(item T) (d delayed[T], ok bool) {
	i, ok := l.places[item]
	if ok {
		d = l.heap[i]
	}
	return d, ok
}

func (l *later[T]) first() (d delayed[T], ok bool) {
	if len(l.heap) == 0 {
		return d, false
	}
	return l.heap[0], true
}

// set has item wait until at, whatever it waited for before.
func (l *later[T]) set(item T, at time.Time, priority int) {
	d := delayed[T]{item: item, until: at.Sub(l.began), priority: priority}
	if i, ok := l.places[item]; ok {
		l.heap[i] = d
		heap.Fix((*byTime[T])(l), i)
		return
	}
	heap.Push((*byTime[T])(l), d)
}

func (l *later[T]) remove(item T) {
	if i, ok := l.places[item]; ok {
		heap.Remove((*byTime[T])(l), i)
	}
}

// roomKept is for how many items room is kept when nothing waits.
const roomKept = 1000

// byTime is later as container/heap wants it.
type byTime[T comparable] later[T]

func (l *byTime[T]) Len() int           { return len(l.heap) }
func (l *byTime[T]) Less(i, j int) bool { return l.heap[i].until < l.heap[j].until }

func (l *byTime[T]) Swap(i, j int) {
	l.heap[i], l.heap[j] = l.heap[j], l.heap[i]
	l.places[l.heap[i].item], l.places[l.heap[j].item] = i, j
}

func (l *byTime[T]) Push(x any) {
	d := x.(delayed[T])
	l.places[d.item] = len(l.heap)
	l.heap = append(l.heap, d)
}

func (l *byTime[T]) Pop() any {
	last := len(l.heap) - 1
	d := l.heap[last]
	l.heap[last] = delayed[T]{}
	l.heap = l.heap[:last]
	delete(l.places, d.item)
	if last == 0 && cap(l.heap) > roomKept { // a map gives nothing back
		l.heap, l.places = nil, map[T]int{}
	}
	return d
}
