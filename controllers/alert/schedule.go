package alert

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// schedule is the groups of a rule that have to be looked at, and when. A group
// is looked at soon after its first change, and then no more often than every
// pace, and less often the longer it goes on changing.
type schedule struct {
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

func (c *schedule) pause(l look) time.Duration {
	return c.pace * time.Duration(min(max(l.streak-patient, 1), maxPause))
}

func newSchedule(c clock.PassiveClock, pace time.Duration, wake func()) *schedule {
	return &schedule{clock: c, pace: pace, wake: wake, waiting: map[string]time.Time{}, timers: map[string]time.Time{}, looked: map[string]look{}}
}

// changed notes that a group has changed. What begins or ceases to fire is urgent.
func (c *schedule) changed(key string, now time.Time, urgent bool) {
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
		c.wake()
	}
}

// at notes that a group is to be looked at when a time has come.
func (c *schedule) at(key string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.timers[key]; !ok || at.Before(was) {
		c.timers[key] = at
	}
}

// due returns the groups whose time has come. What becomes of them is told by
// retry, or not at all when it is done.
func (c *schedule) due(now time.Time) []string {
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

// retry puts groups back that could not be dealt with.
func (c *schedule) retry(keys []string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if was, ok := c.waiting[key]; !ok || at.Before(was) {
			c.waiting[key] = at
		}
	}
}

// next is when the next group's time comes; zero for never.
func (c *schedule) next() time.Time {
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

// expire notes that a group that has not changed is to be looked at now.
func (c *schedule) expire(key string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.waiting[key]; !known {
		c.waiting[key] = now
	}
}
