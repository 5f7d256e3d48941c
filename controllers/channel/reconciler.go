// Package channel reconciles SlackChannels: it checks the credentials, finds
// the channel or, with spec.manage, keeps it as it is to be, and says in the
// status what Slack answered.
//
// It posts no messages; those that do report to it through connection.Health
// what the posting taught them of a credential.
package channel

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch;patch;update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels/finalizers,verbs=update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch;update

// DefaultCheckEvery is the time between two checks of a SlackChannel, before
// jitter.
const DefaultCheckEvery = 10 * time.Minute

// Directory finds channels and people.
type Directory interface {
	FindConversation(ctx context.Context, ws directory.Workspace, ref, owner string) (slack.Conversation, error)
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	RenewConversations(ws directory.Workspace, since time.Time, owner string) error
	Remember(ws directory.Workspace, c slack.Conversation)
	Invalidate(teamID, conversationID string)
	Forget(credential string)
}

// Limiter hands out slots for calls.
type Limiter interface {
	Reserve(now time.Time, workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace, method string, retryAfter time.Duration)
}

// Reconciler reconciles SlackChannels.
type Reconciler struct {
	Client      client.Client
	Recorder    events.EventRecorder
	Connections *connection.Resolver
	Health      *connection.Health
	Directory   Directory
	Limiter     Limiter
	// Answered, if set, is told of a workspace that has answered.
	Answered func(workspaceID string)
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// CheckEvery is DefaultCheckEvery when 0.
	CheckEvery time.Duration

	// shard selects the SlackChannels of this operator; all when nil.
	shard labels.Selector

	mu   sync.Mutex
	seen map[types.NamespacedName]memory
}

// memory is what this process knows of a SlackChannel beyond its status.
type memory struct {
	uid types.UID
	// credential that the last check used.
	credential string
	// failures in a row to reach Slack.
	failures int
	// checked is when the last check came to an answer, for credential and
	// generation.
	checked    time.Time
	generation int64
	// written is the resourceVersion of the last write.
	written string
	// owned is nil for a channel that is not managed. Only the one reconcile
	// of the object that is under way touches what it points to.
	owned *owned
}

// staleRetry is when to look again at an object that the cache shows as it was
// before the last write.
const staleRetry = 50 * time.Millisecond

// stale reports whether an object is older than what was last written of it.
// To decide by it could leave the write standing: its status may be what is
// wanted now, and is not what is stored.
func (r *Reconciler) stale(c *v1alpha1.SlackChannel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.seen[client.ObjectKeyFromObject(c)]
	if m.uid != c.UID || m.written == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(c.ResourceVersion, m.written)
	return err == nil && order < 0
}

// holder names a SlackChannel, and what it wants to call for, to the Limiter.
func holder(c *v1alpha1.SlackChannel, purpose string) pacing.Holder {
	return pacing.Holder{Name: string(c.UID) + purpose, Group: c.Namespace}
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
	if !r.mine(c) {
		return ctrl.Result{}, nil
	}
	if r.stale(c) {
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	}
	if !c.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, c)
	}
	if err := r.guard(ctx, c); apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	before := c.DeepCopy()
	outcome, err := r.check(ctx, c)
	if err != nil {
		return ctrl.Result{}, err
	}
	outcome.apply(c)
	return r.record(ctx, before, c, outcome)
}

// check finds out how the SlackChannel is doing.
func (r *Reconciler) check(ctx context.Context, c *v1alpha1.SlackChannel) (outcome, error) {
	if c.Spec.Suspend {
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
		return stalled(problem.Reason, problem.Message).withoutFacts(), nil
	}
	if err != nil {
		return outcome{}, err
	}
	known := r.recall(c, conn.Credential)
	if known.credential != conn.Credential {
		r.Directory.Forget(known.credential)
	}
	if conn.API == nil {
		return r.checkWebhook(c, conn, known), nil
	}
	return r.checkWebAPI(ctx, c, conn, known), nil
}

// record writes the status if it has changed.
func (r *Reconciler) record(ctx context.Context, before, c *v1alpha1.SlackChannel, o outcome) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: o.after}
	if o.after == 0 && o.recheck {
		result.RequeueAfter = r.nextCheck()
	}
	if equality.Semantic.DeepEqual(before.Status, c.Status) {
		return result, nil
	}
	err := r.Client.Status().Update(ctx, c)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		// The cache will bring the newer object, and with it another request;
		// what was found out is asked for again.
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	r.remember(c, func(m *memory) { m.written = c.ResourceVersion })
	r.announce(before, c)
	return result, nil
}

// announce tells of a new need for a person in an Event.
func (r *Reconciler) announce(before, c *v1alpha1.SlackChannel) {
	now := conditions.Find(c, v1alpha1.ConditionStalled)
	if now == nil {
		return
	}
	if was := conditions.Find(before, v1alpha1.ConditionStalled); was != nil && was.Reason == now.Reason && was.Message == now.Message {
		return
	}
	r.Recorder.Eventf(c, nil, corev1.EventTypeWarning, now.Reason, "Verify", "%s", conditions.Note(now.Message))
}

func (r *Reconciler) checkEvery() time.Duration {
	if r.CheckEvery == 0 {
		return DefaultCheckEvery
	}
	return r.CheckEvery
}

// nextCheck spreads the checks of many SlackChannels.
func (r *Reconciler) nextCheck() time.Duration {
	every := r.checkEvery()
	return every - every/20 + rand.N(every/10+1)
}

// backoff of failures to reach Slack: with jitter, up to 30 s.
func backoff(failures int) time.Duration {
	limit := min(30*time.Second, time.Second<<min(failures, 10))
	return limit/2 + rand.N(limit/2+1)
}

func (r *Reconciler) recall(c *v1alpha1.SlackChannel, credential string) memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := client.ObjectKeyFromObject(c)
	m := r.of(c)
	was := m
	if m.credential != credential {
		m.failures = 0
	}
	m.credential = credential
	r.seen[name] = m
	return was
}

// of is what is known of this very object. The caller holds the lock.
func (r *Reconciler) of(c *v1alpha1.SlackChannel) memory {
	if r.seen == nil {
		r.seen = map[types.NamespacedName]memory{}
	}
	m := r.seen[client.ObjectKeyFromObject(c)]
	if m.uid != c.UID {
		m = memory{uid: c.UID}
	}
	return m
}

func (r *Reconciler) remember(c *v1alpha1.SlackChannel, change func(*memory)) memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.of(c)
	change(&m)
	r.seen[client.ObjectKeyFromObject(c)] = m
	return m
}

func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	m := r.seen[name]
	delete(r.seen, name)
	r.mu.Unlock()
	r.Connections.Forget(m.uid)
	r.Health.Forget(name, m.uid)
	r.Directory.Forget(m.credential)
}
