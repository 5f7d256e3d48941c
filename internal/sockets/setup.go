package sockets

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// SetupWithManager has every replica follow the SlackChannels and their Secrets.
// secretIndex finds the SlackChannels that name a Secret.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager, secretIndex string) error {
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	users := func(ctx context.Context, secret client.Object) []reconcile.Request {
		list := &v1alpha1.SlackChannelList{}
		if err := k.Client.List(ctx, list, client.InNamespace(secret.GetNamespace()), client.MatchingFields{secretIndex: secret.GetName()}); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "finding the SlackChannels that name a Secret")
			return nil
		}
		var out []reconcile.Request
		for i := range list.Items {
			if k.wants(&list.Items[i]) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
		return out
	}
	options := wakeup.Options(4)
	options.NeedLeaderElection = ptr.To(false)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("slackchannel-sockets").
		For(&v1alpha1.SlackChannel{}, builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesMetadata(secrets, handler.EnqueueRequestsFromMapFunc(users), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(options).
		Complete(k)
	if err != nil {
		return err
	}
	return mgr.Add(k)
}
