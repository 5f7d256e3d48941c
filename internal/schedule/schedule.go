// Package schedule says which groups of a rule have to be looked at, and when: at
// once when they begin or cease to fire, at a pace while they go on changing, and
// when a time has come. It is pure: it has a clock, and no timer of its own.
package schedule

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Schedule is the groups of a rule that have to be looked at, and when. A group
// is looked at soon after its first change, and then no more often than every
// pace, and less often the longer it goes on changing. It is safe for concurrent
// use.
type Schedule struct {
	clock clock.PassiveClock
	pace  time.Duration
	// wake has the rule reconciled.
	wake func()

	mu sync.Mutex
	// waiting tells when a changed group is to be looked at.
	waiting map[string]time.Time
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
	// minGap is the shortest time between two looks, when a group begins or
	// ceases to fire. In paces, it is the inverse.
	minGap = 4
)

func (c *Schedule) pause(l look) time.Duration {
	return c.pace * time.Duration(min(max(l.streak-patient, 1), maxPause))
}

// New makes the schedule of a rule. pace is the time between two looks at a group,
// and wake has the rule look at what is due.
func New(c clock.PassiveClock, pace time.Duration, wake func()) *Schedule {
	return &Schedule{clock: c, pace: pace, wake: wake, waiting: map[string]time.Time{}, timers: map[string]time.Time{}, looked: map[string]look{}}
}

// Now is the time by the schedule's clock.
func (c *Schedule) Now() time.Time { return c.clock.Now() }

// Wake has the rule reconciled, though no group has changed.
func (c *Schedule) Wake() { c.wake() }

// Changed notes that a group has changed. What begins or ceases to fire is urgent.
func (c *Schedule) Changed(key string, now time.Time, urgent bool) {
	c.mu.Lock()
	at := now
	if last, ok := c.looked[key]; ok {
		pause := c.pause(last)
		if urgent {
			pause = c.pace / minGap
		}
		if free := last.at.Add(pause); free.After(at) {
			at = free
		}
	}
	was, known := c.waiting[key]
	sooner := !known || at.Before(was)
	if sooner {
		c.waiting[key] = at
	}
	c.mu.Unlock()
	if sooner {
		c.Wake()
	}
}

// At notes that a group is to be looked at when a time has come.
func (c *Schedule) At(key string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.timers[key]; !ok || at.Before(was) {
		c.timers[key] = at
	}
}

// Due returns the groups whose time has come. What becomes of them is told by
// Retry, or not at all when it is done.
func (c *Schedule) Due(now time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for key, at := range c.timers {
		if !now.Before(at) {
			delete(c.timers, key)
			if was, ok := c.waiting[key]; !ok || now.Before(was) {
				c.waiting[key] = now
			}
		}
	}
	for key, at := range c.waiting {
		if !now.Before(at) {
			out = append(out, key)
			delete(c.waiting, key)
			c.looked[key] = look{now, c.looked[key].streak + 1}
		}
	}
	for key, last := range c.looked {
		if _, waits := c.waiting[key]; !waits && now.Sub(last.at) > 2*c.pause(last) {
			delete(c.looked, key)
		}
	}
	return out
}

// Retry puts groups back that could not be dealt with.
func (c *Schedule) Retry(keys []string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if was, ok := c.waiting[key]; !ok || at.Before(was) {
			c.waiting[key] = at
		}
	}
}

// Next is when the next group's time comes; zero for never.
func (c *Schedule) Next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out time.Time
	for _, times := range []map[string]time.Time{c.waiting, c.timers} {
		for _, at := range times {
			if out.IsZero() || at.Before(out) {
				out = at
			}
		}
	}
	return out
}

// Expire notes that a group that has not changed is to be looked at now.
func (c *Schedule) Expire(key string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.waiting[key]; !known {
		c.waiting[key] = now
	}
}
