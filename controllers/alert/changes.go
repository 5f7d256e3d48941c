package alert

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// changes are the groups of a rule that have to be looked at, and when. A group
// is looked at soon after its first change, and then no more often than every
// pace, and less often the longer it goes on changing.
type changes struct {
	clock clock.PassiveClock
	pace  time.Duration
	// wake has the rule reconciled.
	wake func()

	mu sync.Mutex
	// due tells when a changed group is to be looked at.
	due map[string]time.Time
	// timers tell when a group that has not changed is to be looked at.
	timers map[string]time.Time
	// looked are the groups that were looked at of late.
	looked map[string]look
}

// look is when a group was last looked at, and how many times in a row it was
// looked at as soon as it could be.
type look struct {
	at     time.Time
	streak int
}

const (
	// patient is how many times in a row a group is looked at after one pace.
	// One that goes on changing then waits longer.
	patient = 4
	// maxPause is the longest pause, in paces.
	maxPause = 5
	// flutter is the shortest time between two looks, when a group begins or
	// ceases to fire. In paces, it is the inverse.
	flutter = 4
)

func (c *changes) pause(l look) time.Duration {
	return c.pace * time.Duration(min(max(l.streak-patient, 1), maxPause))
}

func newChanges(c clock.PassiveClock, pace time.Duration, wake func()) *changes {
	return &changes{clock: c, pace: pace, wake: wake, due: map[string]time.Time{}, timers: map[string]time.Time{}, looked: map[string]look{}}
}

// mark notes that a group has changed. What begins or ceases to fire is urgent.
func (c *changes) mark(key string, now time.Time, urgent bool) {
	c.mu.Lock()
	at := now
	if last, ok := c.looked[key]; ok {
		pause := c.pause(last)
		if urgent {
			pause = c.pace / flutter
		}
		if free := last.at.Add(pause); free.After(at) {
			at = free
		}
	}
	was, known := c.due[key]
	sooner := !known || at.Before(was)
	if sooner {
		c.due[key] = at
	}
	c.mu.Unlock()
	if sooner {
		c.wake()
	}
}

// later notes that a group is to be looked at when a time has come.
func (c *changes) later(key string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.timers[key]; !ok || at.Before(was) {
		c.timers[key] = at
	}
}

// take returns the groups whose time has come. What becomes of them is told by
// done or again.
func (c *changes) take(now time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for key, at := range c.timers {
		if !now.Before(at) {
			delete(c.timers, key)
			if was, ok := c.due[key]; !ok || now.Before(was) {
				c.due[key] = now
			}
		}
	}
	for key, at := range c.due {
		if !now.Before(at) {
			out = append(out, key)
			delete(c.due, key)
			c.looked[key] = look{now, c.looked[key].streak + 1}
		}
	}
	for key, last := range c.looked {
		if _, waits := c.due[key]; !waits && now.Sub(last.at) > 2*c.pause(last) {
			delete(c.looked, key)
		}
	}
	return out
}

// again puts groups back that could not be dealt with.
func (c *changes) again(keys []string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if was, ok := c.due[key]; !ok || at.Before(was) {
			c.due[key] = at
		}
	}
}

// next is when the next group's time comes; zero for never.
func (c *changes) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out time.Time
	for _, times := range []map[string]time.Time{c.due, c.timers} {
		for _, at := range times {
			if out.IsZero() || at.Before(out) {
				out = at
			}
		}
	}
	return out
}

// overdue notes that a group that has not changed is to be looked at now.
func (c *changes) overdue(key string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.due[key]; !known {
		c.due[key] = now
	}
}
