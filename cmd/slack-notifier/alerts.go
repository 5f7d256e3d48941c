package main

import (
	"context"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/alert"
	"github.com/slack-notifier/slack-notifier/controllers/silence"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// wireAlerts connects what turns things that happen in the cluster into
// SlackNotifications, and returns what takes posts.
func wireAlerts(ctx context.Context, mgr ctrl.Manager, o options, c checked, keys *webhookkey.Keys) (*source.Receiver, error) {
	config, web := mgr.GetConfig(), mgr.GetHTTPClient()
	watching, err := dynamic.NewForConfigAndClient(config, web)
	if err != nil {
		return nil, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(config, web)
	if err != nil {
		return nil, err
	}
	access, err := authorizationclient.NewForConfigAndClient(config, web)
	if err != nil {
		return nil, err
	}
	if err := alert.Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	wall := wallClock()
	rules := &alerting.Cache{}
	store := &incident.Store{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: wall, Shard: c.shard, Offer: source.Offer(o.clusterScopeNamespaces)}
	posts := &source.Receiver{Store: store, Rules: rules, Clock: wall, ClusterName: o.clusterName}
	r := &alert.Reconciler{
		Posts:  posts,
		Client: mgr.GetClient(), Recorder: mgr.GetEventRecorder("slack-notifier"), Wake: &wakeup.Source{}, Clock: wall,
		Incidents: store, Rules: rules, Intake: o.intake.address != "", Keys: keys,
		Channels: reference.Channels{Reader: mgr.GetClient(), Watched: o.watchNamespaces},
		Kinds: &kindwatch.Kinds{
			Near:      directory.Near,
			Discovery: kinds, Access: access.SelfSubjectAccessReviews(), Namespaces: o.watchNamespaces, Clock: wall,
		},
		Watches:     &kindwatch.Watches{Client: watching, Namespaces: o.watchNamespaces, MaxObjects: o.maxObjects},
		MaxAlerts:   o.maxAlerts,
		ClusterName: o.clusterName, ClusterScopeNamespaces: o.clusterScopeNamespaces,
	}
	r.Observe = metrics.NewAlerts(ctrlmetrics.Registry, r.OpenIncidents).Evaluated
	posts.Refused = r.Wake.Wake
	seen, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.SlackAlert{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	if _, err := seen.AddEventHandler(store.ForgetDeleted(posts.Forget, rules.Forget)); err != nil {
		return nil, err
	}
	if err := r.SetupWithManager(mgr, c.shard); err != nil {
		return nil, err
	}
	s := &silence.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Posts: posts, Clock: wall, Hosts: c.alertmanagers, Times: c.silenceTimes, ClusterScopeNamespaces: o.clusterScopeNamespaces,
		Observe: metrics.NewSilences(ctrlmetrics.Registry).Called,
	}
	return posts, s.SetupWithManager(mgr, c.shard)
}
