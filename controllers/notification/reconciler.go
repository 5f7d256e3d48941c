// Package notification reconciles SlackNotifications: it gathers what is wanted
// and known, makes the steps that internal/delivery decides on, and records what
// became of them in the status.
//
// It never decides whether something may be sent, and never writes to a
// SlackChannel; what a post teaches of its credentials goes through
// connection.Health.
package notification

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/finished"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications/finalizers,verbs=update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update

// Directory finds people and channels.
type Directory interface {
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	FindConversation(ctx context.Context, ws directory.Workspace, ref, owner string) (slack.Conversation, error)
	FindGroup(ctx context.Context, ws directory.Workspace, handle, owner string) (slack.UserGroup, error)
	DirectMessage(ctx context.Context, ws directory.Workspace, userID, owner string) (string, error)
	KnownDirectMessage(ws directory.Workspace, userID string) (dm string, ok bool)
	RememberDirectMessage(ws directory.Workspace, userID, dm string)
	Invalidate(workspace slack.Workspace, conversationID string)
}

// Limiter hands out slots for calls.
type Limiter interface {
	Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Done(now time.Time, workspace slack.Workspace, method, holder string)
	Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration)
}

// Reconciler reconciles SlackNotifications.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server, past the cache.
	Live        client.Reader
	Recorder    events.EventRecorder
	Channels    reference.Channels
	Connections *connection.Resolver
	Health      *connection.Health
	Directory   Directory
	Limiter     Limiter
	Lanes       *pacing.Lanes
	Readback    *readback.Reader
	Metrics     *metrics.Metrics
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// ClusterName is shown below every message, unless empty.
	ClusterName string
	// SettleTime is how long after an attempt of unknown outcome the absence of the
	// message from the conversation proves that Slack has not taken it.
	SettleTime time.Duration
	// Cluster names this cluster in the buttons of messages, as interact.ClusterHash
	// does.
	Cluster func(ctx context.Context) (string, error)
	// Sharded means: other operators work on other objects of the same namespaces,
	// and a change of labels hands an object over at any moment.
	Sharded bool

	ledger ledger.Ledger
}

// Waiting counts the notifications that are not settled.
func (r *Reconciler) Waiting() int { return r.ledger.Size() }

// Lead tells that this process begins to lead now, when the API server is at a
// resourceVersion. What is older may have been sent by another process, and is
// looked for in Slack before it is sent.
func (r *Reconciler) Lead(now time.Time, version string) {
	r.ledger.Lead(ledger.Leadership{At: now, Version: version, Sharded: r.Sharded})
	r.Lanes.Start(now)
}

// conflictRetry is when to look again after a write that met a newer object.
const conflictRetry = 50 * time.Millisecond

// Reconcile takes one SlackNotification as far as it can be taken now.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	n := &v1alpha1.SlackNotification{}
	if err := r.Client.Get(ctx, req.NamespacedName, n); apierrors.IsNotFound(err) {
		return r.lost(ctx, req)
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if r.rests(n) {
		r.ledger.Find(n, r.Clock.Now())
		return r.expire(ctx, n)
	}
	if err := r.whole(ctx, n); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return r.reconcile(ctx, n)
}

// reconcile is Reconcile for an object that is read whole.
func (r *Reconciler) reconcile(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	if !n.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, n)
	}
	t, _ := r.ledger.Find(n, r.Clock.Now())
	if err := r.ensureFinalizer(ctx, n); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if current, err := r.stopAnswers(ctx, n, t); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	} else if !current {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	done, err := r.done(ctx, n)
	if err != nil {
		return ctrl.Result{}, err
	}
	if done {
		return r.expire(ctx, n)
	}
	return r.deliver(ctx, n)
}

// deliver makes one pass over n.
func (r *Reconciler) deliver(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	p, err := r.gather(ctx, n)
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, phase := range []func(context.Context, *pass) error{
		r.expireDeliveries,
		r.suspended,
		r.scheduled,
		r.awaitTouch,
		r.awaitParent,
		r.useConnection,
		r.checkGroups,
		r.act,
	} {
		if err := phase(ctx, p); err != nil {
			return ctrl.Result{}, err
		}
		if p.block != nil {
			break
		}
	}
	r.releaseTurns(p)
	return r.writeStatus(ctx, p)
}

// rests reports whether n is settled and has nothing to do now, which is all that
// is decided by what the cache keeps of it.
func (r *Reconciler) rests(n *v1alpha1.SlackNotification) bool {
	return finished.Reduced(n) && !finished.Requested(n) && !expired(n, r.Clock.Now()) &&
		controllerutil.ContainsFinalizer(n, Finalizer) == (n.Spec.DeletionPolicy == v1alpha1.DeletionDelete)
}

// restsAtFirst reports whether n rests and is not known of; it counts as settled then,
// as by Reconcile, and is looked at when its time to live is over. It does not pass
// through the queue before that, whose maps would keep the room of all that there is.
func (r *Reconciler) restsAtFirst(n *v1alpha1.SlackNotification) bool {
	name, now := client.ObjectKeyFromObject(n), r.Clock.Now()
	if !r.rests(n) || r.ledger.Get(name) != nil {
		return false
	}
	if at, expires := expiry(n); expires && !r.Wake.WakeAfter(name, at.Sub(now)) {
		return false
	}
	r.ledger.Find(n, now)
	r.ledger.Settle(n)
	return true
}

