package source

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// An incident ends by evidence alone: "when" is false for all of its objects, or
// they are gone. The row's first steps open the incident, and the next ones are
// what then happens; "restart" is one of the operator, which then sees what
// there is.
func TestIncidentsEndByEvidenceAlone(t *testing.T) {
	const none = "<none>" // the field is left out
	type step struct{ name, state string }
	for _, row := range []struct {
		name    string
		when    string
		groupBy []string
		group   string
		steps   []step
		open    bool
		count   int64
	}{
		{"false", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", "good"}}, false, 0},
		{"field missing", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", none}}, true, 1},
		{"field missing, then false", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", none}, {"a", "good"}}, false, 0},
		{"item of a list missing", "[object.state][size(object.state) - 3] == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", "worse"}}, true, 1},
		{"expression fails", "object.state == 'bad' || object.state < 1", nil, "ns/a", []step{{"a", "bad"}, {"a", "x"}}, true, 1},
		{"field missing over a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", none}, {"restart", ""}}, true, 1},
		{"field goes during a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"restart", none}}, true, 1},
		{"expression fails after a restart", "object.state == 'bad' || object.state < 1", nil, "ns/a", []step{{"a", "bad"}, {"restart", "x"}}, true, 1},
		{"false after a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"restart", "good"}}, false, 0},
		{"false after a field was missing over a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"restart", none}, {"a", "good"}}, false, 0},
		{"true after a field was missing over a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"restart", none}, {"a", "bad"}}, true, 1},
		{"gone", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"delete", "a"}}, false, 0},
		{"gone while it could not be evaluated", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"a", none}, {"delete", "a"}}, false, 0},
		{"gone after a restart", "object.state == 'bad'", nil, "ns/a", []step{{"a", "bad"}, {"restart", none}, {"delete", "a"}}, false, 0},
		{"null", "object.state == 'bad' ? dyn(true) : object.state == 'good' ? dyn(false) : dyn(null)", nil, "ns/a", []step{{"a", "bad"}, {"a", "between"}}, true, 1},
		{"null after a restart", "object.state == 'bad' ? dyn(true) : object.state == 'good' ? dyn(false) : dyn(null)", nil, "ns/a", []step{{"a", "bad"}, {"restart", "between"}}, true, 1},
		{"null, then false", "object.state == 'bad' ? dyn(true) : object.state == 'good' ? dyn(false) : dyn(null)", nil, "ns/a", []step{{"a", "bad"}, {"a", "between"}, {"a", "good"}}, false, 0},
		{"null at first", "object.state == 'bad' ? dyn(true) : object.state == 'good' ? dyn(false) : dyn(null)", nil, "ns/a", []step{{"a", "between"}}, false, 0},
		{"one of two is false, the other missing", "object.state == 'bad'", []string{"'all'"}, "all",
			[]step{{"a", "bad"}, {"b", "bad"}, {"a", none}, {"b", "good"}}, true, 1},
		{"another object that lacks the field is none of it", "object.state == 'bad'", []string{"'all'"}, "all",
			[]step{{"a", "bad"}, {"b", none}, {"restart", ""}}, true, 1},
		{"nor keeps it open", "object.state == 'bad'", []string{"'all'"}, "all", []step{{"a", "bad"}, {"b", none}, {"a", "good"}}, false, 0},
		{"nor does after a restart", "object.state == 'bad'", []string{"'all'"}, "all", []step{{"a", "bad"}, {"b", none}, {"a", "good"}, {"restart", ""}}, false, 0},
		{"moved to another group", "object.state != 'good'", []string{"object.state"}, "x", []step{{"a", "x"}, {"a", "y"}}, false, 0},
		{"moved during a restart", "object.state != 'good'", []string{"object.state"}, "x", []step{{"a", "x"}, {"restart", "y"}}, false, 0},
		{"groupBy fails", "true", []string{"object.state == 'bad' ? 'one' : string(1 / (size(object.state) - 1))"}, "one", []step{{"a", "bad"}, {"a", "x"}}, true, 1},
		{"groupBy fails after a restart", "true", []string{"object.state == 'bad' ? 'one' : string(1 / (size(object.state) - 1))"}, "one", []step{{"a", "bad"}, {"restart", "x"}}, true, 1},
		{"groupBy misses a field", "true", []string{"object.state"}, "bad", []step{{"a", "bad"}, {"a", none}}, true, 1},
		{"groupBy misses a field after a restart", "true", []string{"object.state"}, "bad", []step{{"a", "bad"}, {"restart", none}}, true, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, v1alpha1.ObjectsSource{When: row.when}, row.groupBy...)
			current := incident.Current{}
			for _, step := range row.steps {
				switch step.name {
				case "delete":
					s.objects.OnDelete(s.seen[step.state])
				case "restart":
					s = s.restart(step.state)
				default:
					s.set(step.name, step.state)
				}
				current = stored(s.outlook(current, row.group))
			}
			if o := s.outlook(current, row.group); o.Firing != row.open || o.Count != row.count {
				t.Errorf("open is %v with %d objects, want %v with %d", o.Firing, o.Count, row.open, row.count)
			}
		})
	}
}

// What was never told and lacks a field opens nothing, and is counted.
func TestMissingFieldOpensNothing(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'bad'"})
	s.set("a", "<none>")
	s.set("b", "good")
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it fires")
	}
	if got := s.failures(); got.Failing != 1 || got.Missing != 1 || got.Lacking != "Pod ns/a: spec.source.objects.when: no such key: state" {
		t.Errorf("%+v", got)
	}
	s.set("a", "good")
	if got := s.failures(); got.Failing != 0 {
		t.Errorf("%+v", got)
	}
}

