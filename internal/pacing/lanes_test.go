package pacing

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestFirstMessageAfterAStartWaitsForItsInterval(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{team("T1"), "C1"}
	if turn := w.ask(lane, Ticket{ID: "a"}); turn.Granted || turn.At != epoch.Add(1005*time.Millisecond) {
		t.Errorf("%+v", turn)
	}
	w.drain()
	w.now = w.now.Add(time.Hour)
	if turn := w.ask(lane, Ticket{ID: "b"}); !turn.Granted {
		t.Errorf("a free lane makes wait: %+v", turn)
	}
	if turn := w.ask(Lane{team("T1"), "C2"}, Ticket{ID: "c"}); !turn.Granted {
		t.Errorf("another lane makes wait: %+v", turn)
	}
}

func TestEstimate(t *testing.T) {
	w := newWorld(t, LaneOptions{Interval: time.Second, Margin: -1})
	w.now = epoch.Add(time.Minute)
	lane := Lane{team("T1"), "C1"}
	w.ask(lane, Ticket{ID: "first"})
	for i := range 39 {
		turn := w.ask(lane, Ticket{ID: fmt.Sprint(i)})
		if want := w.now.Add(time.Duration(i+1) * time.Second); turn.Ahead != i+1 || turn.At != want {
			t.Errorf("number %d: %d ahead until %v, want %v", i, turn.Ahead, turn.At, want)
		}
	}
}

// Where the budget of the workspace is what a message waits for, the estimate says
// so: what is told of each wait is within a fifth of it, or within its interval.
func TestEstimateOfTheWorkspace(t *testing.T) {
	for _, c := range []struct {
		name         string
		lanes, depth int
	}{
		{"a message for each of many", 1000, 1},
		{"a few for each of many", 100, 10},
		{"many for each of a few", 20, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, LaneOptions{Budget: []Limit{{Events: 300, Per: time.Minute}}})
			w.now = epoch.Add(time.Minute)
			told := map[string]Turn{}
			for d := range c.depth {
				for n := range c.lanes {
					id := fmt.Sprintf("%d-%d", n, d)
					told[id] = w.ask(Lane{team("T1"), fmt.Sprint("C", n)}, Ticket{ID: id, Since: w.now.Add(time.Duration(d) * time.Millisecond)})
				}
			}
			begin := w.now
			w.drain()
			for _, s := range w.posts {
				turn := told[s.id]
				if turn.Granted {
					continue
				}
				said, took := turn.At.Sub(begin), s.at.Sub(begin)
				if off := (said - took).Abs(); off > took/5+2*time.Second {
					t.Errorf("%s waited %v, and was told %v with %d ahead", s.id, took, said, turn.Ahead)
				}
				if took > time.Minute && !turn.Workspace {
					t.Errorf("%s waited %v for its workspace, and was told that it is for its conversation", s.id, took)
				}
			}
		})
	}
}

func TestUrgentFirst(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{team("T1"), "C1"}
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
	lane := Lane{team("T1"), "C1"}
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
	lane := Lane{team("T1"), "C1"}
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
		w.ask(Lane{team("T1"), "C1"}, Ticket{ID: fmt.Sprint(i)})
	}
	w.ask(Lane{team("T1"), "C2"}, Ticket{ID: "other"})
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
	lane, other := Lane{team("T1"), "C1"}, Lane{team("T1"), "C2"}
	for i := range 3 {
		w.ask(lane, Ticket{ID: fmt.Sprint(i)})
	}
	w.lanes.Penalize(w.now, lane, 30*time.Second)
	if turn := w.ask(other, Ticket{ID: "x"}); !turn.Granted {
		t.Error("the penalty of a channel holds another one")
	}
	w.drain()
	if got := w.sent("1").Sub(epoch); got < 90*time.Second {
		t.Errorf("the second message went after %v, want 1m30s at least", got)
	}
	w.lanes.Penalize(w.now, Lane{Workspace: team("T1")}, 30*time.Second)
	if turn := w.ask(other, Ticket{ID: "y"}); turn.Granted || turn.At.Before(w.now.Add(30*time.Second)) {
		t.Errorf("the penalty of the workspace does not hold: %+v", turn)
	}
	if turn := w.ask(Lane{team("T2"), "C1"}, Ticket{ID: "z"}); w.now.After(epoch.Add(2*time.Second)) && !turn.Granted {
		t.Error("the penalty of a workspace holds another one")
	}
	w.lanes.Penalize(w.now, Lane{Workspace: team("T3")}, 0)
	if turn := w.ask(Lane{team("T3"), "C1"}, Ticket{ID: "q"}); turn.Granted || turn.At.Before(w.now.Add(DefaultRetryAfter)) {
		t.Errorf("a 429 without Retry-After: %+v", turn)
	}
}

