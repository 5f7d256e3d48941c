package pacing

import (
	"fmt"
	"testing"
	"time"
)

// A broadcast of a namespace delays the messages of others by a moment,
// whatever its severity and theirs, and wherever they go.
func TestBroadcastStarvesNobody(t *testing.T) {
	for _, row := range []struct {
		name             string
		broadcast, alert int
		lane             string
		bound            time.Duration
	}{
		{name: "of the same severity", bound: 100 * time.Millisecond, lane: "C1"},
		{name: "beside something more urgent", alert: 2, bound: 100 * time.Millisecond, lane: "C1"},
		{name: "that is more urgent itself", broadcast: 3, bound: 100 * time.Millisecond, lane: "C1"},
		{name: "which goes to the same conversation, too", bound: 3 * time.Second, lane: "D17"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, LaneOptions{})
			for i := range 5000 {
				w.ask(Lane{team("T1"), fmt.Sprint("D", i)}, Ticket{ID: fmt.Sprint(i), Group: "loud", Priority: row.broadcast})
			}
			for i := range 10 {
				w.ask(Lane{team("T1"), "D17"}, Ticket{ID: fmt.Sprint("more-", i), Group: "loud", Priority: row.broadcast})
			}
			w.run(5*time.Minute + 30*time.Second)
			asked := w.now
			w.ask(Lane{team("T1"), row.lane}, Ticket{ID: "alert", Group: "quiet", Priority: row.alert})
			w.run(30 * time.Second)
			waited := w.sent("alert").Sub(asked)
			t.Logf("the alert waited %v, beside %d messages sent and %d waiting", waited, len(w.posts), len(w.waiting))
			if waited > row.bound {
				t.Errorf("the alert waited %v, want %v at most", waited, row.bound)
			}
			w.drain()
			w.check(time.Second, DefaultBudget())
			if took := w.now.Sub(epoch); len(w.posts) != 5011 || took > 20*time.Minute {
				t.Errorf("%d messages in %v, want 5011 in some 19 minutes", len(w.posts), took)
			}
		})
	}
}

// Two broadcasts go out side by side, so that the second one's end is not the
// end of both.
func TestBroadcastsTakeTurns(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	for i := range 2000 {
		w.ask(Lane{team("T1"), fmt.Sprint("D", i)}, Ticket{ID: fmt.Sprint("a", i), Group: "a"})
	}
	for i := range 300 {
		w.ask(Lane{team("T1"), fmt.Sprint("E", i)}, Ticket{ID: fmt.Sprint("b", i), Group: "b"})
	}
	w.drain()
	w.check(time.Second, DefaultBudget())
	var last time.Time
	for i := range 300 {
		if at := w.sent(fmt.Sprint("b", i)); at.After(last) {
			last = at
		}
	}
	t.Logf("all of the small broadcast are out after %v, all of both after %v", last.Sub(epoch), w.now.Sub(epoch))
	if took := last.Sub(epoch); took > 3*time.Minute {
		t.Errorf("300 messages beside a broadcast took %v, want half of the budget for them, some two minutes", took)
	}
}

// A namespace that says Critical once a second, which is all that a
// conversation takes, delays the others there for a bounded time.
func TestCriticalStreamDelaysOthersForABoundedTime(t *testing.T) {
	for priority, name := range []string{"Info", "Warning", "Error"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, LaneOptions{})
			lane := Lane{team("T1"), "C1"}
			asked := epoch.Add(10 * time.Minute)
			for i := range 3600 {
				w.ask(lane, Ticket{ID: fmt.Sprint(i), Group: "loud", Priority: 3, Since: w.now})
				if w.now.Equal(asked) {
					w.ask(lane, Ticket{ID: "victim", Group: "quiet", Priority: priority, Since: w.now})
				}
				w.run(time.Second)
			}
			turn := time.Second + 55*time.Millisecond
			bound := time.Duration(3-priority)*levelAge + agedTurn*2*turn
			waited := w.sent("victim").Sub(asked)
			t.Logf("the %s waited %v, the bound is %v", name, waited, bound)
			if waited > bound {
				t.Errorf("the %s waited %v, want %v at most", name, waited, bound)
			}
			critical := w.sent("700").Sub(epoch.Add(700 * time.Second))
			if critical > 2*time.Minute {
				t.Errorf("a Critical one waited %v, want no more than the backlog of their own", critical)
			}
		})
	}
}

