package source

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/race"
)

// note is one pass of the reconciler; it reports whether the status was changed.
func (s *scene) note() bool {
	s.t.Helper()
	before := fmt.Sprint(s.alert.Status.Pending)
	s.objects.Save(s.alert)
	return fmt.Sprint(s.alert.Status.Pending) != before
}

func forTwoMinutes() v1alpha1.ObjectsSource {
	return v1alpha1.ObjectsSource{When: "object.state == 'bad'", For: &metav1.Duration{Duration: 2 * time.Minute}}
}

// for is not begun anew by a restart, nor is it ever shorter.
func TestForSurvivesARestart(t *testing.T) {
	// The object was bad since the start.
	for _, row := range []struct {
		name string
		// meanwhile happens 5 s before the operator begins anew, and after to it then.
		begins           time.Duration
		meanwhile, after func(s *scene)
		// fires is after how long, since the object was first bad.
		fires time.Duration
	}{
		{"nothing happens", 100 * time.Second, func(*scene) {}, func(*scene) {}, 2 * time.Minute},
		{"a heartbeat changes the object", 100 * time.Second, func(s *scene) { s.set("a", "bad") }, func(s *scene) { s.set("a", "bad") }, 2 * time.Minute},
		{"it was well soon after it was noted", 25 * time.Second, func(s *scene) { s.set("a", "good"); s.set("a", "bad") }, func(*scene) {}, 2*time.Minute + 25*time.Second},
		{"it was well meanwhile", 100 * time.Second, func(s *scene) { s.set("a", "good"); s.set("a", "bad") }, func(*scene) {}, 2*time.Minute + 100*time.Second},
		{"it is well after the restart", 100 * time.Second, func(*scene) {}, func(s *scene) { s.set("a", "good"); s.set("a", "bad") }, 2*time.Minute + 100*time.Second},
		{"another object of the name", 100 * time.Second, func(*scene) {}, func(s *scene) {
			s.objects.OnDelete(s.seen["a"])
			delete(s.seen, "a")
			s.set("a", "bad", "uid", "another")
		}, 2*time.Minute + 100*time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t, forTwoMinutes())
			s.set("a", "bad")
			for s.clock.Since(start) < row.begins {
				s.pass(time.Second)
				if s.clock.Since(start) == row.begins-5*time.Second {
					row.meanwhile(s)
				}
				s.note()
			}
			s = s.restart("")
			row.after(s)
			for s.clock.Now().Before(start.Add(row.fires)) {
				if s.outlook(incident.Current{}, "ns/a").Firing {
					t.Fatalf("it fires after %v, want %v", s.clock.Since(start), row.fires)
				}
				s.pass(time.Second)
			}
			if !s.outlook(incident.Current{}, "ns/a").Firing {
				t.Errorf("it does not fire after %v", s.clock.Since(start))
			}
		})
	}
}

// A clock that is behind the one of the operator before, and times between whole
// seconds, do not have it fire early.
func TestForWithOtherClocks(t *testing.T) {
	s := newScene(t, forTwoMinutes())
	s.pass(300 * time.Millisecond)
	s.set("a", "bad")
	s.pass(time.Minute)
	s.note()
	if got, want := s.alert.Status.Pending[0].Since.Time, start.Add(time.Second); !got.Equal(want) {
		t.Errorf("since %v, want %v", got, want)
	}
	s.pass(-time.Hour)
	s = s.restart("")
	s.pass(2*time.Minute - time.Second)
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it fires early")
	}
	s.pass(time.Second)
	if !s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it never fires")
	}
}

// Many objects that come and go cost few writes, and those that wait the longest
// are stored.
func TestPendingCostsFewWrites(t *testing.T) {
	race.Pointless(t)
	s := newScene(t, forTwoMinutes())
	writes := 0
	for second := range 600 {
		s.pass(time.Second)
		for i := range 5 { // each is bad for 10 seconds
			s.set(fmt.Sprintf("short-%d-%d", second, i), "bad")
			if second >= 10 {
				s.set(fmt.Sprintf("short-%d-%d", second-10, i), "good")
			}
		}
		if s.note() {
			writes++
		}
	}
	for second := 590; second < 600; second++ {
		for i := range 5 {
			s.set(fmt.Sprintf("short-%d-%d", second, i), "good")
		}
	}
	if writes != 0 {
		t.Errorf("%d writes for objects that were bad for 10 seconds", writes)
	}
	for i := range 500 {
		s.set(fmt.Sprintf("long-%03d", i), "bad")
		s.pass(100 * time.Millisecond)
		if s.note() {
			writes++
		}
	}
	if n := len(s.alert.Status.Pending); n != maxStoredPending || s.alert.Status.Pending[0].UID != "long-000" {
		t.Errorf("%d are stored, and %s first; want %d", n, s.alert.Status.Pending[0].UID, maxStoredPending)
	}
	if writes > 4 {
		t.Errorf("%d writes in 50 s for 500 objects", writes)
	}
	// A restart with many of them has none fire early.
	first := start.Add(600 * time.Second)
	s = s.restart("")
	for s.clock.Now().Before(first.Add(2 * time.Minute)) {
		for _, name := range []string{"long-000", "long-400"} {
			if s.outlook(incident.Current{}, "ns/"+name).Firing {
				t.Fatalf("%s fires after %v", name, s.clock.Since(first))
			}
		}
		s.pass(time.Second)
	}
	if !s.outlook(incident.Current{}, "ns/long-000").Firing || s.outlook(incident.Current{}, "ns/long-400").Firing {
		t.Error("the first one is to fire by now, and the others are not")
	}
}

// A change of the rule's message, or of the namespaces that it looks at, does not
// begin anew what waits.
func TestForSurvivesAChangeOfTheRule(t *testing.T) {
	s := newScene(t, forTwoMinutes())
	s.set("a", "bad")
	s.pass(time.Minute)
	s = s.change()
	s.pass(time.Minute)
	if !s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it has begun anew")
	}
}

// What comes to be looked at later has not been seen to hold before.
func TestPendingOfWhatWasNotLookedAt(t *testing.T) {
	s := newScene(t, forTwoMinutes())
	s.set("a", "bad")
	s.pass(time.Minute)
	s.note()
	c := s.seen["a"]
	delete(s.seen, "a")
	s = s.restart("")
	s.objects.OnAdd(c, false)
	s.pass(time.Minute)
	if s.outlook(incident.Current{}, "ns/a").Firing {
		t.Error("it fires for what it was before")
	}
}
