package channel

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// SecretIndex finds the SlackChannels that name a Secret.
const SecretIndex = "spec.secrets"

// concurrency of the checks, each of which calls Slack.
const concurrency = 16

// SetupWithManager starts the controller with a manager. Only SlackChannels
// whose labels match shard are reconciled; the others are observed.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, shard labels.Selector) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.SlackChannel{}, SecretIndex, func(o client.Object) []string {
		c, ok := o.(*v1alpha1.SlackChannel)
		if !ok {
			return nil
		}
		return connection.SecretNames(c)
	})
	if err != nil {
		return err
	}
	err = mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.SlackChannel{}, claimIndex, claimsOf)
	if err != nil {
		return err
	}
	r.shard = shard
	r.gate = connection.NewGate(connection.SharesOf(concurrency))
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("slackchannel").
		For(&v1alpha1.SlackChannel{}, builder.WithPredicates(channelChanged())).
		WatchesMetadata(secrets, handler.EnqueueRequestsFromMapFunc(r.channelsOfSecret),
			builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&v1alpha1.SlackChannel{}, handler.EnqueueRequestsFromMapFunc(r.claimantsOf), builder.WithPredicates(claimChanged())).
		WatchesRawSource(r.Wake).
		WithOptions(wakeup.Options(concurrency)).
		Complete(r)
}

// channelChanged lets through what a SlackChannel is looked at for: its spec, a
// request, and a label, which may hand it over to another operator.
func channelChanged() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, requestChanged())
}

func claimsOf(o client.Object) []string {
	c, ok := o.(*v1alpha1.SlackChannel)
	if !ok {
		return nil
	}
	return claims(c)
}

func (r *Reconciler) channelsOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	list := &v1alpha1.SlackChannelList{}
	err := r.Client.List(ctx, list, client.InNamespace(secret.GetNamespace()), client.MatchingFields{SecretIndex: secret.GetName()})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "finding the SlackChannels that name a Secret")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// WakeOwner wakes the SlackChannel that a name in the directory stands for;
// false when it stands for something else.
func (r *Reconciler) WakeOwner(owner string) bool {
	rest, ok := strings.CutPrefix(owner, OwnerPrefix)
	if !ok {
		return false
	}
	namespace, name, ok := strings.Cut(rest, "/")
	if ok {
		r.Wake.Wake(types.NamespacedName{Namespace: namespace, Name: name})
	}
	return ok
}
