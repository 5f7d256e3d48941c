package pacing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// post is a message as it was sent.
type post struct {
	id   string
	lane Lane
	at   time.Time
}

// world drives Lanes as the operator does, on a clock of its own.
type world struct {
	t     testing.TB
	lanes *Lanes
	now   time.Time
	// waiting tickets by owner.
	waiting map[string]Grant
	// flights are posts under way and when they end.
	flights map[string]time.Time
	latency func() time.Duration
	posts   []post
}

func newWorld(t testing.TB, o LaneOptions) *world {
	return &world{
		t: t, lanes: NewLanes(epoch, o), now: epoch, waiting: map[string]Grant{}, flights: map[string]time.Time{},
		latency: func() time.Duration { return 50 * time.Millisecond },
	}
}

func (w *world) ask(lane Lane, ticket Ticket) Turn {
	if ticket.Owner == "" {
		ticket.Owner = ticket.ID
	}
	turn := w.lanes.Ask(w.now, lane, ticket)
	if !turn.Granted {
		if turn.At.Before(w.now) || turn.Ahead < 0 {
			w.t.Errorf("%s is to wait until %v with %d ahead, at %v", ticket.ID, turn.At, turn.Ahead, w.now)
		}
		w.waiting[ticket.ID] = Grant{Ticket: ticket, Lane: lane}
		return turn
	}
	delete(w.waiting, ticket.ID)
	w.lanes.Sent(w.now, ticket.ID)
	w.posts = append(w.posts, post{ticket.ID, lane, w.now})
	w.flights[ticket.ID] = w.now.Add(w.latency())
	return turn
}

// step lets happen what is due, and moves the clock to what is next, but not
// beyond limit; false when nothing is left.
func (w *world) step(limit time.Time) bool {
	for id, end := range w.flights {
		if !end.After(w.now) {
			delete(w.flights, id)
			w.lanes.Done(w.now, id)
		}
	}
	for _, g := range w.lanes.Due(w.now) {
		waiting, ok := w.waiting[g.Ticket.ID]
		if !ok || waiting.Lane != g.Lane {
			w.t.Errorf("%s was granted and does not wait", g.Ticket.ID)
		}
		if turn := w.ask(g.Lane, waiting.Ticket); !turn.Granted {
			w.t.Errorf("%s was called and not let in", g.Ticket.ID)
		}
	}
	next, ok := w.lanes.NextAt()
	if !ok && len(w.flights) == 0 {
		if len(w.waiting) > 0 {
			w.t.Errorf("%d wait for ever", len(w.waiting))
		}
		return false
	}
	for _, end := range w.flights {
		if !ok || end.Before(next) {
			next, ok = end, true
		}
	}
	if next.After(limit) {
		next = limit
	}
	if next.After(w.now) {
		w.now = next
	}
	return w.now.Before(limit)
}

// drain runs until all is sent.
func (w *world) drain() {
	end := w.now.Add(24 * time.Hour)
	for steps := 0; w.step(end); steps++ {
		if steps > 200_000 {
			w.t.Fatal("it does not end")
		}
	}
}

// check holds the posts against the limits, counted anew.
func (w *world) check(interval time.Duration, budget []Limit) {
	w.t.Helper()
	last := map[Lane]time.Time{}
	byWorkspace := map[string][]time.Time{}
	for _, p := range w.posts {
		if before, ok := last[p.lane]; ok && p.at.Sub(before) < interval {
			w.t.Errorf("%s: %v after the one before", p.id, p.at.Sub(before))
		}
		last[p.lane] = p.at
		byWorkspace[p.lane.Workspace] = append(byWorkspace[p.lane.Workspace], p.at)
	}
	for name, times := range byWorkspace {
		for _, l := range budget {
			for i := l.Events; i < len(times); i++ {
				if took := times[i].Sub(times[i-l.Events]); took < l.Per {
					w.t.Errorf("%s: %d posts within %v, which is to be %v", name, l.Events+1, took, l.Per)
					break
				}
			}
		}
	}
}

func (w *world) order() []string {
	var out []string
	for _, p := range w.posts {
		out = append(out, p.id)
	}
	return out
}

