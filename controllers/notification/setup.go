package notification

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/finished"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// Indexes of the notifications that are not delivered.
const (
	channelIndex   = "open.spec.channelRef"
	namespaceIndex = "open.metadata.namespace"
	threadIndex    = "open.spec.thread"
)

// DefaultConcurrency is how many notifications are worked on at once. A worker
// is busy for as long as a post to Slack takes, and the posts of one workspace
// under way are limited below this, so that one that hangs does not hold up
// the others.
const DefaultConcurrency = 64

// SetupWithManager starts the controller with a manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, workers int) error {
	indexer := mgr.GetFieldIndexer()
	open := func(value func(*v1alpha1.SlackNotification) string) client.IndexerFunc {
		return func(o client.Object) []string {
			n, ok := o.(*v1alpha1.SlackNotification)
			if !ok || finished.Settled(n) {
				return nil
			}
			if v := value(n); v != "" {
				return []string{v}
			}
			return nil
		}
	}
	byChannel := func(n *v1alpha1.SlackNotification) string { return channelKey(n).String() }
	channels := func(o client.Object) []string {
		// Whether a message has buttons depends on the SlackChannel after it was
		// delivered, too.
		if n, ok := o.(*v1alpha1.SlackNotification); ok && interact.Open(n) {
			return []string{byChannel(n)}
		}
		return open(byChannel)(o)
	}
	if err := indexer.IndexField(ctx, &v1alpha1.SlackNotification{}, channelIndex, channels); err != nil {
		return err
	}
	byNamespace := func(n *v1alpha1.SlackNotification) string { return n.Namespace }
	if err := indexer.IndexField(ctx, &v1alpha1.SlackNotification{}, namespaceIndex, open(byNamespace)); err != nil {
		return err
	}
	byThread := func(n *v1alpha1.SlackNotification) string {
		if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
			return ""
		}
		return n.Spec.Thread.NotificationRef.Name
	}
	if err := indexer.IndexField(ctx, &v1alpha1.SlackNotification{}, threadIndex, open(byThread)); err != nil {
		return err
	}
	namespaces := &metav1.PartialObjectMetadata{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("slacknotification").
		For(&v1alpha1.SlackNotification{}, builder.WithPredicates(r.relevant())).
		Watches(&v1alpha1.SlackNotification{}, handler.EnqueueRequestsFromMapFunc(r.repliesTo), builder.WithPredicates(answerable())).
		Watches(&v1alpha1.SlackChannel{}, handler.EnqueueRequestsFromMapFunc(r.ofChannel), builder.WithPredicates(channelChanged())).
		WatchesMetadata(namespaces, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(r.Wake).
		WithOptions(wakeup.Options(workers)).
		Complete(r)
}

// relevant lets changes of the spec through, and the news that a notification
// is finished: then its record is dropped, and its time to live begins. What rests
// at first sight is not looked at: of all that there is after a start, nearly all
// does.
func (r *Reconciler) relevant() predicate.Predicate {
	return predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool {
		n, ok := e.Object.(*v1alpha1.SlackNotification)
		return !ok || !r.restsAtFirst(n)
	}, UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*v1alpha1.SlackNotification)
		is, ok2 := e.ObjectNew.(*v1alpha1.SlackNotification)
		if !ok1 || !ok2 {
			return true
		}
		return was.Generation != is.Generation || !is.DeletionTimestamp.IsZero() || finished.Requested(is) || finished.TrackedBy(was) != finished.TrackedBy(is) || answersChanged(was, is) ||
			finished.Settled(is) && r.ledger.Get(client.ObjectKeyFromObject(is)) != nil ||
			is.Status.FinishedAt != nil && (was.Status.FinishedAt == nil || was.Status.ObservedGeneration != is.Status.ObservedGeneration || was.Status.Phase != is.Status.Phase)
	}}
}

// answerable lets through what a reply may wait for: its parent is there, has
// got on, or is gone.
func answerable() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*v1alpha1.SlackNotification)
		is, ok2 := e.ObjectNew.(*v1alpha1.SlackNotification)
		return !ok1 || !ok2 || !equality.Semantic.DeepEqual(was.Status.Deliveries, is.Status.Deliveries) || was.Status.Phase != is.Status.Phase
	}}
}

func (r *Reconciler) repliesTo(ctx context.Context, parent client.Object) []reconcile.Request {
	return r.list(ctx, client.InNamespace(parent.GetNamespace()), client.MatchingFields{threadIndex: parent.GetName()})
}

// channelChanged lets through what can matter to a waiting notification.
func channelChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*v1alpha1.SlackChannel)
		is, ok2 := e.ObjectNew.(*v1alpha1.SlackChannel)
		return !ok1 || !ok2 || was.Generation != is.Generation || !equality.Semantic.DeepEqual(was.Status, is.Status)
	}}
}

func (r *Reconciler) ofChannel(ctx context.Context, c client.Object) []reconcile.Request {
	return r.list(ctx, client.MatchingFields{channelIndex: client.ObjectKeyFromObject(c).String()})
}

func (r *Reconciler) ofNamespace(ctx context.Context, ns client.Object) []reconcile.Request {
	return r.list(ctx, client.MatchingFields{namespaceIndex: ns.GetName()})
}

func (r *Reconciler) list(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	list := &v1alpha1.SlackNotificationList{}
	if err := r.Client.List(ctx, list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "finding the SlackNotifications that wait")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// WakeOwner wakes the notification that a name in the directory stands for;
// false when it stands for something else.
func (r *Reconciler) WakeOwner(owner string) bool {
	rest, ok := strings.CutPrefix(owner, OwnerPrefix)
	if !ok {
		return false
	}
	r.wakeName(rest)
	return true
}

func (r *Reconciler) wakeName(s string) {
	if namespace, name, ok := strings.Cut(s, "/"); ok {
		r.Wake.Wake(types.NamespacedName{Namespace: namespace, Name: name})
	}
}

// WakeChannel wakes the notifications that wait for a SlackChannel, of which
// Slack has told something new.
func (r *Reconciler) WakeChannel(ctx context.Context, key types.NamespacedName) {
	for _, request := range r.list(ctx, client.MatchingFields{channelIndex: key.String()}) {
		r.Wake.Wake(request.NamespacedName)
	}
}

// Waker wakes notifications whose turn to be posted has come (manager.Runnable).
type Waker struct {
	Reconciler *Reconciler
	Clock      clock.Clock
}

// Start runs until ctx ends.
func (t *Waker) Start(ctx context.Context) error {
	lanes := t.Reconciler.Lanes
	for {
		now := t.Clock.Now()
		for _, grant := range lanes.Due(now) {
			t.Reconciler.wakeName(grant.Ticket.Owner)
		}
		// An hour, for the case that nothing waits: Changed comes before.
		wait := time.Hour
		if at, ok := lanes.NextAt(); ok {
			wait = max(at.Sub(now), 0)
		}
		timer := t.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-lanes.Changed():
		case <-timer.C():
		}
		timer.Stop()
	}
}
