package pacing

import "time"

// The rule of who is next, for the messages of a conversation, the
// conversations of a workspace, and the calls of a method.
//
// What waits is parted into flows, one for each priority and group. A turn goes
// to the highest priority, and there to the flow whose last turn is longest
// ago. Every fourth turn (agedTurn) goes by age instead: a minute of waiting for
// a turn (levelAge) counts as much as one level of priority, and a flow that had
// its turn begins to wait anew.
//
// So nobody starves. Let F flows be there beside the flow f of priority p, and q
// be the highest priority. f has its turn at the latest
//
//   - after F turns, when nobody has a higher priority than p;
//   - else after (q-p)·levelAge and agedTurn·(F+1) turns more. For of the turns
//     that go by age from then on, each flow has one at most before f does: with
//     it, it begins to wait at a time that no level makes up for.
//
// And the highest priority loses no more than every fourth turn to others,
// however many flows have waited for however long.
//
// Limits of a minute are used up in seconds by who has much to send, and then
// nobody has a turn for the rest of it. So a tenth of such a limit is kept for
// the groups that have had less than a tenth of it in the last period (see
// reserve); turns from it go by priority and then in turn, and count no turn
// above.
const (
	levelAge = time.Minute
	agedTurn = 4
)

type flowKey struct {
	priority int
	group    string
}

// flow is what waits with one priority in one group.
type flow[T any] struct {
	flowKey
	elements ordered[T]
	// since is when it began to wait for its next turn; turn numbers these
	// beginnings, since several may be at one time.
	since time.Time
	turn  uint64
	// spread counts the callers that were turned away, see Limiter.
	spread int
}

// aged is since, put back by the priority's worth of waiting.
func (f *flow[T]) aged() time.Time { return f.since.Add(-time.Duration(f.priority) * levelAge) }

func (f *flow[T]) first() (x T) {
	x, _ = f.elements.first()
	return x
}

// level sums up the flows of one priority.
type level struct{ flows, elements int }

// queue keeps to the rule above. less orders the elements of one flow.
type queue[T any] struct {
	less   func(a, b T) bool
	flows  map[flowKey]*flow[T]
	levels map[int]*level
	// strict has the flows by priority, aged by how long they have waited.
	strict, aged ordered[*flow[T]]
	turns, seq   uint64
	size         int
	// kept is for the light flows, those of groups with less than kept.quota
	// turns in the last kept.per, which recent lists and counts by group.
	kept   reserve
	light  ordered[*flow[T]]
	recent []pastTurn
	counts map[string]int
}

type pastTurn struct {
	at    time.Time
	group string
}

func newQueue[T any](less func(a, b T) bool) queue[T] {
	strict := func(a, b *flow[T]) bool {
		if a.priority != b.priority {
			return a.priority > b.priority
		}
		return a.turn < b.turn
	}
	return queue[T]{
		less: less, flows: map[flowKey]*flow[T]{}, levels: map[int]*level{}, counts: map[string]int{},
		strict: ordered[*flow[T]]{less: strict}, light: ordered[*flow[T]]{less: strict},
		aged: ordered[*flow[T]]{less: func(a, b *flow[T]) bool {
			if x, y := a.aged(), b.aged(); !x.Equal(y) {
				return x.Before(y)
			}
			return a.turn < b.turn
		}},
	}
}

func (q *queue[T]) push(now time.Time, key flowKey, x T) {
	f := q.flows[key]
	if f == nil {
		f = &flow[T]{flowKey: key, elements: ordered[T]{less: q.less}}
		q.flows[key] = f
		if q.levels[key.priority] == nil {
			q.levels[key.priority] = &level{}
		}
		q.levels[key.priority].flows++
		q.begin(now, f)
	}
	f.elements.insert(x)
	q.levels[key.priority].elements++
	q.size++
}

// begin has f wait for its next turn from now on.
func (q *queue[T]) begin(now time.Time, f *flow[T]) {
	q.seq++
	f.since, f.turn = now, q.seq
	q.strict.insert(f)
	q.aged.insert(f)
	if q.counts[f.group] < q.kept.quota {
		q.light.insert(f)
	}
}

