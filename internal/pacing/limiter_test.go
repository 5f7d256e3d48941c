package pacing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// checkCalls holds the times of calls against limits, counted anew.
func checkCalls(t *testing.T, times []time.Time, limits []Limit) {
	t.Helper()
	for _, l := range limits {
		for i := l.Events; i < len(times); i++ {
			if took := times[i].Sub(times[i-l.Events]); took < l.Per {
				t.Errorf("%d calls within %v", l.Events+1, took)
			}
		}
	}
}

func TestReserveKeepsToTheLimits(t *testing.T) {
	l := NewLimiter(epoch, LimiterOptions{})
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a simulation
	now := epoch
	waiting := map[string]time.Time{}
	var calls []time.Time
	for i := range 200 {
		waiting[fmt.Sprint(i)] = now
	}
	for len(waiting) > 0 {
		next := now.Add(time.Hour)
		for holder, at := range waiting {
			if at.After(now) {
				next = minTime(next, at)
				continue
			}
			again, ok := l.Reserve(now, "T1", "users.list", Holder{Name: holder})
			if ok {
				calls = append(calls, now)
				delete(waiting, holder)
				continue
			}
			if again.Before(now) {
				t.Fatalf("a slot in the past: %v at %v", again, now)
			}
			waiting[holder] = again
			next = minTime(next, again)
		}
		now = next.Add(time.Duration(random.IntN(50)) * time.Millisecond)
	}
	checkCalls(t, calls, Tier2)
	if took := calls[199].Sub(calls[0]); took > 11*time.Minute {
		t.Errorf("200 calls of 20 a minute took %v", took)
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func TestReserveByWorkspaceAndMethod(t *testing.T) {
	l := NewLimiter(epoch, LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Minute}}, "b": {{1, time.Minute}}}})
	for _, c := range []struct{ workspace, method string }{{"T1", "a"}, {"T1", "b"}, {"T2", "a"}} {
		if _, ok := l.Reserve(epoch, c.workspace, c.method, Holder{Name: "x"}); !ok {
			t.Errorf("%v has no slot", c)
		}
	}
	at, ok := l.Reserve(epoch, "T1", "a", Holder{Name: "y"})
	if ok || at != epoch.Add(time.Minute) {
		t.Errorf("%v %v", at, ok)
	}
	if again, ok := l.Reserve(epoch.Add(time.Second), "T1", "a", Holder{Name: "y"}); ok || again != at {
		t.Errorf("asking again gave another slot: %v", again)
	}
	if behind, _ := l.Reserve(epoch, "T1", "a", Holder{Name: "z"}); behind != epoch.Add(2*time.Minute) {
		t.Errorf("%v", behind)
	}
	l.Cancel(epoch, "T1", "a", "y")
	if moved, _ := l.Reserve(epoch, "T1", "a", Holder{Name: "z"}); moved != epoch.Add(time.Minute) {
		t.Errorf("a slot that was given up is lost: %v", moved)
	}
}

func TestPenalizeMovesPromises(t *testing.T) {
	l := NewLimiter(epoch, LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Second}}}})
	l.Reserve(epoch, "T1", "a", Holder{Name: "x"})
	l.Reserve(epoch, "T1", "a", Holder{Name: "y"})
	l.Penalize(epoch, "T1", "a", 30*time.Second)
	if at, ok := l.Reserve(epoch.Add(time.Second), "T1", "a", Holder{Name: "y"}); ok || at != epoch.Add(30*time.Second) {
		t.Errorf("%v %v", at, ok)
	}
	l.Penalize(epoch, "T1", "a", 5*time.Second)
	if at, _ := l.Reserve(epoch.Add(time.Second), "T1", "a", Holder{Name: "y"}); at != epoch.Add(30*time.Second) {
		t.Errorf("a shorter penalty replaced a longer one: %v", at)
	}
	if at, ok := l.Reserve(epoch, "T2", "a", Holder{Name: "y"}); !ok {
		t.Errorf("another workspace is held until %v", at)
	}
	l.Penalize(epoch, "T3", "a", 0)
	if at, _ := l.Reserve(epoch, "T3", "a", Holder{Name: "y"}); at != epoch.Add(DefaultRetryAfter) {
		t.Errorf("a 429 without Retry-After: %v", at)
	}
}

func TestUnclaimedSlotLapses(t *testing.T) {
	l := NewLimiter(epoch, LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Minute}}}, LapseAfter: time.Minute})
	l.Reserve(epoch, "T1", "a", Holder{Name: "x"})
	l.Reserve(epoch, "T1", "a", Holder{Name: "gone"})
	if at, ok := l.Reserve(epoch.Add(3*time.Minute), "T1", "a", Holder{Name: "y"}); !ok {
		t.Errorf("a slot that nobody asked for holds up others until %v", at)
	}
}

func TestUnknownMethodsAreOfTheStrictestTier(t *testing.T) {
	l := NewLimiter(epoch, LimiterOptions{})
	granted := 0
	for i := range 30 {
		if _, ok := l.Reserve(epoch.Add(time.Duration(i)*time.Second), "T1", "new.method", Holder{Name: fmt.Sprint(i)}); ok {
			granted++
		}
	}
	if granted != 20 {
		t.Errorf("%d calls in half a minute", granted)
	}
}
