package pacing

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// team is a workspace as the shared trust domain knows it, for one app.
func team(id string) slack.Workspace { return slack.SharedDomain().Workspace(id, "U1") }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// post is a message as Slack counted it.
type post struct {
	id   string
	lane Lane
	at   time.Time
}

// flight is a post under way.
type flight struct {
	lane Lane
	// from and until are when its request is written and its answer comes.
	from, until time.Time
	written     bool
}

// world drives Lanes as the operator does, on a clock of its own, against a
// Slack that counts a message at any moment between request and answer.
type world struct {
	t      testing.TB
	random *rand.Rand
	lanes  *Lanes
	now    time.Time
	// waiting tickets by ID; ghosts are not there to take their turn.
	waiting map[string]Grant
	ghosts  map[string]bool
	flights map[string]flight
	// handshake before a request is written, and latency of its answer.
	handshake, latency func() time.Duration
	// refused are posts that are never written.
	refused   func() bool
	unwritten map[string]bool
	posts     []post
}

func newWorld(t testing.TB, o LaneOptions) *world {
	return &world{
		t: t, lanes: NewLanes(epoch, o), now: epoch, waiting: map[string]Grant{}, ghosts: map[string]bool{}, unwritten: map[string]bool{}, flights: map[string]flight{},
		random:    rand.New(rand.NewPCG(7, 7)),
		handshake: func() time.Duration { return 0 },
		latency:   func() time.Duration { return 50 * time.Millisecond },
		refused:   func() bool { return false },
	}
}

func (w *world) ask(lane Lane, ticket Ticket) Turn {
	if ticket.Owner == "" {
		ticket.Owner = ticket.ID
	}
	turn := w.lanes.Ask(w.now, lane, ticket)
	if turn.Granted && w.lanes.Begin(w.now, ticket.ID) {
		delete(w.waiting, ticket.ID)
		from := w.now.Add(w.handshake())
		w.flights[ticket.ID] = flight{lane: lane, from: from, until: from.Add(w.latency()), written: !w.refused()}
		return turn
	}
	if turn.At.Before(w.now) || turn.Ahead < 0 {
		w.t.Errorf("%s is to wait until %v with %d ahead, at %v", ticket.ID, turn.At, turn.Ahead, w.now)
	}
	w.waiting[ticket.ID] = Grant{Ticket: ticket, Lane: lane}
	return turn
}

// land ends the posts whose answer has come.
func (w *world) land() {
	var over []string
	for id, f := range w.flights {
		if !f.until.After(w.now) {
			over = append(over, id)
		}
	}
	slices.Sort(over)
	for _, id := range over {
		f := w.flights[id]
		delete(w.flights, id)
		w.lanes.Done(w.now, id, f.written)
		w.unwritten[id] = !f.written
		if f.written {
			w.posts = append(w.posts, post{id, f.lane, f.from.Add(time.Duration(w.random.Int64N(int64(f.until.Sub(f.from)) + 1)))})
		}
	}
}

// step lets happen what is due, and moves the clock to what is next, but not
// beyond limit; false when nothing is left.
func (w *world) step(limit time.Time) bool {
	w.land()
	for _, g := range w.lanes.Due(w.now) {
		waiting, ok := w.waiting[g.Ticket.ID]
		if w.ghosts[g.Ticket.ID] {
			continue
		}
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
	for _, f := range w.flights {
		if !ok || f.until.Before(next) {
			next, ok = f.until, true
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

// run lets d pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for w.step(end) {
		continue
	}
	w.now = end
	w.land()
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

// check holds the posts against the limits, counted anew by Slack's own times.
func (w *world) check(interval time.Duration, budget []Limit) {
	w.t.Helper()
	slices.SortStableFunc(w.posts, func(a, b post) int { return a.at.Compare(b.at) })
	last := map[Lane]time.Time{}
	byWorkspace := map[slack.Workspace][]time.Time{}
	for _, p := range w.posts {
		if before, ok := last[p.lane]; ok && p.at.Sub(before) < interval {
			w.t.Errorf("%s: Slack counted it %v after the one before, want %v at least", p.id, p.at.Sub(before), interval)
		}
		last[p.lane] = p.at
		byWorkspace[p.lane.Workspace] = append(byWorkspace[p.lane.Workspace], p.at)
	}
	for _, times := range byWorkspace {
		checkCalls(w.t, times, budget)
	}
}

// sent is when Slack counted a message.
func (w *world) sent(id string) time.Time {
	w.t.Helper()
	for _, p := range w.posts {
		if p.id == id {
			return p.at
		}
	}
	w.t.Fatalf("%s was not sent", id)
	return time.Time{}
}

func (w *world) order() []string {
	var out []string
	for _, p := range w.posts {
		out = append(out, p.id)
	}
	return out
}
