package pacing

import (
	"fmt"
	"testing"
	"time"
)

// A workspace that does not answer is tried by one message at a time, at
// growing distances, and by all again as soon as one gets an answer.
func TestBreaker(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{BreakAfter: 3})
	now := epoch.Add(time.Minute)
	lane := func(i int) Lane { return Lane{team("T1"), fmt.Sprint("C", i)} }
	id := func(i int) string { return fmt.Sprint("m", i) }
	for i := range 3 {
		if !l.Ask(now, lane(i), Ticket{ID: id(i), Owner: id(i)}).Granted {
			t.Fatal("not granted")
		}
		l.Begin(now, id(i))
		l.Done(now, id(i), true)
		if opened := l.Failed(now, team("T1")); opened != (i == 2) {
			t.Errorf("failure %d: opened %v", i+1, opened)
		}
	}
	for i := range 20 {
		if turn := l.Ask(now, lane(10+i), Ticket{ID: id(10 + i), Owner: id(10 + i)}); turn.Granted || !turn.Down {
			t.Errorf("%+v", turn)
		}
	}
	if turn := l.Ask(now, Lane{team("T2"), "C1"}, Ticket{ID: "other", Owner: "other"}); !turn.Granted {
		t.Error("another workspace is held too")
	}
	l.Done(now, "other", true)
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
		l.Begin(now, due[0].Ticket.ID)
		l.Done(now, due[0].Ticket.ID, true)
		if probe < 3 {
			l.Failed(now, team("T1"))
		}
	}
	l.Answered(team("T1"))
	if due := l.Due(now); len(due) != 16 {
		t.Errorf("after an answer %d of 16 are granted", len(due))
	}
}

// Posting is down for ten minutes, and nothing else is: what had its turn
// before that is not tried either.
func TestAttemptsWhilePostingIsDown(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	w.now = epoch.Add(time.Minute)
	lanes := map[string]Grant{}
	for i := range 200 {
		lane, ticket := Lane{team("T1"), fmt.Sprint("D", i)}, Ticket{ID: fmt.Sprint(i), Owner: fmt.Sprint(i)}
		lanes[ticket.ID] = Grant{Ticket: ticket, Lane: lane}
		w.lanes.Ask(w.now, lane, ticket)
	}
	attempts, end := 0, w.now.Add(10*time.Minute)
	try := func(g Grant) {
		if w.lanes.Ask(w.now, g.Lane, g.Ticket).Granted && w.lanes.Begin(w.now, g.Ticket.ID) {
			attempts++
			w.lanes.Done(w.now, g.Ticket.ID, true)
			w.lanes.Failed(w.now, team("T1"))
			w.lanes.Ask(w.now, g.Lane, g.Ticket)
		}
	}
	for i := range 200 { // those that were let in at once
		try(lanes[fmt.Sprint(i)])
	}
	for w.now.Before(end) {
		for _, g := range w.lanes.Due(w.now) {
			try(g)
		}
		next, ok := w.lanes.NextAt()
		if !ok {
			t.Fatal("nothing is tried any more")
		}
		if next.After(w.now) {
			w.now = next
		}
	}
	t.Logf("%d attempts in ten minutes", attempts)
	// 5, and then after 1, 2, 4, 8, 16 and 30 s and each 30 s more.
	if attempts < 10 || attempts > 5+5+20 {
		t.Errorf("%d attempts in ten minutes, want some 29", attempts)
	}
}
