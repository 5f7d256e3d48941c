package pacing

import (
	"container/heap"
	"slices"
	"time"
)

type state int

const (
	queued state = iota
	granted
	inFlight
)

// item is a ticket in a lane.
type item struct {
	ticket Ticket
	lane   *lane
	state  state
	seq    uint64
	// index in its group's heap.
	index int
	// at is since when it is granted or in flight.
	at time.Time
	// sent is when it was written to Slack; zero before.
	sent time.Time
}

// queue orders the tickets of a lane: higher priorities first, then the groups
// in turn, then by age.
type queue struct {
	levels []*level
	size   int
}

type level struct {
	priority int
	groups   map[string]*group
	// ring of the groups that have tickets; the first is next.
	ring []string
	size int
}

// group is a heap by age.
type group []*item

func (g group) Len() int { return len(g) }
func (g group) Less(i, j int) bool {
	if !g[i].ticket.Since.Equal(g[j].ticket.Since) {
		return g[i].ticket.Since.Before(g[j].ticket.Since)
	}
	return g[i].seq < g[j].seq
}
func (g group) Swap(i, j int) {
	g[i], g[j] = g[j], g[i]
	g[i].index, g[j].index = i, j
}
func (g *group) Push(x any) {
	it := x.(*item) //nolint:forcetypeassert // container/heap hands back what it was given
	it.index = len(*g)
	*g = append(*g, it)
}
func (g *group) Pop() any {
	old := *g
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*g = old[:len(old)-1]
	return it
}

func (q *queue) push(it *item) {
	i, ok := slices.BinarySearchFunc(q.levels, it.ticket.Priority, func(l *level, p int) int { return p - l.priority })
	if !ok {
		q.levels = slices.Insert(q.levels, i, &level{priority: it.ticket.Priority, groups: map[string]*group{}})
	}
	l := q.levels[i]
	g := l.groups[it.ticket.Group]
	if g == nil {
		g = &group{}
		l.groups[it.ticket.Group] = g
		l.ring = append(l.ring, it.ticket.Group)
	}
	heap.Push(g, it)
	l.size++
	q.size++
}

// head is the next ticket, or nil.
func (q *queue) head() *item {
	if len(q.levels) == 0 {
		return nil
	}
	l := q.levels[0]
	return (*l.groups[l.ring[0]])[0]
}

// pop takes the head out, and lets the next group have the next turn.
func (q *queue) pop() *item {
	it := q.head()
	if it == nil {
		return nil
	}
	l := q.levels[0]
	name := l.ring[0]
	q.remove(it)
	if len(l.ring) > 1 && l.ring[0] == name {
		l.ring = append(l.ring[1:], name)
	}
	return it
}

func (q *queue) remove(it *item) {
	i, ok := slices.BinarySearchFunc(q.levels, it.ticket.Priority, func(l *level, p int) int { return p - l.priority })
	if !ok {
		return
	}
	l := q.levels[i]
	g := l.groups[it.ticket.Group]
	heap.Remove(g, it.index)
	l.size--
	q.size--
	if g.Len() == 0 {
		delete(l.groups, it.ticket.Group)
		l.ring = slices.DeleteFunc(l.ring, func(name string) bool { return name == it.ticket.Group })
	}
	if l.size == 0 {
		q.levels = slices.Delete(q.levels, i, i+1)
	}
}

// ahead counts the tickets that go before it, given that nobody else comes.
func (q *queue) ahead(it *item) int {
	n := 0
	for _, l := range q.levels {
		if l.priority > it.ticket.Priority {
			n += l.size
			continue
		}
		if l.priority < it.ticket.Priority {
			break
		}
		own := *l.groups[it.ticket.Group]
		rank := 0
		for _, other := range own {
			if other != it && (other.ticket.Since.Before(it.ticket.Since) ||
				other.ticket.Since.Equal(it.ticket.Since) && other.seq < it.seq) {
				rank++
			}
		}
		n += rank
		before := true
		for _, name := range l.ring {
			if name == it.ticket.Group {
				before = false
				continue
			}
			turns := rank
			if before {
				turns++
			}
			n += min(turns, l.groups[name].Len())
		}
	}
	return n
}
