package notification

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/internal/testrig"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

type rig struct {
	t       *testing.T
	store   *testrig.Store
	r       *Reconciler
	sim     *testrig.Slack
	request ctrl.Request
}

func newRig(t *testing.T) *rig {
	t.Helper()
	channel := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c", Generation: 1, UID: "c"},
		Spec: v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "s"}, Channel: "alerts"}},
		Status: v1alpha1.SlackChannelStatus{ObservedGeneration: 1, Workspace: &v1alpha1.Workspace{ID: slacksim.DemoTeam, URL: "https://acme.slack.com/"},
			BotUserID: slacksim.DemoBotUser, Channel: &v1alpha1.ChannelInfo{ID: "C0ALERTS0", Name: "alerts"}}}
	conditions.Ready(channel, v1alpha1.ReasonVerified, "well")
	n := &v1alpha1.SlackNotification{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "n", UID: "n-uid", Generation: 1, CreationTimestamp: metav1.Now()},
		Spec:       v1alpha1.SlackNotificationSpec{ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Content: v1alpha1.Content{Text: "once"}},
	}
	g := &rig{t: t, store: testrig.NewStore(t, channel, n), sim: testrig.NewSlack(t), request: ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)}}
	g.restart(time.Now().Add(-time.Hour))
	return g
}

// restart begins anew with nothing in memory.
func (g *rig) restart(leads time.Time) {
	lanes := pacing.NewLanes(time.Now(), pacing.LaneOptions{Interval: -1, Margin: -1})
	wake := &wakeup.Source{}
	limiter := pacingtest.Watch(g.t, pacing.NewLimiter(pacing.LimiterOptions{}))
	g.r = &Reconciler{
		Client: g.store, Live: g.store, Recorder: events.NewFakeRecorder(100), Health: &connection.Health{Channels: wake}, Limiter: limiter, Lanes: lanes,
		Channels: reference.Channels{Reader: g.store}, Readback: readback.New(readback.Options{Limiter: limiter}),
		Connections: g.sim.Resolver(g.store),
		Directory:   directory.New(directory.Options{Limiter: limiter}), Metrics: metrics.New(prometheus.NewRegistry()), Wake: wake, Clock: clock.RealClock{},
		SettleTime: time.Millisecond,
	}
	g.r.Lead(leads, "0")
	c := &v1alpha1.SlackChannel{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: "c"}, c); err != nil {
		g.t.Fatal(err)
	}
	conn, err := g.r.Connections.Resolve(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	g.r.Health.Learn(client.ObjectKeyFromObject(c), c.UID, connection.Facts{Credential: conn.Credential, Identity: slack.Identity{
		TeamID: slacksim.DemoTeam, BotUserID: slacksim.DemoBotUser, URL: "https://acme.slack.com/"}})
}

func (g *rig) reconcile() {
	g.t.Helper()
	if _, err := g.r.Reconcile(g.t.Context(), g.request); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) posts() int { return g.sim.Calls("chat.postMessage") }

func (g *rig) now() *v1alpha1.SlackNotification {
	g.t.Helper()
	n := &v1alpha1.SlackNotification{}
	if err := g.store.Fresh(g.t.Context(), g.request.NamespacedName, n); err != nil {
		g.t.Fatal(err)
	}
	return n
}

// A cache that still shows the object as it was makes nothing be sent or
// written again.
func TestStaleCacheRepeatsNothing(t *testing.T) {
	g := newRig(t)
	before := g.now()
	g.reconcile()
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || g.posts() != 1 || g.store.Writes != 1 {
		t.Fatalf("%s, %d posts, %d writes", n.Status.Phase, g.posts(), g.store.Writes)
	}
	g.store.Old = before
	for range 5 {
		g.reconcile()
	}
	if g.posts() != 1 {
		t.Errorf("%d posts", g.posts())
	}
	g.store.Old = nil
	g.reconcile()
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || n.Status.Deliveries[0].Attempts != 1 {
		t.Errorf("%+v", n.Status)
	}
}

// A status that could not be written is written later, and nothing is sent again.
func TestRefusedWriteRepeatsNothing(t *testing.T) {
	g := newRig(t)
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "slacknotifications"}, "n", nil)
	g.store.Refuse = []error{conflict, conflict, conflict}
	for range 4 {
		g.reconcile()
	}
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || g.posts() != 1 {
		t.Errorf("%s after %d posts", n.Status.Phase, g.posts())
	}
}

