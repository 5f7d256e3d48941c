package fairqueue

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// pauses of a rate limiter that the tests can tell.
const firstPause, longestPause = time.Second, time.Minute

// newQueue has items named GROUP/NAME.
func newQueue(t *testing.T, name string) (*Queue[string], *clocktesting.FakeClock) {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Now())
	q := New(Options[string]{
		Name: name, Clock: clock,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstPause, longestPause),
		Group:       func(s string) string { group, _, _ := strings.Cut(s, "/"); return group },
	})
	t.Cleanup(q.ShutDown)
	return q, clock
}

// served gets n items, in their order.
func served(t *testing.T, q *Queue[string], n int) (out []string) {
	t.Helper()
	for range n {
		item, shutdown := q.Get()
		if shutdown {
			t.Fatal("the queue was shut down")
		}
		out = append(out, item)
		q.Done(item)
	}
	return out
}

func wantServed(t *testing.T, q *Queue[string], want ...string) {
	t.Helper()
	if got := served(t, q, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("served %v, want %v", got, want)
	}
	if n := q.Len(); n != 0 {
		t.Errorf("%d items are left, want none", n)
	}
}

// comes waits until n items can be handed out, for a timer adds them by itself.
func comes(t *testing.T, q *Queue[string], n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); q.Len() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d items can be handed out, want %d", q.Len(), n)
		}
	}
}

func add(q *Queue[string], priority int, after time.Duration, items ...string) {
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority, After: after}, items...)
}

// A namespace with 10,000 objects to look at keeps nobody waiting, whatever their
// priority and the others' number.
func TestNamespacesTakeTurns(t *testing.T) {
	const flood, low, high = 10_000, -100, 100
	for name, c := range map[string]struct {
		before, after func(q *Queue[string])
		others        []string
		within        int
	}{
		"one other, who comes last": {
			after: func(q *Queue[string]) { q.Add("other/a") }, others: []string{"other/a"}, within: 2,
		},
		"one other, of low priority, as after a start": {
			after: func(q *Queue[string]) { add(q, low, 0, "other/a") }, others: []string{"other/a"}, within: 2,
		},
		"a flood of high priority": {
			before: func(q *Queue[string]) { add(q, high, 0, "flood/first") },
			after:  func(q *Queue[string]) { q.Add("other/a") }, others: []string{"other/a"}, within: 2,
		},
		"a few others with a few objects each": {
			after: func(q *Queue[string]) {
				for _, item := range []string{"b/1", "b/2", "c/1", "c/2", "d/1"} {
					q.Add(item)
				}
			},
			others: []string{"b/1", "b/2", "c/1", "c/2", "d/1"}, within: 8,
		},
		"one other, who was there before": {
			before: func(q *Queue[string]) { q.Add("other/a") },
			after:  func(q *Queue[string]) { q.Add("other/b") }, others: []string{"other/a", "other/b"}, within: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := newQueue(t, "")
			if c.before != nil {
				c.before(q)
			}
			for i := range flood {
				add(q, high, 0, fmt.Sprint("flood/", i))
			}
			c.after(q)
			got := strings.Join(served(t, q, c.within), " ") + " "
			for _, want := range c.others {
				if !strings.Contains(got, want+" ") {
					t.Errorf("%s is not among the first %d: %s", want, c.within, got)
				}
			}
		})
	}
}

// Who adds more while he is served has no turn more for it.
func TestAStreamTakesTurnsToo(t *testing.T) {
	q, _ := newQueue(t, "")
	for i := range 100 {
		q.Add(fmt.Sprint("stream/", i))
	}
	q.Add("other/1")
	q.Add("other/2")
	others := 0
	for i := range 4 {
		item := served(t, q, 1)[0]
		for j := range 10 {
			q.Add(fmt.Sprint("stream/", i, "more", j))
		}
		q.Add(item)
		if strings.HasPrefix(item, "other/") {
			others++
		}
	}
	if others != 2 {
		t.Errorf("the other had %d of 4 turns, want 2", others)
	}
}

func TestOrderWithinANamespace(t *testing.T) {
	for name, c := range map[string]struct {
		add  func(q *Queue[string])
		want []string
	}{
		"what came first": {
			add: func(q *Queue[string]) { q.Add("a/1"); q.Add("a/2"); q.Add("a/3") }, want: []string{"a/1", "a/2", "a/3"},
		},
		"a higher priority before": {
			add:  func(q *Queue[string]) { add(q, -100, 0, "a/1", "a/2"); q.Add("a/3"); add(q, 5, 0, "a/4") },
			want: []string{"a/4", "a/3", "a/1", "a/2"},
		},
		"the higher of two priorities counts": {
			add:  func(q *Queue[string]) { add(q, -100, 0, "a/1", "a/2"); q.Add("a/2") },
			want: []string{"a/2", "a/1"},
		},
		"a lower one does not lower it": {
			add:  func(q *Queue[string]) { q.Add("a/1"); q.Add("a/2"); add(q, -100, 0, "a/1") },
			want: []string{"a/1", "a/2"},
		},
		"what is raised goes behind its equals": {
			add:  func(q *Queue[string]) { add(q, -100, 0, "a/1"); q.Add("a/2"); q.Add("a/1") },
			want: []string{"a/2", "a/1"},
		},
		"a wish for later raises what is there": {
			add:  func(q *Queue[string]) { add(q, -100, 0, "a/1", "a/2"); add(q, 0, time.Hour, "a/2") },
			want: []string{"a/2", "a/1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := newQueue(t, "")
			c.add(q)
			wantServed(t, q, c.want...)
		})
	}
}