// leave takes f out of all orders.
func (q *queue[T]) leave(f *flow[T]) {
	q.strict.remove(f)
	q.aged.remove(f)
	q.light.remove(f)
}

func (q *queue[T]) remove(key flowKey, x T) {
	f := q.flows[key]
	if f == nil || !f.elements.remove(x) {
		return
	}
	q.size--
	l := q.levels[key.priority]
	l.elements--
	if f.elements.len() > 0 {
		return
	}
	q.leave(f)
	delete(q.flows, key)
	if l.flows--; l.flows == 0 {
		delete(q.levels, key.priority)
	}
}

// next is the flow whose turn it is, or nil.
func (q *queue[T]) next() *flow[T] {
	order := &q.strict
	if (q.turns+1)%agedTurn == 0 {
		order = &q.aged
	}
	f, _ := order.first()
	return f
}

// take uses up the turn of f, which next told.
func (q *queue[T]) take(now time.Time, f *flow[T]) {
	q.turns++
	q.again(now, f)
}

// keep changes what is kept for light flows.
func (q *queue[T]) keep(r reserve) {
	q.kept = r
	q.light.root = nil
	for _, f := range q.flows {
		if q.counts[f.group] < r.quota {
			q.light.insert(f)
		}
	}
}

// nextLight is the flow whose turn it is on what is kept for light ones, or nil.
func (q *queue[T]) nextLight(now time.Time) *flow[T] {
	q.lighten(now)
	f, _ := q.light.first()
	return f
}

// again notes that f had a turn.
func (q *queue[T]) again(now time.Time, f *flow[T]) {
	q.lighten(now)
	q.leave(f)
	if q.kept.quota > 0 {
		q.recent = append(q.recent, pastTurn{at: now, group: f.group})
		if q.counts[f.group]++; q.counts[f.group] == q.kept.quota {
			q.ofGroup(f.group, func(other *flow[T]) { q.light.remove(other) })
		}
	}
	q.begin(now, f)
}

// lighten forgets turns of more than a period ago.
func (q *queue[T]) lighten(now time.Time) {
	for len(q.recent) > 0 && !q.recent[0].at.Add(q.kept.per).After(now) {
		group := q.recent[0].group
		q.recent = q.recent[1:]
		if q.counts[group]--; q.counts[group] == q.kept.quota-1 {
			q.ofGroup(group, q.light.insert)
		}
		if q.counts[group] == 0 {
			delete(q.counts, group)
		}
	}
}

// ofGroup calls do for the flows of a group that wait for a turn.
func (q *queue[T]) ofGroup(group string, do func(*flow[T])) {
	for priority := range q.levels {
		if f := q.flows[flowKey{priority: priority, group: group}]; f != nil {
			do(f)
		}
	}
}

// pop takes out the first element of f, whose turn it was.
func (q *queue[T]) pop(f *flow[T]) T {
	x := f.first()
	q.remove(f.flowKey, x)
	return x
}

// exactFlows is up to how many flows ahead looks at each.
const exactFlows = 32

// ahead counts the elements that go before the one that has rank others of f
// before it, given that nobody else comes and none is overtaken by age. Among
// very many flows it takes all to be as long as needed, and may count too many.
func (q *queue[T]) ahead(f *flow[T], rank int) int {
	n, higher := rank, 0
	for priority, l := range q.levels {
		if priority > f.priority {
			n += l.elements
			higher += l.flows
		}
	}
	own := q.levels[f.priority]
	if len(q.flows) > exactFlows {
		earlier := q.strict.rank(f) - higher
		return n + min(own.elements-f.elements.len(), rank*(own.flows-1)+earlier)
	}
	for _, other := range q.flows {
		if other == f || other.priority != f.priority {
			continue
		}
		turns := rank
		if other.turn < f.turn {
			turns++
		}
		n += min(turns, other.elements.len())
	}
	return n
}
