package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// Mark says how something is.
type Mark string

// The marks.
const (
	Good    Mark = "ok"
	Bad     Mark = "problem"
	Unknown Mark = "unknown"
	Info    Mark = ""
)

// Line is one thing that is known.
type Line struct {
	Mark Mark
	// About is what it is about, in a word or two.
	About string
	// Text is a sentence.
	Text string
	// Do is what a person can do; empty where there is nothing to do, or the text
	// says so.
	Do string
}

// Explain says what is known of an object, from the object to its recipients.
func Explain(f Facts) []Line {
	e := &explanation{f: f}
	e.operator()
	switch o := f.Object.(type) {
	case *v1alpha1.SlackNotification:
		e.notification(o)
		e.channel()
		e.deliveries(o)
	case *v1alpha1.SlackAlert:
		e.alert(o)
		e.channel()
	case *v1alpha1.SlackChannel:
		e.channel()
	}
	return e.lines
}

// Cause is the first problem of an explanation; nil when there is none.
func Cause(lines []Line) *Line {
	for i := range lines {
		if lines[i].Mark == Bad {
			return &lines[i]
		}
	}
	return nil
}

type explanation struct {
	f     Facts
	lines []Line
}

func (e *explanation) add(mark Mark, about, do, format string, args ...any) {
	e.lines = append(e.lines, Line{Mark: mark, About: about, Text: fmt.Sprintf(format, args...), Do: do})
}

// slow is how long the operator may take to look at an object.
const slow = 30 * time.Second

// seen reports whether the operator has looked at the object as it is.
func (e *explanation) seen() bool {
	o := e.f.Object
	observed := int64(-1)
	switch o := o.(type) {
	case *v1alpha1.SlackNotification:
		observed = o.Status.ObservedGeneration
	case *v1alpha1.SlackAlert:
		observed = o.Status.ObservedGeneration
	case *v1alpha1.SlackChannel:
		observed = o.Status.ObservedGeneration
	}
	return observed == o.GetGeneration()
}

// operator says who looks at the object, and who leads.
func (e *explanation) operator() {
	seen := e.seen()
	if seen {
		e.add(Good, "operator", "", "an operator has looked at this object as it is now")
	} else if age := e.f.Now.Sub(e.f.Object.GetCreationTimestamp().Time); age < slow {
		e.add(Unknown, "operator", "wait half a minute", "no operator has looked at this object yet, which is %s old", age.Round(time.Second))
	} else {
		e.unseen()
	}
	e.leader(seen)
}

// unseen says why no operator looks at the object.
func (e *explanation) unseen() {
	o := e.f.Object
	e.filters()
	ready := slices.ContainsFunc(e.f.Operators, func(op Operator) bool { return op.Ready > 0 })
	switch {
	case len(e.f.Operators) == 0 && e.f.OperatorsErr != nil:
		e.add(Bad, "operator", "ask whoever runs the cluster whether slack-notifier is installed and watches namespace "+o.GetNamespace(), "no operator has looked at this object as it is now, and you may not see the operator's Deployments (%s)", short(e.f.OperatorsErr))
	case len(e.f.Operators) == 0:
		e.add(Bad, "operator", "install it: kubectl apply -k config/default, or its Helm chart", "no operator has looked at this object as it is now, and there is no Deployment of one")
	case !ready:
		op := e.f.Operators[0]
		e.add(Bad, "operator", fmt.Sprintf("kubectl describe deploy/%s -n %s, and the log of its Pods", op.Name, op.Namespace), "no operator is ready: 0 of %d replicas of Deployment %s/%s are", op.Wanted, op.Namespace, op.Name)
	case Cause(e.lines) == nil:
		op := e.f.Operators[0]
		e.add(Bad, "operator", fmt.Sprintf("look into its log: kubectl logs deploy/%s -n %s", op.Name, op.Namespace), "no operator has looked at this object as it is now, though one is ready")
	}
}

// filters says when all operators leave the object out.
func (e *explanation) filters() {
	o := e.f.Object
	if len(e.f.Operators) == 0 || slices.ContainsFunc(e.f.Operators, func(op Operator) bool { return op.covers(o.GetNamespace(), o.GetLabels()) }) {
		return
	}
	for _, op := range e.f.Operators {
		name := op.Namespace + "/" + op.Name
		if len(op.Namespaces) > 0 && !slices.Contains(op.Namespaces, o.GetNamespace()) {
			e.add(Bad, "operator", fmt.Sprintf("add %s to --watch-namespaces in the args of its Deployment, or move the object", o.GetNamespace()), "operator %s watches other namespaces only: %s", name, strings.Join(op.Namespaces, ", "))
		} else {
			e.add(Bad, "operator", "give the object labels that match: kubectl label", "operator %s watches objects with the labels %s only (--watch-label-selector), and this one has %s", name, op.Selector, labelsText(o.GetLabels()))
		}
	}
}

func labelsText(set map[string]string) string {
	if len(set) == 0 {
		return "none"
	}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: set})
}