func TestFirstMessageAfterAStartWaitsForItsInterval(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{"T1", "C1"}
	if turn := w.ask(lane, Ticket{ID: "a"}); turn.Granted || turn.At != epoch.Add(1020*time.Millisecond) {
		t.Errorf("%+v", turn)
	}
	w.drain()
	w.now = w.now.Add(time.Hour)
	if turn := w.ask(lane, Ticket{ID: "b"}); !turn.Granted {
		t.Errorf("a free lane makes wait: %+v", turn)
	}
	if turn := w.ask(Lane{"T1", "C2"}, Ticket{ID: "c"}); !turn.Granted {
		t.Errorf("another lane makes wait: %+v", turn)
	}
}

func TestEstimate(t *testing.T) {
	w := newWorld(t, LaneOptions{Interval: time.Second, Margin: -1})
	w.now = epoch.Add(time.Minute)
	lane := Lane{"T1", "C1"}
	w.ask(lane, Ticket{ID: "first"})
	for i := range 39 {
		turn := w.ask(lane, Ticket{ID: fmt.Sprint(i)})
		if want := w.now.Add(time.Duration(i+1) * time.Second); turn.Ahead != i+1 || turn.At != want {
			t.Errorf("number %d: %d ahead until %v, want %v", i, turn.Ahead, turn.At, want)
		}
	}
}

