// Package alert reconciles SlackAlerts: it watches what the rules look at, and
// has their incidents opened, changed and ended.
//
// It never talks to Slack, and knows no other controller: what is to be said is
// a SlackNotification, which internal/incident writes.
package alert

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	kubeevents "k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackalerts,verbs=get;list;watch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackalerts/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=selfsubjectaccessreviews,verbs=create

// DefaultPace is the time between two changes of an incident, and so of its
// message, which Slack would not take faster.
const DefaultPace = 2 * time.Second

// Reconciler reconciles SlackAlerts.
type Reconciler struct {
	Client    client.Client
	Recorder  kubeevents.EventRecorder
	Incidents *incident.Store
	Kinds     *Kinds
	Watches   *Watches
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// ClusterName is what templates see as .cluster.
	ClusterName string
	// ClusterScopeNamespaces are those whose rules may look beyond their own.
	ClusterScopeNamespaces []string
	// Intake is true when the operator takes what Alertmanagers post.
	Intake bool
	// Pace is DefaultPace when 0.
	Pace time.Duration

	mu      sync.Mutex
	runs    map[types.NamespacedName]*running
	written map[types.NamespacedName]version
}

// version of an object that was written last.
type version struct {
	uid     types.UID
	version string
}

func (r *Reconciler) pace() time.Duration {
	if r.Pace == 0 {
		return DefaultPace
	}
	return r.Pace
}

// staleRetry is when to look again at an object that the cache shows as it was
// before the last write.
const staleRetry = 50 * time.Millisecond

// Reconcile takes what has changed for one SlackAlert to its incidents.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	alert := &v1alpha1.SlackAlert{}
	if err := r.Client.Get(ctx, req.NamespacedName, alert); err != nil {
		if apierrors.IsNotFound(err) {
			r.stop(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !alert.DeletionTimestamp.IsZero() {
		r.stop(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if r.stale(alert) {
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	}
	before := alert.DeepCopy()
	o, err := r.advance(ctx, alert)
	if err != nil {
		return ctrl.Result{}, err
	}
	if o.silent {
		return ctrl.Result{RequeueAfter: o.wait(r.Clock.Now())}, nil
	}
	o.apply(alert)
	return r.record(ctx, before, alert, o)
}

// advance does what there is to do now, and says how the rule is doing.
func (r *Reconciler) advance(ctx context.Context, alert *v1alpha1.SlackAlert) (outcome, error) {
	alert.Status.Address = ""
	if alert.Spec.Source.Alertmanager != nil {
		alert.Status.Address = "/v1/namespaces/" + alert.Namespace + "/alerts/" + alert.Name
	}
	if alert.Spec.Suspend {
		r.halt(client.ObjectKeyFromObject(alert))
		open, err := r.Incidents.Open(ctx, alert)
		alert.Status.Firing = int32(min(len(open), 1<<30)) //nolint:gosec // bounded
		return suspended(), err
	}
	out, run, err := r.follow(ctx, alert)
	if err != nil || out.silent {
		return out, err
	}
	if run != nil {
		next, err := r.digest(ctx, run)
		if err != nil {
			return out, err
		}
		out.at(next)
		r.noteSeen(alert, run, &out)
		out.trouble(run)
	}
	tended, err := r.Incidents.Tend(ctx, alert, r.stillNeeded(alert))
	if err != nil {
		return out, err
	}
	out.at(tended.Next)
	alert.Status.Firing = int32(min(tended.Firing, 1<<30)) //nolint:gosec // bounded
	return r.withChannel(ctx, alert, out)
}

// follow has the rule's source followed, and returns it when all that there is
// has been seen.
func (r *Reconciler) follow(ctx context.Context, alert *v1alpha1.SlackAlert) (outcome, *running, error) {
	key := client.ObjectKeyFromObject(alert)
	rule, err := r.compiled(alert)
	var wrong *alerting.CompileError
	if errors.As(err, &wrong) {
		r.halt(key)
		return stalled(wrong.Reason, wrong.Message), nil, nil
	}
	if err != nil {
		return outcome{}, nil, err
	}
	if rule.Source == alerting.Alertmanager {
		r.halt(key)
		return r.listening(alert), nil, nil
	}
	scope, err := r.scope(ctx, alert)
	var p *problem
	if errors.As(err, &p) {
		r.halt(key)
		return p.outcome(r.Clock.Now()), nil, nil
	}
	if err != nil {
		return outcome{}, nil, err
	}
	run, err := r.run(ctx, alert, rule, scope)
	if err != nil {
		return outcome{}, nil, err
	}
	if !run.synced && !run.sub.synced() {
		return starting(run, r.Clock.Now()), nil, nil
	}
	if e, ok := run.follower.(*events); ok && !run.synced {
		e.restore(run.sub)
	}
	run.synced = true
	return watching(run), run, nil
}

// withChannel lets what is wrong with the SlackChannel be told, unless there is
// worse.
func (r *Reconciler) withChannel(ctx context.Context, alert *v1alpha1.SlackAlert, out outcome) (outcome, error) {
	if out.verdict != good {
		return out, nil
	}
	p, err := r.channelProblem(ctx, alert)
	if err != nil || p == nil {
		return out, err
	}
	out.verdict, out.reason, out.message = needsPerson, p.reason, p.message
	return out, nil
}

// stale reports whether an object is older than what was last written of it.
func (r *Reconciler) stale(alert *v1alpha1.SlackAlert) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := r.written[client.ObjectKeyFromObject(alert)]
	if written.uid != alert.UID || written.version == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(alert.ResourceVersion, written.version)
	return err == nil && order < 0
}

// record writes the status if it has changed.
func (r *Reconciler) record(ctx context.Context, before, alert *v1alpha1.SlackAlert, o outcome) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: o.wait(r.Clock.Now())}
	if equality.Semantic.DeepEqual(before.Status, alert.Status) {
		return result, nil
	}
	err := r.Client.Status().Update(ctx, alert)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	r.mu.Lock()
	if r.written == nil {
		r.written = map[types.NamespacedName]version{}
	}
	r.written[client.ObjectKeyFromObject(alert)] = version{alert.UID, alert.ResourceVersion}
	r.mu.Unlock()
	r.announce(before, alert)
	return result, nil
}

// announce tells of a new need for a person in an Event.
func (r *Reconciler) announce(before, alert *v1alpha1.SlackAlert) {
	now := conditions.Find(alert, v1alpha1.ConditionStalled)
	if now == nil {
		return
	}
	if was := conditions.Find(before, v1alpha1.ConditionStalled); was != nil && was.Reason == now.Reason && was.Message == now.Message {
		return
	}
	r.Recorder.Eventf(alert, nil, corev1.EventTypeWarning, now.Reason, "Watch", "%s", conditions.Note(now.Message))
}
