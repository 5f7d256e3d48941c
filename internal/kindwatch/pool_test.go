package kindwatch

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
)

// start of the made-up time.
var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// watcher is a handler that notes what it sees.
type watcher struct {
	mu   sync.Mutex
	seen []string
	// added are the objects that were told of: who begins to follow while an object
	// comes may be told of it twice, which rules don't mind.
	added map[string]bool
	// hold, if not nil, is waited for by each look.
	hold chan struct{}
	cost uint64
}

func (w *watcher) note(text string) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, text)
}

func (w *watcher) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

func (w *watcher) OnAdd(c *Object, _ bool) {
	id := c.Namespace + "/" + c.Name + "@" + c.ResourceVersion
	w.mu.Lock()
	again := w.added[id]
	if w.added == nil {
		w.added = map[string]bool{}
	}
	w.added[id] = true
	w.mu.Unlock()
	if !again {
		w.note(c.Name + "@" + c.ResourceVersion)
	}
}

func (w *watcher) OnUpdate(before, c *Object) {
	w.note(c.Name + "@" + before.ResourceVersion + ">" + c.ResourceVersion)
}

func (w *watcher) OnDelete(c *Object) { w.note("-" + c.Name) }

func (w *watcher) Matters(*Object, bool, bool) bool { return true }
func (w *watcher) Spent() uint64                    { return w.cost }

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// idle reports whether no worker has anything to do now.
func (p *Pool) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers == 0
}

func objectOf(name string, version int) *Object {
	return &Object{Kind: "Pod", ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), ResourceVersion: fmt.Sprint(version)}}
}

func ruleOf(w *Watches, namespace string, h Handler) *Subscription {
	return &Subscription{watches: w, namespace: namespace, namespaces: map[string]bool{"ns": true}, handler: h, wake: func() {}}
}

// A namespace whose rules are slow delays no other.
func TestSlowRulesDelayNoOtherNamespace(t *testing.T) {
	w := &Watches{}
	slow := &watcher{hold: make(chan struct{})}
	sub := ruleOf(w, "slow", slow)
	for i := range 1000 {
		sub.tell(objectOf(fmt.Sprint("p", i), 1), nil, false, false)
	}
	quick := &watcher{}
	other := ruleOf(w, "quick", quick)
	for i := range 100 {
		other.tell(objectOf(fmt.Sprint("p", i), 1), nil, false, false)
	}
	until(t, "the quick namespace's looks, while the slow one holds its workers", func() bool { return len(quick.list()) == 100 })
	close(slow.hold)
	until(t, "the slow namespace's looks", func() bool { return len(slow.list()) == 1000 })
}

// Of what changes while it is being looked at, the last state is seen, with the
// one that was seen before it.
func TestWhatChangesMeanwhileIsSeenOnce(t *testing.T) {
	w := &Watches{}
	f := &watcher{hold: make(chan struct{})}
	sub := ruleOf(w, "ns", f)
	sub.tell(objectOf("a", 1), nil, true, false)
	until(t, "the first look to begin", func() bool {
		w.Pool.mu.Lock()
		defer w.Pool.mu.Unlock()
		return sub.looks["a"].running
	})
	for v := 2; v < 9; v++ {
		sub.tell(objectOf("a", v), objectOf("a", v-1), false, false)
	}
	sub.tell(objectOf("b", 1), nil, false, false)
	sub.tell(objectOf("b", 1), nil, false, true)
	sub.tell(objectOf("c", 1), nil, false, false)
	renewed := objectOf("c", 3)
	renewed.UID = "c2"
	sub.tell(renewed, objectOf("c", 1), false, false)
	close(f.hold)
	until(t, "all looks", func() bool { return w.Pool.idle() })
	got := f.list()
	slices.Sort(got)
	if want := []string{"-b", "-c", "a@1", "a@1>8", "c@3"}; !slices.Equal(got, want) {
		t.Errorf("sees %v, want %v", got, want)
	}
}

