package channel

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/internal/testrig"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// workspace is a simulated Slack.
type workspace struct{ *testrig.Slack }

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	return &workspace{testrig.NewSlack(t)}
}

// set changes something in the simulated Slack.
func (s *workspace) set(kind string, body any) { s.Set(kind, body) }

// calls of a method so far.
func (s *workspace) calls(method string) int { return s.Calls(method) }

// room is the channel of a name; an empty one when there is none.
func (s *workspace) room(name string) slacksim.Channel {
	var state slacksim.State
	s.Get("state", &state)
	for _, ws := range state.Workspaces {
		for _, ch := range ws.Rooms {
			if ch.Name == name {
				return *ch
			}
		}
	}
	return slacksim.Channel{}
}

// scene is a process that reconciles SlackChannels of a cluster of its own.
type scene struct {
	t     *testing.T
	slack *workspace
	store client.WithWatch
	r     *Reconciler
}

func scheme(t *testing.T) *runtime.Scheme { return testrig.Scheme(t) }

// slackChannel of the demo's token.
func slackChannel(name, channel string, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	c := &v1alpha1.SlackChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Generation: 1, UID: types.UID(name + "-uid")},
		Spec:       v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}, Channel: channel}},
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

func managing(m v1alpha1.Manage) func(*v1alpha1.SlackChannel) {
	return func(c *v1alpha1.SlackChannel) { c.Spec.Manage = &m }
}

func newScene(t *testing.T, s *workspace, objects ...client.Object) *scene {
	t.Helper()
	objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bot"}, Data: map[string][]byte{"token": []byte(slacksim.DemoToken)}})
	g := &scene{t: t, slack: s, store: fake.NewClientBuilder().WithScheme(scheme(t)).WithStatusSubresource(&v1alpha1.SlackChannel{}).
		WithIndex(&v1alpha1.SlackChannel{}, claimIndex, claimsOf).WithObjects(objects...).Build()}
	g.restart()
	return g
}

// restart replaces the process; what is stored stays.
func (g *scene) restart() {
	g.t.Helper()
	limiter := pacingtest.Watch(g.t, pacingtest.NoLimits())
	people := directory.New(directory.Options{Limiter: limiter})
	go func() { _ = people.Start(g.t.Context()) }()
	wake, connections := &wakeup.Source{}, g.slack.Resolver(g.store)
	connections.Custom = connection.Namespaces{"default"}
	g.r = &Reconciler{
		Client: g.store, Live: g.store, Recorder: events.NewFakeRecorder(1000), Health: &connection.Health{Channels: wake}, Directory: people,
		Connections: connections,
		Limiter:     limiter, Readback: readback.New(readback.Options{Limiter: limiter}), Wake: wake, Clock: clock.RealClock{},
	}
}

func (g *scene) reconcile(name string) ctrl.Result {
	g.t.Helper()
	result, err := g.r.Reconcile(g.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

func (g *scene) stored(name string) *v1alpha1.SlackChannel {
	g.t.Helper()
	c := &v1alpha1.SlackChannel{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, c); err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *scene) update(o client.Object) {
	g.t.Helper()
	if err := g.store.Update(g.t.Context(), o); err != nil {
		g.t.Fatal(err)
	}
}

// token puts a value into the Secret.
func (g *scene) token(value string) {
	g.t.Helper()
	s := &corev1.Secret{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: "bot"}, s); err != nil {
		g.t.Fatal(err)
	}
	s.Data["token"] = []byte(value)
	g.update(s)
}

// patience of a test, which a busy machine may need.
const patience = 20 * time.Second

// becomes reconciles until Ready has a reason.
func (g *scene) becomes(name, reason string) *v1alpha1.SlackChannel {
	g.t.Helper()
	var c *v1alpha1.SlackChannel
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		g.reconcile(name)
		c = g.stored(name)
		if said(conditions.Find(c, v1alpha1.ConditionReady), reason) {
			return c
		}
	}
	g.t.Fatalf("SlackChannel %s does not become %s: %+v", name, reason, c.Status)
	return nil
}

func (g *scene) facts(c *v1alpha1.SlackChannel) (connection.Facts, bool) {
	g.t.Helper()
	conn, err := g.r.Connections.Resolve(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.r.Health.Facts(c.UID, conn.Credential)
}
