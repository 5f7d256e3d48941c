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
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
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
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update

// Directory finds people and channels.
type Directory interface {
	FindUser(ctx context.Context, ws directory.Workspace, q directory.Query, owner string) (slack.User, error)
	FindConversation(ctx context.Context, ws directory.Workspace, ref, owner string) (slack.Conversation, error)
	FindGroup(ctx context.Context, ws directory.Workspace, handle, owner string) (slack.UserGroup, error)
	DirectMessage(ctx context.Context, ws directory.Workspace, userID, owner string) (string, error)
	KnownDirectMessage(ws directory.Workspace, userID string) (dm string, ok bool)
	RememberDirectMessage(ws directory.Workspace, userID, dm string)
	Invalidate(teamID, conversationID string)
}

// Limiter hands out slots for calls.
type Limiter interface {
	Reserve(now time.Time, workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Done(now time.Time, workspace, method, holder string)
	Penalize(now time.Time, workspace, method string, retryAfter time.Duration)
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
	// Sharded means: other operators work on other objects of the same namespaces,
	// and a change of labels hands an object over at any moment.
	Sharded bool

	ledger ledger
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
	if !n.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, n)
	}
	r.find(n)
	if err := r.ensureFinalizer(ctx, n); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if expired(n, r.Clock.Now()) || settled(n) {
		return r.expire(ctx, n)
	}
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
	return r.begin(n, up, c), nil
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
	t := r.ledger.get(req.NamespacedName)
	if t == nil || !r.Sharded || !t.unrecorded() {
		r.forget(req)
		return ctrl.Result{}, nil
	}
	n := &v1alpha1.SlackNotification{}
	if err := r.Live.Get(ctx, req.NamespacedName, n); apierrors.IsNotFound(err) || err == nil && n.UID != t.uid {
		r.forget(req)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	p := r.begin(n, parent{}, &v1alpha1.SlackChannel{})
	compose(n, p.deliveries(), nil, "", p.now)
	if err := r.Client.Status().Update(context.WithoutCancel(ctx), n); apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	} else if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	r.forget(req)
	return ctrl.Result{}, nil
}

// forget drops what this process keeps of a notification.
func (r *Reconciler) forget(req ctrl.Request) {
	if r.ledger.drop(req.NamespacedName) {
		r.Lanes.ForgetOwner(r.Clock.Now(), req.String())
	}
}

// settled reports whether nothing is left to do but to delete the object when
// its time has come.
func settled(n *v1alpha1.SlackNotification) bool {
	s := &n.Status
	if s.FinishedAt == nil || s.ObservedGeneration != n.Generation || requested(n) {
		return false
	}
	for i := range s.Deliveries {
		d := &s.Deliveries[i]
		if d.State != v1alpha1.DeliveryDelivered && (d.State != v1alpha1.DeliveryFailed || d.Reason != v1alpha1.ReasonDeadlineExceeded) {
			return false
		}
	}
	return true
}

// requested reports whether somebody asks to look at the object now.
func requested(n *v1alpha1.SlackNotification) bool {
	asked := n.Annotations[v1alpha1.AnnotationRequestedAt]
	return asked != "" && asked != n.Status.LastHandledRequest
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

// expiry is when the object is to be deleted; false when it is to stay.
func expiry(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.TTLSecondsAfterFinished == nil || n.Status.FinishedAt == nil || n.Status.ObservedGeneration != n.Generation {
		return time.Time{}, false
	}
	return n.Status.FinishedAt.Add(time.Duration(*n.Spec.TTLSecondsAfterFinished) * time.Second), true
}

// expired reports whether the object is finished, delivered or not, and its time
// to live is over.
func expired(n *v1alpha1.SlackNotification, now time.Time) bool {
	at, ok := expiry(n)
	return ok && !now.Before(at)
}

// expire deletes the object when its time to live is over.
func (r *Reconciler) expire(ctx context.Context, n *v1alpha1.SlackNotification) (ctrl.Result, error) {
	r.forget(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)})
	at, ok := expiry(n)
	if !ok {
		return ctrl.Result{}, nil
	}
	if left := at.Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	if by := trackedBy(n); by != "" {
		return r.keep(ctx, n, by)
	}
	// With the resourceVersion, an object that was changed meanwhile, and so
	// has something new to deliver, stays.
	err := r.Client.Delete(ctx, n, client.Preconditions{UID: &n.UID, ResourceVersion: &n.ResourceVersion})
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// gitOpsMarks are what GitOps tools mark the objects with that they apply, and
// would make again.
var gitOpsMarks = []struct {
	tool, key  string
	annotation bool
}{
	{"Flux", "kustomize.toolkit.fluxcd.io/name", false},
	{"Flux", "helm.toolkit.fluxcd.io/name", false},
	{"Argo CD", "argocd.argoproj.io/instance", false},
	{"Argo CD", "argocd.argoproj.io/tracking-id", true},
}

// trackedBy names the tool that would make the object again; empty for none.
func trackedBy(n *v1alpha1.SlackNotification) string {
	for _, mark := range gitOpsMarks {
		from := n.Labels
		if mark.annotation {
			from = n.Annotations
		}
		if from[mark.key] != "" {
			return mark.tool + " (" + mark.key + ")"
		}
	}
	return ""
}

// keep says why the object stays though its time to live is over.
func (r *Reconciler) keep(ctx context.Context, n *v1alpha1.SlackNotification, by string) (ctrl.Result, error) {
	if have := conditions.Find(n, v1alpha1.ConditionExpired); have != nil && have.ObservedGeneration == n.Generation {
		return ctrl.Result{}, nil
	}
	conditions.Set(n, v1alpha1.ConditionExpired, metav1.ConditionFalse, v1alpha1.ReasonTrackedByGitOps,
		"spec.ttlSecondsAfterFinished has passed, and the object stays because "+by+" tracks it and would make it again at once: remove it where it is kept, or remove spec.ttlSecondsAfterFinished")
	err := r.Client.Status().Update(ctx, n)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
