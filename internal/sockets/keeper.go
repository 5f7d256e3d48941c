// Package sockets keeps, on every replica, one connection by Socket Mode for each
// Slack app that the SlackChannels name, and tells how each is doing.
//
// What people press goes to a Taker; the package knows neither payloads nor
// buttons, and writes no status.
package sockets

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
)

// Times of a Keeper.
type Times struct {
	// Quiet is how long a connection may be lost, or not be there yet, before that is
	// told.
	Quiet time.Duration
	// Confirm is after how long a connection that is not ours is looked for again
	// before it is told, since one that was cut counts at Slack for a while, and Look
	// how often once it was told.
	Confirm, Look time.Duration
	// Foreign is how long a press that belongs to another cluster is told.
	Foreign time.Duration
}

// DefaultTimes of a Keeper.
func DefaultTimes() Times {
	return Times{Quiet: 10 * time.Second, Confirm: 2 * time.Minute, Look: 10 * time.Minute, Foreign: time.Hour}
}

// Keeper keeps the connections. It reconciles SlackChannels and is a Runnable, both
// on every replica.
type Keeper struct {
	// Client reads SlackChannels, from a cache.
	Client      client.Reader
	Connections *connection.Resolver
	Taker       socket.Taker
	Meter       socket.Meter
	// Wake is called with a SlackChannel whose View has changed.
	Wake func(types.NamespacedName)
	// Shard selects the SlackChannels of this operator; all when nil. The others'
	// connections are other operators', which have what is answered over them.
	Shard labels.Selector
	// Peers tell of the other replicas' connections; nil when there are none.
	Peers *Peers
	// Times are DefaultTimes when zero, and SocketTimes those of the connections.
	Times       Times
	SocketTimes socket.Times

	mu    sync.Mutex
	ended bool
	held  map[string]*held
	// members by name, each of one connection or with a problem.
	members map[types.NamespacedName]*member
	running sync.WaitGroup
}

// member is a SlackChannel with Socket Mode.
type member struct {
	uid     types.UID
	held    *held
	problem *connection.Problem
	// request is the annotation requestedAt that was last acted on.
	request string
}

// held is the connection to an app.
type held struct {
	key    string
	client *socket.Client
	stop   context.CancelFunc
	names  map[types.NamespacedName]types.UID

	// told is what was told last, as tell compares it.
	told string
	// settle and look are for what is to be looked at later.
	settle, look *time.Timer
	// hellos that were judged; suspected is when others' connections were first
	// counted, and shared when that was confirmed. foreign is until when a press of
	// another cluster is told, and hinted when they were last counted because a press
	// seemed to be one.
	hellos          int
	suspected       time.Time
	shared          bool
	foreign, hinted time.Time
}

func (k *Keeper) times() Times {
	if k.Times == (Times{}) {
		return DefaultTimes()
	}
	return k.Times
}

// wants reports whether a SlackChannel asks for a connection of this operator's.
func (k *Keeper) wants(c *v1alpha1.SlackChannel) bool {
	return (k.Shard == nil || k.Shard.Matches(labels.Set(c.Labels))) && c.Spec.Interactions != nil && c.Spec.Interactions.AppTokenSecretRef != nil && !c.Spec.Suspend && c.DeletionTimestamp.IsZero()
}

