package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/alert"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// Input is what a rule is tried on.
type Input struct {
	// Objects or Events that are there.
	Objects []*unstructured.Unstructured
	// Old is what the first of the objects was before; nil when it is new.
	Old *unstructured.Unstructured
	// Then is what the first of the objects becomes; nil for nothing.
	Then *unstructured.Unstructured
	// Posts come one after the other.
	Posts []posts.Raw
	// Channel is the rule's SlackChannel, as far as it is known; it says by which way
	// messages go.
	Channel *v1alpha1.SlackChannel
	// ClusterName is what templates see as .cluster.
	ClusterName string
	// Now is the time at which it begins.
	Now time.Time
	// Storm is how many more than spec.maxIncidents fire at once; 0 for no storm.
	Storm int
}

// Step is a message that the rule makes.
type Step struct {
	// Title is what has happened, as in "firing".
	Title string
	// Notification that is made or changed.
	Notification *v1alpha1.SlackNotification
	// Edit is true when a message that is out is edited.
	Edit bool
}

// Result is what a rule makes of its input.
type Result struct {
	// Fires is true when an incident is opened.
	Fires bool
	// Group is the name of its group, and Groups how many there are.
	Group  string
	Groups int
	// Steps in their order.
	Steps []Step
	// Remarks say what became of posts, and what could not be shown.
	Remarks []string
	// Why says why nothing fires, as far as the rule can tell.
	Why string
}

// run is a rule on a made-up cluster.
type run struct {
	ctx     context.Context //nolint:containedctx // the life of the run
	in      Input
	rule    *v1alpha1.SlackAlert
	key     client.ObjectKey
	source  alerting.Source
	store   *store
	cluster *cluster
	clock   *fakeClock
	control *alert.Reconciler
	known   map[string]v1alpha1.Content
	out     Result
}

// Run tries a rule. The error is a BrokenError where the rule can't be at work.
func Run(ctx context.Context, rule *v1alpha1.SlackAlert, in Input) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := newRun(ctx, rule, in)
	if err != nil {
		return Result{}, err
	}
	if err := r.story(); err != nil {
		return r.out, err
	}
	if in.Storm > 0 && r.out.Fires {
		if err := r.storm(ctx, rule); err != nil {
			return r.out, err
		}
	}
	return r.out, nil
}

// over marks an object that the rule does not look at any more: what a rule makes of
// the end of its condition while the object looks as it does.
const over = "kubectl-slack.notify.dev/over"

func newRun(ctx context.Context, rule *v1alpha1.SlackAlert, in Input) (*run, error) {
	r := &run{ctx: ctx, in: in, clock: &fakeClock{now: in.Now}, known: map[string]v1alpha1.Content{}}
	r.rule = ruleFor(rule, "rule")
	r.key, r.source = client.ObjectKeyFromObject(r.rule), alerting.SourceOf(&r.rule.Spec)
	r.rule.Spec.Suspend = false
	objects := []client.Object{namespaceOf(r.rule.Namespace, nil)}
	kind, namespaced := r.scope(&objects)
	if w := r.rule.Spec.Source.Webhook; w != nil {
		w.Signature = nil // whoever tries the rule has no key
	}
	if in.Channel != nil {
		c := in.Channel.DeepCopy()
		c.ResourceVersion = ""
		objects = append(objects, c)
	}
	var err error
	if r.store, err = newStore(nil, append(objects, r.rule)...); err != nil {
		return nil, err
	}
	r.cluster = newCluster(kind, namespaced)
	r.control = newController(parts{
		store: r.store, reader: r.store, clock: r.clock, kinds: r.cluster.kinds(r.clock), watches: r.cluster.watches,
		cluster: in.ClusterName, central: []string{r.rule.Namespace},
	})
	return r, nil
}

// eventsKind is where Kubernetes Events are watched.
var eventsKind = schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "Event"}

// scope has the rule look at what it is tried on, and nothing else.
func (r *run) scope(namespaces *[]client.Object) (kind schema.GroupVersionKind, namespaced bool) {
	kind, namespaced = eventsKind, true
	o, e := r.rule.Spec.Source.Objects, r.rule.Spec.Source.Events
	all := &metav1.LabelSelector{}
	switch {
	case o != nil:
		kind = schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
		if o.Selector == nil {
			o.Selector = &metav1.LabelSelector{}
		}
		o.Selector.MatchExpressions = append(o.Selector.MatchExpressions, metav1.LabelSelectorRequirement{Key: over, Operator: metav1.LabelSelectorOpDoesNotExist})
		if o.NamespaceSelector != nil {
			o.NamespaceSelector = all
			r.remark("spec.source.objects.namespaceSelector is taken to select the namespace of each object")
		}
	case e != nil && e.NamespaceSelector != nil:
		e.NamespaceSelector = all
		r.remark("spec.source.events.namespaceSelector is taken to select the namespace of each Event")
	}
	seen := []string{r.rule.Namespace}
	for _, o := range r.in.Objects {
		if ns := o.GetNamespace(); ns == "" {
			namespaced = false
		} else if !slices.Contains(seen, ns) {
			seen = append(seen, ns)
			*namespaces = append(*namespaces, namespaceOf(ns, nil))
		}
	}
	return kind, namespaced
}

