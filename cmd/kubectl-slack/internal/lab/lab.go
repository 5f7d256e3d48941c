// Package lab runs a SlackAlert by the operator's own controller on a cluster that
// is made up, or on a real one that nothing is written to. The SlackNotifications
// that the rule makes are kept in memory.
package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/alert"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// BrokenError says why a rule can't be at work, in the words of its status.
type BrokenError struct{ Message string }

func (e *BrokenError) Error() string { return e.Message }

// store is where SlackNotifications are kept.
type store struct {
	client.WithWatch
	mu   sync.Mutex
	uids int
}

// newStore makes one with objects. written, if not nil, is called after each
// SlackNotification that is made or changed.
func newStore(written func(*v1alpha1.SlackNotification), objects ...client.Object) (*store, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), clientgoscheme.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	s := &store{}
	tell := func(o client.Object, err error) error {
		if n, ok := o.(*v1alpha1.SlackNotification); ok && err == nil && written != nil {
			written(n.DeepCopy())
		}
		return err
	}
	s.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.SlackNotification{}, &v1alpha1.SlackAlert{}).
		WithIndex(&v1alpha1.SlackNotification{}, incident.OwnerIndex, incident.Owner).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				if o.GetUID() == "" {
					o.SetUID(s.uid())
				}
				return tell(o, w.Create(ctx, o, opts...))
			},
			Update: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				return tell(o, w.Update(ctx, o, opts...))
			},
		}).Build()
	return s, nil
}

// uid makes an UID that nobody else has.
func (s *store) uid() types.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uids++
	return types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", s.uids))
}

// notifications are those of the rule, by their names.
func (s *store) notifications(ctx context.Context) ([]v1alpha1.SlackNotification, error) {
	list := &v1alpha1.SlackNotificationList{}
	if err := s.List(ctx, list); err != nil {
		return nil, err
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.SlackNotification) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// deliver has all that was made be delivered.
func (s *store) deliver(ctx context.Context, now time.Time) error {
	list, err := s.notifications(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		n := &list[i]
		n.Status.Phase, n.Status.ObservedGeneration = v1alpha1.PhaseDelivered, n.Generation
		n.Status.FinishedAt = &metav1.Time{Time: now}
		if err := s.Status().Update(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// ruleFor is a rule as it is put into a store: one that was read from a file has
// neither UID nor generation.
func ruleFor(rule *v1alpha1.SlackAlert, uid types.UID) *v1alpha1.SlackAlert {
	out := rule.DeepCopy()
	out.ResourceVersion, out.Status = "", v1alpha1.SlackAlertStatus{ObservedGeneration: -1}
	out.Generation = max(out.Generation, 1)
	if out.UID == "" {
		out.UID = uid
	}
	if out.CreationTimestamp.IsZero() {
		out.CreationTimestamp = metav1.Now()
	}
	return out
}

// parts are what a controller is made of that differs between a made-up cluster and
// a real one.
type parts struct {
	store   *store
	reader  client.Client
	clock   clock.PassiveClock
	kinds   *kindwatch.Kinds
	watches *kindwatch.Watches
	cluster string
	central []string
}

// newController makes the operator's controller of SlackAlerts.
func newController(p parts) *alert.Reconciler {
	rules := &alerting.Cache{}
	incidents := &incident.Store{Client: p.reader, Live: p.reader, Clock: p.clock, Offer: source.Offer(p.central)}
	return &alert.Reconciler{
		Client: p.reader, Recorder: silent{}, Incidents: incidents, Channels: reference.Channels{Reader: p.reader},
		Kinds: p.kinds, Watches: p.watches, Rules: rules, Wake: &wakeup.Source{}, Clock: p.clock,
		ClusterName: p.cluster, ClusterScopeNamespaces: p.central, Intake: true,
		Posts: &source.Receiver{Store: incidents, Clock: p.clock, ClusterName: p.cluster, Rules: rules},
	}
}

// startPatience is how long a watch may take to begin.
const startPatience = 20 * time.Second

// begin reconciles a rule until its watch has begun. The error is a BrokenError
// where a person has to mend the rule.
func begin(ctx context.Context, r *alert.Reconciler, key client.ObjectKey) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		rule, err := pass(ctx, r, key)
		if err != nil {
			return err
		}
		stalled, ready := conditions.Find(rule, v1alpha1.ConditionStalled), conditions.Find(rule, v1alpha1.ConditionReady)
		switch {
		case stalled != nil && ready != nil && !aboutChannel(ready.Reason):
			return &BrokenError{Message: ready.Message}
		case ready != nil && ready.Reason != v1alpha1.ReasonWatchStarting && ready.ObservedGeneration == rule.Generation:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if ready != nil {
				return fmt.Errorf("the rule does not begin: %s", ready.Message)
			}
			return ctx.Err()
		}
	}
}

// aboutChannel tells the reasons that concern the SlackChannel, which is no matter
// here: nothing is sent.
func aboutChannel(reason string) bool {
	return reason == v1alpha1.ReasonSlackChannelNotFound || reason == v1alpha1.ReasonNamespaceNotAllowed
}

// pass is one pass over a rule, which is returned as it is then.
func pass(ctx context.Context, r *alert.Reconciler, key client.ObjectKey) (*v1alpha1.SlackAlert, error) {
	if _, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
		return nil, err
	}
	rule := &v1alpha1.SlackAlert{}
	return rule, r.Client.Get(ctx, key, rule)
}

// silent is a recorder of Events that records none.
type silent struct{}

// Eventf implements the recorder.
func (silent) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

// namespaceOf is the object of a namespace.
func namespaceOf(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}
