package alert

import (
	"slices"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"
)

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// A group is looked at at once, then at a pace, and more rarely the longer it
// goes on changing.
func TestPaceOfChanges(t *testing.T) {
	clock := testclock.NewFakePassiveClock(start)
	woken := 0
	c := newSchedule(clock, 2*time.Second, func() { woken++ })
	var looks []int
	for tenth := range 600 {
		now := start.Add(time.Duration(tenth) * 100 * time.Millisecond)
		clock.SetTime(now)
		c.changed("a", now, false)
		if len(c.due(now)) > 0 {
			looks = append(looks, tenth/10)
		}
	}
	if want := []int{0, 2, 4, 6, 8, 10, 14, 20, 28, 38, 48, 58}; !slices.Equal(looks, want) {
		t.Errorf("looked at after %v s, want %v", looks, want)
	}
	if woken > 20 {
		t.Errorf("woken %d times", woken)
	}
	// What begins or ends does not wait for long.
	now := start.Add(59 * time.Second)
	c.changed("a", now, true)
	if got := c.due(now); !slices.Equal(got, []string{"a"}) {
		t.Errorf("takes %v", got)
	}
	c.changed("a", now, true)
	if got := c.next(); !got.Equal(now.Add(500 * time.Millisecond)) {
		t.Errorf("next at %s", got.Sub(start))
	}
	// After a rest it begins anew.
	now = now.Add(time.Minute)
	c.due(now)
	c.due(now.Add(time.Minute))
	c.changed("a", now.Add(time.Minute), false)
	if got := c.due(now.Add(time.Minute)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("takes %v", got)
	}
}

func TestTimers(t *testing.T) {
	c := newSchedule(testclock.NewFakePassiveClock(start), time.Second, func() {})
	c.at("a", start.Add(time.Minute))
	c.at("a", start.Add(2*time.Minute))
	if got := c.due(start.Add(59 * time.Second)); len(got) > 0 || !c.next().Equal(start.Add(time.Minute)) {
		t.Errorf("takes %v, next %s", got, c.next())
	}
	if got := c.due(start.Add(time.Minute)); !slices.Equal(got, []string{"a"}) || !c.next().IsZero() {
		t.Errorf("takes %v, next %s", got, c.next())
	}
	c.retry([]string{"a"}, start.Add(3*time.Minute))
	if !c.next().Equal(start.Add(3 * time.Minute)) {
		t.Errorf("next %s", c.next())
	}
	c.expire("b", start)
	if got := c.due(start); !slices.Equal(got, []string{"b"}) {
		t.Errorf("takes %v", got)
	}
}
