package pacing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestReserveKeepsToTheLimits(t *testing.T) {
	for _, row := range []struct {
		name   string
		limits []Limit
		lasts  int // milliseconds at most
	}{
		{name: "short calls", limits: Tier3, lasts: 50},
		{name: "calls of many seconds", limits: Tier3[:1], lasts: 30_000},
		{name: "strict", limits: Tier2, lasts: 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCallers(t, LimiterOptions{Methods: map[string][]Limit{"m": row.limits}})
			c.lasts = func() time.Duration { return time.Duration(1+c.random.IntN(row.lasts)) * time.Millisecond }
			c.delay = func() time.Duration { return time.Duration(c.random.IntN(50)) * time.Millisecond }
			const n = 200
			for i := range n {
				c.come(epoch, Holder{Name: fmt.Sprint(i), Group: fmt.Sprint(i % 7), Priority: i % 3})
			}
			c.run(24 * time.Hour)
			if len(c.waited) != n {
				t.Errorf("%d of %d had a slot", len(c.waited), n)
			}
			checkCalls(t, c.counted, row.limits)
			took := c.counted[n-1].Sub(c.counted[0])
			allowed := time.Duration(n) * row.limits[0].Per / time.Duration(row.limits[0].Events)
			t.Logf("%d calls in %v, %v by the limit alone, asked for %d times", n, took, allowed, c.asks)
			if took > allowed*13/10 {
				t.Errorf("%d calls took %v, want %v or so", n, took, allowed)
			}
		})
	}
}

func TestReserveByWorkspaceAndMethod(t *testing.T) {
	l := NewLimiter(LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Minute}}, "b": {{1, time.Minute}}}})
	for _, c := range []struct{ workspace, method string }{{"T1", "a"}, {"T1", "b"}, {"T2", "a"}} {
		if _, ok := l.Reserve(epoch, team(c.workspace), c.method, Holder{Name: "x"}); !ok {
			t.Errorf("%v has no slot", c)
		}
	}
	at, ok := l.Reserve(epoch, team("T1"), "a", Holder{Name: "y"})
	if ok || at != epoch.Add(time.Minute) {
		t.Errorf("%v %v", at, ok)
	}
	if again, ok := l.Reserve(epoch.Add(time.Second), team("T1"), "a", Holder{Name: "y"}); ok || again != at {
		t.Errorf("asking again gave another slot: %v", again)
	}
	if behind, _ := l.Reserve(epoch, team("T1"), "a", Holder{Name: "z"}); behind != epoch.Add(2*time.Minute) {
		t.Errorf("%v", behind)
	}
}

func TestPenalizeMovesPromises(t *testing.T) {
	l := NewLimiter(LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Second}}}})
	l.Reserve(epoch, team("T1"), "a", Holder{Name: "x"})
	l.Reserve(epoch, team("T1"), "a", Holder{Name: "y"})
	l.Penalize(epoch, team("T1"), "a", 30*time.Second)
	if at, ok := l.Reserve(epoch.Add(time.Second), team("T1"), "a", Holder{Name: "y"}); ok || at != epoch.Add(30*time.Second) {
		t.Errorf("%v %v", at, ok)
	}
	l.Penalize(epoch, team("T1"), "a", 5*time.Second)
	if at, _ := l.Reserve(epoch.Add(time.Second), team("T1"), "a", Holder{Name: "y"}); at != epoch.Add(30*time.Second) {
		t.Errorf("a shorter penalty replaced a longer one: %v", at)
	}
	if at, ok := l.Reserve(epoch, team("T2"), "a", Holder{Name: "y"}); !ok {
		t.Errorf("another workspace is held until %v", at)
	}
	l.Penalize(epoch, team("T3"), "a", 0)
	if at, _ := l.Reserve(epoch, team("T3"), "a", Holder{Name: "y"}); at != epoch.Add(DefaultRetryAfter) {
		t.Errorf("a 429 without Retry-After: %v", at)
	}
}

