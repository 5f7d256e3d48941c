package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	testclock "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/schedule"
)

// world is a source of Events, and what is stored.
type world struct {
	t        *testing.T
	clock    *testclock.FakePassiveClock
	rule     *v1alpha1.SlackAlert
	events   *events
	schedule *schedule.Schedule
	// stored by key, and how many incidents there were.
	stored map[string]incident.Current
	opened map[string]int
	keys   map[string]alerting.Key
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: testclock.NewFakePassiveClock(start), stored: map[string]incident.Current{}, opened: map[string]int{}, keys: map[string]alerting.Key{}}
	w.rule = &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "rule", CreationTimestamp: metav1.NewTime(start.Add(-time.Hour))}}
	w.rule.Spec.Source.Events = &v1alpha1.EventsSource{Types: []string{"Warning"}}
	w.restart()
	return w
}

// restart forgets what is in memory.
func (w *world) restart() {
	w.t.Helper()
	rule, err := alerting.Compile(&w.rule.Spec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.schedule = schedule.New(w.clock, 2*time.Second, func() {})
	in := &kindwatch.Scope{Namespaces: map[string]bool{"ns": true}}
	w.events = newEvents(Env{Alert: w.rule, Rule: rule, Scope: in, Schedule: w.schedule, Evaluated: func(string) {}}, nil)
}

// event of a Pod with a version and a count.
func (w *world) event(pod string, version, count int) *kindwatch.Object {
	w.t.Helper()
	now := w.clock.Now().Format(time.RFC3339)
	made, err := kindwatch.Pack(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "events.k8s.io/v1", "kind": "Event", "type": "Warning", "reason": "BackOff", "deprecatedCount": int64(count),
		"metadata":                map[string]any{"namespace": "ns", "name": pod, "uid": pod, "resourceVersion": fmt.Sprint(version), "creationTimestamp": now},
		"regarding":               map[string]any{"kind": "Pod", "namespace": "ns", "name": pod},
		"deprecatedLastTimestamp": now,
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// processChanges stores what has changed, but for what crash says.
func (w *world) processChanges(crash bool) {
	pass := &Pass{Ctx: w.t.Context(), Alert: w.rule}
	for _, id := range w.schedule.Due(w.clock.Now()) {
		update, commit := w.events.Update(alerting.Key{ID: id}, pass)
		if crash {
			continue
		}
		current := w.stored[id]
		next := update.Next(current)
		w.keys[update.Key.Text] = update.Key
		switch {
		case next.Firing && !current.Open:
			w.opened[id]++
			w.stored[id] = incident.Current{Open: true, Known: true, Data: next.Data}
		case current.Open:
			w.stored[id] = incident.Current{Open: next.Firing, Known: true, Data: current.Data}
			if next.Firing {
				w.stored[id] = incident.Current{Open: true, Known: true, Data: next.Data}
			}
		}
		commit()
	}
}

// expect how often incidents were opened for a Pod, and how often it occurred
// in the last.
func (w *world) expect(pod string, opened int, total int64) {
	w.t.Helper()
	id := w.keys["Pod ns/"+pod+" BackOff"].ID
	if got := readEvents(w.stored[id].Data).Total; w.opened[id] != opened || got != total {
		w.t.Errorf("%s: opened %d times with %d occurrences, want %d and %d", pod, w.opened[id], got, opened, total)
	}
}

// checkpoint writes the checkpoint into the status.
func (w *world) checkpoint() string {
	w.rule.Status.EventsSeenVersion = w.events.commit().version
	return w.rule.Status.EventsSeenVersion
}

// However often the process is restarted, at whatever point, an Event is told
// once.
func TestEventsThroughRestarts(t *testing.T) {
	for _, marked := range []bool{false, true} {
		w := newWorld(t)
		var list []*kindwatch.Object
		show := func() {
			for _, c := range list {
				w.events.OnAdd(c, true)
			}
		}
		next := func(crash bool) {
			w.processChanges(crash)
			if marked && !crash {
				w.checkpoint()
			}
			w.restart()
			show()
		}
		list = append(list, w.event("a", 10, 1), w.event("b", 11, 4))
		show()
		next(true)
		next(false)
		w.expect("a", 1, 1)
		w.expect("b", 1, 4)
		next(false)
		w.clock.SetTime(start.Add(time.Minute))
		list[0] = w.event("a", 12, 3)
		next(false)
		next(false)
		w.expect("a", 1, 3)
		w.expect("b", 1, 4)
		// Over, and not opened again by what was told.
		w.clock.SetTime(start.Add(20 * time.Minute))
		for id, current := range w.stored {
			if at, ok := w.events.Overdue(incident.Group{Key: alerting.Key{ID: id}, Current: current}); !ok || w.clock.Now().Before(at) {
				t.Errorf("overdue at %s", at)
			}
			w.schedule.Expire(id, w.clock.Now())
		}
		next(false)
		next(false)
		for id, current := range w.stored {
			if current.Open {
				t.Errorf("%s is open", id)
			}
		}
		list[1] = w.event("b", 13, 5)
		next(false)
		next(false)
		w.expect("a", 1, 3)
		w.expect("b", 2, 1)
	}
}

// The checkpoint never passes what is not stored.
func TestMark(t *testing.T) {
	w := newWorld(t)
	w.events.OnAdd(w.event("a", 10, 1), false)
	if got := w.checkpoint(); got != "" {
		t.Errorf("the checkpoint is %s", got)
	}
	w.processChanges(false)
	if got := w.checkpoint(); got != "10" {
		t.Errorf("the checkpoint is %s", got)
	}
	// While Events go on coming, it follows behind them.
	w.events.OnAdd(w.event("b", 11, 1), false)
	w.checkpoint()
	w.processChanges(false)
	w.events.OnAdd(w.event("c", 12, 1), false)
	if got := w.checkpoint(); got != "11" {
		t.Errorf("the checkpoint is %s", got)
	}
	// Those of other namespaces move it too.
	other := w.event("x", 15, 1)
	other.Namespace = "other"
	w.processChanges(false)
	w.checkpoint()
	w.events.OnAdd(other, false)
	if got := w.checkpoint(); got != "15" {
		t.Errorf("the checkpoint is %s", got)
	}
}

// Nor does it pass what waits to be looked at, however Events overtake each
// other.
func TestMarkWaitsForLooks(t *testing.T) {
	w := newWorld(t)
	a, b := w.event("a", 10, 1), w.event("b", 11, 1)
	for _, c := range []*kindwatch.Object{a, b} {
		if !w.events.Matters(c, false, false) {
			t.Fatal("an Event does not matter")
		}
	}
	w.events.OnAdd(b, false)
	w.processChanges(false)
	if got := w.checkpoint(); got != "" {
		t.Errorf("the checkpoint is %q while the Event 10 waits", got)
	}
	// It changes while it is looked at.
	later := w.event("a", 12, 2)
	w.events.Matters(later, false, true)
	w.events.OnAdd(a, false)
	w.processChanges(false)
	if got := w.checkpoint(); got != "11" {
		t.Errorf("the checkpoint is %q, want 11", got)
	}
	if w.events.Matters(later, true, true) {
		t.Error("that an Event is deleted matters")
	}
	w.events.OnUpdate(a, later)
	w.clock.SetTime(start.Add(time.Minute))
	w.processChanges(false)
	w.checkpoint()
	if got := w.checkpoint(); got != "12" || len(w.events.waiting) != 0 {
		t.Errorf("the checkpoint is %q, and %d Events wait", got, len(w.events.waiting))
	}
	w.expect("a", 1, 2)
	w.expect("b", 1, 1)
}

// A group of a great many Events stays small, and counts.
func TestManyEventsInAGroup(t *testing.T) {
	var d eventsData
	for i := range 1000 {
		d.count([]alerting.Event{{UID: fmt.Sprint(i), ResourceVersion: fmt.Sprint(i + 1), Count: 1}})
	}
	d.count([]alerting.Event{{UID: "3", ResourceVersion: "2000", Count: 2}, {UID: "999", ResourceVersion: "2001", Count: 3}})
	data, _ := json.Marshal(d)
	if d.Total != 1003 || len(d.Counts) > maxCounts+1 || len(data) > 10000 {
		t.Errorf("%d occurrences, %d counts, %d bytes", d.Total, len(d.Counts), len(data))
	}
}

// Without a version, the time of the rule's creation decides.
func TestEventsBeforeTheRule(t *testing.T) {
	w := newWorld(t)
	w.clock.SetTime(start.Add(-2 * time.Hour))
	old := w.event("old", 5, 1)
	w.clock.SetTime(start)
	w.events.OnAdd(old, true)
	w.events.OnAdd(w.event("new", 6, 1), true)
	w.processChanges(false)
	w.expect("old", 0, 0)
	w.expect("new", 1, 1)
	// One that comes late is told, whatever its sender's clock says.
	w.clock.SetTime(start.Add(-3 * time.Hour))
	late := w.event("late", 7, 1)
	w.clock.SetTime(start.Add(time.Minute))
	w.events.OnAdd(late, false)
	w.processChanges(false)
	w.expect("late", 1, 1)
}

// What is told is not counted again, though there are too many Events for all
// of their counts to be stored, nor is an Event that is only annotated.
func TestEventsCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.rule.Spec.GroupBy = []string{"'all'"}
	w.restart()
	var list []*kindwatch.Object
	for i := range 3 * maxCounts {
		list = append(list, w.event(fmt.Sprint("p", i), 10+i, 2))
	}
	id := alerting.KeyOf("rule", []string{"all"}).ID
	for range 3 {
		for _, c := range list {
			w.events.OnAdd(c, true)
		}
		w.processChanges(false)
		if got := readEvents(w.stored[id].Data).Total; got != 6*maxCounts {
			t.Errorf("%d occurrences", got)
		}
		w.restart()
	}
	last := list[len(list)-1]
	w.clock.SetTime(start.Add(time.Minute))
	w.events.OnUpdate(last, w.event(last.Name, 5000, 2))
	w.processChanges(false)
	if got := readEvents(w.stored[id].Data); got.Total != 6*maxCounts || !got.NewsAt.Equal(start) {
		t.Errorf("%d occurrences, the last at %s", got.Total, got.NewsAt)
	}
}

// Clocks of senders do not matter: what comes in is told, and resolveAfter counts
// from when it came, by our clock.
func TestEventsOfWrongClocks(t *testing.T) {
	for name, off := range map[string]time.Duration{"an hour behind": -time.Hour, "an hour ahead": time.Hour, "ten years ahead": 87600 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.clock.SetTime(start.Add(off))
			first, second := w.event("a", 10, 1), w.event("a", 11, 2)
			w.clock.SetTime(start)
			w.events.OnAdd(first, false)
			w.processChanges(false)
			w.expect("a", 1, 1)
			w.clock.SetTime(start.Add(defaultQuiet - time.Second))
			w.events.OnUpdate(first, second)
			w.processChanges(false)
			w.expect("a", 1, 2)
			id := w.keys["Pod ns/a BackOff"].ID
			if at, ok := w.events.Overdue(incident.Group{Current: w.stored[id]}); !ok || !at.Equal(start.Add(2*defaultQuiet-time.Second)) {
				t.Errorf("it is over at %v, want %v after it came in", at, defaultQuiet)
			}
			if at := w.events.commit().at; at.After(w.clock.Now()) {
				t.Errorf("Events were looked at until %v, which is yet to come", at)
			}
		})
	}
}

// The end of an incident for want of Events says that it is that.
func TestEndForWantOfEventsSaysSo(t *testing.T) {
	w := newWorld(t)
	end := w.events.fold(incident.Current{Open: true, Known: true}, nil, start.Add(time.Hour), alerting.Key{}, nil)
	if end.Firing || !strings.Contains(end.Note, "No Event has told of it for 10m (resolveAfter)") {
		t.Errorf("it fires: %v, and its end says %q", end.Firing, end.Note)
	}
	if over := w.events.fold(incident.Current{Known: true}, nil, start.Add(time.Hour), alerting.Key{}, nil); over.Note != "" {
		t.Errorf("one that is over says %q", over.Note)
	}
}
