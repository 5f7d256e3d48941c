package schedule

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
	c := New(clock, 2*time.Second, func() { woken++ })
	var looks []int
	for tenth := range 600 {
		now := start.Add(time.Duration(tenth) * 100 * time.Millisecond)
		clock.SetTime(now)
		c.Changed("a", now, false)
		if len(c.Due(now)) > 0 {
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
	c.Changed("a", now, true)
	if got := c.Due(now); !slices.Equal(got, []string{"a"}) {
		t.Errorf("takes %v", got)
	}
	c.Changed("a", now, true)
	if got := c.Next(); !got.Equal(now.Add(500 * time.Millisecond)) {
		t.Errorf("next at %s", got.Sub(start))
	}
	// After a rest it begins anew.
	now = now.Add(time.Minute)
	c.Due(now)
	c.Due(now.Add(time.Minute))
	c.Changed("a", now.Add(time.Minute), false)
	if got := c.Due(now.Add(time.Minute)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("takes %v", got)
	}
}

func TestTimers(t *testing.T) {
	c := New(testclock.NewFakePassiveClock(start), time.Second, func() {})
	c.At("a", start.Add(time.Minute))
	c.At("a", start.Add(2*time.Minute))
	if got := c.Due(start.Add(59 * time.Second)); len(got) > 0 || !c.Next().Equal(start.Add(time.Minute)) {
		t.Errorf("takes %v, next %s", got, c.Next())
	}
	if got := c.Due(start.Add(time.Minute)); !slices.Equal(got, []string{"a"}) || !c.Next().IsZero() {
		t.Errorf("takes %v, next %s", got, c.Next())
	}
	c.Retry([]string{"a"}, start.Add(3*time.Minute))
	if !c.Next().Equal(start.Add(3 * time.Minute)) {
		t.Errorf("next %s", c.Next())
	}
	c.Expire("b", start)
	if got := c.Due(start); !slices.Equal(got, []string{"b"}) {
		t.Errorf("takes %v", got)
	}
}
