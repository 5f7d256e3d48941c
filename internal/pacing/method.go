package pacing

import "time"

// method is the state of one method in one workspace.
type method struct {
	// limits are Slack's, scaled those that are kept to since scaledTo was
	// learnt.
	limits, scaled []Limit
	learnt         learnt
	scaledTo       float64

	used    window
	blocked time.Time
	seq     uint64
	// places by the name of their holder.
	places  map[string]*place
	waiting queue[*place]
	// missed their slot by coming late; they go before what waits.
	missed ordered[*place]
	called expiries[*place]
	gone   expiries[*place]
	// calls under way by the name of their holder.
	calls map[string]*call
	ended expiries[*call]
	// needed is until when somebody counts on it.
	needed time.Time
}

type presence int

const (
	// waits in the queue.
	waits presence = iota
	// due: a slot is kept free for it.
	due
	// late: it had its turn and did not come in time.
	late
	// returned after that, and waits among the missed.
	returned
)

// place of a holder.
type place struct {
	name     string
	key      flowKey
	presence presence
	seq      uint64
	// at is the time that the holder was told.
	at time.Time
	// stamp changes with the presence.
	stamp uint64
}

func (p *place) stamped() uint64 { return p.stamp }

// call under way.
type call struct {
	holder string
	from   time.Time
	over   bool
}

func (c *call) stamped() uint64 {
	if c.over {
		return 1
	}
	return 0
}

func newMethod(limits []Limit) *method {
	less := func(a, b *place) bool { return a.seq < b.seq }
	m := &method{
		limits: limits, scaled: limits, scaledTo: 1, places: map[string]*place{}, waiting: newQueue(less),
		missed: ordered[*place]{less: less}, calls: map[string]*call{},
	}
	m.waiting.kept = reserved(limits)
	return m
}

// scale has the limits follow what was learnt.
func (m *method) scale(now time.Time) {
	part := m.learnt.part(now)
	if !differs(m.scaledTo, part) {
		return
	}
	m.scaledTo, m.scaled = part, scaled(m.limits, part)
	m.waiting.keep(reserved(m.scaled))
}

func (m *method) need(t time.Time) {
	if t.After(m.needed) {
		m.needed = t
	}
}

func (m *method) now(p *place, s presence) {
	m.seq++
	p.presence, p.stamp = s, m.seq
}

func (m *method) reserve(now time.Time, h Holder, o LimiterOptions) (time.Time, bool) {
	m.expire(now, o)
	key := flowKey{priority: h.Priority, group: h.Group}
	p := m.places[h.Name]
	if p != nil && p.presence == waits && p.key != key {
		m.waiting.remove(p.key, p)
		delete(m.places, p.name)
		p = nil
	}
	if p != nil {
		m.greet(now, p)
	}
	m.serve(now, o)
	if p == nil {
		if f := m.waiting.flows[key]; f != nil && f.elements.len() >= o.PerGroup {
			return m.turnAway(now, f), false
		}
		m.seq++
		p = &place{name: h.Name, key: key, seq: m.seq, at: now}
		m.places[h.Name] = p
		m.waiting.push(now, key, p)
		m.serve(now, o)
	}
	if p.presence != due {
		p.at = m.estimate(now, p)
		return p.at, false
	}
	delete(m.places, p.name)
	m.now(p, waits) // what lapses later means another
	m.used.end(now, m.limits)
	m.learnt.called(now)
	m.begin(now, p.name, o)
	return now, true
}

// greet notes that the holder of a place is here.
func (m *method) greet(now time.Time, p *place) {
	p.at = now
	if p.presence == due && m.blocked.After(now) {
		m.used.cancel()
		m.now(p, late)
	}
	if p.presence == late {
		m.now(p, returned)
		m.missed.insert(p)
	}
}

