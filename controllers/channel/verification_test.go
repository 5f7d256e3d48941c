package channel

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/testrig"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// listed answers once its list is there.
type listed struct {
	Directory
	loading bool
	// meanwhile, when set, is what happens while Slack is asked.
	meanwhile func()
}

func (d *listed) FindConversation(context.Context, directory.Workspace, string, string) (slack.Conversation, error) {
	if d.meanwhile != nil {
		d.meanwhile()
	}
	if d.loading {
		return slack.Conversation{}, &directory.LoadingError{What: "the channels"}
	}
	return slack.Conversation{ID: "C0ALERTS0", Name: "alerts", Member: true}, nil
}
func (d *listed) CheckEvery(directory.Workspace, bool) time.Duration { return DefaultCheckEvery }
func (d *listed) Listed(directory.Workspace, string) bool            { return true }
func (d *listed) Invalidate(slack.Workspace, string)                 {}
func (d *listed) Forget(string)                                      {}

type rig struct {
	t       *testing.T
	store   *testrig.Store
	dir     *listed
	r       *Reconciler
	request ctrl.Request
}

func newRig(t *testing.T, verified bool) *rig {
	t.Helper()
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c", Generation: 1, UID: "c"},
		Spec: v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "s"}, Channel: "#alerts"}}}
	if verified {
		conditions.Ready(c, v1alpha1.ReasonVerified, "well")
		c.Status.ObservedGeneration = 1
	}
	g := &rig{t: t, store: testrig.NewStore(t, c), dir: &listed{}, request: ctrl.Request{NamespacedName: client.ObjectKeyFromObject(c)}}
	wake := &wakeup.Source{}
	g.r = &Reconciler{
		Client: g.store, Live: g.store, Recorder: events.NewFakeRecorder(100), Health: &connection.Health{Channels: wake}, Directory: g.dir,
		Connections: testrig.NewSlack(t).Resolver(g.store),
		Limiter:     pacingtest.Watch(t, pacingtest.NoLimits()),
		Wake:        wake, Clock: clock.RealClock{},
	}
	return g
}

func (g *rig) reconcile() ctrl.Result {
	g.t.Helper()
	result, err := g.r.Reconcile(g.t.Context(), g.request)
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

// reason of Ready as it is stored.
func (g *rig) reason() string {
	g.t.Helper()
	c := &v1alpha1.SlackChannel{}
	if err := g.store.Fresh(g.t.Context(), g.request.NamespacedName, c); err != nil {
		g.t.Fatal(err)
	}
	if ready := conditions.Find(c, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

func (g *rig) stored() *v1alpha1.SlackChannel {
	g.t.Helper()
	c := &v1alpha1.SlackChannel{}
	if err := g.store.Get(g.t.Context(), g.request.NamespacedName, c); err != nil {
		g.t.Fatal(err)
	}
	return c
}

// A cache that shows the object as it was before the last write must not make
// that write stand: a SlackChannel once stayed Verifying for ten minutes.
func TestStaleCacheLeavesNoOldStatus(t *testing.T) {
	g := newRig(t, false)
	g.reconcile()
	if got := g.reason(); got != v1alpha1.ReasonVerified {
		t.Fatal(got)
	}
	before := g.stored()
	// A change of the spec has the channel looked up anew, which takes a while.
	changed := g.stored()
	changed.Generation, changed.Spec.WebAPI.Channel = 2, "alerts"
	if err := g.store.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	g.dir.loading = true
	g.reconcile()
	if got := g.reason(); got != v1alpha1.ReasonVerifying {
		t.Fatal(got)
	}
	// The list has come before the cache shows that write.
	g.dir.loading, g.store.Old = false, before
	if result := g.reconcile(); result.RequeueAfter == 0 || result.RequeueAfter > time.Second {
		t.Errorf("it looks again after %v", result.RequeueAfter)
	}
	g.store.Old = nil
	g.reconcile()
	if got := g.reason(); got != v1alpha1.ReasonVerified {
		t.Errorf("stays %s", got)
	}
}

// What an earlier process has verified stands while this one asks anew.
func TestRestartHoldsUpNothing(t *testing.T) {
	g := newRig(t, true)
	g.dir.loading = true
	for range 3 {
		g.reconcile()
		if got := g.reason(); got != v1alpha1.ReasonVerified {
			t.Fatal(got)
		}
	}
	g.dir.loading = false
	g.reconcile()
	if got := g.reason(); got != v1alpha1.ReasonVerified {
		t.Error(got)
	}
}

// The first SlackChannel that a process sees may be one that is not asked about.
func TestFirstOfAllMayBeSuspended(t *testing.T) {
	g := newRig(t, false)
	c := g.stored()
	c.Spec.Suspend = true
	if err := g.store.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	g.reconcile()
	if got := g.reason(); got != v1alpha1.ReasonSuspended {
		t.Error(got)
	}
}

// Who changes his SlackChannel all the time is told all the same how it is.
func TestStatusOfWhatIsAlwaysChanged(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.SlackChannel){
		"annotations": func(c *v1alpha1.SlackChannel) { c.Annotations = map[string]string{"at": c.ResourceVersion} },
		"labels":      func(c *v1alpha1.SlackChannel) { c.Labels = map[string]string{"at": c.ResourceVersion} },
		"the spec": func(c *v1alpha1.SlackChannel) {
			c.Generation++
			c.Spec.WebAPI.Channel = fmt.Sprint("#alerts", c.Generation)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, false)
			changes := 0
			g.dir.meanwhile = func() {
				changes++
				c := g.stored()
				change(c)
				if err := g.store.Update(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			g.reconcile()
			if got := g.reason(); got != v1alpha1.ReasonVerified || changes == 0 {
				t.Errorf("after %d changes amid the check the reason is %q, want %s", changes, got, v1alpha1.ReasonVerified)
			}
			if c := g.stored(); c.Annotations == nil && c.Labels == nil && c.Generation == 1 {
				t.Error("the change is lost")
			}
		})
	}
}