// A slot is not kept for somebody who does not come, and somebody who comes
// late goes before all that wait.
func TestWhoDoesNotComeHoldsUpNobody(t *testing.T) {
	newLimiter := func() *Limiter {
		l := NewLimiter(LimiterOptions{Methods: map[string][]Limit{"a": {{1, time.Minute}}}})
		l.Reserve(epoch, team("T1"), "a", Holder{Name: "x"})
		l.Reserve(epoch, team("T1"), "a", Holder{Name: "gone"})
		return l
	}
	t.Run("long gone", func(t *testing.T) {
		if at, ok := newLimiter().Reserve(epoch.Add(3*time.Minute), team("T1"), "a", Holder{Name: "y"}); !ok {
			t.Errorf("a slot that nobody asked for holds up others until %v", at)
		}
	})
	t.Run("just missed", func(t *testing.T) {
		l, now := newLimiter(), epoch.Add(time.Minute)
		if _, ok := l.Reserve(now, team("T1"), "a", Holder{Name: "y"}); ok {
			t.Error("another one took the slot of a holder who is due just now")
		}
		now = now.Add(3 * time.Second)
		if at, ok := l.Reserve(now, team("T1"), "a", Holder{Name: "y"}); !ok {
			t.Errorf("a slot is kept for longer than its grace, until %v", at)
		}
		l.Reserve(now, team("T1"), "a", Holder{Name: "z"})
		l.Reserve(now, team("T1"), "a", Holder{Name: "gone"})
		if _, ok := l.Reserve(now.Add(time.Minute), team("T1"), "a", Holder{Name: "z"}); ok {
			t.Error("somebody else went before the one who had missed its slot")
		}
		if at, ok := l.Reserve(now.Add(time.Minute), team("T1"), "a", Holder{Name: "gone"}); !ok {
			t.Errorf("who missed its slot waits until %v", at)
		}
	})
}

func TestUnknownMethodsAreOfTheStrictestTier(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	granted := 0
	for i := range 30 {
		if _, ok := l.Reserve(epoch.Add(time.Duration(i)*time.Second), team("T1"), "new.method", Holder{Name: fmt.Sprint(i), Group: fmt.Sprint(i)}); ok {
			granted++
		}
	}
	if granted != 20 {
		t.Errorf("%d calls in half a minute, want 20", granted)
	}
}

// 3,000 edits of a namespace are no matter for a Critical one of another, nor
// for a plain one.
func TestManyEditsStarveNobody(t *testing.T) {
	c := newCallers(t, LimiterOptions{Methods: map[string][]Limit{"m": Tier3}})
	for i := range 3000 {
		c.come(epoch, Holder{Name: fmt.Sprint(i), Group: "loud"})
	}
	c.come(epoch.Add(10*time.Minute), Holder{Name: "critical", Group: "quiet", Priority: 3})
	c.come(epoch.Add(12*time.Minute), Holder{Name: "plain", Group: "quiet"})
	c.come(epoch.Add(13*time.Minute), Holder{Name: "own", Group: "loud", Priority: 3})
	c.run(20 * time.Minute)
	for name, bound := range map[string]time.Duration{"critical": 2 * time.Second, "plain": 2 * time.Second, "own": time.Minute} {
		waited, ok := c.waited[name]
		t.Logf("%s waited %v, %d asks in all for %d calls", name, waited, c.asks, len(c.counted))
		if !ok || waited > bound {
			t.Errorf("%s waited %v (done: %v), want %v at most", name, waited, ok, bound)
		}
	}
	c.run(3 * time.Hour)
	checkCalls(t, c.counted, Tier3[:1])
	took := c.counted[len(c.counted)-1].Sub(epoch)
	t.Logf("3,003 calls in %v, %d asks", took, c.asks)
	if len(c.counted) != 3003 || took > 75*time.Minute || c.asks > 30*3000 {
		t.Errorf("%d calls in %v with %d asks, want 3003 in some 68 minutes", len(c.counted), took, c.asks)
	}
}

// A stream of Critical calls, more than the limit takes, delays others.
func TestCriticalCallsDelayOthersForABoundedTime(t *testing.T) {
	c := newCallers(t, LimiterOptions{Methods: map[string][]Limit{"m": Tier3}})
	for i := range 7200 {
		c.come(epoch.Add(time.Duration(i)*time.Second/2), Holder{Name: fmt.Sprint(i), Group: fmt.Sprint("loud", i%3), Priority: 3})
	}
	start := 10 * time.Minute
	for priority, name := range []string{"info", "warning", "error"} {
		// It has used its share, so that nothing is kept for it.
		for i := range 60 {
			c.come(epoch.Add(8*time.Minute+time.Duration(i)*5*time.Second), Holder{Name: fmt.Sprint(name, i), Group: name, Priority: 3})
		}
		c.come(epoch.Add(start), Holder{Name: name, Group: name, Priority: priority})
	}
	c.run(time.Hour)
	for priority, name := range []string{"info", "warning", "error"} {
		// It is told to come in a minute at the latest, and slots may be used up
		// for another one.
		bound := time.Duration(3-priority)*levelAge + agedTurn*9*61*time.Second/45 + levelAge + 61*time.Second
		waited, ok := c.waited[name]
		t.Logf("%s waited %v, bound %v", name, waited, bound)
		if !ok || waited > bound {
			t.Errorf("%s waited %v (done: %v), want %v at most", name, waited, ok, bound)
		}
	}
}

