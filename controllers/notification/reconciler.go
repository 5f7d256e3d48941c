// Package notification reconciles SlackNotifications: it finds the recipients,
// waits for Slack's pace, posts, and writes what became of it into the status.
//
// It never writes to a SlackChannel; what a post teaches of its credentials
// goes through connection.Health.
package notification

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications/finalizers,verbs=update
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update

// Directory finds people and channels.
type Directory interface {
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	FindConversation(ctx context.Context, ws directory.Workspace, ref, owner string) (slack.Conversation, error)
	FindGroup(ctx context.Context, ws directory.Workspace, handle, owner string) (slack.UserGroup, error)
	DirectMessage(ctx context.Context, ws directory.Workspace, userID, owner string) (string, error)
	Invalidate(teamID, conversationID string)
}

// Limiter hands out slots for calls.
type Limiter interface {
	Reserve(now time.Time, workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace, method string, retryAfter time.Duration)
}

// Reconciler reconciles SlackNotifications.
type Reconciler struct {
	Client      client.Client
	Recorder    events.EventRecorder
	Connections *connection.Resolver
	Health      *connection.Health
	Directory   Directory
	Limiter     Limiter
	Lanes       *pacing.Lanes
	Metrics     *metrics.Metrics
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// ClusterName is shown below every message, unless empty.
	ClusterName string
	// SettleTime is how long after an attempt of unknown outcome the absence
	// of the message from the conversation proves that Slack has not taken it.
	SettleTime time.Duration

	ledger   ledger
	readback readback
}

// Reconcile takes one SlackNotification as far as it can be taken now.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	n := &v1alpha1.SlackNotification{}
	if err := r.Client.Get(ctx, req.NamespacedName, n); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, err
	}
	if !n.DeletionTimestamp.IsZero() {
		return r.retract(ctx, n)
	}
	if err := r.guard(ctx, n); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	} else if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if settled(n, r.Clock.Now()) {
		r.forget(req)
		return r.expire(ctx, n)
	}
	reply, err := r.replyOf(ctx, n)
	if err != nil {
		return ctrl.Result{}, err
	}
	w := r.begin(n, reply)
	for _, phase := range []func(context.Context, *work) error{
		r.hold,
		r.giveUp,
		r.schedule,
		r.awaitThread,
		r.connect,
		r.render,
		r.resolve,
		r.deliver,
	} {
		if err := phase(ctx, w); err != nil {
			return ctrl.Result{}, err
		}
		if w.stop {
			break
		}
	}
	if w.block != nil {
		// Whoever can't use a turn must not hold it.
		r.Lanes.ForgetOwner(r.Clock.Now(), w.name.String())
	}
	return r.record(ctx, w)
}

// forget drops what this process keeps of a notification.
func (r *Reconciler) forget(req ctrl.Request) {
	if r.ledger.drop(req.NamespacedName) {
		r.Lanes.ForgetOwner(r.Clock.Now(), req.String())
	}
}

// settled reports whether nothing is left to do but to delete the object when
// its time has come.
func settled(n *v1alpha1.SlackNotification, now time.Time) bool {
	s := &n.Status
	if s.FinishedAt == nil || s.ObservedGeneration != n.Generation {
		return false
	}
	if s.Phase == v1alpha1.PhaseDelivered {
		return true
	}
	deadline, ok := deadline(n)
	return ok && !now.Before(deadline)
}

// deadline is when to give up; false when there is none.
func deadline(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.ActiveDeadlineSeconds == nil {
		return time.Time{}, false
	}
	return n.CreationTimestamp.Add(time.Duration(*n.Spec.ActiveDeadlineSeconds) * time.Second), true
}

// expire deletes the object when ttlSecondsAfterFinished has passed.
func (r *Reconciler) expire(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	at, ok := expiry(n)
	if !ok {
		return ctrl.Result{}, nil
	}
	if left := at.Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	// With the resourceVersion, an object that was changed meanwhile, and so
	// has something new to deliver, stays.
	err := r.Client.Delete(ctx, n, client.Preconditions{UID: &n.UID, ResourceVersion: &n.ResourceVersion})
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// expiry is when the object is to be deleted; false when it is to stay.
func expiry(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.TTLSecondsAfterFinished == nil || n.Status.FinishedAt == nil {
		return time.Time{}, false
	}
	return n.Status.FinishedAt.Add(time.Duration(*n.Spec.TTLSecondsAfterFinished) * time.Second), true
}