func TestUrgentFirst(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{"T1", "C1"}
	for i, priority := range []int{0, 0, 2, 1, 3, 0, 3} {
		w.ask(lane, Ticket{ID: fmt.Sprint(i), Priority: priority})
	}
	w.drain()
	if got, want := w.order(), []string{"4", "6", "2", "3", "0", "1", "5"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestOlderFirst(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{"T1", "C1"}
	for i, age := range []int{1, 5, 3, 4, 2} {
		w.ask(lane, Ticket{ID: fmt.Sprint(i), Since: epoch.Add(-time.Duration(age) * time.Minute)})
	}
	w.drain()
	if got, want := w.order(), []string{"1", "3", "2", "4", "0"}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// A namespace with a thousand messages does not hold up one with two.
func TestFairBetweenGroups(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{"T1", "C1"}
	for i := range 1000 {
		w.ask(lane, Ticket{ID: fmt.Sprint("loud-", i), Group: "loud"})
	}
	quiet := w.ask(lane, Ticket{ID: "quiet-0", Group: "quiet"})
	w.ask(lane, Ticket{ID: "quiet-1", Group: "quiet"})
	if quiet.Ahead > 2 {
		t.Errorf("%d go before the first quiet one", quiet.Ahead)
	}
	w.drain()
	for i, id := range w.order() {
		if id == "quiet-1" && i > 4 {
			t.Errorf("the second quiet one was number %d", i)
		}
	}
}

// A thousand messages for one channel don't delay another one.
func TestLanesAreIndependent(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	for i := range 1000 {
		w.ask(Lane{"T1", "C1"}, Ticket{ID: fmt.Sprint(i)})
	}
	w.ask(Lane{"T1", "C2"}, Ticket{ID: "other"})
	w.drain()
	w.check(time.Second, DefaultBudget())
	if len(w.posts) != 1001 {
		t.Errorf("%d sent", len(w.posts))
	}
	if i := slices.Index(w.order(), "other"); i > 1 {
		t.Errorf("the other channel's message was number %d", i)
	}
}

func TestPenalty(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	w.now = epoch.Add(time.Minute)
	lane, other := Lane{"T1", "C1"}, Lane{"T1", "C2"}
	for i := range 3 {
		w.ask(lane, Ticket{ID: fmt.Sprint(i)})
	}
	w.lanes.Penalize(w.now, lane, 30*time.Second)
	if turn := w.ask(other, Ticket{ID: "x"}); !turn.Granted {
		t.Error("the penalty of a channel holds another one")
	}
	w.drain()
	if got := w.posts[2].at.Sub(epoch); got < 90*time.Second {
		t.Errorf("the second message went after %v", got)
	}
	w.lanes.Penalize(w.now, Lane{Workspace: "T1"}, 30*time.Second)
	if turn := w.ask(other, Ticket{ID: "y"}); turn.Granted || turn.At.Before(w.now.Add(30*time.Second)) {
		t.Errorf("the penalty of the workspace does not hold: %+v", turn)
	}
	if turn := w.ask(Lane{"T2", "C1"}, Ticket{ID: "z"}); w.now.After(epoch.Add(2*time.Second)) && !turn.Granted {
		t.Error("the penalty of a workspace holds another one")
	}
	w.lanes.Penalize(w.now, Lane{Workspace: "T3"}, 0)
	if turn := w.ask(Lane{"T3", "C1"}, Ticket{ID: "q"}); turn.Granted || turn.At.Before(w.now.Add(DefaultRetryAfter)) {
		t.Errorf("a 429 without Retry-After: %+v", turn)
	}
}

func TestForgottenTicketsLeaveNothing(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	for i := range 10 {
		w.ask(Lane{"T1", "C1"}, Ticket{ID: fmt.Sprint(i), Owner: "o"})
	}
	w.lanes.Forget(w.now, "3")
	if s := w.lanes.Stats(); s.Queued != 9 {
		t.Errorf("%+v", s)
	}
	w.lanes.ForgetOwner(w.now, "o")
	if s := w.lanes.Stats(); s.Queued+s.Granted+s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
	clear(w.waiting)
	w.now = w.now.Add(time.Hour)
	w.ask(Lane{"T1", "C9"}, Ticket{ID: "last"})
	w.drain()
	if s := w.lanes.Stats(); s.Lanes > 1 {
		t.Errorf("idle lanes are remembered: %+v", s)
	}
}

// A turn that nobody takes goes to the next one.
func TestUntakenGrantExpires(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{GrantExpiry: 10 * time.Second})
	now := epoch
	l.Ask(now, Lane{"T1", "C1"}, Ticket{ID: "gone", Owner: "gone"})
	l.Ask(now, Lane{"T1", "C1"}, Ticket{ID: "next", Owner: "next"})
	now = now.Add(2 * time.Second)
	if due := l.Due(now); len(due) != 1 || due[0].Ticket.ID != "gone" {
		t.Fatalf("%+v", due)
	}
	at, ok := l.NextAt()
	if !ok || at != now.Add(10*time.Second) {
		t.Errorf("next at %v, %v", at, ok)
	}
	if due := l.Due(at); len(due) != 1 || due[0].Ticket.ID != "next" {
		t.Errorf("%+v", due)
	}
}

// A caller that lost its try asks again: what was sent queues, what was not has its turn.
func TestLostTry(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	lane := Lane{"T1", "C1"}
	now := epoch.Add(time.Minute)
	for range 2 {
		if !l.Ask(now, lane, Ticket{ID: "a"}).Granted {
			t.Error("not sent, and not let in again")
		}
	}
	l.Sent(now, "a")
	if turn := l.Ask(now, lane, Ticket{ID: "a"}); turn.Granted {
		t.Error("sent, and let in again at once")
	}
}

// A workspace that hangs takes no more than its share of the workers.
func TestInFlightIsCapped(t *testing.T) {
	w := newWorld(t, LaneOptions{InFlight: 4, Budget: []Limit{}})
	w.now = epoch.Add(time.Minute)
	w.latency = func() time.Duration { return time.Minute }
	for i := range 10 {
		w.ask(Lane{"T1", fmt.Sprint("C", i)}, Ticket{ID: fmt.Sprint(i)})
	}
	if s := w.lanes.Stats(); s.InFlight != 4 || s.Queued != 6 {
		t.Errorf("%+v", s)
	}
	w.drain()
	if len(w.posts) != 10 {
		t.Errorf("%d of 10 sent", len(w.posts))
	}
}

// A workspace that does not answer is tried by one message at a time, at
// growing distances, and by all again as soon as one gets an answer.
func TestBreaker(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{BreakAfter: 3})
	now := epoch.Add(time.Minute)
	lane := func(i int) Lane { return Lane{"T1", fmt.Sprint("C", i)} }
	id := func(i int) string { return fmt.Sprint("m", i) }
	for i := range 3 {
		if !l.Ask(now, lane(i), Ticket{ID: id(i), Owner: id(i)}).Granted {
			t.Fatal("not granted")
		}
		l.Sent(now, id(i))
		l.Done(now, id(i))
		if opened := l.Failed(now, "T1"); opened != (i == 2) {
			t.Errorf("failure %d: opened %v", i+1, opened)
		}
	}
	for i := range 20 {
		if turn := l.Ask(now, lane(10+i), Ticket{ID: id(10 + i), Owner: id(10 + i)}); turn.Granted || !turn.Down {
			t.Errorf("%+v", turn)
		}
	}
	if turn := l.Ask(now, Lane{"T2", "C1"}, Ticket{ID: "other", Owner: "other"}); !turn.Granted {
		t.Error("another workspace is held too")
	}
	l.Done(now, "other")
	for probe, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if due := l.Due(now.Add(pause - time.Millisecond)); len(due) != 0 {
			t.Fatalf("probe %d came early", probe)
		}
		now = now.Add(pause)
		due := l.Due(now)
		if len(due) != 1 {
			t.Fatalf("probe %d: %d messages", probe, len(due))
		}
		l.Ask(now, due[0].Lane, due[0].Ticket)
		l.Sent(now, due[0].Ticket.ID)
		l.Done(now, due[0].Ticket.ID)
		if probe < 3 {
			l.Failed(now, "T1")
		}
	}
	l.Answered("T1")
	if due := l.Due(now); len(due) != 16 {
		t.Errorf("after an answer %d of 16 are granted", len(due))
	}
}

