package fairqueue

import (
	"container/heap"
	"container/list"
	"sync"
)

// turns are the items that may be handed out, as client-go's queue keeps them
// (workqueue.Queue). That knows no priorities, so they are noted here before an item
// is added there, and count from when it is queued.
type turns[T comparable] struct {
	group func(T) string

	// mu is taken within the lock of client-go's queue.
	mu sync.Mutex
	// noted are the priorities of what is about to be queued: added this moment, or
	// while a worker has it.
	noted map[T]int
	items map[T]*entry[T]
	// taken are the priorities of what workers have.
	taken  map[T]int
	groups map[string]*group[T]
	// next has the groups in the order of their turns.
	next   *list.List
	count  uint64
	closed bool
}

// entry is an item that is queued.
type entry[T comparable] struct {
	item     T
	priority int
	number   uint64
	index    int
	of       *group[T]
}

// group is a heap of what one group has queued.
type group[T comparable] struct {
	name    string
	entries []*entry[T]
}

func newTurns[T comparable](of func(T) string) *turns[T] {
	return &turns[T]{group: of, noted: map[T]int{}, items: map[T]*entry[T]{}, taken: map[T]int{}, groups: map[string]*group[T]{}, next: list.New()}
}

// note says with what priority an item is about to be added.
func (t *turns[T]) note(item T, priority int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.noted[item]; ok {
		priority = max(priority, p)
	}
	t.noted[item] = priority
}

// raise gives an item that is queued, or will be when its worker is done, at least a
// priority. It returns false when there is no such item.
func (t *turns[T]) raise(item T, priority int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.noted[item]; ok {
		t.noted[item] = max(priority, p)
		return true
	}
	e := t.items[item]
	if e == nil {
		return false
	}
	t.lift(e, priority)
	return true
}

// lift has an item go behind those of a higher priority alone.
func (t *turns[T]) lift(e *entry[T], priority int) {
	if priority <= e.priority {
		return
	}
	t.count++
	e.priority, e.number = priority, t.count
	heap.Fix(e.of, e.index)
}

// Touch is told when an item that is queued is added once more.
func (t *turns[T]) Touch(item T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	priority, ok := t.noted[item]
	delete(t.noted, item)
	if e := t.items[item]; ok && e != nil {
		t.lift(e, priority)
	}
}

// Push queues an item.
func (t *turns[T]) Push(item T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := t.group(item)
	g := t.groups[name]
	if g == nil {
		g = &group[T]{name: name}
		t.groups[name] = g
		t.next.PushBack(g)
	}
	t.count++
	e := &entry[T]{item: item, priority: t.noted[item], number: t.count, of: g}
	delete(t.noted, item)
	t.items[item] = e
	heap.Push(g, e)
}

// Pop hands out the first item of the group whose turn it is. The queue is not empty.
func (t *turns[T]) Pop() T {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := t.next.Front()
	g := turn.Value.(*group[T])  //nolint:forcetypeassert // nothing else is put there
	e := heap.Pop(g).(*entry[T]) //nolint:forcetypeassert // nothing else is put there
	if g.Len() == 0 {
		t.next.Remove(turn)
		delete(t.groups, g.name)
	} else {
		t.next.MoveToBack(turn)
	}
	delete(t.items, e.item)
	t.taken[e.item] = e.priority
	return e.item
}

// Len is how many items are queued. After close it is 0, so that client-go's queue
// hands out none of them.
func (t *turns[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0
	}
	return len(t.items)
}

// priority of an item that a worker has.
func (t *turns[T]) priority(item T) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[item]
}

// finish forgets an item that a worker had.
func (t *turns[T]) finish(item T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, item)
}

func (t *turns[T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// Len implements heap.Interface.
func (g *group[T]) Len() int { return len(g.entries) }

// Less implements heap.Interface: the highest priority first, then what came first.
func (g *group[T]) Less(i, j int) bool {
	a, b := g.entries[i], g.entries[j]
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.number < b.number
}

// Swap implements heap.Interface.
func (g *group[T]) Swap(i, j int) {
	g.entries[i], g.entries[j] = g.entries[j], g.entries[i]
	g.entries[i].index, g.entries[j].index = i, j
}

// Push implements heap.Interface.
func (g *group[T]) Push(x any) {
	e := x.(*entry[T]) //nolint:forcetypeassert // nothing else is pushed
	e.index = len(g.entries)
	g.entries = append(g.entries, e)
}

// Pop implements heap.Interface.
func (g *group[T]) Pop() any {
	last := len(g.entries) - 1
	e := g.entries[last]
	g.entries[last] = nil
	g.entries = g.entries[:last]
	return e
}
