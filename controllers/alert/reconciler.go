// Package alert reconciles SlackAlerts: it watches what the rules look at, and
// has their incidents opened, changed and ended.
//
// It never talks to Slack, and knows no other controller: what is to be said is
// a SlackNotification, which internal/incident writes.
package alert

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	kubeevents "k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/consistency"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/statuswrite"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackalerts,verbs=get;list;watch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackalerts/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch;update

// DefaultPace is the time between two changes of an incident, and so of its
// message, which Slack would not take faster.
const DefaultPace = 2 * time.Second

// Reconciler reconciles SlackAlerts.
type Reconciler struct {
	Client    client.Client
	Recorder  kubeevents.EventRecorder
	Incidents *incident.Store
	// Channels finds the SlackChannels that rules name.
	Channels reference.Channels
	Kinds    *kindwatch.Kinds
	Watches  *kindwatch.Watches
	// Rules compiles rules, once for each generation.
	Rules *alerting.Cache
	// Wake is the source that wakes this controller.
	Wake  *wakeup.Source
	Clock clock.PassiveClock
	// ClusterName is what templates see as .cluster.
	ClusterName string
	// ClusterScopeNamespaces are those whose rules may look beyond their own.
	ClusterScopeNamespaces []string
	// Intake is true when the operator takes posts.
	Intake bool
	// Keys are those by which posts are signed.
	Keys *webhookkey.Keys
	// Posts ends what no post tells of any more.
	Posts *source.Receiver
	// Pace is DefaultPace when 0.
	Pace time.Duration
	// Observe, if not nil, is told the source and the result of each evaluation of an
	// expression.
	Observe func(source, result string)
	// MaxAlerts of a namespace are at work; DefaultMaxAlerts when 0.
	MaxAlerts int

	writes consistency.Store
	quota  quota

	mu   sync.Mutex
	runs map[types.NamespacedName]*activeRule
	// firing incidents of each rule, for the metrics.
	firing map[types.NamespacedName]firing
	// requests to look now that are being answered.
	requests map[types.NamespacedName]string
	// uids of the rules that were written, for when they are gone.
	uids map[types.NamespacedName]types.UID
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
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !alert.DeletionTimestamp.IsZero() {
		r.forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if !r.writes.Ready(alert) {
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	}
	before := alert.DeepCopy()
	r.takeUp(alert)
	o, err := r.advance(ctx, alert)
	if err != nil {
		return ctrl.Result{}, err
	}
	if o.silent {
		return ctrl.Result{RequeueAfter: o.wait(r.Clock.Now())}, nil
	}
	alert.Status.ObservedGeneration = alert.Generation
	if value := requested(alert); value != "" {
		alert.Status.LastHandledRequest = value
	}
	o.Apply(alert)
	r.noteFiring(alert)
	return r.record(ctx, before, alert, o)
}

// advance does what there is to do now, and says how the rule is doing.
func (r *Reconciler) advance(ctx context.Context, alert *v1alpha1.SlackAlert) (outcome, error) {
	alert.Status.Address = r.address(alert)
	if alert.Status.ObservedGeneration != alert.Generation {
		alert.Status.Pending = nil // they waited for what another spec said
	}
	if alert.Spec.Suspend {
		return suspended(), r.rest(ctx, alert)
	}
	if !r.admitted(alert) {
		return r.tooManyAlerts(alert), r.rest(ctx, alert)
	}
	out, run, err := r.follow(ctx, alert)
	if err != nil || out.silent {
		return out, err
	}
	if run != nil {
		next, err := r.processChanges(ctx, run)
		if err != nil {
			return out, err
		}
		out.at(next)
		out.at(run.watched.Save(alert))
		failures := run.watched.Failures()
		r.noteEvaluating(alert, run, failures, &out)
		out.failures(run, failures)
	} else if out.Kind != conditions.KindProgressing {
		unfollowed(alert)
	}
	if err := r.hear(ctx, alert, &out); err != nil {
		return out, err
	}
	tended, err := r.Incidents.Maintain(ctx, source.Quiet(alert), source.MustRetain(alert, r.Clock.Now))
	if err != nil {
		return out, err
	}
	out.at(tended.Next)
	alert.Status.Firing = countOf(alert, tended.Firing)
	alert.Status.Acknowledged, alert.Status.Silenced = countOf(alert, tended.Acknowledged), countOf(alert, tended.Silenced)
	out.refused(r.Incidents.Refused(alert.UID), r.Clock.Now())
	return r.withChannel(ctx, alert, out)
}

// unfollowed drops from the status what is only known of a rule whose objects or
// Events are followed. What became of posts is noted by who took them.
func unfollowed(alert *v1alpha1.SlackAlert) {
	alert.Status.Pending = nil
	if alert.Spec.Source.Webhook == nil {
		conditions.Remove(alert, v1alpha1.ConditionEvaluating)
	}
}

// rest does nothing for a rule that is not at work but count its incidents.
func (r *Reconciler) rest(ctx context.Context, alert *v1alpha1.SlackAlert) error {
	unfollowed(alert)
	r.pause(client.ObjectKeyFromObject(alert))
	if r.Posts != nil {
		r.Posts.Deaf(alert.UID)
	}
	open, err := r.Incidents.Open(ctx, alert)
	open = slices.DeleteFunc(open, func(g incident.Group) bool { return g.Ended })
	alert.Status.Firing = countOf(alert, len(open))
	return err
}

// follow has the rule's source followed, and returns it when all that there is
// has been seen.
func (r *Reconciler) follow(ctx context.Context, alert *v1alpha1.SlackAlert) (outcome, *activeRule, error) {
	key := client.ObjectKeyFromObject(alert)
	rule, err := r.Rules.Compile(alert)
	var wrong *alerting.CompileError
	if errors.As(err, &wrong) {
		r.pause(key)
		return stalled(wrong.Reason, wrong.Message), nil, nil
	}
	if err != nil {
		return outcome{}, nil, err
	}
	if source.TakesPosts(alert) {
		r.pause(key)
		out, err := r.listening(ctx, alert)
		return out, nil, err
	}
	scope, err := r.scope(ctx, alert)
	var p *kindwatch.Unavailable
	if errors.As(err, &p) {
		if !p.Asking {
			r.pause(key)
		}
		return unavailable(p, r.Clock.Now()), nil, nil
	}
	if err != nil {
		return outcome{}, nil, err
	}
	run, err := r.run(ctx, alert, rule, scope)
	if errors.As(err, &p) {
		r.pause(key)
		return unavailable(p, r.Clock.Now()), nil, nil
	}
	if err != nil {
		return outcome{}, nil, err
	}
	if !run.synced && !run.sub.Synced() {
		return starting(run, r.Clock.Now()), nil, nil
	}
	if !run.synced {
		run.watched.Begun(run.sub)
	}
	run.synced = true
	return watching(run), run, nil
}

// withChannel lets what is wrong with the SlackChannel be told, unless there is
// worse.
func (r *Reconciler) withChannel(ctx context.Context, alert *v1alpha1.SlackAlert, out outcome) (outcome, error) {
	if out.Kind != conditions.KindReady {
		return out, nil
	}
	_, problem, err := r.Channels.Get(ctx, alert.Spec.ChannelRef, alert.Namespace)
	if problem != nil {
		out.Summary = *problem
	}
	return out, err
}

// record writes the status if it has changed.
func (r *Reconciler) record(ctx context.Context, before, alert *v1alpha1.SlackAlert, o outcome) (ctrl.Result, error) {
	result := ctrl.Result{RequeueAfter: o.wait(r.Clock.Now())}
	if equality.Semantic.DeepEqual(before.Status, alert.Status) {
		return result, nil
	}
	err := statuswrite.WriteOver(ctx, r.Client, r.Incidents.Live, before, alert, func(a *v1alpha1.SlackAlert) any { return &a.Status })
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	r.writes.WroteAt(alert)
	r.mu.Lock()
	if r.uids == nil {
		r.uids = map[types.NamespacedName]types.UID{}
	}
	r.uids[client.ObjectKeyFromObject(alert)] = alert.UID
	r.mu.Unlock()
	conditions.Announce(r.Recorder, "Watch", before, alert)
	return result, nil
}
