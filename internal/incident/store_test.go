package incident

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident/incidenttest"
)

// rig is a store on an API server in memory.
type rig struct {
	*incidenttest.Cluster
	store *Store
}

var start = incidenttest.Start

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{Cluster: incidenttest.New(t, OwnerIndex, Owner)}
	g.restart()
	return g
}

// restart forgets all that is in memory.
func (g *rig) restart() { g.store = &Store{Client: g.Live, Live: g.Live, Clock: g.Clock} }

// news that a group fires, with a text, or that it does not.
func (g *rig) news(key, text string) Update {
	return Update{Key: alerting.KeyOf(string(g.Rule.UID), []string{key}), Next: func(Current) Desired {
		data, _ := json.Marshal(map[string]string{"text": text})
		return Desired{Firing: text != "", Data: data, Small: data, Count: 1, Render: func(state string) v1alpha1.Content {
			return v1alpha1.Content{Title: key, Text: text, Severity: v1alpha1.SeverityError, Fields: []v1alpha1.Field{{Title: "state", Value: state}}}
		}}
	}}
}

// writes of SlackNotifications that something takes.
func (g *rig) writes(do func()) int {
	before := g.Writes
	do()
	return g.Writes - before
}

func (g *rig) apply(news ...Update) Applied {
	g.T.Helper()
	out, err := g.store.Apply(g.Ctx, g.Rule, news, Options{})
	if err != nil {
		g.T.Fatal(err)
	}
	return out
}

// told sums up what there is: "title: text" of each, with a plus while it is open.
func (g *rig) told() string {
	g.T.Helper()
	var out []string
	for _, n := range g.List() {
		s, ok := StateOf(&n)
		line := n.Spec.Title
		switch {
		case n.Spec.Thread != nil:
			line = "reply " + line
		case !ok:
			line = "stranger"
		case s.Open():
			line = "+" + line + " " + n.Spec.Text
		}
		out = append(out, strings.TrimSpace(line))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (g *rig) expect(want string) {
	g.T.Helper()
	if got := g.told(); got != want {
		g.T.Errorf("there is %q, want %q", got, want)
	}
}

func TestLifeOfAnIncident(t *testing.T) {
	g := newRig(t)
	g.apply(g.news("a", "one"), g.news("b", "one"))
	g.expect("+a one, +b one")
	n := g.List()[0]
	if owner := metav1.GetControllerOf(&n); owner == nil || owner.UID != g.Rule.UID || owner.Kind != "SlackAlert" || owner.BlockOwnerDeletion != nil {
		t.Errorf("the owner is %+v", owner)
	}
	if n.Labels["shard"] != "a" || n.Labels[v1alpha1.LabelAlert] != "r" || n.Labels[v1alpha1.LabelIncident] == "" || n.Spec.ChannelRef.Name != "c" {
		t.Errorf("%+v", n.ObjectMeta)
	}
	if n := g.writes(func() { g.apply(g.news("a", "one")) }); n != 0 {
		t.Errorf("%d writes for what is told already", n)
	}
	g.apply(g.news("a", "two"))
	g.expect("+a two, +b one")
	g.apply(g.news("a", ""), g.news("c", ""))
	g.expect("+b one, Resolved: a")
	g.apply(g.news("a", ""))
	g.restart()
	g.apply(g.news("a", "three"))
	g.expect("+a three, +b one, Resolved: a")
	if firing := g.tend().Firing; firing != 2 {
		t.Errorf("%d are firing", firing)
	}
}

func (g *rig) tend() Maintained {
	g.T.Helper()
	out, err := g.store.Maintain(g.Ctx, g.Rule, nil)
	if err != nil {
		g.T.Fatal(err)
	}
	return out
}

// A cache that lags, and a process that knows nothing of what another one has
// written, make nothing twice.
func TestStaleCache(t *testing.T) {
	for _, forget := range []bool{false, true} {
		g := newRig(t)
		step := func(news ...Update) {
			if forget {
				g.restart()
			}
			g.apply(news...)
		}
		g.Freeze()
		step(g.news("a", "one"))
		step(g.news("a", "one"))
		step(g.news("a", "two"))
		g.expect("+a two")
		g.Freeze()
		step(g.news("a", ""))
		step(g.news("a", "three"))
		step(g.news("a", "three"))
		g.expect("+a three, Resolved: a")
		g.Lag = nil
		step(g.news("a", "three"))
		g.expect("+a three, Resolved: a")
	}
}

// A post comes to one replica, and the next one to another whose cache does not show
// yet what the first has stored. What it finds nothing to change in is decided by what
// is stored.
func TestNothingToChangeIsConfirmed(t *testing.T) {
	for _, row := range []struct {
		name         string
		before, then string
		want         string
	}{
		{"an end", "", "", "Resolved: a"},
		{"the same once more, after an end", "one", "one", "+a one, Resolved: a"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRig(t)
			if row.before != "" {
				g.apply(g.news("a", row.before))
			}
			g.Freeze()
			if row.before == "" {
				g.apply(g.news("a", "one"))
			} else {
				g.apply(g.news("a", ""))
			}
			g.restart() // the other replica
			if _, err := g.store.Apply(g.Ctx, g.Rule, []Update{g.news("a", row.then)}, Options{Confirm: func(Desired) bool { return true }}); err != nil {
				t.Fatal(err)
			}
			g.Lag = nil
			g.expect(row.want)
		})
	}
}

// Whatever write is the last one before a crash, the rest is made up for.
func TestCrashes(t *testing.T) {
	for at := 1; at <= 8; at++ {
		g := newRig(t)
		g.Rule.Spec.OnResolve, g.Rule.Spec.MaxIncidents = v1alpha1.ResolveEditAndReply, 1
		writes := 0
		crash := errors.New("crash")
		g.Fail = func(string, client.Object) error {
			if writes++; writes == at {
				return crash
			}
			return nil
		}
		for _, news := range [][]Update{{g.news("a", "one"), g.news("b", "one")}, {g.news("a", "two"), g.news("c", "one")}, {g.news("a", ""), g.news("b", "")}, {g.news("c", "")}} {
			if _, err := g.store.Apply(g.Ctx, g.Rule, news, Options{}); errors.Is(err, crash) {
				g.restart()
				g.apply(news...)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		g.expect("Resolved: a, Resolved: r: and 2 more, reply Resolved: a, reply Resolved: r: and 1 more")
	}
}

// What a person has changed meanwhile is no obstacle.
func TestConflicts(t *testing.T) {
	g := newRig(t)
	g.apply(g.news("a", "one"))
	meddled := 0
	g.Fail = func(verb string, o client.Object) error {
		if verb == "update" && meddled < 3 {
			meddled++
			return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), nil)
		}
		return nil
	}
	g.apply(g.news("a", "two"))
	g.expect("+a two")
	g.Fail = func(verb string, o client.Object) error {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), nil)
	}
	if _, err := g.store.Apply(g.Ctx, g.Rule, []Update{g.news("a", "three")}, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("ends with %v", err)
	}
}

