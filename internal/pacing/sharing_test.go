package pacing

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/race"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// bucket is how Slack may count: rate tokens a second, of which burst are kept.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func newBucket(l Limit, burst float64) *bucket {
	return &bucket{rate: float64(l.Events) / l.Per.Seconds(), burst: burst, tokens: burst, at: epoch}
}

// wait is how long until there is a token, which is not taken; 0 for now.
func (b *bucket) wait(now time.Time) time.Duration {
	if now.After(b.at) {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.at).Seconds())
		b.at = now
	}
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - b.tokens) / b.rate * float64(time.Second))
}

// counter is another way to count: a number in any period that slides.
type counter struct {
	limit Limit
	times []time.Time
}

func (c *counter) wait(now time.Time) time.Duration {
	for len(c.times) > 0 && now.Sub(c.times[0]) >= c.limit.Per {
		c.times = c.times[1:]
	}
	if len(c.times) < c.limit.Events {
		return 0
	}
	return c.limit.Per - now.Sub(c.times[0])
}

func (b *bucket) take(time.Time)      { b.tokens-- }
func (c *counter) take(now time.Time) { c.times = append(c.times, now) }

// gate is one of Slack's limits.
type gate interface {
	wait(now time.Time) time.Duration
	take(now time.Time)
}

// event of the simulation, in the order of its time.
type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	one := old[len(old)-1]
	*e = old[:len(old)-1]
	return one
}

// sharing has several processes post to one workspace, each with its own Lanes and
// none knowing of the others, on a clock of its own.
type sharing struct {
	now     time.Time
	random  *rand.Rand
	agenda  events
	seq     int
	service func(Lane) []gate
	senders []*sender
}

func (s *sharing) at(t time.Time, do func()) {
	s.seq++
	heap.Push(&s.agenda, event{at: t, seq: s.seq, do: do})
}

func (s *sharing) after(d time.Duration, do func()) { s.at(s.now.Add(d), do) }

func (s *sharing) run(until time.Time) {
	for len(s.agenda) > 0 && !s.agenda[0].at.After(until) {
		e := heap.Pop(&s.agenda).(event)
		s.now = e.at
		e.do()
	}
	s.now = until
}

// arrive is what Slack says to a post: 0, or how long to wait in whole seconds.
func (s *sharing) arrive(lane Lane) time.Duration {
	wait := time.Duration(0)
	gates := s.service(lane)
	for _, g := range gates {
		wait = max(wait, g.wait(s.now))
	}
	if wait > 0 {
		return time.Duration(max(1, math.Ceil(wait.Seconds()))) * time.Second
	}
	for _, g := range gates {
		g.take(s.now)
	}
	return 0
}

// sender is one process.
type sender struct {
	s     *sharing
	lanes *Lanes
	// every is the pause between two messages of a conversation that come; 0 for a
	// backlog that never ends.
	every time.Duration
	// until is when nothing more comes.
	until time.Time
	next  int
	plan  time.Time
	// delivered is told of each message, when it is set.
	delivered func(Lane, Ticket)

	posted, refused int
}

func (s *sharing) join(o LaneOptions, conversations []string, every time.Duration, until time.Time) *sender {
	one := &sender{s: s, lanes: NewLanes(s.now, o), every: every, until: until}
	s.senders = append(s.senders, one)
	for _, c := range conversations {
		s.after(time.Duration(s.random.Int64N(int64(max(every, time.Second)))), func() { one.come(c) })
	}
	return one
}

// come has a new message for a conversation.
func (p *sender) come(conversation string) {
	if p.s.now.After(p.until) {
		return
	}
	p.next++
	id := fmt.Sprint(p.next)
	p.ask(Lane{team("T1"), conversation}, Ticket{ID: id, Owner: id, Group: "ns", Since: p.s.now})
	if p.every > 0 {
		p.s.after(p.every, func() { p.come(conversation) })
	}
}

func (p *sender) ask(lane Lane, t Ticket) {
	if p.lanes.Ask(p.s.now, lane, t).Granted && p.lanes.Begin(p.s.now, t.ID) {
		latency := time.Duration(20+p.s.random.IntN(60)) * time.Millisecond
		var wait time.Duration
		p.s.after(latency/2, func() { wait = p.s.arrive(lane) })
		p.s.after(latency, func() { p.answered(lane, t, wait) })
	}
	p.wake()
}

func (p *sender) answered(lane Lane, t Ticket, wait time.Duration) {
	p.lanes.Done(p.s.now, t.ID, true)
	if wait == 0 {
		p.posted++
		switch {
		case p.delivered != nil:
			p.delivered(lane, t)
		case p.every == 0:
			p.come(lane.Conversation)
		}
	} else {
		p.refused++
		p.lanes.PenalizePost(p.s.now, lane, wait)
		p.ask(lane, t)
	}
	p.wake()
}

// wake has the granted come when there is something to grant.
func (p *sender) wake() {
	at, ok := p.lanes.NextAt()
	if !ok || !p.plan.IsZero() && !at.Before(p.plan) && p.plan.After(p.s.now) {
		return
	}
	if at.Before(p.s.now) {
		at = p.s.now
	}
	p.plan = at
	p.s.at(at, func() {
		if !p.plan.Equal(at) {
			return
		}
		p.plan = time.Time{}
		for _, g := range p.lanes.Due(p.s.now) {
			p.ask(g.Lane, g.Ticket)
		}
		p.wake()
	})
}