// Under backlog the lanes use what Slack allows: one a second but for the margin.
func TestBacklogUsesTheRate(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	for i := range 300 {
		w.ask(Lane{"T1", "C1"}, Ticket{ID: fmt.Sprint(i)})
	}
	w.drain()
	took := w.posts[299].at.Sub(w.posts[0].at)
	share := 299 / took.Seconds()
	t.Logf("share of the allowed rate: %.3f", share)
	if share < 0.95 {
		t.Errorf("%d messages took %v", 300, took)
	}
}

func simulate(t testing.TB, seed uint64, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a simulation
	budget := []Limit{{Events: 5 + random.IntN(20), Per: time.Duration(1+random.IntN(10)) * time.Second}}
	w := newWorld(t, LaneOptions{Budget: budget, InFlight: 1 + random.IntN(8)})
	w.latency = func() time.Duration { return time.Duration(random.IntN(3000)) * time.Millisecond }
	asked := 0
	forgotten := map[string]bool{}
	for asked < n {
		switch random.IntN(12) {
		case 0:
			w.lanes.Penalize(w.now, Lane{"T1", fmt.Sprint("C", random.IntN(4))}, time.Duration(random.IntN(5000))*time.Millisecond)
		case 1:
			w.lanes.Penalize(w.now, Lane{Workspace: "T1"}, time.Duration(random.IntN(3000))*time.Millisecond)
		case 2:
			for id := range w.waiting {
				w.lanes.Forget(w.now, id)
				delete(w.waiting, id)
				forgotten[id] = true
				break
			}
		case 3, 4, 5:
			until := w.now.Add(time.Duration(random.IntN(4000)) * time.Millisecond)
			for w.step(until) {
				continue
			}
			w.now = until
		default:
			w.ask(Lane{fmt.Sprint("T", 1+random.IntN(2)), fmt.Sprint("C", random.IntN(4))}, Ticket{
				ID: fmt.Sprint(asked), Priority: random.IntN(4), Group: fmt.Sprint(random.IntN(3)), Since: epoch.Add(-time.Duration(random.IntN(60)) * time.Second),
			})
			asked++
		}
	}
	w.drain()
	w.check(time.Second, budget)
	seen := map[string]int{}
	for _, p := range w.posts {
		seen[p.id]++
	}
	for i := range n {
		id := fmt.Sprint(i)
		if want := 1; seen[id] != want && !forgotten[id] {
			t.Errorf("seed %d: %s was sent %d times", seed, id, seen[id])
		}
	}
}

// Whatever comes, nobody is lost, nobody is sent twice, and no limit is hit.
func TestNothingIsLostAndNoLimitIsHit(t *testing.T) {
	for seed := range uint64(60) {
		simulate(t, seed, 120)
	}
}

func FuzzLanes(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { simulate(t, seed, 60) })
}

// What a notification costs while 10,000 wait in a lane and 1,000 lanes are in use.
func BenchmarkAsk(b *testing.B) {
	for _, waiting := range []int{100, 10_000} {
		b.Run(fmt.Sprint(waiting, " waiting"), func(b *testing.B) {
			l := NewLanes(epoch, LaneOptions{})
			for i := range waiting {
				l.Ask(epoch, Lane{"T1", fmt.Sprint("C", i%1000)}, Ticket{ID: fmt.Sprint(i), Owner: fmt.Sprint(i)})
			}
			b.ReportAllocs()
			for i := range b.N {
				id := fmt.Sprint("b", i)
				l.Ask(epoch, Lane{"T1", fmt.Sprint("C", i%1000)}, Ticket{ID: id, Owner: id})
				l.Forget(epoch, id)
			}
		})
	}
}