func TestForgottenTicketsLeaveNothing(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	for i := range 10 {
		w.ask(Lane{team("T1"), "C1"}, Ticket{ID: fmt.Sprint(i), Owner: "o"})
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
	w.ask(Lane{team("T1"), "C9"}, Ticket{ID: "last"})
	w.drain()
	if s := w.lanes.Stats(); s.Lanes > 1 {
		t.Errorf("idle lanes are remembered: %+v", s)
	}
}

// A turn that nobody takes goes to the next one.
func TestUntakenGrantExpires(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{GrantExpiry: 10 * time.Second})
	now := epoch
	l.Ask(now, Lane{team("T1"), "C1"}, Ticket{ID: "gone", Owner: "gone"})
	l.Ask(now, Lane{team("T1"), "C1"}, Ticket{ID: "next", Owner: "next"})
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
	lane := Lane{team("T1"), "C1"}
	now := epoch.Add(time.Minute)
	for range 2 {
		if !l.Ask(now, lane, Ticket{ID: "a"}).Granted {
			t.Error("not sent, and not let in again")
		}
	}
	l.Begin(now, "a")
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
		w.ask(Lane{team("T1"), fmt.Sprint("C", i)}, Ticket{ID: fmt.Sprint(i)})
	}
	if s := w.lanes.Stats(); s.InFlight != 4 || s.Queued != 6 {
		t.Errorf("%+v", s)
	}
	w.drain()
	if len(w.posts) != 10 {
		t.Errorf("%d of 10 sent", len(w.posts))
	}
}

// Under backlog the lanes use what Slack allows, but for the time of the answers.
func TestBacklogUsesTheRate(t *testing.T) {
	for _, c := range []struct {
		answer time.Duration
		share  float64
	}{
		{answer: time.Millisecond, share: 0.95},
		{answer: 40 * time.Millisecond, share: 0.95},
		{answer: 300 * time.Millisecond, share: 0.75},
	} {
		t.Run(c.answer.String(), func(t *testing.T) {
			w := newWorld(t, LaneOptions{})
			w.latency = func() time.Duration { return c.answer }
			for i := range 300 {
				w.ask(Lane{team("T1"), "C1"}, Ticket{ID: fmt.Sprint(i)})
			}
			w.drain()
			w.check(time.Second, DefaultBudget())
			took := w.posts[299].at.Sub(w.posts[0].at)
			share := 299 / took.Seconds()
			t.Logf("share of the allowed rate: %.3f", share)
			if share < c.share {
				t.Errorf("300 messages took %v, which is %.3f of the rate, want %.2f", took, share, c.share)
			}
		})
	}
}

// However long handshakes and answers take, Slack never sees two messages of a
// conversation too close, nor too many of a workspace.
func TestSlowHandshakesNeverMakeItTooFast(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	slow := func() time.Duration { return time.Duration(w.random.IntN(1500)) * time.Millisecond }
	w.handshake, w.latency = slow, slow
	w.refused = func() bool { return w.random.IntN(10) == 0 }
	for i := range 1000 {
		w.ask(Lane{team("T1"), fmt.Sprint("C", i%40)}, Ticket{ID: fmt.Sprint(i)})
	}
	w.drain()
	w.check(time.Second, DefaultBudget())
}

// What was certainly never written keeps nobody waiting.
func TestRefusedConnectionLeavesTheLaneFree(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	now, lane := epoch.Add(time.Minute), Lane{team("T1"), "C1"}
	for i := range 2 {
		id := fmt.Sprint(i)
		if !l.Ask(now, lane, Ticket{ID: id}).Granted || !l.Begin(now, id) {
			t.Fatalf("number %d has no turn", i)
		}
		l.Done(now, id, false)
	}
	l.Ask(now, lane, Ticket{ID: "sent"})
	l.Begin(now, "sent")
	now = now.Add(3 * time.Second) // a slow answer
	l.Done(now, "sent", true)
	if turn := l.Ask(now.Add(time.Second), lane, Ticket{ID: "next"}); turn.Granted {
		t.Error("the next message went out less than the interval after the answer")
	}
	if turn := l.Ask(now.Add(1005*time.Millisecond), lane, Ticket{ID: "next"}); !turn.Granted {
		t.Errorf("the next message still waits after the interval: %+v", turn)
	}
}