func names(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

func newSharing(seed uint64, perConversation func() gate, whole gate) *sharing {
	s := &sharing{now: epoch, random: rand.New(rand.NewPCG(seed, 5))}
	conversations := map[Lane]gate{}
	s.service = func(lane Lane) []gate {
		if conversations[lane] == nil {
			conversations[lane] = perConversation()
		}
		return []gate{conversations[lane], whole}
	}
	return s
}

// Several processes that know nothing of each other share what Slack allows: they
// use nearly all of it, in like parts, and few of their posts meet a 429. One
// that is alone meets none.
func TestSendersShareALimit(t *testing.T) {
	race.Pointless(t)
	t.Parallel()
	second := Limit{Events: 1, Per: time.Second}
	budget := DefaultBudget()[0]
	own := func(i int) []string { return names(fmt.Sprint("own", i, "-"), 400) }
	shared := func(n int) func(int) []string { return func(int) []string { return names("C", n) } }
	for _, row := range []struct {
		name    string
		senders int
		// to are the conversations of a sender.
		to func(i int) []string
		// allowed a second, by what is scarce.
		allowed float64
		whole   func() gate
	}{
		{name: "one, to a conversation", senders: 1, to: shared(1), allowed: 1},
		{name: "two, to a conversation", senders: 2, to: shared(1), allowed: 1},
		{name: "four, to a conversation", senders: 4, to: shared(1), allowed: 1},
		{name: "two, to the same three conversations", senders: 2, to: shared(3), allowed: 3},
		{name: "one, to a workspace", senders: 1, to: own, allowed: 5},
		{name: "two, to a workspace", senders: 2, to: own, allowed: 5},
		{name: "four, to a workspace", senders: 4, to: own, allowed: 5},
		{name: "two, to a workspace that counts a minute", senders: 2, to: own, allowed: 5, whole: func() gate { return &counter{limit: budget} }},
		{name: "four, to a workspace that counts a minute and takes more", senders: 4, to: own, allowed: 10, whole: func() gate { return &counter{limit: Limit{600, time.Minute}} }},
		{name: "two, to the same six conversations of a workspace", senders: 2, to: shared(6), allowed: 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.whole == nil {
				row.whole = func() gate { return newBucket(budget, 300) }
			}
			s := newSharing(1, func() gate { return newBucket(second, 5) }, row.whole())
			end := epoch.Add(2 * time.Hour)
			for i := range row.senders {
				s.join(LaneOptions{}, row.to(i), 0, end)
			}
			s.run(end)
			s.judge(t, row.allowed)
		})
	}
}

// judge holds what became of the posts against what is promised.
func (s *sharing) judge(t *testing.T, allowed float64) {
	t.Helper()
	posted, refused, parts := 0, 0, []int{}
	for _, p := range s.senders {
		posted, refused = posted+p.posted, refused+p.refused
		parts = append(parts, p.posted)
	}
	used := float64(posted) / s.now.Sub(epoch).Seconds() / allowed
	met := float64(refused) / float64(posted+refused)
	t.Logf("%.3f of the limit was used, %.4f met a 429 (%d of %d); each has had %v", used, met, refused, posted+refused, parts)
	least := 0.9
	if len(parts) == 1 {
		least = 0.88 // a tenth is kept for namespaces that come later
	}
	if used < least || met > 0.01 {
		t.Errorf("%.3f of the limit was used and %.4f of the calls met a 429, want %v at least and 0.01 at most", used, met, least)
	}
	if len(parts) == 1 && refused > 0 {
		t.Errorf("%d calls of the only sender met a 429", refused)
	}
	if least, most := slices.Min(parts), slices.Max(parts); least < most/2 {
		t.Errorf("one has had %d and another %d, want like parts", least, most)
	}
}

// edit makes calls of a method for ever, some at once wanting to.
func (p *sender) edit(l *Limiter, h Holder) {
	if p.s.now.After(p.until) {
		return
	}
	at, ok := l.Reserve(p.s.now, team("T1"), slack.MethodUpdate, h)
	if !ok {
		p.s.at(at, func() { p.edit(l, h) })
		return
	}
	latency := time.Duration(20+p.s.random.IntN(60)) * time.Millisecond
	var wait time.Duration
	p.s.after(latency/2, func() { wait = p.s.arrive(Lane{}) })
	p.s.after(latency, func() {
		l.Done(p.s.now, team("T1"), slack.MethodUpdate, h.Name)
		p.posted++
		if wait > 0 {
			p.posted--
			p.refused++
			l.Penalize(p.s.now, team("T1"), slack.MethodUpdate, wait)
		}
		p.edit(l, h)
	})
}

// The same of a method with a tier.
func TestSendersShareAMethod(t *testing.T) {
	race.Pointless(t)
	t.Parallel()
	tier := Limit{Events: 50, Per: time.Minute}
	for _, row := range []struct {
		name    string
		senders int
		whole   gate
	}{
		{name: "one", senders: 1, whole: &counter{limit: tier}},
		{name: "two, counted in a minute that slides", senders: 2, whole: &counter{limit: tier}},
		{name: "four, counted in a minute that slides", senders: 4, whole: &counter{limit: tier}},
		{name: "two, counted by a bucket", senders: 2, whole: newBucket(tier, 50)},
		{name: "four, counted by a bucket", senders: 4, whole: newBucket(tier, 50)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSharing(1, func() gate { return &counter{limit: Limit{1000, time.Second}} }, row.whole)
			end := epoch.Add(6 * time.Hour)
			for range row.senders {
				l := NewLimiter(LimiterOptions{})
				p := &sender{s: s, until: end}
				s.senders = append(s.senders, p)
				for i := range 20 {
					s.after(time.Duration(s.random.Int64N(int64(time.Second))), func() { p.edit(l, Holder{Name: fmt.Sprint(i), Group: fmt.Sprint(i % 2)}) })
				}
			}
			s.run(end)
			s.judge(t, float64(tier.Events)/tier.Per.Seconds())
		})
	}
}
