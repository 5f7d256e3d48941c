package source

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	testclock "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/schedule"
)

// scene is a source of Pods whose "state" is looked at.
type scene struct {
	t        *testing.T
	alert    *v1alpha1.SlackAlert
	clock    *testclock.FakePassiveClock
	objects  *objects
	schedule *schedule.Schedule
	seen     map[string]*kindwatch.Object
	version  int
}

func newScene(t *testing.T, spec v1alpha1.ObjectsSource, groupBy ...string) *scene {
	t.Helper()
	a := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "rule"}}
	a.Spec.Source.Objects, a.Spec.GroupBy = &spec, groupBy
	rule, err := alerting.Compile(&a.Spec)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, alert: a, clock: testclock.NewFakePassiveClock(start), seen: map[string]*kindwatch.Object{}}
	s.objects = s.follow(rule, nil)
	return s
}

func (s *scene) follow(rule *alerting.Rule, before *objects) *objects {
	in := &kindwatch.Scope{Namespaces: map[string]bool{"ns": true}, Selector: labels.SelectorFromSet(labels.Set{"app": "web"})}
	s.schedule = schedule.New(s.clock, 2*time.Second, func() {})
	return newObjects(Env{Alert: s.alert, Rule: rule, Scope: in, Schedule: s.schedule, Evaluated: func(string) {}}, before)
}

// keep sets spec.keepFiringFor.
func (s *scene) keep(d time.Duration) {
	s.alert.Spec.KeepFiringFor = &metav1.Duration{Duration: d}
	s.objects = s.follow(s.objects.rule, nil)
}

// restart is one of the operator: it sees what there is, in another state unless
// that is empty.
func (s *scene) restart(state string) *scene { return s.anew(nil, state) }

// change is one of the rule that asks for the same.
func (s *scene) change() *scene { return s.anew(s.objects, "") }

func (s *scene) anew(before *objects, state string) *scene {
	s.t.Helper()
	out := *s
	out.objects = out.follow(s.objects.rule, before)
	for name, c := range maps.Clone(s.seen) {
		if state != "" {
			delete(s.seen, name)
			out.set(name, state)
		} else {
			out.objects.OnAdd(c, true)
		}
	}
	out.objects.Begun(nil)
	return &out
}

// set shows the source an object in a state.
func (s *scene) set(name, state string, meta ...string) {
	s.t.Helper()
	s.version++
	m := map[string]any{"namespace": "ns", "name": name, "uid": name, "resourceVersion": strings.Repeat("1", s.version), "labels": map[string]any{"app": "web"}}
	for i := 0; i < len(meta); i += 2 {
		m[meta[i]] = meta[i+1]
	}
	o := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": m, "state": state}
	if state == "<none>" {
		delete(o, "state")
	}
	c, err := kindwatch.Pack(&unstructured.Unstructured{Object: o})
	if err != nil {
		s.t.Fatal(err)
	}
	if old := s.seen[name]; old != nil {
		s.objects.OnUpdate(old, c)
	} else {
		s.objects.OnAdd(c, true)
	}
	s.seen[name] = c
}

func (s *scene) pass(d time.Duration) { s.clock.SetTime(s.clock.Now().Add(d)) }

// due are the groups to be looked at, at some time.
func (s *scene) due() []string {
	s.pass(time.Hour)
	out := s.schedule.Due(s.clock.Now())
	s.pass(-time.Hour)
	return out
}

// outlook of a group, given what is stored.
func (s *scene) outlook(current incident.Current, values ...string) incident.Desired {
	s.t.Helper()
	pass := &Pass{Ctx: s.t.Context(), Alert: &v1alpha1.SlackAlert{}, Watch: &kindwatch.Subscription{}}
	update, _ := s.objects.Update(alerting.KeyOf("rule", values), pass)
	return update.Next(current)
}

func stored(o incident.Desired) incident.Current {
	return incident.Current{Open: o.Firing, Known: true, Data: o.Data}
}

