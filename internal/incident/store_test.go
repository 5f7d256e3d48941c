package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// rig is a store on an API server in memory, with a cache that can lag.
type rig struct {
	t     *testing.T
	ctx   context.Context
	live  client.WithWatch
	clock *testclock.FakePassiveClock
	rule  *v1alpha1.SlackAlert
	store *Store
	// lag, when set, is what the cache shows.
	lag *v1alpha1.SlackNotificationList
	// fail, when set, decides about a write.
	fail func(verb string, n client.Object) error
}

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, ctx: context.Background(), clock: testclock.NewFakePassiveClock(start)}
	g.rule = &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "rule-uid", Labels: map[string]string{"shard": "a"}}}
	g.rule.Spec.ChannelRef.Name = "c"
	g.live = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.SlackNotification{}).
		WithIndex(&v1alpha1.SlackNotification{}, OwnerIndex, Owner).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, w client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			var o client.ListOptions
			o.ApplyOptions(opts)
			if out, ok := list.(*v1alpha1.SlackNotificationList); ok && g.lag != nil && o.FieldSelector != nil {
				g.lag.DeepCopyInto(out)
				return nil
			}
			return w.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(uidOf(o))
			return g.write("create", o, func() error { return w.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return g.write("update", o, func() error { return w.Update(ctx, o, opts...) })
		},
	}).Build()
	g.restart()
	return g
}

var uids int

func uidOf(client.Object) (out types.UID) { uids++; return types.UID(fmt.Sprint("uid-", uids)) }

func (g *rig) write(verb string, o client.Object, do func() error) error {
	if g.fail != nil {
		if err := g.fail(verb, o); err != nil {
			return err
		}
	}
	return do()
}

// restart forgets all that is in memory.
func (g *rig) restart() { g.store = &Store{Client: g.live, Live: g.live, Clock: g.clock} }

// freeze has the cache show what there is now, whatever comes.
func (g *rig) freeze() {
	g.lag = &v1alpha1.SlackNotificationList{}
	if err := g.live.List(g.ctx, g.lag, client.MatchingLabels{v1alpha1.LabelAlert: "r"}); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) pass(d time.Duration) { g.clock.SetTime(g.clock.Now().Add(d)) }

// news that a group fires, with a text, or that it does not.
func (g *rig) news(key, text string) Update {
	return Update{Key: alerting.KeyOf(string(g.rule.UID), []string{key}), Next: func(Current) Desired {
		data, _ := json.Marshal(map[string]string{"text": text})
		return Desired{Firing: text != "", Data: data, Small: data, Count: 1, Render: func(state string) v1alpha1.Content {
			return v1alpha1.Content{Title: key, Text: text, Severity: v1alpha1.SeverityError, Fields: []v1alpha1.Field{{Title: "state", Value: state}}}
		}}
	}}
}