// serve keeps a slot for each whose turn has come.
func (m *method) serve(now time.Time, o LimiterOptions) {
	for p := m.next(now); p != nil; p = m.next(now) {
		if now.After(p.at.Add(o.Grace)) {
			// It was to be here by now; another one may go.
			m.now(p, late)
			m.gone.push(now.Add(o.LapseAfter), p)
			continue
		}
		m.now(p, due)
		m.used.begin()
		m.called.push(now.Add(o.Grace), p)
	}
}

// next takes out the place whose turn it is; nil when there is no slot for it.
func (m *method) next(now time.Time) *place {
	if m.blocked.After(now) || m.used.capacity(now, m.scaled) <= 0 {
		return nil
	}
	if p, ok := m.missed.first(); ok {
		m.missed.remove(p)
		return p
	}
	f := m.waiting.next()
	if f != nil && m.used.capacity(now, m.waiting.kept.others) > 0 {
		m.waiting.take(now, f)
		return m.waiting.pop(f)
	}
	if f = m.waiting.nextLight(now); f != nil {
		m.waiting.again(now, f)
		return m.waiting.pop(f)
	}
	return nil
}

// expire frees the slots of those that did not come, and forgets those that
// seem not to come any more.
func (m *method) expire(now time.Time, o LimiterOptions) {
	for p, ok := m.called.pop(now); ok; p, ok = m.called.pop(now) {
		m.used.cancel()
		m.now(p, late)
		m.gone.push(now.Add(o.LapseAfter), p)
	}
	for p, ok := m.gone.pop(now); ok; p, ok = m.gone.pop(now) {
		if p.at.Add(o.LapseAfter).After(now) {
			m.gone.push(now.Add(o.LapseAfter), p) // it was told to come later than its turn came
			continue
		}
		delete(m.places, p.name)
	}
	for c, ok := m.ended.pop(now); ok; c, ok = m.ended.pop(now) {
		delete(m.calls, c.holder)
	}
}

// estimate is about when the slot comes, after now. Who waits behind higher
// priorities is told to come in levelAge at the latest, since its age may give
// it a turn before they are through.
func (m *method) estimate(now time.Time, p *place) time.Time {
	if p.presence == returned {
		return m.slot(now, m.missed.rank(p), m.scaled)
	}
	q := &m.waiting
	f := q.flows[p.key]
	rank := f.elements.rank(p)
	at := m.slot(now, m.missed.len()+q.ahead(f, rank), q.kept.others)
	soonest := m.slot(now, m.missed.len(), m.scaled)
	if q.counts[f.group]+rank < q.kept.quota {
		at = earlier(at, m.slot(now, m.missed.len()+q.light.rank(f)+rank, m.scaled))
	}
	if first, _ := q.strict.first(); first.priority > f.priority {
		at = earlier(at, now.Add(levelAge))
	}
	if at.Before(soonest) {
		return soonest
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// slot is about when the call may begin that has ahead others before it that
// wait.
func (m *method) slot(now time.Time, ahead int, limits []Limit) time.Time {
	if m.blocked.After(now) {
		now = m.blocked
	}
	return m.used.slot(now, m.used.open+ahead, limits)
}

// spreadTurnedAway is over how many slots the callers are spread that found no
// place, so that they do not come back all at once.
const spreadTurnedAway = 500

// turnAway is about when there is a place in f again.
func (m *method) turnAway(now time.Time, f *flow[*place]) time.Time {
	ahead := m.missed.len() + m.waiting.ahead(f, f.elements.len()) + f.spread
	f.spread = (f.spread + 1) % spreadTurnedAway
	return m.slot(now, ahead, m.waiting.kept.others)
}

// begin notes a call until it is done, or can't be under way any more.
func (m *method) begin(now time.Time, holder string, o LimiterOptions) {
	if old := m.calls[holder]; old != nil {
		old.over = true
	}
	c := &call{holder: holder, from: m.used.last()}
	m.calls[holder] = c
	m.ended.push(now.Add(o.LapseAfter), c)
}

func (m *method) done(now time.Time, holder string) {
	if c := m.calls[holder]; c != nil {
		c.over = true
		delete(m.calls, holder)
		m.used.move(c.from, now, m.limits)
	}
}