// A name that somebody else has is left alone.
func TestTakenName(t *testing.T) {
	g := newRig(t)
	key := alerting.KeyOf(string(g.Rule.UID), []string{"a"})
	stranger := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: alerting.IncidentName("r", key.ID, 1)}}
	if err := g.Live.Create(g.Ctx, stranger); err != nil {
		t.Fatal(err)
	}
	g.apply(g.news("a", "one"))
	g.expect("+a one, stranger")
	g.apply(g.news("a", ""))
	g.expect("Resolved: a, stranger")
}

func TestOnResolve(t *testing.T) {
	for policy, want := range map[v1alpha1.ResolvePolicy]string{
		v1alpha1.ResolveEdit:         "Resolved: a",
		v1alpha1.ResolveReply:        "a, reply Resolved: a",
		v1alpha1.ResolveEditAndReply: "Resolved: a, reply Resolved: a",
		v1alpha1.ResolveNone:         "a",
	} {
		g := newRig(t)
		g.Rule.Spec.OnResolve = policy
		g.apply(g.news("a", "one"))
		before := g.List()[0]
		g.apply(g.news("a", ""))
		g.apply(g.news("a", ""))
		g.expect(want)
		i := slices.IndexFunc(g.List(), func(n v1alpha1.SlackNotification) bool { return n.Name == before.Name })
		is := g.List()[i]
		if edited := is.Spec.Severity == v1alpha1.SeveritySuccess; edited != strings.HasPrefix(want, "Resolved") {
			t.Errorf("%s: the severity is %s", policy, is.Spec.Severity)
		}
	}
}

// A webhook can neither edit nor reply, so that the end is a message of its own.
func TestOnResolveByWebhook(t *testing.T) {
	g := newRig(t)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c"}, Spec: v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{}}}
	if err := g.Live.Create(g.Ctx, c); err != nil {
		t.Fatal(err)
	}
	g.Rule.Spec.OnResolve = v1alpha1.ResolveEditAndReply
	g.apply(g.news("a", "one"))
	g.apply(g.news("a", ""))
	list := g.List()
	if len(list) != 2 || list[0].Spec.UpdatePolicy != v1alpha1.UpdateRepost || list[1].Spec.Thread != nil {
		t.Errorf("%+v", list)
	}
}

func FuzzState(f *testing.F) {
	f.Add(`{"key":"a","number":1,"openedAt":"2026-01-01T00:00:00Z"}`)
	f.Add(`{"key":"rollup","number":1,"data":{"open":{"x":{"t":"a"}},"total":1}}`)
	f.Add(`{"key":"rollup","data":{"open":null,"total":-1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		n := v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "n", ResourceVersion: "1", Annotations: map[string]string{StateAnnotation: text}}}
		m := &memory{written: map[types.UID]written{}, parsed: map[types.UID]parsed{}}
		b := m.read([]v1alpha1.SlackNotification{n}, start)
		if b.firing() < 0 || len(b.all()) > 1 {
			t.Fatalf("%q is read as %d", text, b.firing())
		}
		OpenKeys(&n)
	})
}
