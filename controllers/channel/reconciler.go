// Package channel reconciles SlackChannels: it checks the credentials, finds
// the channel or, with spec.manage, keeps it as it is to be, and says in the
// status what Slack answered.
//
// It posts no messages; those that do report to it through connection.Health
// what the posting taught them of a credential, and learn there whom the
// credential belongs to.
package channel

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/consistency"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/sockets"
	"github.com/slack-notifier/slack-notifier/internal/statuswrite"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch;patch;update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels/finalizers,verbs=update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch;update

// DefaultCheckEvery is the time between two checks of a SlackChannel, before
// jitter. Where there are many in a workspace, it is longer (see every).
const DefaultCheckEvery = 10 * time.Minute

// Directory finds channels and people.
type Directory interface {
	FindConversation(ctx context.Context, ws directory.Workspace, ref, owner string) (slack.Conversation, error)
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	RenewConversations(ws directory.Workspace, since time.Time, name, owner string) error
	CheckEvery(ws directory.Workspace, called bool) time.Duration
	Listed(ws directory.Workspace, id string) bool
	Remember(ws directory.Workspace, c slack.Conversation)
	Invalidate(workspace slack.Workspace, conversationID string)
	Forget(credential string)
}

// Limiter hands out slots for calls.
type Limiter interface {
	Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration)
	Done(now time.Time, workspace slack.Workspace, method, holder string)
}

// Sockets tell how the connections by Socket Mode are doing.
type Sockets interface {
	View(name types.NamespacedName, uid types.UID) (sockets.View, bool)
}

// Reconciler reconciles SlackChannels.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server instead of the cache.
	Live        client.Reader
	Recorder    events.EventRecorder
	Connections *connection.Resolver
	Health      *connection.Health
	Directory   Directory
	Limiter     Limiter
	Readback    *readback.Reader
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// Sockets tell of the connections by Socket Mode; nil when there are none.
	Sockets Sockets
	// Intake is true where the operator takes what Slack sends by HTTP.
	Intake bool
	// CheckEvery is DefaultCheckEvery when 0.
	CheckEvery time.Duration

	// shard selects the SlackChannels of this operator; all when nil.
	shard labels.Selector

	// gate is nil where no worker waits for another.
	gate   *connection.Gate
	writes consistency.Store
	tokens tokens
	crowds crowds

	mu   sync.Mutex
	seen map[types.NamespacedName]memory
}

// Pauses before an object is looked at again: one that the cache shows as it
// was before the last write, and one that somebody else has changed.
const (
	staleRetry    = 50 * time.Millisecond
	conflictRetry = 100 * time.Millisecond
)

// holder names a SlackChannel, and what it wants to call for, to the Limiter.
func holder(c *v1alpha1.SlackChannel, purpose string) pacing.Holder {
	return pacing.Holder{Name: string(c.UID) + purpose, Group: c.Namespace}
}

// reserve asks for a slot to call a method for a SlackChannel now. It returns what
// tells the Limiter of the end of that call, or, when not 0, how long to wait.
func (r *Reconciler) reserve(c *v1alpha1.SlackChannel, ws slack.Workspace, method, purpose string) (end func(), wait time.Duration) {
	now, h := r.Clock.Now(), holder(c, purpose)
	if at, ok := r.Limiter.Reserve(now, ws, method, h); !ok {
		return nil, max(at.Sub(now), time.Millisecond)
	}
	return func() { r.Limiter.Done(r.Clock.Now(), ws, method, h.Name) }, 0
}

// Owner names a SlackChannel to the directory.
func Owner(name types.NamespacedName) string { return name.String() }