// What is with a worker is not handed out to another, and once more when it was
// added meanwhile, with the priority that was asked for.
func TestOneWorkerForAnItem(t *testing.T) {
	q, _ := newQueue(t, "")
	add(q, -100, 0, "a/1")
	item, priority, _ := q.GetWithPriority()
	if item != "a/1" || priority != -100 {
		t.Fatalf("got %s with priority %d, want a/1 with -100", item, priority)
	}
	add(q, -7, 0, item)
	add(q, 7, 0, item)
	add(q, 9, time.Hour, item)
	if n := q.Len(); n != 0 {
		t.Errorf("%d items can be handed out while it is with a worker, want none", n)
	}
	q.Done(item)
	item, priority, _ = q.GetWithPriority()
	if item != "a/1" || priority != 9 {
		t.Errorf("got %s with priority %d, want a/1 with 9", item, priority)
	}
	q.Done(item)
	if n := q.Len(); n != 0 {
		t.Errorf("%d items are left, want none: it was added more than once, and handed out twice", n)
	}
}

func TestDelays(t *testing.T) {
	type step struct {
		do    func(q *Queue[string])
		after time.Duration
		ready int
	}
	second := func(item string) func(*Queue[string]) {
		return func(q *Queue[string]) { q.AddAfter(item, time.Second) }
	}
	minute := func(item string) func(*Queue[string]) {
		return func(q *Queue[string]) { q.AddAfter(item, time.Minute) }
	}
	now := func(item string) func(*Queue[string]) { return func(q *Queue[string]) { q.Add(item) } }
	failed := func(q *Queue[string]) { q.AddRateLimited("a/1") }
	work := func(q *Queue[string]) { item, _ := q.Get(); q.Done(item) }
	for name, steps := range map[string][]step{
		"is handed out when its time has come":       {{do: minute("a/1")}, {after: 59 * time.Second}, {after: time.Second, ready: 1}},
		"the earlier of two times counts":            {{do: minute("a/1")}, {do: second("a/1")}, {after: time.Second, ready: 1}, {do: work}, {after: time.Hour}},
		"a later one is dropped":                     {{do: second("a/1")}, {do: minute("a/1")}, {after: time.Second, ready: 1}, {do: work}, {after: time.Hour}},
		"what is handed out now does not come later": {{do: minute("a/1")}, {do: now("a/1"), ready: 1}, {do: work}, {after: time.Hour}},
		"what is there does not come later":          {{do: now("a/1"), ready: 1}, {do: minute("a/1"), ready: 1}, {do: work}, {after: time.Hour}},
		"after failures by the rate limiter":         {{do: failed}, {after: time.Second, ready: 1}, {do: work}, {do: failed}, {after: time.Second}, {after: time.Second, ready: 1}},
		"Forget begins anew":                         {{do: failed}, {after: time.Second, ready: 1}, {do: work}, {do: func(q *Queue[string]) { q.Forget("a/1") }}, {do: failed}, {after: time.Second, ready: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			q, clock := newQueue(t, "")
			for _, s := range steps {
				if s.do != nil {
					s.do(q)
				}
				clock.Step(s.after)
				comes(t, q, s.ready)
			}
		})
	}
}

func TestNumRequeues(t *testing.T) {
	q, _ := newQueue(t, "")
	q.AddRateLimited("a/1")
	q.AddRateLimited("a/1")
	if n := q.NumRequeues("a/1"); n != 2 {
		t.Errorf("it was added again %d times, want 2", n)
	}
}

// The highest priority that was asked for counts for what comes later, too.
func TestDelayKeepsPriority(t *testing.T) {
	q, clock := newQueue(t, "")
	add(q, 3, time.Minute, "a/1")
	add(q, -100, time.Second, "a/1")
	clock.Step(time.Second)
	comes(t, q, 1)
	if _, priority, _ := q.GetWithPriority(); priority != 3 {
		t.Errorf("it came with priority %d, want 3", priority)
	}
}

