package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/channel"
	"github.com/slack-notifier/slack-notifier/controllers/notification"
	"github.com/slack-notifier/slack-notifier/internal/answering"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/footprint"
	"github.com/slack-notifier/slack-notifier/internal/intake"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// run builds the operator and runs it until ctx ends.
func run(ctx context.Context, o options) error {
	c, err := o.check()
	if err != nil {
		return err
	}
	mgr, err := newManager(ctx, o, c)
	if err != nil {
		return err
	}
	taker, err := wire(ctx, mgr, o, c)
	if err != nil {
		return err
	}
	var alerts intake.AlertReceiver
	keys := &webhookkey.Keys{Versions: mgr.GetCache(), Secrets: mgr.GetAPIReader()}
	if o.alerts {
		if alerts, err = wireAlerts(ctx, mgr, o, c, keys); err != nil {
			return fmt.Errorf("setting up the SlackAlert controller: %w", err)
		}
	}
	clicks := &answering.HTTP{Taker: taker, Secrets: keys, Channels: mgr.GetCache()}
	if err := addIntake(mgr, o, c, alerts, keys, clicks); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("healthz", healthz.Ping); err != nil {
		return err
	}
	synced := func(ctx context.Context) bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return mgr.GetCache().WaitForCacheSync(short)
	}
	if err := mgr.AddReadyzCheck("caches", readiness(synced)); err != nil {
		return err
	}
	if err := mgr.Add(footprint.Keeper{Synced: synced}); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(ctx context.Context, o options, c checked) (ctrl.Manager, error) {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	// The API server's own priority and fairness does this better.
	cfg.QPS, cfg.Burst = -1, -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	serve, err := metricsServer(ctx, o)
	if err != nil {
		return nil, err
	}
	grace := 30 * time.Second
	return ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        scheme,
		MapperProvider:                newMapper,
		Cache:                         cacheOptions(o, c),
		Metrics:                       serve,
		HealthProbeBindAddress:        o.probeAddress,
		PprofBindAddress:              o.pprofAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName(o),
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &grace,
	})
}

// leaseName is that of the Lease that the leader holds. Operators with different
// selectors lead side by side.
func leaseName(o options) string {
	const name = "slack-notifier.slack.notify.dev"
	if o.watchLabelSelector == "" {
		return name
	}
	return name + "-" + shortHash(o.watchLabelSelector)
}

// cacheOptions keep in memory what is needed and no more.
func cacheOptions(o options, c checked) cache.Options {
	secrets := &metav1.PartialObjectMetadata{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	options := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.SlackNotification{}: {Label: c.shard, Transform: ledger.Transform},
			secrets:                       {Transform: onlyVersion},
		},
	}
	if len(o.watchNamespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, ns := range o.watchNamespaces {
			options.DefaultNamespaces[ns] = cache.Config{}
		}
	}
	return options
}

// onlyVersion keeps of a Secret's metadata what tells that it has changed.
func onlyVersion(o any) (any, error) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		m.Labels, m.Annotations, m.ManagedFields, m.OwnerReferences, m.Finalizers = nil, nil, nil, nil, nil
	}
	return o, nil
}