// Reconcile checks one SlackChannel.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	c := &v1alpha1.SlackChannel{}
	if err := r.Client.Get(ctx, req.NamespacedName, c); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, err
	}
	r.meet(c)
	leave, pause := r.gate.Enter(c.Namespace, connection.DomainOf(c))
	if leave == nil {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	defer leave()
	if !r.mine(c) {
		return r.observe(ctx, c)
	}
	if !r.writes.Ready(c) {
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	}
	if !c.DeletionTimestamp.IsZero() {
		// Messages may still have to be deleted through it.
		if _, err := r.observe(ctx, c); err != nil {
			return ctrl.Result{}, err
		}
		return r.finalize(ctx, c)
	}
	if err := r.ensureFinalizer(ctx, c); apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	before := c.DeepCopy()
	r.takeUp(c)
	o, err := r.verify(ctx, c)
	if err != nil {
		return ctrl.Result{}, err
	}
	o.apply(c)
	r.interactive(ctx, c, o)
	r.handle(c, o)
	return r.record(ctx, before, c, o)
}

// verify finds out how the SlackChannel is doing.
func (r *Reconciler) verify(ctx context.Context, c *v1alpha1.SlackChannel) (*outcome, error) {
	if c.Spec.Suspend {
		r.crowds.leave(client.ObjectKeyFromObject(c))
		return suspended(), nil
	}
	if c.Spec.Manage == nil {
		c.Status.Managed = ""
	}
	if !managesMembers(c) {
		conditions.Remove(c, v1alpha1.ConditionMembersInSync)
	}
	conn, err := r.Connections.Resolve(ctx, c)
	var problem *connection.Problem
	if errors.As(err, &problem) {
		o := stalled(problem.Reason, problem.Message)
		o.facts = &facts{}
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	known := r.recall(c, conn.Credential)
	r.Directory.Forget(r.tokens.join(client.ObjectKeyFromObject(c), conn, r.Clock.Now()))
	if conn.API == nil {
		r.crowds.leave(client.ObjectKeyFromObject(c))
		return r.verifyWebhook(c, conn, known), nil
	}
	return r.verifyWebAPI(ctx, r.begin(c, conn, known)), nil
}

// record writes the status if it has changed.
func (r *Reconciler) record(ctx context.Context, before, c *v1alpha1.SlackChannel, o *outcome) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: o.after}
	if o.after == 0 && o.recheck {
		result.RequeueAfter = backoff.Around(max(o.every, r.checkEvery()))
	}
	if equality.Semantic.DeepEqual(before.Status, c.Status) {
		return result, nil
	}
	err := statuswrite.WriteOver(ctx, r.Client, r.Live, before, c, func(c *v1alpha1.SlackChannel) any { return &c.Status })
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		// Somebody else has written the status, such as another shard: what was
		// found out is asked for again.
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	r.writes.WroteAt(c)
	conditions.Announce(r.Recorder, "Verify", before, c)
	return result, nil
}

func (r *Reconciler) checkEvery() time.Duration {
	if r.CheckEvery == 0 {
		return DefaultCheckEvery
	}
	return r.CheckEvery
}

// nextCheck spreads the checks of many SlackChannels.
func (r *Reconciler) nextCheck() time.Duration { return backoff.Around(r.checkEvery()) }

// Pauses after failures to reach Slack.
const (
	firstPause   = 2 * time.Second
	longestPause = 30 * time.Second
	// longestPrivatePause is for what has a proxy or CA of its own, after
	// privatePatience failures: each attempt may hold a worker up.
	longestPrivatePause = 10 * time.Minute
	privatePatience     = 3
)

// pauseOf is the pause of a SlackChannel after failures in a row to reach Slack.
func pauseOf(c *v1alpha1.SlackChannel, failures int) time.Duration {
	if beyond := failures - privatePatience; beyond > 0 && connection.DomainOf(c).Private() {
		return backoff.Full(beyond+1, longestPause, longestPrivatePause)
	}
	return pauseAfter(failures)
}

// longestPauseOf is how long it may be until a SlackChannel is tried again.
func longestPauseOf(c *v1alpha1.SlackChannel) time.Duration {
	if connection.DomainOf(c).Private() {
		return longestPrivatePause
	}
	return longestPause
}

// pauseAfter a number of failures in a row; the first one counts as 0 or 1.
func pauseAfter(failures int) time.Duration { return backoff.Full(failures, firstPause, longestPause) }