// The same over the conversations of a workspace whose budget is scarce. Both
// namespaces have used more than their share, so that nothing is kept for them.
func TestCriticalFloodDelaysOthersForABoundedTime(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	flood := 0
	for range 40 * 60 {
		for range 6 {
			w.ask(Lane{team("T1"), fmt.Sprint("D", flood%600)}, Ticket{ID: fmt.Sprint("flood-", flood), Group: "loud", Priority: 3, Since: w.now})
			flood++
		}
		if second := int(w.now.Sub(epoch) / time.Second); second%2 == 0 && second < 1200 {
			w.ask(Lane{team("T1"), fmt.Sprint("E", second)}, Ticket{ID: fmt.Sprint("own-", second), Group: "quiet", Priority: 3, Since: w.now})
		}
		if w.now.Equal(epoch.Add(5 * time.Minute)) {
			w.ask(Lane{team("T1"), "C1"}, Ticket{ID: "victim", Group: "quiet", Priority: 2, Since: w.now})
		}
		w.run(time.Second)
	}
	w.check(time.Second, DefaultBudget())
	// Nobody has a turn for up to a minute, when the budget is used up.
	bound := levelAge + time.Minute + agedTurn*4*time.Minute/270
	waited := w.sent("victim").Sub(epoch.Add(5 * time.Minute))
	t.Logf("the Error waited %v, the bound is %v", waited, bound)
	if waited > bound {
		t.Errorf("the Error waited %v, want %v at most", waited, bound)
	}
}

// Old messages of a thousand namespaces don't pass a Critical one by their age.
func TestAgeDoesNotPassWhatIsCritical(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	lane := Lane{team("T1"), "C1"}
	for i := range 1000 {
		w.ask(lane, Ticket{ID: fmt.Sprint(i), Group: fmt.Sprint("team-", i)})
	}
	w.run(10 * time.Minute)
	asked := w.now
	for i := range 10 {
		w.ask(lane, Ticket{ID: fmt.Sprint("critical-", i), Group: "team-7", Priority: 3})
	}
	w.run(time.Minute)
	if waited := w.sent("critical-9").Sub(asked); waited > 15*time.Second {
		t.Errorf("ten Critical messages took %v, want no more than every fourth turn for others", waited)
	}
}

// Recipients that were taken out of an object hold up nobody.
func TestRemovedRecipientsHoldUpNobody(t *testing.T) {
	w := newWorld(t, LaneOptions{})
	w.now = epoch.Add(time.Minute)
	w.lanes.Penalize(w.now, Lane{Workspace: team("T1")}, 10*time.Second)
	for i := range 50 {
		w.ask(Lane{team("T1"), fmt.Sprint("D", i)}, Ticket{ID: fmt.Sprint("r", i), Owner: "o", Group: "a"})
	}
	w.lanes.Keep(w.now, "o", []string{"r0"})
	for i := 1; i < 50; i++ {
		delete(w.waiting, fmt.Sprint("r", i))
	}
	w.ask(Lane{team("T1"), "D7"}, Ticket{ID: "critical", Group: "b", Priority: 3})
	w.run(10*time.Second + 200*time.Millisecond)
	for _, id := range []string{"critical", "r0"} {
		if waited := w.sent(id).Sub(epoch.Add(70 * time.Second)); waited > 200*time.Millisecond {
			t.Errorf("%s went out %v after the wait that Slack had asked for, want at once", id, waited)
		}
	}
	if len(w.posts) != 2 {
		t.Errorf("%d were sent, want 2", len(w.posts))
	}
}

