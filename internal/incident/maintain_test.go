package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

func TestOverflow(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.MaxIncidents = 2
	for _, key := range []string{"a", "b", "c", "d"} {
		g.apply(g.news(key, "one"))
	}
	g.expect("+a one, +b one, +r: and 2 more More than 2 are open at once, so these have no messages of their own:\n• `c`\n• `d`")
	if n := g.writes(func() { g.apply(g.news("c", "one"), g.news("d", "one")) }); n != 0 {
		t.Errorf("%d writes", n)
	}
	// Held back, nothing is written and nothing is lost.
	before := g.Writes
	out, err := g.store.Apply(g.Ctx, g.Rule, []Update{g.news("e", "one"), g.news("a", "two")}, Options{HoldOverflow: true})
	if err != nil || len(out.Held) != 1 || g.Writes != before+1 {
		t.Errorf("%+v %v", out, err)
	}
	g.restart()
	if firing := g.tend().Firing; firing != 4 {
		t.Errorf("%d are firing", firing)
	}
	open, err := g.store.Open(g.Ctx, g.Rule)
	if err != nil || len(open) != 4 {
		t.Errorf("%+v %v", open, err)
	}
	// What has its place in the rollup keeps it; what is new may have its own.
	g.apply(g.news("a", ""))
	g.apply(g.news("c", "two"), g.news("e", "one"))
	g.apply(g.news("d", ""))
	g.expect("+b one, +e one, +r: and 1 more More than 2 are open at once, so these have no messages of their own:\n• `c`, Resolved: a")
	g.apply(g.news("c", ""))
	g.expect("+b one, +e one, Resolved: a, Resolved: r: and 2 more")
	g.apply(g.news("f", "one"))
	g.expect("+b one, +e one, +r: and 1 more More than 2 are open at once, so these have no messages of their own:\n• `f`, Resolved: a, Resolved: r: and 2 more")
}

// A flood fits into an annotation, and its end is seen.
func TestRollupOfAFlood(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.MaxIncidents = 1
	const flood = 10000
	var on, off []Update
	for i := range flood {
		name := fmt.Sprintf("namespace-of-a-team/deployment-with-a-long-name-%05d", i)
		on, off = append(on, g.news(name, "x")), append(off, g.news(name, ""))
	}
	if n := g.writes(func() { g.apply(on...) }); n != 2 {
		t.Errorf("%d writes", n)
	}
	for _, n := range g.List() {
		if size := len(n.Annotations[StateAnnotation]); size > 256<<10-2000 {
			t.Errorf("%s has %d bytes", n.Name, size)
		}
	}
	firing := g.tend().Firing
	t.Logf("%d of %d are known by name", firing, flood)
	if firing < 1000 {
		t.Errorf("%d are known", firing)
	}
	g.apply(off...)
	if firing := g.tend().Firing; firing != 0 {
		t.Errorf("%d are still firing", firing)
	}
}

func TestReminders(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.RepeatInterval = &metav1.Duration{Duration: time.Hour}
	g.apply(g.news("a", "one"))
	if next := g.tend().Next; !next.Equal(start.Add(time.Hour)) {
		t.Errorf("next at %s", next)
	}
	g.Pass(2 * time.Hour)
	g.tend()
	g.expect("+a one") // it is not out yet
	g.Deliver()
	g.tend()
	g.tend()
	g.restart()
	g.tend()
	g.expect("+a one, reply Still firing: a")
	// A crash between the reply and the note of it makes none twice.
	g.Pass(time.Hour)
	g.Fail = func(verb string, _ client.Object) error {
		if verb == "update" {
			return errors.New("crash")
		}
		return nil
	}
	if _, err := g.store.Maintain(g.Ctx, g.Rule, nil); err == nil {
		t.Error("no crash")
	}
	g.Fail = nil
	g.restart()
	g.Pass(10 * time.Minute)
	g.tend()
	g.expect("+a one, reply Still firing: a, reply Still firing: a")
	g.apply(g.news("a", ""))
	g.Pass(3 * time.Hour)
	g.tend()
	g.expect("Resolved: a, reply Still firing: a, reply Still firing: a")
}

func TestExpiry(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.OnResolve, g.Rule.Spec.NotificationTTL = v1alpha1.ResolveReply, &metav1.Duration{Duration: time.Hour}
	g.apply(g.news("a", "one"), g.news("b", "one"))
	g.Deliver()
	g.apply(g.news("a", ""))
	if next := g.tend().Next; !next.Equal(start.Add(time.Hour)) {
		t.Errorf("next at %s", next)
	}
	g.Pass(2 * time.Hour)
	g.tend()
	g.expect("+b one, a, reply Resolved: a") // the reply is still on its way
	g.Deliver()
	if _, err := g.store.Maintain(g.Ctx, g.Rule, func(Current, time.Time) bool { return true }); err != nil {
		t.Fatal(err)
	}
	g.expect("+b one, a, reply Resolved: a")
	g.tend()
	g.expect("+b one")
}

// What is known of the groups of a flood that are over is bounded, and what ended
// last is known.
func TestEndsOfAFlood(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.MaxIncidents = 1
	known := map[string]bool{}
	group := func(name string, firing bool) Update {
		return Update{Key: alerting.KeyOf(string(g.Rule.UID), []string{name}), Next: func(c Current) Desired {
			known[name] = c.Known
			data, _ := json.Marshal(strings.Repeat("x", 300))
			return Desired{Firing: firing, Data: data, Small: data, Over: data, Render: func(string) v1alpha1.Content { return v1alpha1.Content{Title: name} }}
		}}
	}
	g.apply(group("own", true), group("stays", true))
	const flood, batch = 500, 50
	for i := 0; i < flood; i += batch {
		var on, off []Update
		for j := range batch {
			on, off = append(on, group(fmt.Sprint("g", i+j), true)), append(off, group(fmt.Sprint("g", i+j), false))
		}
		g.apply(on...)
		g.apply(off...)
		g.Pass(time.Second)
		g.restart()
	}
	for _, n := range g.List() {
		if size := len(n.Annotations[StateAnnotation]); size > maxOver+maxOverflow/10 {
			t.Errorf("%s has %d bytes", n.Name, size)
		}
	}
	last := fmt.Sprint("g", flood-batch)
	g.apply(group("g0", false), group(last, false), group("never", false))
	if known["g0"] || !known[last] || known["never"] {
		t.Errorf("known: the first %v, the last %v, one that never was %v", known["g0"], known[last], known["never"])
	}
	// What fires needs the room more.
	var on []Update
	for i := range 1000 {
		on = append(on, group(fmt.Sprint("later", i), true))
	}
	g.apply(on...)
	for _, n := range g.List() {
		if size := len(n.Annotations[StateAnnotation]); size > 256<<10-2000 {
			t.Errorf("%s has %d bytes", n.Name, size)
		}
	}
	g.apply(group(last, false))
	if known[last] {
		t.Error("what is over has kept the place of what fires")
	}
}
