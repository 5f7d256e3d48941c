package alert

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/race"
)

// A day of objects and of three Alertmanagers, by a clock of its own: whatever
// flaps, vanishes, comes late or twice or not at all, and however often the
// operator is restarted, nothing is called over that is not, nothing is told that
// was not so, and nothing stays open. DAY_SEED makes another day.
const (
	dayLong  = 24 * time.Hour
	dayStep  = 10 * time.Second
	restarts = 50
	downFor  = 20 * time.Second
)

// day is the world of the simulation.
type day struct {
	t      *testing.T
	ctx    context.Context
	random *rand.Rand
	clock  *testclock.FakePassiveClock
	store  *memory
	client client.Client
	// down is until when the operator is being restarted.
	down time.Time
	// sum are the figures of the table by source.
	sum map[string]*figures
	// opened and resolved are told of each incident as it is stored.
	opened, resolved func(key string)
}

// figures of one source.
type figures struct{ told, changes, falseClears, falseAlarms, missed, leftOpen int }

func newDay(t *testing.T, seed uint64) *day {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	d := &day{t: t, ctx: t.Context(), clock: testclock.NewFakePassiveClock(start), sum: map[string]*figures{},
		random: rand.New(rand.NewPCG(seed, 1))}
	d.store = &memory{day: d, all: map[types.NamespacedName]*v1alpha1.SlackNotification{}}
	d.client = interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).Build(), d.store.funcs())
	return d
}

func (d *day) now() time.Time { return d.clock.Now() }

// between is a random time.
func (d *day) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.random.Int64N(int64(most-least)+1))
}

func (d *day) chance(p float64) bool { return d.random.Float64() < p }

// running reports whether the operator is up.
func (d *day) running() bool { return !d.now().Before(d.down) }

func (d *day) incidents() *incident.Store {
	return &incident.Store{Client: d.client, Live: d.client, Clock: d.clock}
}

// memory is an API server that holds SlackNotifications, all of which are
// delivered at once. The client's own fake takes milliseconds for each list.
type memory struct {
	day     *day
	all     map[types.NamespacedName]*v1alpha1.SlackNotification
	version int
}

func (m *memory) funcs() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			n, ok := m.all[key]
			into, right := o.(*v1alpha1.SlackNotification)
			if !ok || !right {
				return apierrors.NewNotFound(schema.GroupResource{Resource: "slacknotifications"}, key.Name)
			}
			n.DeepCopyInto(into)
			return nil
		},
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			var o client.ListOptions
			o.ApplyOptions(options)
			out := list.(*v1alpha1.SlackNotificationList)
			owner := ""
			if o.FieldSelector != nil {
				owner, _ = o.FieldSelector.RequiresExactMatch(incident.OwnerIndex)
			}
			for _, n := range m.all {
				if (o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(n.Labels))) && (owner == "" || string(n.OwnerReferences[0].UID) == owner) {
					out.Items = append(out.Items, *n)
				}
			}
			return nil
		},
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			n := o.(*v1alpha1.SlackNotification)
			key := client.ObjectKeyFromObject(n)
			if m.all[key] != nil {
				return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "slacknotifications"}, key.Name)
			}
			n.UID, n.CreationTimestamp = types.UID(fmt.Sprint("n-", m.version)), metav1.NewTime(m.day.now())
			m.put(n, nil)
			return nil
		},
		Update: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.UpdateOption) error {
			n := o.(*v1alpha1.SlackNotification)
			was := m.all[client.ObjectKeyFromObject(n)]
			if was == nil || was.ResourceVersion != n.ResourceVersion {
				return apierrors.NewConflict(schema.GroupResource{Resource: "slacknotifications"}, n.Name, fmt.Errorf("it was changed"))
			}
			m.put(n, was)
			return nil
		},
		Delete: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.DeleteOption) error {
			delete(m.all, client.ObjectKeyFromObject(o))
			return nil
		},
	}
}

// put stores an object as it is delivered, and tells what became of an incident.
func (m *memory) put(n, was *v1alpha1.SlackNotification) {
	m.version++
	n.Generation++
	n.ResourceVersion = fmt.Sprint(m.version)
	n.Status.Phase, n.Status.ObservedGeneration = v1alpha1.PhaseDelivered, n.Generation
	n.Status.FinishedAt = &metav1.Time{Time: m.day.now()}
	m.all[client.ObjectKeyFromObject(n)] = n.DeepCopy()
	is, ok := incident.StateOf(n)
	if !ok {
		return
	}
	f := m.day.sum[n.Labels[v1alpha1.LabelAlert]]
	if was == nil {
		f.told++
		m.day.opened(is.Text)
		return
	}
	f.changes++
	if before, _ := incident.StateOf(was); before.Open() && !is.Open() {
		m.day.resolved(is.Text)
	}
}

// open counts the incidents of a rule that are open.
func (m *memory) open(rule string) (n int) {
	for _, one := range m.all {
		if s, ok := incident.StateOf(one); ok && s.Open() && one.Labels[v1alpha1.LabelAlert] == rule {
			n++
		}
	}
	return n
}

// rule of the day.
func (d *day) rule(name string, change func(*v1alpha1.SlackAlertSpec)) *v1alpha1.SlackAlert {
	a := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Generation: 1}}
	a.Spec.ChannelRef.Name, a.Spec.MaxIncidents = "c", 1000
	a.Spec.NotificationTTL = &metav1.Duration{Duration: 10 * time.Minute}
	change(&a.Spec)
	a.Status.ObservedGeneration = 1
	d.sum[name] = &figures{}
	return a
}

// report prints the table, and fails on what must not be.
func (d *day) report(rows ...string) {
	d.t.Helper()
	d.t.Logf("%-28s %8s %8s %17s %13s %7s %10s", "24 hours, 50 restarts", "messages", "edits", "false all-clears", "false alarms", "missed", "left open")
	for _, name := range rows {
		f := d.sum[name]
		d.t.Logf("%-28s %8d %8d %17d %13d %7d %10d", name, f.told, f.changes, f.falseClears, f.falseAlarms, f.missed, f.leftOpen)
		if f.told == 0 || f.falseClears+f.falseAlarms+f.missed+f.leftOpen > 0 {
			d.t.Errorf("%s: want messages, and nothing in the last four columns", name)
		}
	}
}

func TestADay(t *testing.T) {
	race.Pointless(t)
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("DAY_SEED"), 10, 64); err == nil {
		seed = n
	}
	d := newDay(t, seed)
	objects, posts := newDayOfObjects(d), newDayOfPosts(d)
	d.opened = func(key string) { objects.opened(key); posts.opened(key) }
	d.resolved = func(key string) { objects.resolved(key); posts.resolved(key) }
	calm := start.Add(dayLong - 4*time.Hour)
	next := start.Add(d.between(0, dayLong/restarts))
	for d.now().Before(start.Add(dayLong)) {
		if !d.now().Before(next) {
			next = next.Add(dayLong / restarts)
			d.down = d.now().Add(downFor)
			objects.stop()
			posts.stop()
		}
		objects.happen(d.now().Before(calm))
		posts.happen(d.now().Before(calm))
		if d.running() {
			objects.work()
			posts.work()
		}
		d.clock.SetTime(d.now().Add(dayStep))
	}
	objects.end()
	posts.end()
	d.report(append([]string{objects.alert.Name}, posts.names()...)...)
}

// compiled returns a rule compiled.
func (d *day) compiled(a *v1alpha1.SlackAlert) *alerting.Rule {
	d.t.Helper()
	rule, err := alerting.Compile(&a.Spec)
	if err != nil {
		d.t.Fatal(err)
	}
	return rule
}
