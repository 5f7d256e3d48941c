package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/channel"
	"github.com/slack-notifier/slack-notifier/controllers/notification"
)

// cleanupWithin is how long cleanup may take: an operator that was killed leaves a
// Lease that runs for 15 seconds, one that ends in an orderly way takes up to 30.
const cleanupWithin = 50 * time.Second

// finalizers of the operator, by kind. Nobody takes them off once it is gone.
var finalizers = map[string]string{"SlackNotification": notification.Finalizer, "SlackChannel": channel.Finalizer}

// cleanup takes the operator's finalizers off all objects, so that they and their
// namespaces can be deleted without it. What stands in Slack stays there. It leads
// meanwhile: an operator that still worked would put them back.
func cleanup(ctx context.Context, o options) error {
	c, err := o.check()
	if err != nil {
		return err
	}
	o.leaderElect, o.metricsAddress, o.probeAddress, o.pprofAddress = true, "0", "0", ""
	ctx, cancel := context.WithTimeout(ctx, cleanupWithin)
	defer cancel()
	mgr, err := newManager(ctx, o, c)
	if err != nil {
		return err
	}
	done := fmt.Errorf("another slack-notifier still holds the Lease %s, and would put the finalizers back: end it first", leaseName(o))
	err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		defer cancel()
		done = strip(ctx, mgr, o, c)
		return nil
	}))
	if err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return err
	}
	return done
}

// strip takes the finalizers off what this operator looked after.
func strip(ctx context.Context, mgr manager.Manager, o options, c checked) error {
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), HTTPClient: mgr.GetHTTPClient(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return err
	}
	namespaces := o.watchNamespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var all error
	freed := 0
	for kind := range finalizers {
		for _, ns := range namespaces {
			n, err := stripKind(ctx, direct, kind, &client.ListOptions{Namespace: ns, LabelSelector: c.shard, Limit: 500})
			all = errors.Join(all, err)
			freed += n
		}
	}
	ctrl.Log.Info("Removed finalizers", "objects", freed)
	return all
}

// stripKind returns how many objects it has freed. A kind that is no longer there
// has none.
func stripKind(ctx context.Context, c client.Client, kind string, page *client.ListOptions) (freed int, all error) {
	for {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if err := c.List(ctx, list, page); meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return freed, all
		} else if err != nil {
			return freed, errors.Join(all, fmt.Errorf("listing %ss: %w", kind, err))
		}
		for i := range list.Items {
			if !slices.Contains(list.Items[i].Finalizers, finalizers[kind]) {
				continue
			}
			if err := free(ctx, c, kind, &list.Items[i]); err != nil {
				all = errors.Join(all, fmt.Errorf("%s %s/%s: %w", kind, list.Items[i].Namespace, list.Items[i].Name, err))
				continue
			}
			freed++
		}
		if page.Continue = list.Continue; page.Continue == "" {
			return freed, all
		}
	}
}

// free takes the operator's finalizer off an object and leaves those of others.
func free(ctx context.Context, c client.Client, kind string, o *metav1.PartialObjectMetadata) error {
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		before := o.DeepCopy()
		o.Finalizers = slices.DeleteFunc(o.Finalizers, func(f string) bool { return f == finalizers[kind] })
		err := c.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if apierrors.IsConflict(err) {
			return errors.Join(err, c.Get(ctx, client.ObjectKeyFromObject(before), o))
		}
		return err
	})
	return client.IgnoreNotFound(err)
}