// A controller that is stopped is not held up by what is queued.
func TestShutDown(t *testing.T) {
	for name, stop := range map[string]func(*Queue[string]){"at once": (*Queue[string]).ShutDown, "with drain": (*Queue[string]).ShutDownWithDrain} {
		t.Run(name, func(t *testing.T) {
			q, clock := newQueue(t, "")
			q.Add("a/1")
			working, _ := q.Get()
			var idle sync.WaitGroup
			for range 3 {
				idle.Go(func() {
					if item, _, shutdown := q.GetWithPriority(); !shutdown {
						t.Errorf("%s was handed out at the end", item)
					}
				})
			}
			q.AddAfter("a/2", time.Minute)
			stop(q)
			idle.Wait()
			q.Done(working)
			q.Add("a/3")
			clock.Step(time.Hour)
			if item, shutdown := q.Get(); !shutdown {
				t.Errorf("%s was handed out after the end", item)
			}
			if !q.ShuttingDown() {
				t.Error("it does not say that it is shut down")
			}
			q.ShutDown()
		})
	}
	t.Run("with much that is queued", func(t *testing.T) {
		q, _ := newQueue(t, "")
		for i := range 1000 {
			q.Add(fmt.Sprint("a/", i))
		}
		q.ShutDown()
		if item, shutdown := q.Get(); !shutdown {
			t.Errorf("%s was handed out after the end", item)
		}
	})
}

// The metrics are those of every controller.
func TestMetrics(t *testing.T) {
	q, clock := newQueue(t, "fairqueue-test")
	q.Add("a/1")
	add(q, 0, time.Minute, "a/2")
	clock.Step(time.Minute)
	comes(t, q, 2)
	served(t, q, 1)
	for name, want := range map[string]float64{"workqueue_adds_total": 2, "workqueue_depth": 1, "workqueue_retries_total": 1} {
		if got := metric(t, name, "fairqueue-test"); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// metric is the value of a counter or gauge of one queue.
func metric(t *testing.T, name, queue string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == "name" && l.GetValue() == queue {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatalf("there is no %s of %s", name, queue)
	return 0
}

// Nothing is kept of namespaces and objects that are done.
func TestNothingIsKept(t *testing.T) {
	q, clock := newQueue(t, "")
	for i := range 100 {
		add(q, i, time.Duration(i%3)*time.Second, fmt.Sprint(i%10, "/", i))
	}
	clock.Step(time.Minute)
	comes(t, q, 100)
	for range 100 {
		item, _ := q.Get()
		q.Add(item)
		q.AddAfter(item, time.Hour)
		q.Done(item)
		item, _ = q.Get()
		q.Done(item)
	}
	served(t, q, q.Len())
	r := q.ready
	if kept := len(q.waiting.heap) + len(q.waiting.places) + len(r.noted) + len(r.items) + len(r.taken) + len(r.groups) + r.next.Len(); kept != 0 {
		t.Errorf("%d entries are kept of %d waiting, %d noted, %d items, %d taken, %d groups", kept, len(q.waiting.heap), len(r.noted), len(r.items), len(r.taken), len(r.groups))
	}
}

// Every finished object with a time to live waits here until that is over.
func TestWhatWaitsCostsLittle(t *testing.T) {
	const many, most = 100_000, 150
	q := ForController("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(*Queue[reconcile.Request])
	defer q.ShutDown()
	items := make([]reconcile.Request, many)
	for i := range items {
		items[i].Namespace, items[i].Name = "team", fmt.Sprint("n", i)
	}
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	for i, item := range items {
		q.AddAfter(item, time.Hour+time.Duration(i*7919%many)*time.Second)
	}
	each := (inUse() - before) / many
	t.Logf("%d bytes for each of %d that wait", each, many)
	if each > most {
		t.Errorf("an item that waits takes %d bytes, want at most %d", each, most)
	}
}

// With many who add and many who work, no item is with two at once, and each is
// handed out after it was last added.
func TestManyWorkers(t *testing.T) {
	const groups, items, rounds, workers = 5, 20, 50, 8
	q := New(Options[string]{
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Microsecond, time.Millisecond),
		Group:       func(s string) string { return s[:1] },
	})
	type state struct{ working, added, seen atomic.Int32 }
	all := map[string]*state{}
	for g := range groups {
		for i := range items {
			all[fmt.Sprint(g, "/", i)] = &state{}
		}
	}
	var working, adding sync.WaitGroup
	for range workers {
		working.Go(func() {
			for {
				item, _, shutdown := q.GetWithPriority()
				if shutdown {
					return
				}
				s := all[item]
				if s.working.Add(1) != 1 {
					t.Errorf("%s is with two workers", item)
				}
				s.seen.Store(s.added.Load())
				s.working.Add(-1)
				q.Done(item)
			}
		})
	}
	for item, s := range all {
		adding.Go(func() {
			for n := range rounds {
				s.added.Add(1)
				switch n % 4 {
				case 0:
					q.AddRateLimited(item)
				case 1:
					add(q, n, time.Duration(n)*time.Microsecond, item)
				case 2:
					add(q, n, 0, item)
				default:
					q.Add(item)
				}
			}
		})
	}
	adding.Wait()
	for item, s := range all {
		for deadline := time.Now().Add(30 * time.Second); s.seen.Load() != rounds; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s was added %d times, and last handed out after %d", item, rounds, s.seen.Load())
			}
		}
	}
	q.ShutDown()
	working.Wait()
}
