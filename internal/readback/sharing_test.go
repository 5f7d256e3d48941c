package readback

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// event is a question that is asked again and again until it is answered.
type event struct {
	q     Question
	at    time.Time
	asked time.Time
	took  time.Duration
	done  bool
}

// simulate asks all of the questions at their times, and when they are woken.
func (r *rig) simulate(events []*event) {
	r.t.Helper()
	for range 100_000 {
		for _, name := range r.woken {
			for _, e := range events {
				if e.q.Owner.Name == name && !e.asked.IsZero() {
					e.at = r.now
				}
			}
		}
		r.woken = nil
		var next *event
		for _, e := range events {
			if !e.done && (next == nil || e.at.Before(next.at)) {
				next = e
			}
		}
		if next == nil {
			return
		}
		r.now = later(r.now, next.at)
		if next.asked.IsZero() {
			next.asked = r.now
		}
		if a := r.ask(next.q); a.Kind != Later {
			next.done, next.took = true, r.now.Sub(next.asked)
		} else {
			next.at = later(a.At, r.now.Add(time.Millisecond))
		}
	}
	r.t.Fatal("the questions came to no end")
}

// doubts come each five seconds, while a page takes a second and the last five
// minutes have a number of pages.
func doubts(r *rig, pages, n int) []*event {
	r.slack.chatter(10*pages, 5*time.Minute/time.Duration(10*pages))
	r.slack.takes = time.Second
	begin := r.now
	var events []*event
	for i := range n {
		r.now = begin.Add(time.Duration(i) * 5 * time.Second)
		q := r.sends(fmt.Sprint("n", i))
		q.Oldest = begin.Add(-5 * time.Minute)
		events = append(events, &event{q: q, at: q.Settled})
	}
	r.now = begin
	return events
}

func slowest(events []*event) time.Duration {
	return slices.MaxFunc(events, func(a, b *event) int { return cmp.Compare(a.took, b.took) }).took
}

func TestLaterDoubtsDoNotBeginALongReadingAnew(t *testing.T) {
	for _, pages := range []int{1, 10, 40} {
		t.Run(fmt.Sprint(pages, " pages each"), func(t *testing.T) {
			r := newRig(t)
			r.slack.chatter(1900, time.Hour)
			events := doubts(r, pages, 300)
			long := r.sendsSettled("long")
			long.Oldest = r.now.Add(-90 * 24 * time.Hour)
			events = append(events, &event{q: long, at: r.now})
			r.simulate(events)
			alone := time.Duration(190+pages) * time.Second
			took := events[300].took
			t.Logf("the long one took %v, the slowest of the doubts %v, %d pages", took, slowest(events[:300]), len(r.slack.calls))
			if took > 2*alone+time.Minute {
				t.Errorf("the long reading took %v amid doubts, wanted twice its %v and a bit", took, alone)
			}
			if worst := slowest(events[:300]); worst > 2*alone+2*time.Duration(pages)*time.Second+time.Minute {
				t.Errorf("a doubt took %v, wanted at most the long one's time and twice its own", worst)
			}
		})
	}
}

func TestADoubtEachFiveSecondsAgainstAReadingOfTen(t *testing.T) {
	r := newRig(t)
	events := doubts(r, 10, 200)
	r.simulate(events)
	if worst := slowest(events); worst > time.Minute {
		t.Errorf("a doubt took %v, wanted a few readings' time", worst)
	}
}

func TestOneAtATimeReads(t *testing.T) {
	r := newRig(t)
	r.slack.post(bot, of("second", "r"))
	r.slack.chatter(15, time.Millisecond)
	first, second, third := r.sends("first"), r.sends("second"), r.sends("third")
	third.Oldest = first.Oldest.Add(-time.Hour)
	r.passes(3 * time.Second)
	r.slack.during = func() {
		r.slack.during = nil
		for _, q := range []Question{second, third} {
			a := r.ask(q)
			r.wants(a, Later, "while another reads")
			if wait := a.At.Sub(r.now); a.Err != nil || wait <= 0 || wait > time.Minute {
				t.Errorf("asked back in %v with %v, wanted to be woken, or within a minute", wait, a.Err)
			}
		}
	}
	r.wants(r.ask(first), Absent, "who reads")
	r.wantsCalls(2, "two pages")
	slices.Sort(r.woken)
	if got := strings.Join(r.woken, " "); got != "second third" {
		t.Errorf("woken are %q, wanted the second for its message and the third to read on", got)
	}
	r.wants(r.ask(second), Found, "the second")
	r.wantsCalls(2, "no page for the second")
	r.wants(r.ask(third), Absent, "the third")
}

func TestANewAttemptIsNotAnsweredByTheLastOnes(t *testing.T) {
	r := newRig(t)
	first, second := r.sendsSettled("first"), r.sendsSettled("second")
	r.slack.during = func() { r.slack.during = nil; r.wants(r.ask(second), Later, "while another reads") }
	r.wants(r.ask(first), Absent, "who reads")
	r.passes(time.Second)
	r.slack.post(bot, of("second", "r"))
	r.wants(r.ask(r.sendsSettled("second")), Found, "the message of a new attempt")
}

func TestTheEndOfTheContextIsNobodysTrouble(t *testing.T) {
	for name, cancelledBefore := range map[string]bool{"before the call": true, "during the call": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			q, other := r.sends("n"), r.sends("other")
			r.passes(3 * time.Second)
			if cancelledBefore {
				cancel()
			} else {
				r.slack.during = func() { r.ask(other); cancel() }
			}
			a := r.reader.Ask(ctx, r.clock, r.slack, q)
			r.wants(a, Later, "when the context ends")
			if a.Err != nil {
				t.Errorf("the end of the context was told as %v", a.Err)
			}
			if !cancelledBefore && strings.Join(r.woken, " ") != "other" {
				t.Errorf("woken are %v, wanted the other to read on", r.woken)
			}
			r.slack.during = nil
			r.wants(r.ask(other), Absent, "the other, at once")
		})
	}
}