// Reconcile starts, changes or stops the connection of one SlackChannel.
func (k *Keeper) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	c := &v1alpha1.SlackChannel{}
	err := k.Client.Get(ctx, req.NamespacedName, c)
	if apierrors.IsNotFound(err) || err == nil && !k.wants(c) {
		k.leave(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	made, err := k.Connections.Socket(ctx, c)
	if err == nil {
		err = k.join(ctx, c, made)
	}
	var problem *connection.Problem
	if errors.As(err, &problem) {
		k.leave(req.NamespacedName)
		k.mu.Lock()
		k.remember(req.NamespacedName, &member{uid: c.UID, problem: problem})
		k.mu.Unlock()
		k.Wake(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

func (k *Keeper) remember(name types.NamespacedName, m *member) {
	if k.members == nil {
		k.members, k.held = map[types.NamespacedName]*member{}, map[string]*held{}
	}
	k.members[name] = m
}

// join makes a SlackChannel share the connection that it asks for, which is opened
// when there is none.
func (k *Keeper) join(ctx context.Context, c *v1alpha1.SlackChannel, made *connection.Socket) error {
	name := client.ObjectKeyFromObject(c)
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.members[name]; m != nil && m.uid == c.UID && m.held != nil && m.held.key == made.Key {
		if request := c.Annotations[v1alpha1.AnnotationRequestedAt]; request != m.request {
			m.request = request
			m.held.client.Kick()
		}
		return nil
	}
	if k.ended {
		return nil
	}
	h := k.held[made.Key]
	if h == nil {
		var err error
		if h, err = k.open(context.WithoutCancel(ctx), made); err != nil {
			return err
		}
	}
	old := k.detach(name)
	h.names[name] = c.UID
	k.remember(name, &member{uid: c.UID, held: h, request: c.Annotations[v1alpha1.AnnotationRequestedAt]})
	k.held[made.Key] = h
	if old != nil {
		k.running.Go(func() { k.handOver(old, h) })
	}
	go k.Wake(name)
	return nil
}

// handOverTime is how long an old connection waits for the one in its place.
const handOverTime = 15 * time.Second

// handOver ends a connection when there is one in its place, so that no press falls
// in between when a token is replaced.
func (k *Keeper) handOver(old, to *held) {
	defer old.stop()
	for end := time.Now().Add(handOverTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		k.mu.Lock()
		ended := k.ended
		k.mu.Unlock()
		if ended || to.client.State().Connected {
			return
		}
	}
}

// open starts a connection, for as long as somebody shares it.
func (k *Keeper) open(ctx context.Context, made *connection.Socket) (*held, error) {
	api, httpClient, release, err := made.Open()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	h := &held{key: made.Key, stop: stop, names: map[types.NamespacedName]types.UID{}}
	h.client = socket.New(socket.Options{
		Opener: api, Client: httpClient, Meter: k.Meter, Times: k.SocketTimes, Frames: made.Frames, Changed: func() { k.changed(h) },
		Take: func(ctx context.Context, appID string, payload []byte) bool {
			return k.Taker.Take(ctx, k.app(ctx, h, appID), payload)
		},
	})
	k.running.Go(func() {
		defer release()
		h.client.Run(ctx)
	})
	return h, nil
}

// leave ends a SlackChannel's part in its connection, and the connection with the
// last of them.
func (k *Keeper) leave(name types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.detach(name); h != nil {
		h.stop()
	}
}

// detach takes a SlackChannel's part in its connection away, and returns the
// connection when nobody shares it any more. The caller holds the lock.
func (k *Keeper) detach(name types.NamespacedName) *held {
	m := k.members[name]
	delete(k.members, name)
	if m == nil || m.held == nil {
		return nil
	}
	h := m.held
	delete(h.names, name)
	if len(h.names) > 0 {
		return nil
	}
	delete(k.held, h.key)
	for _, timer := range []*time.Timer{h.settle, h.look} {
		if timer != nil {
			timer.Stop()
		}
	}
	return h
}

// app is whom a payload came for. The workspace is as the status says it.
func (k *Keeper) app(ctx context.Context, h *held, appID string) socket.App {
	app := socket.App{AppID: appID}
	k.mu.Lock()
	for name, uid := range h.names {
		app.Channels = append(app.Channels, socket.Channel{NamespacedName: name, UID: uid})
	}
	k.mu.Unlock()
	teams := map[string]bool{}
	for i := range app.Channels {
		c := &v1alpha1.SlackChannel{}
		if k.Client.Get(ctx, app.Channels[i].NamespacedName, c) == nil && c.Status.Workspace != nil {
			app.Channels[i].TeamID = c.Status.Workspace.ID
		}
		app.TeamID = app.Channels[i].TeamID
		teams[app.TeamID] = true
	}
	if len(teams) != 1 {
		app.TeamID = ""
	}
	return app
}

// Start implements manager.Runnable: it ends all connections with ctx, and tells
// the other replicas of them until then.
func (k *Keeper) Start(ctx context.Context) error {
	if k.Peers != nil {
		k.Peers.run(ctx, k.counts)
	}
	<-ctx.Done()
	k.mu.Lock()
	k.ended = true
	for _, h := range k.held {
		h.stop()
	}
	k.mu.Unlock()
	k.running.Wait()
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica has
// connections of its own, so that none of what people press is lost when the
// leader goes.
func (k *Keeper) NeedLeaderElection() bool { return false }

// counts the apps that this process is connected to.
func (k *Keeper) counts() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]int{}
	for _, h := range k.held {
		if s := h.client.State(); s.Connected && s.AppID != "" {
			out[s.AppID]++
		}
	}
	return out
}
