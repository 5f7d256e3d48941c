package notification

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
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
