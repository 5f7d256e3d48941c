package main

import (
	"os"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
	"github.com/slack-notifier/slack-notifier/internal/sockets"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// namespaceFile is where a Pod finds its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// newKeeper returns what keeps the connections by Socket Mode.
func newKeeper(mgr ctrl.Manager, o options, c checked, connections *connection.Resolver, channels *wakeup.Source, taker socket.Taker) (*sockets.Keeper, error) {
	k := &sockets.Keeper{
		Client: mgr.GetClient(), Connections: connections, Shard: c.shard, Taker: taker, Meter: metrics.NewSockets(ctrlmetrics.Registry), Wake: channels.Wake,
	}
	if !o.leaderElect {
		return k, nil // there is one replica
	}
	namespace := o.leaderElectionNamespace
	if namespace == "" {
		data, err := os.ReadFile(namespaceFile)
		if err != nil {
			return nil, err // the leader election would fail too
		}
		namespace = strings.TrimSpace(string(data))
	}
	k.Peers = sockets.NewPeers(sockets.Peers{Live: mgr.GetAPIReader(), Client: mgr.GetClient(), Namespace: namespace, Log: mgr.GetLogger().WithName("sockets")})
	return k, nil
}
