package notification

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/fairqueue"
	"github.com/slack-notifier/slack-notifier/internal/finished"
	"github.com/slack-notifier/slack-notifier/internal/testrig"
)

// live reads past what the cache shows, and counts it.
type live struct {
	*testrig.Store
	reads int
}

func (l *live) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	l.reads++
	return l.Fresh(ctx, key, o, opts...)
}

// delivered is a rig whose notification is delivered, and of which the cache keeps
// little. change is made in the store after that, and the cache does not show it.
func delivered(t *testing.T, change func(n *v1alpha1.SlackNotification)) (*rig, *live) {
	t.Helper()
	g := newRig(t)
	if change != nil {
		n := g.now()
		seconds := int32(60)
		n.Spec.TTLSecondsAfterFinished = &seconds
		if err := g.store.Update(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	g.reconcile()
	kept := g.now()
	finished.Reduce(kept)
	if !finished.Reduced(kept) || kept.Spec.Text != "" || kept.Status.Deliveries != nil {
		t.Fatalf("%+v is kept of a delivered notification, want little", kept)
	}
	if change != nil {
		n := g.now()
		change(n)
		if err := g.store.Update(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		at := kept.Status.FinishedAt.Add(-time.Hour)
		kept.Status.FinishedAt.Time = at
	}
	g.restart(time.Now().Add(-time.Minute))
	l := &live{Store: g.store}
	g.r.Live = l
	g.store.Old = kept
	return g, l
}

// A finished notification of which the cache keeps little rests, and nothing is
// read, sent or written for it.
func TestReducedRests(t *testing.T) {
	g, l := delivered(t, nil)
	for range 3 {
		g.reconcile()
	}
	if g.posts() != 1 || g.store.Writes != 1 || l.reads != 0 {
		t.Errorf("%d posts, %d writes and %d reads, want 1, 1 and 0", g.posts(), g.store.Writes, l.reads)
	}
}

// What rests is not even looked at after a start, unless something is to be done
// about it, now or later.
func TestRestsAtFirstSight(t *testing.T) {
	seconds := int32(3600)
	for _, row := range []struct {
		name   string
		change func(n *v1alpha1.SlackNotification)
		looks  bool
	}{
		{name: "delivered", change: func(*v1alpha1.SlackNotification) {}},
		{name: "its time to live will end, and nothing can wait for that yet", looks: true, change: func(n *v1alpha1.SlackNotification) { n.Spec.TTLSecondsAfterFinished = &seconds }},
		{name: "somebody asks to look at it", looks: true, change: func(n *v1alpha1.SlackNotification) {
			n.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
		}},
		{name: "the message is to go with it", looks: true, change: func(n *v1alpha1.SlackNotification) { n.Spec.DeletionPolicy = v1alpha1.DeletionDelete }},
		{name: "kept whole", looks: true, change: func(n *v1alpha1.SlackNotification) { n.ManagedFields = nil }},
		{name: "the spec has changed", looks: true, change: func(n *v1alpha1.SlackNotification) { n.ManagedFields, n.Generation = nil, 2 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			g, _ := delivered(t, nil)
			n := g.store.Old.(*v1alpha1.SlackNotification)
			row.change(n)
			if got := g.r.relevant().Create(event.CreateEvent{Object: n}); got != row.looks {
				t.Errorf("it is looked at: %v, want %v", got, row.looks)
			}
			if g.r.Waiting() != 0 {
				t.Error("it counts as one that waits")
			}
		})
	}
}

// What rests until its time to live is over is looked at then, and not before.
func TestRestsAtFirstSightUntilItsTimeIsOver(t *testing.T) {
	g, _ := delivered(t, nil)
	queue := fairqueue.ForController("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	if err := g.r.Wake.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	n := g.store.Old.(*v1alpha1.SlackNotification)
	over := time.Now().Add(500 * time.Millisecond)
	n.Status.FinishedAt.Time, n.Spec.TTLSecondsAfterFinished = over.Add(-time.Hour), ptr.To[int32](3600)
	if g.r.relevant().Create(event.CreateEvent{Object: n}) {
		t.Error("it is looked at at once, want it to rest")
	}
	got, _ := queue.Get()
	if time.Now().Before(over) || got.NamespacedName != client.ObjectKeyFromObject(n) {
		t.Errorf("%v is looked at %v too early", got, time.Until(over))
	}
}

// The cache shows a notification whose time to live is over, which in truth was
// changed meanwhile: the new content is delivered, and the object stays.
func TestReducedDecidesNothing(t *testing.T) {
	g, l := delivered(t, func(n *v1alpha1.SlackNotification) {
		n.Generation, n.Spec.Text, n.Spec.UpdatePolicy = 2, "twice", v1alpha1.UpdateRepost
	})
	for i := 0; i < 10 && g.posts() < 2; i++ {
		g.reconcile()
	}
	n := &v1alpha1.SlackNotification{}
	if err := l.Get(t.Context(), g.request.NamespacedName, n); apierrors.IsNotFound(err) {
		t.Fatal("the object was deleted, though it has something new to say")
	} else if err != nil {
		t.Fatal(err)
	}
	if g.posts() != 2 {
		t.Errorf("%d posts, want the new content posted", g.posts())
	}
}

// Whatever has had a finished notification looked at once more, nothing is kept of it
// when that is done.
func TestNothingIsKeptOfTheFinished(t *testing.T) {
	g := newRig(t)
	for range 3 {
		g.reconcile()
	}
	if g.r.Waiting() != 0 {
		t.Fatalf("%d wait after the delivery", g.r.Waiting())
	}
	was := g.now()
	was.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	if err := g.store.Update(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	was = g.now()
	g.reconcile()
	is := g.now()
	if is.Status.LastHandledRequest != "now" {
		t.Fatalf("the request was not handled: %+v", is.Status)
	}
	if g.r.relevant().Update(event.UpdateEvent{ObjectOld: was, ObjectNew: is}) {
		g.reconcile()
	}
	if g.r.Waiting() != 0 {
		t.Errorf("%d wait, though all is delivered", g.r.Waiting())
	}
	if g.r.relevant().Update(event.UpdateEvent{ObjectOld: is, ObjectNew: g.now()}) {
		t.Error("it is looked at for ever")
	}
}

// A reply to a notification of which the cache keeps little goes into its thread.
func TestReplyToReduced(t *testing.T) {
	g, l := delivered(t, nil)
	parent := g.store.Old
	g.store.Old = nil
	posted := g.now().Status.Deliveries[0].Timestamp
	reply := &v1alpha1.SlackNotification{}
	reply.Namespace, reply.Name, reply.UID, reply.Generation = "default", "reply", "reply-uid", 1
	reply.CreationTimestamp.Time = time.Now()
	reply.Spec = v1alpha1.SlackNotificationSpec{ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Content: v1alpha1.Content{Text: "and more"},
		Thread: &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "n"}}}
	if err := g.store.Create(t.Context(), reply); err != nil {
		t.Fatal(err)
	}
	g.r.Client = &reducedParent{WithWatch: g.store, parent: parent.(*v1alpha1.SlackNotification)}
	g.request.Name = "reply"
	for i := 0; i < 10 && g.now().Status.Phase != v1alpha1.PhaseDelivered; i++ {
		g.reconcile()
	}
	n := g.now()
	if n.Status.Phase != v1alpha1.PhaseDelivered || n.Status.Deliveries[0].ThreadTimestamp != posted {
		t.Errorf("%s in thread %q, want Delivered in that of %s (%d reads)", n.Status.Phase, n.Status.Deliveries[0].ThreadTimestamp, posted, l.reads)
	}
}

// reducedParent shows one notification as a cache does that keeps little of it.
type reducedParent struct {
	client.WithWatch
	parent *v1alpha1.SlackNotification
}

func (c *reducedParent) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if n, ok := o.(*v1alpha1.SlackNotification); ok && key == client.ObjectKeyFromObject(c.parent) {
		c.parent.DeepCopyInto(n)
		return nil
	}
	return c.WithWatch.Get(ctx, key, o, opts...)
}
