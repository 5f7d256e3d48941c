package alert

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// concurrency of the rules. Each is busy for as long as its writes take.
const concurrency = 8

// Index adds to the cache what finds the incidents of a rule. Whoever uses an
// incident.Store needs it.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, &v1alpha1.SlackNotification{}, incident.OwnerIndex, incident.Owner)
}

// SetupWithManager starts the controller with a manager. Only SlackAlerts whose
// labels match shard are reconciled.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, shard labels.Selector) error {
	inShard := predicate.NewPredicateFuncs(func(o client.Object) bool { return shard.Matches(labels.Set(o.GetLabels())) })
	namespaces := &metav1.PartialObjectMetadata{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("slackalert").
		For(&v1alpha1.SlackAlert{}, builder.WithPredicates(inShard, predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, doubted(), requestChanged()))).
		Watches(&v1alpha1.SlackAlert{}, r.ofAlert(inShard)).
		Watches(&v1alpha1.SlackNotification{}, r.ofNotification(), builder.WithPredicates(notificationChanged())).
		Watches(&v1alpha1.SlackChannel{}, r.rules(inShard, ofChannel), builder.WithPredicates(channelChanged())).
		WatchesMetadata(namespaces, r.rules(inShard, ofNamespaces), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesMetadata(secrets, r.rules(inShard, ofSecret), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.Wake).
		WithOptions(wakeup.Options(concurrency)).
		Complete(r)
}

// notificationChanged lets through what matters to a rule: that an incident is
// changed by another process, that a message is out, and what people answer.
func notificationChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*v1alpha1.SlackNotification)
		is, ok2 := e.ObjectNew.(*v1alpha1.SlackNotification)
		return !ok1 || !ok2 || was.Status.Phase != is.Status.Phase || was.Status.FinishedAt == nil && is.Status.FinishedAt != nil ||
			was.Annotations[incident.StateAnnotation] != is.Annotations[incident.StateAnnotation] ||
			!equality.Semantic.DeepEqual(was.Status.Responses, is.Status.Responses)
	}}
}

// channelChanged lets through what a rule may refer to.
func channelChanged() predicate.Predicate {
	return predicate.GenerationChangedPredicate{}
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// ofNotification wakes the rule that a SlackNotification belongs to, and tells
// it when a person has deleted an open incident.
func (r *Reconciler) ofNotification() handler.EventHandler {
	wake := func(o client.Object, q queue) {
		if owner := metav1.GetControllerOf(o); owner != nil && incident.Owner(o) != nil {
			q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: owner.Name}})
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { wake(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { wake(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			r.suppress(e.Object)
			if n, ok := e.Object.(*v1alpha1.SlackNotification); ok {
				r.Incidents.Deleted(n)
			}
			wake(e.Object, q)
		},
	}
}

// suppress has an incident that a person has deleted stay away until the world
// changes.
func (r *Reconciler) suppress(o client.Object) {
	n, ok := o.(*v1alpha1.SlackNotification)
	owner := metav1.GetControllerOf(o)
	if !ok || owner == nil || incident.Owner(o) == nil {
		return
	}
	run := r.current(types.NamespacedName{Namespace: n.Namespace, Name: owner.Name})
	if run == nil || run.uid != owner.UID {
		return
	}
	for _, key := range incident.OpenKeys(n) {
		run.watched.Suppress(key)
	}
}

// rules wakes those rules that something concerns.
func (r *Reconciler) rules(inShard predicate.Predicate, concerns func(*v1alpha1.SlackAlert, client.Object) bool) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		list := &v1alpha1.SlackAlertList{}
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "finding the SlackAlerts that something concerns")
			return nil
		}
		var out []reconcile.Request
		for i := range list.Items {
			alert := &list.Items[i]
			if inShard.Generic(event.GenericEvent{Object: alert}) && concerns(alert, o) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(alert)})
			}
		}
		return out
	})
}

func ofChannel(alert *v1alpha1.SlackAlert, c client.Object) bool {
	return reference.Channel(alert.Spec.ChannelRef, alert.Namespace) == client.ObjectKeyFromObject(c)
}

// ofNamespaces are the rules that select namespaces, and those that one of
// their SlackChannels may begin or cease to allow.
func ofNamespaces(alert *v1alpha1.SlackAlert, ns client.Object) bool {
	target, err := source.TargetOf(alert)
	return alert.Namespace == ns.GetName() || err == nil && target.Namespaces != nil
}
