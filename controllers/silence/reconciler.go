// Package silence reconciles the silences in Alertmanager that people ask for with
// the buttons of incidents: it makes them, renews and ends them, and looks after the
// alerts meanwhile, of which no post tells.
//
// It meets the controller of SlackAlerts in the incidents' SlackNotifications: that
// one says in their state which silence is wanted, this one says in the response what
// became of it.
package silence

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/consistency"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackalerts,verbs=get;list;watch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;list;watch
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications/status,verbs=get;update;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get

// Times are how long what takes.
type Times struct {
	// Look is the time between two looks at a silence and its alerts.
	Look time.Duration
	// Length is how long a silence is made that is renewed, and Rest how much of it is
	// left when it is.
	Length, Rest time.Duration
	// Settle is how long after a call of unknown outcome, or of another process, it is
	// looked for: the Alertmanagers of a cluster tell each other.
	Settle time.Duration
	// Uptime is how long an Alertmanager must have run so that what it does not know
	// is over.
	Uptime time.Duration
	// Patience is how long an Alertmanager is tried that can't be reached.
	Patience time.Duration
}

// DefaultTimes are those of Alertmanager's own defaults, and a minute to spare.
var DefaultTimes = Times{
	Look: 30 * time.Second, Length: 15 * time.Minute, Rest: 5 * time.Minute,
	Settle: 3 * time.Second, Uptime: 5 * time.Minute, Patience: 5 * time.Minute,
}

// ParseTimes changes some of DefaultTimes, by their names in small letters.
func ParseTimes(changes map[string]string) (Times, error) {
	t := DefaultTimes
	fields := map[string]*time.Duration{"look": &t.Look, "length": &t.Length, "rest": &t.Rest, "settle": &t.Settle, "uptime": &t.Uptime, "patience": &t.Patience}
	for name, text := range changes {
		d, err := time.ParseDuration(text)
		if fields[name] == nil || err != nil || d < 0 {
			return t, fmt.Errorf("%q is no time that can be changed, or %q is none", name, text)
		}
		*fields[name] = d
	}
	return t, nil
}

const (
	// concurrency of the silences, of which a namespace has at most perNamespace.
	concurrency  = 6
	perNamespace = 2
	// busy is when to come again where a namespace has no place.
	busy = time.Second
	// staleRetry is when to look again at an object that the cache shows as it was
	// before the last write.
	staleRetry = 50 * time.Millisecond
)

// Reconciler reconciles the silences of incidents.
type Reconciler struct {
	// Client reads from a cache.
	Client client.Client
	// Live reads from the API server: Secrets, and what the cache shows late.
	Live client.Reader
	// Posts ends incidents.
	Posts *source.Receiver
	// Hosts that may be asked.
	Hosts silencer.AllowedHosts
	// ClusterScopeNamespaces are those whose rules may silence other namespaces' alerts.
	ClusterScopeNamespaces []string
	Clock                  clock.PassiveClock
	// Times are DefaultTimes when they are zero.
	Times Times
	// Observe, if not nil, is told of each call and what came of it.
	Observe func(call, outcome string)

	writes consistency.Store

	mu sync.Mutex
	// began is when this process began to lead.
	began time.Time
	// known is what this process knows of the silences.
	known map[types.UID]*memory
	// names of the objects that it knows, and working those of a namespace that are
	// worked on.
	names   map[types.NamespacedName]types.UID
	working map[string]int
}

// memory is what this process knows of a silence beside the object. To lose it costs
// some calls.
type memory struct {
	// response that the silence is of.
	response string
	// tried is when it was asked for without an answer, and absent is true when
	// Alertmanager certainly does not have it.
	tried  time.Time
	absent bool
	// looked is when it was last looked at, and gone since when no alert was there.
	looked, gone time.Time
	// failures in a row.
	failures int
	// settled is true when nothing is left to be looked at.
	settled bool
}

