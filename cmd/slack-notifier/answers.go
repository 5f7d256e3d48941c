package main

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/answering"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
)

// follower runs on every replica, without leadership.
type follower func(ctx context.Context) error

func (f follower) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection is false.
func (follower) NeedLeaderElection() bool { return false }

var _ manager.LeaderElectionRunnable = follower(nil)

// wireAnswers makes what takes clicks on buttons.
func wireAnswers(ctx context.Context, mgr ctrl.Manager, o options, cluster *answering.Cluster, connections *connection.Resolver, people *directory.Directory) (*answering.Taker, error) {
	wall := wallClock()
	taker := &answering.Taker{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("slack-notifier"), Connections: connections,
		Directory: people, Metrics: metrics.NewInteractions(ctrlmetrics.Registry), Clock: wall, Log: mgr.GetLogger().WithName("answers"),
		Cluster: cluster.Hash, ClusterName: o.clusterName, Deleted: answering.NewDeleted(wall.Now), Partial: o.watchLabelSelector != "",
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.SlackNotification{}, answering.UIDIndex, answering.IndexUID); err != nil {
		return nil, err
	}
	watch := follower(func(ctx context.Context) error { return taker.Deleted.Watch(ctx, mgr.GetCache()) })
	// A click has no time to wait for the first answer.
	name := follower(func(ctx context.Context) error {
		for {
			_, err := cluster.Hash(ctx)
			if err == nil {
				return nil
			}
			mgr.GetLogger().Error(err, "reading what names this cluster in buttons")
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	})
	for _, runnable := range []manager.Runnable{taker, watch, name} {
		if err := mgr.Add(runnable); err != nil {
			return nil, err
		}
	}
	return taker, nil
}