// whole reads n from the API server where the cache has only a part of it.
func (r *Reconciler) whole(ctx context.Context, n *v1alpha1.SlackNotification) error {
	if !finished.Reduced(n) {
		return nil
	}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(n), n); err != nil {
		return err
	}
	ledger.Mark(n)
	return nil
}

// gather brings together what the object says and what is known of it.
func (r *Reconciler) gather(ctx context.Context, n *v1alpha1.SlackNotification) (*pass, error) {
	up, err := r.parentOf(ctx, n)
	if err != nil {
		return nil, err
	}
	c := &v1alpha1.SlackChannel{}
	if r.Channels.Sees(channelKey(n).Namespace) {
		if err := r.Client.Get(ctx, channelKey(n), c); client.IgnoreNotFound(err) != nil {
			return nil, err
		}
	}
	cluster := ""
	if len(n.Spec.Actions) > 0 {
		if cluster, err = r.Cluster(ctx); err != nil {
			return nil, fmt.Errorf("reading what names this cluster in buttons: %w", err)
		}
	}
	p := r.begin(n, up, c)
	p.cluster = cluster
	return p, nil
}

// releaseTurns frees the lanes of whoever can't use a turn that has come.
func (r *Reconciler) releaseTurns(p *pass) {
	if p.block != nil {
		r.Lanes.ForgetOwner(r.Clock.Now(), p.name.String())
		return
	}
	r.Lanes.ForgetUnused(r.Clock.Now(), p.name.String())
}

// lost records what is known of an object that the cache does not show any more.
// It may be deleted; or another shard's by now, which must learn what was sent.
func (r *Reconciler) lost(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := r.ledger.Get(req.NamespacedName)
	if t == nil || !r.Sharded || !t.Unrecorded() {
		r.forget(req)
		return ctrl.Result{}, nil
	}
	n := &v1alpha1.SlackNotification{}
	if err := r.Live.Get(ctx, req.NamespacedName, n); apierrors.IsNotFound(err) || err == nil && n.UID != t.UID {
		r.forget(req)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	p := r.begin(n, parent{}, &v1alpha1.SlackChannel{})
	compose(n, p.deliveries(), nil, "", p.now)
	if err := r.store(ctx, n, nil); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	r.forget(req)
	return ctrl.Result{}, nil
}

// forget drops what this process keeps of a notification.
func (r *Reconciler) forget(req ctrl.Request) {
	r.ledger.Leave(req.NamespacedName)
	r.Lanes.ForgetOwner(r.Clock.Now(), req.String())
}

// done reports whether nothing is left to do but to wait.
func (r *Reconciler) done(ctx context.Context, n *v1alpha1.SlackNotification) (bool, error) {
	if expired(n, r.Clock.Now()) {
		return true, nil
	}
	if !finished.Settled(n) {
		return false, nil
	}
	owes, err := r.owes(ctx, n)
	return !owes, err
}

// deadline is when to give up; false when there is none.
func deadline(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.ActiveDeadlineSeconds == nil {
		return time.Time{}, false
	}
	// Beyond the maximum of the schema a Duration overflows.
	seconds := min(*n.Spec.ActiveDeadlineSeconds, int64(1<<63-1)/int64(time.Second))
	return n.CreationTimestamp.Add(time.Duration(seconds) * time.Second), true
}

// expireDeliveries gives up what was never delivered when the deadline has passed.
func (r *Reconciler) expireDeliveries(_ context.Context, p *pass) error {
	at := p.want.Deadline
	if at.IsZero() {
		return nil
	}
	if p.now.Before(at) {
		p.requeueBy(at)
		return nil
	}
	for _, rcpt := range p.recipients {
		if rcpt.Expire(p.want, p.now) {
			p.mustWrite = true
			r.Lanes.Forget(p.now, p.ticket(rcpt))
		}
	}
	return nil
}

// suspended holds what is open while spec.suspend is true.
func (r *Reconciler) suspended(_ context.Context, p *pass) error {
	if p.n.Spec.Suspend {
		p.blocked(conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSuspended,
			Message: "spec.suspend is true: what is not delivered yet is held, and is sent as soon as it is set to false"})
	}
	return nil
}

// scheduled holds what is to be sent later. The object's own time wakes it.
func (r *Reconciler) scheduled(_ context.Context, p *pass) error {
	at := p.n.Spec.NotBefore
	if at == nil || at.Sub(p.now) <= 0 || p.allDone() {
		return nil
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonScheduled,
		Message: fmt.Sprintf("held until %s (spec.notBefore)", at.UTC().Format(time.RFC3339))})
	p.requeueBy(at.Time)
	p.mustWrite = at.Sub(p.now) > quietFor
	return nil
}

// awaitTouch holds a new object of a shard for a moment. A change of its labels
// hands it over to another shard, which tells by the second of the change that
// this one may have sent it; a change within the second of the creation is waited
// for, so that it is seen here before anything is sent.
func (r *Reconciler) awaitTouch(_ context.Context, p *pass) error {
	until := p.n.CreationTimestamp.Add(1500 * time.Millisecond)
	if !r.Sharded || !p.tracked.Made || !p.now.Before(until) || !p.now.Add(2*time.Second).After(until) {
		return nil
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonPending, Message: "waits to be sent"})
	p.requeueBy(until)
	return nil
}