// leader says who leads.
func (e *explanation) leader(seen bool) {
	if len(e.f.Leases) == 0 {
		if e.f.LeasesErr != nil {
			e.add(Unknown, "leader", "", "you may not see who leads (%s)", short(e.f.LeasesErr))
		}
		return
	}
	for _, lease := range e.f.Leases {
		holder, expired := holding(lease, e.f.Now)
		switch {
		case holder == "":
			e.add(worse(seen), "leader", "look whether its Pods run: kubectl get pods -n "+lease.Namespace, "nobody leads: Lease %s/%s has no holder", lease.Namespace, lease.Name)
		case expired > 0:
			e.add(worse(seen), "leader", "look whether its Pods run: kubectl get pods -n "+lease.Namespace, "nobody leads: Lease %s/%s of %s was to be renewed %s ago", lease.Namespace, lease.Name, holder, expired.Round(time.Second))
		default:
			e.add(Good, "leader", "", "%s leads (Lease %s/%s)", holder, lease.Namespace, lease.Name)
		}
	}
}

// worse is a problem, or of no matter for an object that was looked at.
func worse(seen bool) Mark {
	if seen {
		return Unknown
	}
	return Bad
}

// holding is who holds a Lease, and for how long it is over.
func holding(lease coordinationv1.Lease, now time.Time) (string, time.Duration) {
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		return "", 0
	}
	holder, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return holder, 0
	}
	until := lease.Spec.RenewTime.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second)
	return holder, max(now.Sub(until), 0)
}

// notification says what holds the whole message.
func (e *explanation) notification(n *v1alpha1.SlackNotification) {
	now := e.f.Now
	if n.DeletionTimestamp != nil {
		e.add(Info, "object", "", "it is being deleted")
	}
	if n.Spec.Suspend {
		e.add(Bad, "object", fmt.Sprintf("kubectl patch sln/%s -n %s --type=merge -p '{\"spec\":{\"suspend\":false}}'", n.Name, n.Namespace), "spec.suspend holds it")
	}
	if at := n.Spec.NotBefore; at != nil && now.Before(at.Time) {
		e.add(Info, "object", "", "it waits until %s (spec.notBefore)", at.UTC().Format(time.RFC3339))
	}
	if s := n.Spec.ActiveDeadlineSeconds; s != nil {
		if until := n.CreationTimestamp.Add(time.Duration(*s) * time.Second); now.After(until) && n.Status.Phase != v1alpha1.PhaseDelivered {
			e.add(Bad, "object", "make it anew, with a longer spec.activeDeadlineSeconds", "its time was over at %s (spec.activeDeadlineSeconds: %d)", until.UTC().Format(time.RFC3339), *s)
		}
	}
	e.thread(n)
}

func (e *explanation) thread(n *v1alpha1.SlackNotification) {
	if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
		return
	}
	name := n.Spec.Thread.NotificationRef.Name
	switch p := e.f.Parent; {
	case apierrors.IsNotFound(e.f.ParentErr):
		e.add(Bad, "thread", "create it, or correct spec.thread.notificationRef", "it is a reply to SlackNotification %s, which does not exist in namespace %s", name, n.Namespace)
	case e.f.ParentErr != nil:
		e.add(Unknown, "thread", "", "it is a reply to SlackNotification %s, which you may not see", name)
	case p.Status.Phase == v1alpha1.PhaseDelivered || p.Status.Phase == v1alpha1.PhasePartiallyDelivered:
		e.add(Good, "thread", "", "it is a reply to SlackNotification %s, which is out", name)
	default:
		e.add(Bad, "thread", fmt.Sprintf("look at that one first: kubectl slack explain sln/%s -n %s", name, n.Namespace), "it waits for SlackNotification %s, to which it is a reply, and which is %s", name, orDefault(string(p.Status.Phase), "not sent"))
	}
}

// alert says how a rule is doing.
func (e *explanation) alert(rule *v1alpha1.SlackAlert) {
	if rule.Spec.Suspend {
		e.add(Bad, "object", "set spec.suspend to false", "spec.suspend holds it")
	}
	e.condition("rule", rule.Status.Conditions, v1alpha1.ConditionReady)
	if c := conditions.Find(rule, v1alpha1.ConditionEvaluating); c != nil && c.Status == metav1.ConditionFalse {
		e.add(Bad, "rule", "correct the expression; kubectl slack alert test tries it", "%s", c.Message)
	}
	e.add(Info, "incidents", "", "%d are firing", rule.Status.Firing)
	if len(rule.Status.Pending) > 0 {
		e.add(Info, "incidents", "", "%d objects wait for spec.source.objects.for", len(rule.Status.Pending))
	}
	if address := rule.Status.Address; address != "" {
		e.add(Info, "address", "", "what is posted to %s counts", address)
	}
}

// condition tells one of an object's conditions.
func (e *explanation) condition(about string, list []metav1.Condition, kind string) {
	for _, c := range list {
		if c.Type != kind {
			continue
		}
		mark := Good
		if c.Status != metav1.ConditionTrue {
			mark = Bad
		}
		e.add(mark, about, "", "%s: %s", c.Reason, c.Message)
	}
}

// short is an error in one line.
func short(err error) string {
	if apierrors.IsForbidden(err) {
		return "forbidden"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// keysOf are the names of the fields below one of FieldsV1.
func keysOf(raw []byte, field string) []string {
	var all map[string]json.RawMessage
	var below map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil || json.Unmarshal(all[field], &below) != nil {
		return nil
	}
	var out []string
	for name := range below {
		if key, ok := strings.CutPrefix(name, "f:"); ok {
			out = append(out, key)
		}
	}
	return out
}

// Leader says who leads the operators.
func Leader(f Facts) []Line {
	e := &explanation{f: f}
	e.leader(false)
	return e.lines
}