func (r *run) remark(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.out.Remarks, text) {
		r.out.Remarks = append(r.out.Remarks, text)
	}
}

// apart is the time between two steps: longer than any pace of the operator.
const apart = time.Minute

// story tells of the input from its beginning to its end.
func (r *run) story() error {
	tell := map[alerting.Source]func() error{alerting.Objects: r.objects, alerting.Events: r.events, alerting.Alertmanager: r.alerts, alerting.Webhook: r.webhook}
	return tell[r.source]()
}

// pass lets time go by, and returns the rule after that.
func (r *run) pass(d time.Duration) (*v1alpha1.SlackAlert, error) {
	r.clock.pass(d)
	if _, err := pass(r.ctx, r.control, r.key); err != nil {
		return nil, err
	}
	// What was due by then may have begun something: it is looked at once more.
	r.clock.pass(time.Second)
	return pass(r.ctx, r.control, r.key)
}

// observe notes what has become of the rule's messages as the steps of a title.
func (r *run) observe(title string) error {
	list, err := r.store.notifications(r.ctx)
	if err != nil {
		return err
	}
	for i := range list {
		n := &list[i]
		was, known := r.known[n.Name]
		if known && sameContent(was, n.Spec.Content) {
			continue
		}
		r.known[n.Name] = n.Spec.Content
		called := title
		if step := replyTitle(n.Name); step != "" && !known {
			called = step
		}
		r.out.Steps = append(r.out.Steps, Step{Title: called, Notification: n, Edit: known && n.Spec.UpdatePolicy != v1alpha1.UpdateRepost})
	}
	return r.store.deliver(r.ctx, r.clock.Now())
}

// replyName tells what an incident says beside its message, by the name of that.
var replyName = regexp.MustCompile(`-(reminder|escalation-([0-9a-z]+))(-\d+)?$`)

// replyTitle is "reminder" or "escalation after 10m"; empty for anything else.
func replyTitle(name string) string {
	found := replyName.FindStringSubmatch(name)
	switch {
	case found == nil:
		return ""
	case found[2] != "":
		return "escalation after " + found[2]
	}
	return found[1]
}

// fired notes whether there is an incident by now, and else why not.
func (r *run) fired(rule *v1alpha1.SlackAlert) error {
	open, err := r.control.Incidents.Open(r.ctx, rule)
	if err != nil {
		return err
	}
	r.out.Groups = len(open)
	if r.out.Fires = len(open) > 0; r.out.Fires {
		var names []string
		for _, g := range open {
			names = append(names, g.Key.Text)
		}
		slices.Sort(names)
		r.out.Group = strings.Join(names, ", ")
		return nil
	}
	if c := conditions.Find(rule, v1alpha1.ConditionEvaluating); c != nil && c.Status == metav1.ConditionFalse {
		r.out.Why = c.Message
	}
	return nil
}

// remind lets the rule remind.
func (r *run) remind() error {
	if every := r.rule.Spec.RepeatInterval; every != nil && every.Duration > 0 {
		if _, err := r.pass(every.Duration + apart); err != nil {
			return err
		}
		return r.observe("reminder")
	}
	return nil
}

// storm tells of many that fire at once.
func (r *run) storm(ctx context.Context, rule *v1alpha1.SlackAlert) error {
	limit := int(rule.Spec.MaxIncidents)
	if limit == 0 {
		limit = 50
	}
	n := limit + r.in.Storm
	in := r.in
	in.Objects, in.Old, in.Then, in.Storm = many(r.in.Objects, n), nil, nil, 0
	other, err := newRun(ctx, rule, in)
	if err != nil {
		return err
	}
	if err := other.burst(n, limit); err != nil {
		return err
	}
	list, err := other.store.notifications(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	title := fmt.Sprintf("storm of %d", n)
	for i := range list {
		if s, ok := incident.StateOf(&list[i]); ok && (s.Key == "rollup" || len(list) == 1) {
			r.out.Steps = append(r.out.Steps, Step{Title: title, Notification: &list[i]})
		}
	}
	if len(list) > 1 {
		r.remark("%s makes %d messages, of which the last counts all beyond spec.maxIncidents (%d)", title, len(list), limit)
	}
	return nil
}