// SetupWithManager starts the controller with a manager. Only incidents whose labels
// match shard are reconciled.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, shard labels.Selector) error {
	if r.Times == (Times{}) {
		r.Times = DefaultTimes
	}
	err := mgr.Add(manager.RunnableFunc(func(context.Context) error {
		r.lead()
		return nil
	}))
	if err != nil {
		return err
	}
	concerned := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return incident.Owner(o) != nil && shard.Matches(labels.Set(o.GetLabels())) && o.GetAnnotations()[incident.StateAnnotation] != ""
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("silence").
		For(&v1alpha1.SlackNotification{}, builder.WithPredicates(concerned, predicate.Funcs{UpdateFunc: changed})).
		WithOptions(wakeup.Options(concurrency)).
		Complete(r)
}

// changed lets through what may concern a silence.
func changed(e event.UpdateEvent) bool {
	was, ok1 := e.ObjectOld.(*v1alpha1.SlackNotification)
	is, ok2 := e.ObjectNew.(*v1alpha1.SlackNotification)
	return !ok1 || !ok2 || was.Annotations[incident.StateAnnotation] != is.Annotations[incident.StateAnnotation] || len(was.Status.Responses) != len(is.Status.Responses)
}

// lead notes when this process began to lead. What was answered before may have been
// done by another one.
func (r *Reconciler) lead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = r.Clock.Now()
	}
}

// Reconcile does what there is to do now about the silence of one incident.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.lead()
	n := &v1alpha1.SlackNotification{}
	if err := r.Client.Get(ctx, req.NamespacedName, n); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	state, ok := incident.StateOf(n)
	wanted := state.Answers.Silence
	if !ok || wanted == nil || !n.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if !r.writes.Ready(n) {
		return ctrl.Result{RequeueAfter: staleRetry}, nil
	}
	alert := &v1alpha1.SlackAlert{}
	owner := metav1.GetControllerOf(n)
	if owner == nil { // taken away since it was queued
		return ctrl.Result{}, nil
	}
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: n.Namespace, Name: owner.Name}, alert); err != nil || alert.UID != owner.UID {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !r.enter(n.Namespace) {
		return ctrl.Result{RequeueAfter: busy}, nil
	}
	defer r.leave(n.Namespace)
	j := &job{Reconciler: r, notification: n, alert: alert, state: state, wanted: wanted, memory: r.remember(n, wanted.Response)}
	if i := responseOf(n, wanted.Response); i >= 0 && n.Status.Responses[i].Action == incident.ActionSilence {
		j.response = &n.Status.Responses[i]
	} else {
		return ctrl.Result{}, nil // nobody has answered that, or nobody knows any more
	}
	wait, err := j.advance(ctx)
	return ctrl.Result{RequeueAfter: wait}, err
}

// responseOf is the place of a response; -1 where there is none.
func responseOf(n *v1alpha1.SlackNotification, id string) int {
	for i := range n.Status.Responses {
		if n.Status.Responses[i].ID == id {
			return i
		}
	}
	return -1
}

// remember returns what is known of a silence.
func (r *Reconciler) remember(n *v1alpha1.SlackNotification, response string) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known, r.names = map[types.UID]*memory{}, map[types.NamespacedName]types.UID{}
	}
	m := r.known[n.UID]
	if m == nil || m.response != response {
		m = &memory{response: response}
		r.known[n.UID] = m
	}
	r.names[client.ObjectKeyFromObject(n)] = n.UID
	return m
}

func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, r.names[name])
	delete(r.names, name)
	r.writes.Forget(name)
}

// enter takes one of the places of a namespace, so that its Alertmanager, which may be
// slow, does not hold up others'.
func (r *Reconciler) enter(namespace string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working == nil {
		r.working = map[string]int{}
	}
	if r.working[namespace] >= perNamespace {
		return false
	}
	r.working[namespace]++
	return true
}

func (r *Reconciler) leave(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working[namespace]--; r.working[namespace] <= 0 {
		delete(r.working, namespace)
	}
}