// The same name with another UID is another notification.
func TestRecreatedObjectIsSentAgain(t *testing.T) {
	g := newRig(t)
	g.reconcile()
	again := g.now()
	if err := g.store.Delete(t.Context(), again.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	again.UID, again.ResourceVersion, again.Status = "other-uid", "", v1alpha1.SlackNotificationStatus{}
	if err := g.store.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	g.reconcile()
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || g.posts() != 2 {
		t.Errorf("%s after %d posts", n.Status.Phase, g.posts())
	}
}

// What is posted anew is looked for first, since the process before may have
// posted it and died before it could say so.
func TestCrashAmidARepost(t *testing.T) {
	g := newRig(t)
	g.reconcile()
	n := g.now()
	n.Generation, n.Spec.Text, n.Spec.UpdatePolicy = 2, "twice", v1alpha1.UpdateRepost
	if err := g.store.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	lost := apierrors.NewServiceUnavailable("the API server is away")
	g.store.Refuse = []error{lost, lost, lost, lost, lost, lost, lost, lost, lost, lost}
	for i := 0; i < 10 && g.posts() < 2; i++ {
		_, _ = g.r.Reconcile(t.Context(), g.request)
	}
	g.store.Refuse = nil
	if n := g.now(); g.posts() != 2 || n.Status.ObservedGeneration != 1 {
		t.Fatalf("%d posts, and the status is of generation %d", g.posts(), n.Status.ObservedGeneration)
	}
	g.restart(time.Now().Add(-time.Minute))
	for i := 0; i < 10 && g.now().Status.ObservedGeneration != 2; i++ {
		g.reconcile()
	}
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || n.Status.ObservedGeneration != 2 || g.posts() != 2 {
		t.Errorf("%s of generation %d after %d posts", n.Status.Phase, n.Status.ObservedGeneration, g.posts())
	}
}

// A repost that was told of in the status and not made is made, and is no edit.
func TestRestartAmidARepost(t *testing.T) {
	g := newRig(t)
	g.reconcile()
	n := g.now()
	n.Generation, n.Spec.Text, n.Spec.UpdatePolicy = 2, "twice", v1alpha1.UpdateRepost
	if err := g.store.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	n = g.now()
	n.Status.ObservedGeneration, n.Status.Phase, n.Status.FinishedAt = 2, v1alpha1.PhaseDelivering, nil
	n.Status.Deliveries[0].State, n.Status.Deliveries[0].Reason = v1alpha1.DeliveryRetrying, v1alpha1.ReasonVerifyingOutcome
	if err := g.store.Status().Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	g.restart(time.Now().Add(-time.Minute))
	for i := 0; i < 10 && g.now().Status.Phase != v1alpha1.PhaseDelivered; i++ {
		g.reconcile()
	}
	if n := g.now(); n.Status.Phase != v1alpha1.PhaseDelivered || g.posts() != 2 {
		t.Errorf("%s after %d posts", n.Status.Phase, g.posts())
	}
}

// One channel by two names, both of which may have been sent to by the process
// before: each is looked for by its own name before anything is sent.
func TestTwoNamesInDoubt(t *testing.T) {
	g := newRig(t)
	named := v1alpha1.Recipient{Channel: "<#C0ALERTS0|alerts>"}
	n := g.now()
	n.Spec.Recipients = []v1alpha1.Recipient{named}
	if err := g.store.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	lost := apierrors.NewServiceUnavailable("the API server is away")
	g.store.Refuse = []error{lost, lost, lost, lost, lost, lost, lost, lost, lost, lost}
	for i := 0; i < 10 && g.posts() < 1; i++ {
		_, _ = g.r.Reconcile(t.Context(), g.request)
	}
	g.store.Refuse = nil
	n = g.now()
	n.Generation, n.Spec.Recipients = 2, []v1alpha1.Recipient{{Channel: "C0ALERTS0"}, named}
	if err := g.store.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	g.restart(time.Now().Add(-time.Minute))
	for i := 0; i < 20 && g.now().Status.Phase != v1alpha1.PhaseDelivered; i++ {
		g.reconcile()
	}
	n = g.now()
	if n.Status.Phase != v1alpha1.PhaseDelivered || g.posts() != 1 {
		t.Fatalf("%s after %d posts, want Delivered by the one of the process before: %+v", n.Status.Phase, g.posts(), n.Status.Deliveries)
	}
	if n.Status.Deliveries[0].Reason != v1alpha1.ReasonSameAs || n.Status.Deliveries[1].Timestamp == "" {
		t.Errorf("%+v, want the first to share the message that was found for the second", n.Status.Deliveries)
	}
}