func (g *rig) apply(news ...Update) Applied {
	g.t.Helper()
	out, err := g.store.Apply(g.ctx, g.rule, news, Options{})
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *rig) list() []v1alpha1.SlackNotification {
	g.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	if err := g.live.List(g.ctx, list); err != nil {
		g.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.SlackNotification) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// told sums up what there is: "title: text" of each, with a plus while it is open.
func (g *rig) told() string {
	g.t.Helper()
	var out []string
	for _, n := range g.list() {
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
	g.t.Helper()
	if got := g.told(); got != want {
		g.t.Errorf("there is %q, want %q", got, want)
	}
}

// deliver has everything delivered.
func (g *rig) deliver() {
	g.t.Helper()
	for _, n := range g.list() {
		now := metav1.NewTime(g.clock.Now())
		n.Status.Phase, n.Status.FinishedAt, n.Status.ObservedGeneration = v1alpha1.PhaseDelivered, &now, n.Generation
		if err := g.live.Status().Update(g.ctx, &n); err != nil {
			g.t.Fatal(err)
		}
	}
}

func TestLifeOfAnIncident(t *testing.T) {
	g := newRig(t)
	g.apply(g.news("a", "one"), g.news("b", "one"))
	g.expect("+a one, +b one")
	n := g.list()[0]
	if owner := metav1.GetControllerOf(&n); owner == nil || owner.UID != g.rule.UID || owner.Kind != "SlackAlert" || owner.BlockOwnerDeletion != nil {
		t.Errorf("the owner is %+v", owner)
	}
	if n.Labels["shard"] != "a" || n.Labels[v1alpha1.LabelAlert] != "r" || n.Labels[v1alpha1.LabelIncident] == "" || n.Spec.ChannelRef.Name != "c" {
		t.Errorf("%+v", n.ObjectMeta)
	}
	if out := g.apply(g.news("a", "one")); out.writes != 0 {
		t.Errorf("%d writes for what is told already", out.writes)
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
	g.t.Helper()
	out, err := g.store.Maintain(g.ctx, g.rule, nil)
	if err != nil {
		g.t.Fatal(err)
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
		g.freeze()
		step(g.news("a", "one"))
		step(g.news("a", "one"))
		step(g.news("a", "two"))
		g.expect("+a two")
		g.freeze()
		step(g.news("a", ""))
		step(g.news("a", "three"))
		step(g.news("a", "three"))
		g.expect("+a three, Resolved: a")
		g.lag = nil
		step(g.news("a", "three"))
		g.expect("+a three, Resolved: a")
	}
}

// Whatever write is the last one before a crash, the rest is made up for.
func TestCrashes(t *testing.T) {
	for at := 1; at <= 8; at++ {
		g := newRig(t)
		g.rule.Spec.OnResolve, g.rule.Spec.MaxIncidents = v1alpha1.ResolveEditAndReply, 1
		writes := 0
		crash := errors.New("crash")
		g.fail = func(string, client.Object) error {
			if writes++; writes == at {
				return crash
			}
			return nil
		}
		for _, news := range [][]Update{{g.news("a", "one"), g.news("b", "one")}, {g.news("a", "two"), g.news("c", "one")}, {g.news("a", ""), g.news("b", "")}, {g.news("c", "")}} {
			if _, err := g.store.Apply(g.ctx, g.rule, news, Options{}); errors.Is(err, crash) {
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
	g.fail = func(verb string, o client.Object) error {
		if verb == "update" && meddled < 3 {
			meddled++
			return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), nil)
		}
		return nil
	}
	g.apply(g.news("a", "two"))
	g.expect("+a two")
	g.fail = func(verb string, o client.Object) error {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), nil)
	}
	if _, err := g.store.Apply(g.ctx, g.rule, []Update{g.news("a", "three")}, Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("ends with %v", err)
	}
}

// A name that somebody else has is left alone.
func TestTakenName(t *testing.T) {
	g := newRig(t)
	key := alerting.KeyOf(string(g.rule.UID), []string{"a"})
	stranger := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: alerting.IncidentName("r", key.ID, 1)}}
	if err := g.live.Create(g.ctx, stranger); err != nil {
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
		g.rule.Spec.OnResolve = policy
		g.apply(g.news("a", "one"))
		before := g.list()[0]
		g.apply(g.news("a", ""))
		g.apply(g.news("a", ""))
		g.expect(want)
		i := slices.IndexFunc(g.list(), func(n v1alpha1.SlackNotification) bool { return n.Name == before.Name })
		is := g.list()[i]
		if edited := is.Spec.Severity == v1alpha1.SeveritySuccess; edited != strings.HasPrefix(want, "Resolved") {
			t.Errorf("%s: the severity is %s", policy, is.Spec.Severity)
		}
	}
}

// A webhook can neither edit nor reply, so that the end is a message of its own.
func TestOnResolveByWebhook(t *testing.T) {
	g := newRig(t)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c"}, Spec: v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{}}}
	if err := g.live.Create(g.ctx, c); err != nil {
		t.Fatal(err)
	}
	g.rule.Spec.OnResolve = v1alpha1.ResolveEditAndReply
	g.apply(g.news("a", "one"))
	g.apply(g.news("a", ""))
	list := g.list()
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