// Of a group, no more than so many wait for a method; the others are told when
// to come again, and all have their turn.
func TestPlacesOfAGroupAreCapped(t *testing.T) {
	c := newCallers(t, LimiterOptions{Methods: map[string][]Limit{"m": {{10, time.Second}}}, PerGroup: 20})
	for i := range 2000 {
		c.come(epoch, Holder{Name: fmt.Sprint(i), Group: "loud"})
	}
	for range 10 {
		c.run(10 * time.Second)
		if n := len(c.limiter.methods[methodKey{team("T1"), "m"}].places); n > 21 {
			t.Fatalf("%d places are kept, want 20", n)
		}
	}
	c.run(time.Hour)
	if len(c.waited) != 2000 {
		t.Errorf("%d of 2000 had a slot", len(c.waited))
	}
	t.Logf("the last call after %v, %d asks", c.counted[len(c.counted)-1].Sub(epoch), c.asks)
}

// What nobody uses is forgotten, as the methods of tokens that are gone.
func TestUnusedMethodsAreForgotten(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	for i := range 100 {
		l.Reserve(epoch, team(fmt.Sprint("token of ", i)), "auth.test", Holder{Name: "x"})
	}
	l.Penalize(epoch, team("blocked"), "auth.test", 3*time.Hour)
	l.Reserve(epoch.Add(2*time.Hour), team("T1"), "auth.test", Holder{Name: "x"})
	if len(l.methods) != 2 {
		t.Errorf("%d methods are remembered, want 2: the one in use, and the one that Slack has blocked", len(l.methods))
	}
	l.Reserve(epoch.Add(5*time.Hour), team("T1"), "auth.test", Holder{Name: "x"})
	if len(l.methods) != 1 {
		t.Errorf("%d methods are remembered, want 1", len(l.methods))
	}
}

// Nobody has to tell of ends, and then nothing accumulates.
func TestCallsThatNobodyEndsAreForgotten(t *testing.T) {
	l := NewLimiter(LimiterOptions{})
	for i := range 1000 {
		l.Reserve(epoch.Add(time.Duration(i)*5*time.Second), team("T1"), "chat.update", Holder{Name: fmt.Sprint(i)})
	}
	m := l.methods[methodKey{team("T1"), "chat.update"}]
	if len(m.calls) > 30 || len(m.places) > 0 || len(m.used.times) > 200 {
		t.Errorf("%d calls, %d places and %d times are remembered", len(m.calls), len(m.places), len(m.used.times))
	}
}

func simulateCalls(t testing.TB, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	limits := []Limit{{Events: 1 + random.IntN(20), Per: time.Duration(5+random.IntN(50)) * time.Second}}
	c := newCallers(t, LimiterOptions{Methods: map[string][]Limit{"m": limits}, PerGroup: 5 + random.IntN(20)})
	c.random = random
	c.lasts = func() time.Duration { return time.Duration(1+random.IntN(4500)) * time.Millisecond }
	c.delay = func() time.Duration {
		if random.IntN(20) == 0 {
			return time.Duration(random.IntN(200)) * time.Second
		}
		return time.Duration(random.IntN(100)) * time.Millisecond
	}
	const n = 150
	for i := range n {
		c.come(epoch.Add(time.Duration(random.IntN(600))*time.Second), Holder{
			Name: fmt.Sprint(i), Group: fmt.Sprint(random.IntN(4)), Priority: random.IntN(4),
		})
	}
	for range 100 {
		c.run(10 * time.Second)
		if m := c.limiter.methods[methodKey{team("T1"), "m"}]; m != nil {
			checkQueue(t, &m.waiting)
		}
		switch random.IntN(12) {
		case 0:
			c.limiter.Penalize(c.now, team("T1"), "m", time.Duration(1+random.IntN(60))*time.Second)
		case 1:
			c.limiter.Reserve(c.now, team("T1"), "m", Holder{Name: fmt.Sprint("ghost", random.IntN(10)), Group: "ghosts", Priority: 3})
		}
	}
	c.run(24 * time.Hour)
	checkCalls(t, c.counted, limits)
	if len(c.waited) != n {
		t.Errorf("seed %d: %d of %d had a slot", seed, len(c.waited), n)
	}
	if m := c.limiter.methods[methodKey{team("T1"), "m"}]; m != nil {
		m.reserve(c.now.Add(time.Hour), Holder{Name: "last"}, c.limiter.options)
		m.expire(c.now.Add(2*time.Hour), c.limiter.options)
		if len(m.places) != m.waiting.size || m.used.open != 0 || m.missed.len() != 0 {
			t.Errorf("seed %d: %d places, %d waiting, %d open, %d missed are left", seed, len(m.places), m.waiting.size, m.used.open, m.missed.len())
		}
	}
}

func TestEverybodyHasASlotAndNoLimitIsHit(t *testing.T) {
	for seed := range uint64(60) {
		simulateCalls(t, seed)
	}
}

func FuzzLimiter(f *testing.F) {
	f.Add(uint64(463))
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { simulateCalls(t, seed) })
}
