package pacing

import (
	"fmt"
	"testing"
	"time"
)

// What a new notification costs, and one that asks again, while others wait in
// 1,000 conversations or in one.
func BenchmarkAsk(b *testing.B) {
	for _, row := range []struct {
		name                   string
		waiting, lanes, groups int
	}{
		{"100 waiting in 1000 lanes", 100, 1000, 10},
		{"10000 waiting in 1000 lanes", 10_000, 1000, 10},
		{"10000 waiting in 1 lane", 10_000, 1, 10},
		{"10000 waiting in 1 lane, each of its own group", 10_000, 1, 10_000},
	} {
		b.Run(row.name, func(b *testing.B) {
			l := NewLanes(epoch, LaneOptions{})
			ticket := func(i int) Ticket {
				return Ticket{ID: fmt.Sprint(i), Owner: fmt.Sprint(i), Group: fmt.Sprint(i % row.groups), Since: epoch.Add(time.Duration(i) * time.Millisecond)}
			}
			for i := range row.waiting {
				l.Ask(epoch, Lane{team("T1"), fmt.Sprint("C", i%row.lanes)}, ticket(i))
			}
			b.ReportAllocs()
			for i := range b.N {
				one := ticket(row.waiting + i)
				lane := Lane{team("T1"), fmt.Sprint("C", i%row.lanes)}
				l.Ask(epoch, lane, one)
				l.Ask(epoch, lane, one)
				l.Forget(epoch, one.ID)
			}
		})
	}
}

// What a message costs from its grant to its end, with 10,000 waiting, each of
// which asks again when it is sent.
func BenchmarkTurn(b *testing.B) {
	for _, row := range []struct{ lanes, groups int }{{10_000, 10}, {100, 10}, {1, 10_000}} {
		b.Run(fmt.Sprint("10000 waiting in ", row.lanes, " lanes of ", row.groups, " groups"), func(b *testing.B) {
			l := NewLanes(epoch, LaneOptions{InFlight: -1})
			for i := range 10_000 {
				id := fmt.Sprint(i)
				l.Ask(epoch, Lane{team("T1"), fmt.Sprint("C", i%row.lanes)}, Ticket{ID: id, Owner: id, Group: fmt.Sprint(i % row.groups), Priority: i % 4})
			}
			now, n := epoch, 0
			b.ReportAllocs()
			b.ResetTimer()
			for n < b.N {
				for _, g := range l.Due(now) {
					l.Ask(now, g.Lane, g.Ticket)
					l.Begin(now, g.Ticket.ID)
					l.Done(now, g.Ticket.ID, true)
					l.Ask(now, g.Lane, g.Ticket)
					n++
				}
				if at, ok := l.NextAt(); ok && at.After(now) {
					now = at
				}
			}
		})
	}
}

// What a look at a slot costs with 10,000 that wait for one.
func BenchmarkReserve(b *testing.B) {
	for _, groups := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("10000 callers of ", groups, " groups"), func(b *testing.B) {
			l := NewLimiter(LimiterOptions{})
			holder := func(i int) Holder {
				return Holder{Name: fmt.Sprint(i % 10_000), Group: fmt.Sprint(i % groups), Priority: i % 4}
			}
			now := epoch
			for i := range 10_000 {
				l.Reserve(now, team("T1"), "chat.update", holder(i))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				now = now.Add(10 * time.Millisecond)
				h := holder(i)
				if _, ok := l.Reserve(now, team("T1"), "chat.update", h); ok {
					l.Done(now, team("T1"), "chat.update", h.Name)
				}
			}
		})
	}
}