// What is more than a namespace may cost waits until it may, and none is lost.
func TestCostsBeyondTheBudgetWait(t *testing.T) {
	clock := testclock.NewFakeClock(start)
	w := &Watches{Pool: Pool{Clock: clock}}
	f := &watcher{cost: 1_000_000}
	sub := ruleOf(w, "dear", f)
	for i := range 20 {
		sub.tell(objectOf(fmt.Sprint("p", i), 1), nil, false, false)
	}
	until(t, "what the budget allows at once", func() bool { return w.Pool.idle() && clock.HasWaiters() })
	if got := len(f.list()); got < 5 || got > 5+w.Pool.size() {
		t.Errorf("%d looks at once cost a million each, want about %d", got, costBurst/1_000_000)
	}
	cheap := &watcher{cost: 1}
	ruleOf(w, "cheap", cheap).tell(objectOf("a", 1), nil, false, false)
	until(t, "another namespace's look", func() bool { return len(cheap.list()) == 1 })
	for seconds := 0; len(f.list()) < 20; seconds++ {
		if seconds > 60 {
			t.Fatalf("%d of 20 looks after a minute", len(f.list()))
		}
		clock.Step(time.Second)
		until(t, "the next looks", func() bool { return len(f.list()) == 20 || w.Pool.idle() && clock.HasWaiters() })
		if most := 5 + w.Pool.size() + (seconds+1)*costRate/1_000_000 + 1; len(f.list()) > most {
			t.Errorf("%d looks after %d s, want at most %d", len(f.list()), seconds+1, most)
		}
	}
}

// A rule has begun when it has looked at all that was there at first, and is told
// so.
func TestARuleBeginsWhenItHasLookedAtAll(t *testing.T) {
	w := &Watches{}
	f := &watcher{hold: make(chan struct{})}
	sub := ruleOf(w, "ns", f)
	woken := make(chan struct{}, 10)
	sub.wake = func() { woken <- struct{}{} }
	if !sub.Synced() {
		t.Error("waits for nothing")
	}
	for i := range 3 {
		sub.tell(objectOf(fmt.Sprint("p", i), 1), nil, true, false)
	}
	sub.tell(objectOf("p0", 2), objectOf("p0", 1), false, false)
	for range 3 {
		if sub.Synced() {
			t.Error("has begun before all was looked at")
		}
		f.hold <- struct{}{}
	}
	close(f.hold)
	<-woken
	if !sub.Synced() {
		t.Error("has not begun, though it was told so")
	}
}

// What is dropped is not looked at any more, and leaves nothing.
func TestDroppedRulesLookAtNothing(t *testing.T) {
	w := &Watches{}
	f := &watcher{hold: make(chan struct{})}
	sub := ruleOf(w, "ns", f)
	for i := range 100 {
		sub.tell(objectOf(fmt.Sprint("p", i), 1), nil, true, false)
	}
	w.Pool.drop(sub)
	sub.tell(objectOf("later", 1), nil, false, false)
	close(f.hold)
	until(t, "the end", func() bool { return w.Pool.idle() })
	if got := len(f.list()); got > w.Pool.size() {
		t.Errorf("%d looks after the end", got)
	}
}

// A namespace whose rules are gone is forgotten, but not what they have cost.
func TestNamespacesWithoutRulesAreForgotten(t *testing.T) {
	clock := testclock.NewFakeClock(start)
	w := &Watches{}
	w.Pool.Clock = clock
	lanes := func() int {
		w.Pool.mu.Lock()
		defer w.Pool.mu.Unlock()
		return len(w.Pool.lanes)
	}
	for i := range 20 {
		f := &watcher{cost: uint64(i) * costBurst / 5}
		sub := ruleOf(w, fmt.Sprint("ns", i), f)
		sub.tell(objectOf("p", 1), nil, true, false)
		until(t, "the look", func() bool { return len(f.list()) == 1 && w.Pool.idle() })
		w.Pool.drop(sub)
	}
	if got := lanes(); got != 20 {
		t.Errorf("%d namespaces are known before they have paid, want all 20", got)
	}
	until(t, "that all are forgotten", func() bool {
		clock.Step(time.Minute)
		return lanes() == 0
	})
}