// That "when" gives null is no trouble.
func TestUndecidedIsNoTrouble(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'between' ? dyn(null) : dyn(object.state == 'bad')"})
	s.set("a", "between")
	if got := s.failures(); got != (Failures{}) {
		t.Errorf("%+v", got)
	}
}

// An incident that names only some of its objects may be about any that can't be
// evaluated.
func TestMembersThatAreNotStored(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'bad'"}, "'all'")
	s.set("a", "<none>")
	for _, row := range []struct {
		name    string
		current incident.Current
		open    bool
	}{
		{"there are more", incident.Current{Open: true, Known: true, Data: []byte(`{"members":["gone"],"more":3}`)}, true},
		{"there are none", incident.Current{Open: true, Known: true, Data: []byte(`{"members":["gone"]}`)}, false},
		{"beyond maxIncidents there was no room", incident.Current{Open: true, Known: true}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s = s.restart("")
			if o := s.outlook(row.current, "all"); o.Firing != row.open {
				t.Errorf("open is %v, want %v", o.Firing, row.open)
			}
		})
	}
}

// A pending object is not opened while it can't be evaluated, and goes on waiting.
func TestForWhileAFieldIsMissing(t *testing.T) {
	s := newScene(t, v1alpha1.ObjectsSource{When: "object.state == 'bad'", For: &metav1.Duration{Duration: time.Minute}})
	s.set("a", "bad")
	s.pass(30 * time.Second)
	s.set("a", "<none>")
	s.pass(time.Hour)
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it fires without evidence")
	}
	s.set("a", "bad")
	if !s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it has begun anew without evidence")
	}
}

func TestKeepFiringFor(t *testing.T) {
	const keep = 5 * time.Minute
	when := v1alpha1.ObjectsSource{When: "object.state == 'bad'", For: &metav1.Duration{Duration: time.Minute}}
	fresh := func(t *testing.T) (*scene, incident.Current) {
		s := newScene(t, when)
		s.keep(keep)
		s.set("a", "bad")
		s.pass(time.Minute)
		current := stored(s.outlook(incident.Current{}, "ns/a"))
		if !current.Open {
			t.Fatal("it does not fire")
		}
		return s, current
	}
	wants := func(t *testing.T, s *scene, current incident.Current, open bool, when string) incident.Current {
		t.Helper()
		o := s.outlook(current, "ns/a")
		if o.Firing != open {
			t.Errorf("%s: open is %v, want %v", when, o.Firing, open)
		}
		return stored(o)
	}
	t.Run("it comes back in time", func(t *testing.T) {
		s, current := fresh(t)
		for range 3 {
			s.set("a", "good")
			s.pass(keep - time.Second)
			current = wants(t, s, current, true, "before the time is over")
			s.set("a", "bad")
			s.pass(10 * time.Second)
			current = wants(t, s, current, true, "when it is back")
		}
		s.set("a", "good")
		s.pass(keep)
		wants(t, s, current, false, "when the time is over")
	})
	t.Run("a look at it does not lengthen it", func(t *testing.T) {
		s, current := fresh(t)
		for range 5 {
			s.set("a", "good")
			current = wants(t, s, current, true, "before")
			s.pass(time.Minute)
		}
		if len(s.due()) != 1 {
			t.Error("nothing is due")
		}
		wants(t, s, current, false, "after 5 minutes")
	})
	t.Run("what has not fired is not kept", func(t *testing.T) {
		s := newScene(t, when)
		s.keep(keep)
		s.set("a", "bad")
		s.pass(59 * time.Second)
		s.set("a", "good")
		s.set("a", "bad")
		s.pass(59 * time.Second)
		wants(t, s, incident.Current{}, false, "for")
	})
	t.Run("deleted", func(t *testing.T) {
		s, current := fresh(t)
		s.objects.OnDelete(s.seen["a"])
		s.pass(keep - time.Second)
		current = wants(t, s, current, true, "before the time is over")
		s.pass(time.Second)
		wants(t, s, current, false, "when the time is over")
	})
	t.Run("a field is missing meanwhile", func(t *testing.T) {
		s, current := fresh(t)
		s.set("a", "good")
		s.set("a", "<none>")
		s.pass(2 * keep)
		current = wants(t, s, current, true, "without evidence")
		s.set("a", "good")
		s.pass(keep - time.Second)
		current = wants(t, s, current, true, "before the time is over")
		s.pass(time.Second)
		wants(t, s, current, false, "when the time is over")
	})
	for name, state := range map[string]string{"restart": "", "well during a restart": "good"} {
		t.Run(name, func(t *testing.T) {
			s, current := fresh(t)
			s.set("a", "good")
			s.pass(keep - time.Minute)
			s = s.restart(state)
			current = wants(t, s, current, true, "after the restart")
			s.pass(keep - time.Second)
			current = wants(t, s, current, true, "before the time is over anew")
			s.pass(time.Second)
			wants(t, s, current, false, "when the time is over")
		})
	}
	t.Run("gone during a restart, and back", func(t *testing.T) {
		s, current := fresh(t)
		c := s.seen["a"]
		delete(s.seen, "a")
		s = s.restart("")
		current = wants(t, s, current, true, "after the restart")
		s.seen["a"] = c
		s.set("a", "bad")
		s.pass(time.Second)
		current = wants(t, s, current, true, "when it is back")
		s.pass(2 * keep)
		wants(t, s, current, true, "for good")
	})
	t.Run("a change of the rule", func(t *testing.T) {
		s, current := fresh(t)
		s.set("a", "good")
		s.pass(keep - time.Minute)
		s = s.change()
		current = wants(t, s, current, true, "after the change")
		s.pass(time.Minute)
		wants(t, s, current, false, "when the time is over")
	})
}
