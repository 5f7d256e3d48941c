package alert

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

func alertAt(namespace, name string, minute int) *v1alpha1.SlackAlert {
	return &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(start.Add(time.Duration(minute) * time.Minute))}}
}

// The oldest are at work, by creation and then by name, in whatever order they
// are seen; the next one follows when one goes.
func TestOldestAlertsAreAtWork(t *testing.T) {
	var q quota
	at := func(name string) bool { return q.admits(types.NamespacedName{Namespace: "ns", Name: name}, 2) }
	check := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, name := range []string{"a", "b", "c", "d"} {
			if at(name) {
				got = append(got, name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v are at work, want %v", when, got, want)
		}
	}
	q.add(alertAt("ns", "d", 3), 2)
	q.add(alertAt("ns", "c", 1), 2)
	if pushed, ok := q.add(alertAt("ns", "b", 1), 2); !ok || pushed.Name != "d" {
		t.Errorf("%v is pushed out, want d", pushed)
	}
	if pushed, ok := q.add(alertAt("ns", "a", 5), 2); ok {
		t.Errorf("%v is pushed out, want none", pushed)
	}
	q.add(alertAt("other", "z", 0), 2)
	check("at first", "b", "c")
	if next, ok := q.remove(types.NamespacedName{Namespace: "ns", Name: "b"}, 2); !ok || next.Name != "d" {
		t.Errorf("%v follows, want d", next)
	}
	if _, ok := q.remove(types.NamespacedName{Namespace: "ns", Name: "b"}, 2); ok {
		t.Error("what is gone goes again")
	}
	q.add(alertAt("ns", "b", 9), 2) // made anew, and so the youngest
	check("when b was made anew", "c", "d")
	for _, name := range []string{"a", "b", "c", "d"} {
		q.remove(types.NamespacedName{Namespace: "ns", Name: name}, 2)
	}
	if len(q.ranks["ns"]) != 0 {
		t.Errorf("%v are left", q.ranks["ns"])
	}
}

func TestTooManyAlerts(t *testing.T) {
	r := &Reconciler{MaxAlerts: 2, Wake: &wakeup.Source{}}
	for i := range 3 {
		alert := alertAt("ns", fmt.Sprint("r", i), i)
		if got, want := r.admitted(alert), i < 2; got != want {
			t.Errorf("%s at work: %v, want %v", alert.Name, got, want)
		}
	}
	o := r.tooManyAlerts(alertAt("ns", "r2", 2))
	want := `namespace "ns" has more than 2 SlackAlerts, and this is not one of the oldest 2: delete others, or start the operator with --max-alerts-per-namespace=4 or more (in the args of its Deployment); it begins when there is room`
	if o.Reason != v1alpha1.ReasonTooManyAlerts || o.Message != want {
		t.Errorf("%s: %s", o.Reason, o.Message)
	}
	r.leave(types.NamespacedName{Namespace: "ns", Name: "r0"})
	if !r.admitted(alertAt("ns", "r2", 2)) {
		t.Error("it is not at work though there is room")
	}
}