func TestForCountsFromTheFirstSight(t *testing.T) {
	when := v1alpha1.ObjectsSource{When: "object.state == 'bad'", For: &metav1.Duration{Duration: time.Minute}}
	s := newScene(t, when)
	s.set("a", "bad")
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("fires at once")
	}
	s.pass(50 * time.Second)
	s.set("a", "bad")
	s.pass(10 * time.Second)
	o := s.outlook(incident.Current{}, "ns/a")
	if !o.Firing || o.Count != 1 {
		t.Errorf("%+v", o)
	}
	if got := s.due(); len(got) != 1 {
		t.Errorf("%v are to be looked at", got)
	}
	s.set("a", "good")
	s.set("a", "bad")
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("what held before counts")
	}
	// Another process goes on with what fired, but not with what did not.
	again := newScene(t, when)
	again.set("a", "bad")
	again.set("b", "bad")
	if !again.outlook(stored(o), "ns/a").Firing || again.outlook(incident.Current{}, "ns/b").Firing {
		t.Error("a restart changes what fires")
	}
	// But not with another object of the same name.
	other := newScene(t, when)
	other.set("a", "bad", "uid", "another")
	if other.outlook(stored(o), "ns/a").Firing {
		t.Error("another object of the name fires at once")
	}
}

func TestGroupsOfObjects(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state != 'good'"}, "object.state")
	s.set("a", "x")
	s.set("b", "x")
	s.set("c", "good")
	s.set("d", "x", "namespace", "other")
	s.set("e", "x", "labels", "none")
	o := s.outlook(incident.Current{}, "x")
	var data objectsData
	if err := json.Unmarshal(o.Data, &data); err != nil || o.Count != 2 || len(data.Members) != 2 || data.Members[0] != "a" {
		t.Errorf("%+v %+v %v", o, data, err)
	}
	s.set("a", "y")
	if x, y := s.outlook(stored(o), "x"), s.outlook(incident.Current{}, "y"); x.Count != 1 || y.Count != 1 {
		t.Errorf("%+v %+v", x, y)
	}
	s.objects.OnDelete(s.seen["b"])
	if s.outlook(stored(o), "x").Firing {
		t.Error("fires though its objects are gone")
	}
	// Whoever deletes the incident has it muted until all is well once.
	s.objects.Suppress(alerting.KeyOf("rule", []string{"y"}).ID)
	s.set("a", "y")
	if s.outlook(incident.Current{}, "y").Firing {
		t.Error("it is not muted")
	}
	s.set("a", "good")
	s.set("a", "y")
	if !s.outlook(incident.Current{}, "y").Firing {
		t.Error("it is muted for good")
	}
}

func TestOverdueObjects(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'bad'"})
	s.set("a", "bad")
	for name, want := range map[string]bool{"a": false, "gone": true} {
		if _, over := s.objects.Overdue(incident.Group{Key: alerting.KeyOf("rule", []string{"ns/" + name})}); over != want {
			t.Errorf("%s: %v", name, over)
		}
	}
}

// failures are what is wrong by now.
func (s *scene) failures() Failures {
	s.pass(evaluatingGrace)
	return s.objects.Failures()
}

func TestTroubleWithObjects(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.stat == 'bad'"})
	s.set("a", "bad")
	if got := s.objects.Failures(); got.Failing != 0 || got.Next != start.Add(evaluatingGrace) {
		t.Errorf("told at once: %+v", got)
	}
	if got := s.failures(); got.Broken != "" || got.Failing != 1 || got.Missing != 1 || !strings.Contains(got.Hint, "no such key: stat") ||
		got.Lacking != "Pod ns/a: spec.source.objects.when: no such key: stat" {
		t.Errorf("%+v", got)
	}
	s = newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'bad' || object.state > 5"})
	s.set("a", "bad")
	s.set("b", "x")
	if got := s.objects.Failures(); !strings.HasPrefix(got.Broken, "Pod ns/b: spec.source.objects.when: ") || got.Failing != 1 {
		t.Errorf("%+v", got)
	}
	s.set("b", "bad")
	if got := s.failures(); got != (Failures{}) {
		t.Errorf("%+v", got)
	}
	// What fires stays so while it can't be told.
	s.set("a", "x")
	if !s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it is over because of an error")
	}
}

// A message of a rule is not looked at: if it failed, it would make another.
func TestMessagesOfRulesAreNotWatched(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "true"})
	c := &kindwatch.Object{Kind: "SlackNotification", ObjectMeta: metav1.ObjectMeta{Namespace: "ns", UID: "n", Labels: map[string]string{"app": "web", v1alpha1.LabelAlert: "r"}}}
	s.objects.OnAdd(c, false)
	if len(s.objects.members) > 0 {
		t.Error("it is looked at")
	}
}

func TestOldObject(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "oldObject != null && oldObject.state != object.state"})
	s.set("a", "x")
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("fires without an old object")
	}
	s.set("a", "y")
	if !s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("does not fire")
	}
}
