package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// scope is what a rule looks at.
type scope struct {
	kindwatch.Scope
	// what and where it looks, for people.
	what, where string
}

// scope finds out what a rule is to look at. The error is an Unavailable if the rule
// or the cluster is at fault.
func (r *Reconciler) scope(ctx context.Context, rule *v1alpha1.SlackAlert) (*scope, error) {
	target, err := source.TargetOf(rule)
	if err != nil {
		return nil, err
	}
	central := slices.Contains(r.ClusterScopeNamespaces, rule.Namespace)
	others := target.Field + ".namespaceSelector"
	if target.Namespaces != nil && !central {
		return nil, kindwatch.Terminal(v1alpha1.ReasonScopeNotAllowed, "rules of namespace %q may watch their own namespace only: remove %s, or %s", rule.Namespace, others, centralFlag(rule.Namespace))
	}
	out := &scope{}
	if target.Selector != nil {
		if out.Selector, err = metav1.LabelSelectorAsSelector(target.Selector); err != nil {
			return nil, kindwatch.Terminal(v1alpha1.ReasonInvalidExpression, "%s.selector can't be used: %v", target.Field, err)
		}
	}
	if out.Kind, err = r.kind(ctx, rule, target.Kind); err != nil {
		return nil, err
	}
	if out.what = target.Plural; out.what == "" {
		out.what = out.Kind.Plural() + " (" + out.Kind.GVK.GroupVersion().String() + ")"
	}
	if !out.Kind.Namespaced {
		if !central {
			return nil, kindwatch.Terminal(v1alpha1.ReasonScopeNotAllowed, "%s is a kind of the whole cluster, which rules of namespace %q may not watch: name another in %s.kind, or %s", target.Kind.Kind, rule.Namespace, target.Field, centralFlag(rule.Namespace))
		}
		out.where = "the cluster"
		return out, nil
	}
	out.Namespaces, out.where = map[string]bool{rule.Namespace: true}, fmt.Sprintf("namespace %q", rule.Namespace)
	if target.Namespaces != nil {
		out.where = "the namespaces of " + others
		out.Namespaces, err = r.namespaces(ctx, target.Namespaces, others)
	}
	return out, err
}

// centralFlag says how rules of a namespace get to watch the whole cluster.
func centralFlag(namespace string) string {
	return fmt.Sprintf("start the operator with --cluster-scope-namespaces=%s (beside the namespaces that it names already, in the args of its Deployment)", namespace)
}

// kind returns the kind that a rule looks at, which is only asked for when it is
// not being watched already, or somebody wants to know.
func (r *Reconciler) kind(ctx context.Context, rule *v1alpha1.SlackAlert, gvk schema.GroupVersionKind) (kindwatch.Kind, error) {
	key := client.ObjectKeyFromObject(rule)
	if run := r.current(key); run != nil && run.is(rule) && requested(rule) == "" {
		err := run.sub.Refused()
		var p *kindwatch.Unavailable
		if err == nil || errors.As(err, &p) {
			return run.scope.Kind, err
		}
	}
	return r.Kinds.Find(ctx, gvk, func() { r.Wake.Wake(key) })
}

// namespaces returns those with the labels.
func (r *Reconciler) namespaces(ctx context.Context, selector *metav1.LabelSelector, field string) (map[string]bool, error) {
	matching, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, kindwatch.Terminal(v1alpha1.ReasonInvalidExpression, "%s can't be used: %v", field, err)
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := r.Client.List(ctx, list, client.MatchingLabelsSelector{Selector: matching}); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i := range list.Items {
		out[list.Items[i].Name] = true
	}
	return out, nil
}
