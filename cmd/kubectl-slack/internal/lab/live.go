package lab

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// Live is a rule on a real cluster, to which nothing is written.
type Live struct {
	// Config and Cluster reach the cluster.
	Config  *rest.Config
	Cluster client.Client
	// ClusterName is what templates see as .cluster.
	ClusterName string
	// Central is true when the rule may look beyond its namespace, as by the operator's
	// --cluster-scope-namespaces.
	Central bool
	// Tell is told of each message that the rule would make or change.
	Tell func(Step)
	// Status is told how the rule is doing, when that changes.
	Status func(ready metav1.Condition)
}

// Watch runs a rule until the context ends, with the operator's own "for",
// keepFiringFor and grouping. The error is a BrokenError where the rule can't be at
// work.
func (l *Live) Watch(ctx context.Context, rule *v1alpha1.SlackAlert) error {
	rule = ruleFor(rule, "rule")
	key := client.ObjectKeyFromObject(rule)
	shown := map[string]v1alpha1.Content{}
	memory, err := newStore(func(n *v1alpha1.SlackNotification) { l.written(n, shown) }, rule)
	if err != nil {
		return err
	}
	p, err := l.parts(memory)
	if err != nil {
		return err
	}
	if l.Central {
		p.central = []string{rule.Namespace}
	}
	r := newController(p)
	options := wakeup.Options(1)
	queue := options.NewQueue("lab", options.RateLimiter)
	stop := context.AfterFunc(ctx, queue.ShutDown)
	defer stop()
	defer queue.ShutDown()
	if err := r.Wake.Start(ctx, queue); err != nil {
		return err
	}
	request := reconcile.Request{NamespacedName: key}
	queue.Add(request)
	last := metav1.Condition{}
	for {
		item, ended := queue.Get()
		if ended {
			return nil
		}
		result, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key})
		queue.Done(item)
		switch {
		case ctx.Err() != nil:
			return nil // the user has ended it
		case err != nil:
			return err
		}
		if err := memory.deliver(ctx, p.clock.Now()); err != nil {
			return err
		}
		if result.RequeueAfter > 0 {
			queue.AddAfter(request, result.RequeueAfter)
		}
		if err := l.status(ctx, r.Client, key, &last); err != nil {
			return err
		}
	}
}

// status tells how the rule is doing.
func (l *Live) status(ctx context.Context, reader client.Client, key client.ObjectKey, last *metav1.Condition) error {
	rule := &v1alpha1.SlackAlert{}
	if err := reader.Get(ctx, key, rule); err != nil {
		return err
	}
	for _, kind := range []string{v1alpha1.ConditionEvaluating, v1alpha1.ConditionReady} {
		c := conditions.Find(rule, kind)
		if c == nil || aboutChannel(c.Reason) {
			continue
		}
		if kind == v1alpha1.ConditionReady && conditions.Find(rule, v1alpha1.ConditionStalled) != nil {
			return &BrokenError{Message: yours(c.Message)}
		}
		if kind == v1alpha1.ConditionEvaluating && c.Status != metav1.ConditionFalse {
			continue
		}
		if c.Type != last.Type || c.Message != last.Message {
			*last = *c
			l.Status(*c)
		}
		return nil
	}
	return nil
}

// yours words a missing right as that of the person whose rights are used here, who
// can't be helped by a ClusterRole of the operator.
func yours(text string) string {
	rest, ok := strings.CutPrefix(text, "the operator may not ")
	if !ok {
		return text
	}
	what, _, _ := strings.Cut(rest, ":")
	return "you may not " + what + ", and your rights are used here: ask for a Role with get, list and watch on them"
}

func (l *Live) parts(memory *store) (parts, error) {
	wall := clock.RealClock{}
	watching, err := dynamic.NewForConfig(l.Config)
	if err != nil {
		return parts{}, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(l.Config)
	if err != nil {
		return parts{}, err
	}
	access, err := authorizationclient.NewForConfig(l.Config)
	if err != nil {
		return parts{}, err
	}
	return parts{
		store: memory, reader: &split{Client: memory, live: l.Cluster}, clock: wall, cluster: l.ClusterName,
		kinds:   &kindwatch.Kinds{Discovery: kinds, Access: access.SelfSubjectAccessReviews(), Clock: wall},
		watches: &kindwatch.Watches{Client: watching},
	}, nil
}

// written tells of a message that is made or changed.
func (l *Live) written(n *v1alpha1.SlackNotification, shown map[string]v1alpha1.Content) {
	was, known := shown[n.Name]
	shown[n.Name] = n.Spec.Content
	state, ok := incident.StateOf(n)
	step := Step{Notification: n, Edit: known && n.Spec.UpdatePolicy != v1alpha1.UpdateRepost}
	switch {
	case known && sameContent(was, n.Spec.Content):
		return
	case !ok && !known && replyTitle(n.Name) != "":
		step.Title = replyTitle(n.Name)
	case !ok || !state.Open():
		step.Title = "resolved"
	case known:
		step.Title = "changed"
	default:
		step.Title = "firing"
	}
	l.Tell(step)
}

// split reads what the rule itself is made of from memory, and all else from the
// cluster. Only memory is written to.
type split struct {
	client.Client
	live client.Reader
}

// Get implements client.Reader.
func (s *split) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	switch o.(type) {
	case *v1alpha1.SlackAlert, *v1alpha1.SlackNotification:
		return s.Client.Get(ctx, key, o, opts...)
	}
	return s.live.Get(ctx, key, o, opts...)
}

// List implements client.Reader.
func (s *split) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	switch list.(type) {
	case *v1alpha1.SlackAlertList, *v1alpha1.SlackNotificationList:
		return s.Client.List(ctx, list, opts...)
	}
	return s.live.List(ctx, list, opts...)
}
