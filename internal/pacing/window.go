package pacing

import (
	"math"
	"slices"
	"time"
)

// window remembers calls, so that the next one keeps to all limits at Slack,
// whose clock and delays nobody knows.
//
// Slack counts a call at some time between its beginning and its end. A call
// that is open (handed out, or under way) takes one of the places of each
// limit, and one that has ended takes it for Per more. This is enough: of the
// calls that Slack counts within any Per, consider the one that began last. All
// others ended after that Per began, so when it began, each was open or had
// ended less than Per ago, and they were fewer than Events.
type window struct {
	// times of the calls that have ended; they never decrease.
	times []time.Time
	open  int
}

// earliest is the first time, not before t, at which another call keeps to
// limits; false when only the end of an open one can tell.
func (w *window) earliest(t time.Time, limits []Limit) (time.Time, bool) {
	for _, l := range limits {
		if w.open >= l.Events {
			return time.Time{}, false
		}
		if i := len(w.times) - (l.Events - w.open); i >= 0 {
			if free := w.times[i].Add(l.Per); free.After(t) {
				t = free
			}
		}
	}
	return t, true
}

// capacity is how many calls may begin at now.
func (w *window) capacity(now time.Time, limits []Limit) int {
	n := math.MaxInt
	for _, l := range limits {
		since := now.Add(-l.Per)
		old, _ := slices.BinarySearchFunc(w.times, since, func(t, since time.Time) int {
			if t.After(since) {
				return 1
			}
			return -1
		})
		n = min(n, l.Events-w.open-(len(w.times)-old))
	}
	return n
}

// slot is about when the call may begin that has ahead others before it, the
// open ones included, given that all begin as early as they may and end at
// once. It is never later than that.
func (w *window) slot(from time.Time, ahead int, limits []Limit) time.Time {
	rounds, slowest := time.Duration(0), Limit{Events: 1}
	for _, l := range limits {
		if l.Per*time.Duration(slowest.Events) > slowest.Per*time.Duration(l.Events) {
			slowest = l
		}
	}
	if slowest.Per > 0 {
		rounds = time.Duration(ahead/slowest.Events) * slowest.Per
		ahead %= slowest.Events
	}
	at := from
	for _, l := range limits {
		free := from
		if i := len(w.times) - l.Events + ahead%l.Events; i >= 0 {
			if again := w.times[i].Add(l.Per); again.After(free) {
				free = again
			}
		}
		if free = free.Add(time.Duration(ahead/l.Events) * l.Per); free.After(at) {
			at = free
		}
	}
	return at.Add(rounds)
}

// begin opens a call.
func (w *window) begin() { w.open++ }

// cancel takes back an open call that Slack has not seen.
func (w *window) cancel() { w.open-- }

// end closes an open call.
func (w *window) end(t time.Time, limits []Limit) {
	w.open--
	w.add(t, limits)
}

// add notes the time of a call, and drops what no limit can see any more.
func (w *window) add(t time.Time, limits []Limit) {
	keep := 0
	for _, l := range limits {
		keep = max(keep, l.Events)
	}
	if n := len(w.times); n > 0 && t.Before(w.times[n-1]) {
		t = w.times[n-1]
	}
	w.times = append(w.times, t)
	if len(w.times) > 2*keep+16 {
		w.times = append(w.times[:0:0], w.times[len(w.times)-keep:]...)
	}
}

// move notes that the call that add noted at from lasted until to.
func (w *window) move(from, to time.Time, limits []Limit) {
	if i, ok := slices.BinarySearchFunc(w.times, from, time.Time.Compare); ok {
		w.times = slices.Delete(w.times, i, i+1)
	}
	w.add(to, limits)
}

// last is the time of the last call.
func (w *window) last() time.Time {
	if len(w.times) == 0 {
		return time.Time{}
	}
	return w.times[len(w.times)-1]
}
