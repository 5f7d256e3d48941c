// Package answering takes clicks on buttons: it checks them, stores what they
// answer in the SlackNotification's status, and says whether Slack may be told that
// they were taken.
//
// It works on every replica, without leadership: the API server orders what is
// stored. It never shows anything in a channel; the message follows the status.
package answering

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/rooms"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
)

// App is where a click came from. What its SlackChannels delivered can be answered
// by this way, and nothing else: whoever runs the other end of a connection can make
// up every click.
type App = socket.App

// Channel is a SlackChannel.
type Channel = socket.Channel

// keyOf names the app, to bound how much it does at once.
func keyOf(a App) string {
	if len(a.Channels) > 0 {
		return a.AppID + "/" + string(a.Channels[0].UID)
	}
	return a.AppID
}

// Directory says whom addresses and groups mean.
type Directory interface {
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	IsMember(ctx context.Context, ws directory.Workspace, group, userID, owner string) (bool, error)
}

// Outcomes of a click, as the metrics name them.
const (
	OutcomeRecorded   = "recorded"
	OutcomeDuplicate  = "duplicate"
	OutcomeLate       = "late"
	OutcomeDenied     = "denied"
	OutcomeUnknown    = "unknown_permission"
	OutcomeGone       = "gone"
	OutcomeMisplaced  = "misplaced"
	OutcomeUnrecorded = "not_yet_delivered"
	OutcomeForeign    = "foreign_cluster"
	OutcomeIgnored    = "ignored"
	OutcomeUnreadable = "unreadable"
	OutcomeFailed     = "failed"
	OutcomeBusy       = "busy"
)

// Metrics counts clicks.
type Metrics interface {
	Interaction(outcome string, took time.Duration)
}

// Taker takes clicks. It is safe for concurrent use.
type Taker struct {
	// Client reads from the cache, which has UIDIndex, and writes statuses.
	Client client.Client
	// Live reads from the API server, past the cache.
	Live        client.Reader
	Recorder    events.EventRecorder
	Connections *connection.Resolver
	Directory   Directory
	Metrics     Metrics
	Clock       clock.Clock
	Log         logr.Logger
	// Cluster is the hash of this cluster in buttons.
	Cluster func(context.Context) (string, error)
	// ClusterName is told to people; none when empty.
	ClusterName string
	// Deleted remembers the objects that are gone.
	Deleted *Deleted
	// Partial means: not all SlackNotifications of the cluster are in the cache, so
	// that what is not there may be another operator's.
	Partial bool
	// Messages reads messages back; nothing is looked up when it is nil.
	Messages Messages
	// Shared is called when a click came by an app on a button that names another
	// cluster; proven when that cluster has posted it. It may be nil.
	Shared func(from App, proven bool)

	rooms      rooms.Rooms
	denied     pacer
	teller     teller
	strays     strays
	identities identities
}

var _ socket.Taker = (*Taker)(nil)

// Take takes one interactive payload as Slack sent it. It returns true when Slack
// may be told that it was taken: what had to be stored is stored. It returns within
// the context, which the caller ends in time for Slack's three seconds.
func (t *Taker) Take(ctx context.Context, from App, payload []byte) bool {
	began := t.Clock.Now()
	outcome, taken := OutcomeBusy, false
	if leave, ok := t.rooms.Enter(ctx, keyOf(from), atOnce); ok {
		outcome, taken = t.take(ctx, from, payload)
		leave()
	}
	t.Metrics.Interaction(outcome, t.Clock.Since(began))
	return taken && ctx.Err() == nil
}

func (t *Taker) take(ctx context.Context, from App, payload []byte) (outcome string, taken bool) {
	click, err := interact.Decode(payload)
	switch {
	case errors.Is(err, interact.ErrNotOurs):
		return OutcomeIgnored, true
	case err != nil:
		t.Log.Info("Could not read an interaction", "app", from.AppID, "bytes", len(payload))
		return OutcomeUnreadable, false
	}
	cluster, err := t.Cluster(ctx)
	if err != nil {
		t.Log.Error(err, "Could not tell which cluster this is")
		return OutcomeFailed, false
	}
	if click.Button.Cluster != cluster {
		t.astray(ctx, from, click, cluster)
		return OutcomeForeign, false
	}
	p := &press{Taker: t, from: from, click: click, until: t.Clock.Now().Add(recordWait)}
	outcome, taken = p.take(ctx)
	t.Log.V(1).Info("Took click", "outcome", outcome, "action", click.Action, "user", click.UserID, "uid", click.Button.UID)
	return outcome, taken
}