// wire connects the parts, and returns what takes clicks.
func wire(ctx context.Context, mgr ctrl.Manager, o options, c checked) (*answering.Taker, error) {
	wall := wallClock()
	meter := metrics.New(ctrlmetrics.Registry)
	channels, notifications := &wakeup.Source{}, &wakeup.Source{}
	proxies, err := egress.NewProxyRules(o.allowedProxies, mgr.GetConfig().Host)
	if err != nil {
		return nil, err
	}
	connections := &connection.Resolver{
		Versions: mgr.GetCache(), Secrets: mgr.GetAPIReader(), Allow: c.allow, APIURL: c.apiURL, Observe: meter.Call,
		Custom: o.customConnections, Proxies: proxies, Calls: connection.NewGate(connection.SharesOf(o.concurrency)),
	}
	health := &connection.Health{Channels: channels}
	limiter, lanes := pace(o, c, wall.Now())

	var channelController *channel.Reconciler
	var notificationController *notification.Reconciler
	people := directory.New(directory.Options{Limiter: limiter, Clock: wall, Enter: askers(o), Wake: func(owner string) {
		if !channelController.WakeOwner(owner) {
			notificationController.WakeOwner(owner)
		}
	}})
	reader := readback.New(readback.Options{Limiter: limiter, Wake: notifications.Wake})
	channelController = &channel.Reconciler{
		Readback: reader,
		Client:   mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("slack-notifier"), Connections: connections, Health: health,
		Directory: people, Limiter: limiter, Wake: channels, Clock: wall, Intake: o.intake.address != "",
	}
	notificationController = &notification.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("slack-notifier"),
		Channels:    reference.Channels{Reader: mgr.GetClient(), Watched: o.watchNamespaces},
		Connections: connections, Health: health, Directory: people, Limiter: limiter, Lanes: lanes,
		Readback: reader,
		Metrics:  meter, Wake: notifications, Clock: wall, ClusterName: o.clusterName, SettleTime: o.settleTime,
		Sharded: o.watchLabelSelector != "",
	}
	cluster := &answering.Cluster{Live: mgr.GetAPIReader(), Config: mgr.GetConfig()}
	notificationController.Cluster = cluster.Hash
	taker, err := wireAnswers(ctx, mgr, o, cluster, connections, people)
	if err != nil {
		return nil, fmt.Errorf("setting up what takes clicks on buttons: %w", err)
	}
	keeper, err := newKeeper(mgr, o, c, connections, channels, taker)
	if err != nil {
		return nil, err
	}
	channelController.Sockets, taker.Shared, taker.Messages = keeper, keeper.Foreign, reader
	health.Learned = func(key types.NamespacedName) { notificationController.WakeChannel(ctx, key) }
	if err := channelController.SetupWithManager(ctx, mgr, c.shard); err != nil {
		return nil, fmt.Errorf("setting up the SlackChannel controller: %w", err)
	}
	if err := keeper.SetupWithManager(mgr, channel.SecretIndex); err != nil {
		return nil, fmt.Errorf("setting up the connections by Socket Mode: %w", err)
	}
	if err := notificationController.SetupWithManager(ctx, mgr, o.concurrency); err != nil {
		return nil, fmt.Errorf("setting up the SlackNotification controller: %w", err)
	}
	ctrlmetrics.Registry.MustRegister(&metrics.Gauges{
		Directory: people.Stats, Queues: lanes.Stats, Waiting: notificationController.Waiting, Now: wall.Now,
		Posts: lanes.Parts, Methods: limiter.Parts,
	})
	go lead(ctx, mgr, notificationController, wall, o.watchNamespaces)
	for _, runnable := range []manager.Runnable{people, &notification.Waker{Reconciler: notificationController, Clock: wall}} {
		if err := mgr.Add(runnable); err != nil {
			return nil, err
		}
	}
	return taker, nil
}

// lead tells the controller when this process begins to lead, and at which
// resourceVersion; until it knows, all that it sees counts as older.
//
// The resourceVersion of a list is the revision of etcd at which it was read, and
// not the version of an object in it: a list of one namespace, which is all that
// an operator with RoleBindings may read, tells it for all.
func lead(ctx context.Context, mgr ctrl.Manager, r *notification.Reconciler, c clock.Clock, watched []string) {
	select {
	case <-ctx.Done():
		return
	case <-mgr.Elected():
	}
	at := c.Now()
	for ctx.Err() == nil {
		list := &v1alpha1.SlackNotificationList{}
		options := []client.ListOption{client.Limit(1)}
		if len(watched) > 0 {
			options = append(options, client.InNamespace(watched[0]))
		}
		err := mgr.GetAPIReader().List(ctx, list, options...)
		if err == nil {
			r.Lead(at, list.ResourceVersion)
			return
		}
		mgr.GetLogger().Error(err, "reading the resourceVersion at which this process begins to lead")
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// askers lets few workers wait for answers that tenants' servers give in Slack's
// place; equal questions share a call, so those calls alone do not bound it.
func askers(o options) func(slack.Domain) func() {
	gate := connection.NewGate(connection.Shares{
		Namespace: o.concurrency, Private: max(o.concurrency/8, 1), AllPrivate: max(o.concurrency/4, 1),
	})
	return func(d slack.Domain) func() {
		if !d.Private() {
			return func() {}
		}
		leave, _ := gate.Enter(d.Namespace(), d)
		return leave
	}
}

// pace returns what keeps to Slack's limits.
func pace(o options, c checked, now time.Time) (*pacing.Limiter, *pacing.Lanes) {
	if o.slackLimits {
		return pacing.NewLimiter(pacing.LimiterOptions{Share: c.limitsShare}), pacing.NewLanes(now, pacing.LaneOptions{Share: c.limitsShare})
	}
	return pacing.NewLimiter(pacing.LimiterOptions{Methods: map[string][]pacing.Limit{}, Others: []pacing.Limit{}}),
		pacing.NewLanes(now, pacing.LaneOptions{Interval: -1, Margin: -1, Budget: []pacing.Limit{}})
}