// A turn that a pass had and did not use goes to the next one at once; what
// waits, and what is under way, stays.
func TestUnusedTurnsAreForgotten(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	now := epoch.Add(time.Minute)
	ask := func(lane, id, owner string) bool {
		return l.Ask(now, Lane{team("T1"), lane}, Ticket{ID: id, Owner: owner}).Granted
	}
	if !ask("C1", "sending", "o") || !l.Begin(now, "sending") || !ask("C2", "unused", "o") {
		t.Fatal("free lanes make wait")
	}
	if ask("C2", "next", "other") || ask("C1", "behind", "o") {
		t.Fatal("two have the same turn")
	}
	l.ForgetUnused(now, "o")
	if l.Begin(now, "unused") {
		t.Error("a turn that was given back is used")
	}
	if due := l.Due(now); len(due) != 1 || due[0].Ticket.ID != "next" {
		t.Errorf("granted %+v, want the next one of the lane that was not used", due)
	}
	if s := l.Stats(); s.Queued != 1 || s.InFlight != 1 {
		t.Errorf("%+v, want one that waits and one that is under way", s)
	}
}

// While Slack has asked to wait, nothing goes out, also not what had its turn
// before; and then all go, in their order.
func TestNothingGoesOutWhileSlackHasAskedToWait(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{Share: 1})
	now := epoch.Add(time.Minute)
	lane := func(i int) Lane { return Lane{team("T1"), fmt.Sprint("D", i)} }
	tickets := map[string]Grant{}
	for i := range 40 {
		ticket := Ticket{ID: fmt.Sprint(i), Owner: fmt.Sprint(i), Since: epoch.Add(time.Duration(i) * time.Second)}
		l.Penalize(now, lane(i), time.Second)
		l.Ask(now, lane(i), ticket)
		tickets[ticket.ID] = Grant{Ticket: ticket, Lane: lane(i)}
	}
	now = now.Add(time.Second)
	due := l.Due(now)
	if len(due) < 20 {
		t.Fatalf("%d have their turn", len(due))
	}
	// The first one is on its way, the second has taken its turn, the others not.
	for _, g := range due[:2] {
		if !l.Ask(now, g.Lane, g.Ticket).Granted {
			t.Fatal("called and not let in")
		}
	}
	if !l.Begin(now, due[0].Ticket.ID) {
		t.Fatal("the first may not begin")
	}
	l.Penalize(now, Lane{Workspace: team("T1")}, 30*time.Second)
	l.Done(now, due[0].Ticket.ID, true)
	if l.Begin(now, due[1].Ticket.ID) {
		t.Error("a turn that was taken before the 429 is used after it")
	}
	for _, g := range due[2:] {
		if turn := l.Ask(now, g.Lane, g.Ticket); turn.Granted || turn.At.Before(now.Add(30*time.Second)) {
			t.Errorf("%s: granted before the 429 and let in after it: %+v", g.Ticket.ID, turn)
		}
	}
	end := now.Add(30 * time.Second)
	if again := l.Due(end.Add(-time.Millisecond)); len(again) != 0 {
		t.Errorf("%d are called during Retry-After", len(again))
	}
	again := l.Due(end)
	if len(again) < 20 {
		t.Errorf("%d have their turn after Retry-After, want as many as before", len(again))
	}
	for i, g := range again {
		if g.Ticket.ID != fmt.Sprint(i+1) {
			t.Errorf("number %d is %s, want %d", i, g.Ticket.ID, i+1)
			break
		}
	}
}

// Workspaces that are gone are forgotten, those that were down or blocked too.
func TestIdleWorkspacesAreForgotten(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	for i := range 100 {
		name := fmt.Sprint("T", i)
		l.Failed(epoch, team(name))
		l.Penalize(epoch, Lane{team(name), "C1"}, time.Second)
		l.Penalize(epoch, Lane{Workspace: team(name)}, time.Minute)
	}
	now := epoch.Add(2 * time.Hour)
	for i := range 2 {
		id := fmt.Sprint(i)
		l.Ask(now, Lane{team("T"), "C1"}, Ticket{ID: id})
		l.Begin(now, id)
		l.Done(now, id, true)
		now = now.Add(2 * time.Minute)
	}
	if s := l.Stats(); s.Lanes > 1 || s.Workspaces > 1 || len(l.owners) > 0 {
		t.Errorf("%+v and %d owners are remembered, want one lane and workspace", s, len(l.owners))
	}
}
