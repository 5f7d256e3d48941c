package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// scope is what a rule looks at.
type scope struct {
	kind kind
	// namespaces of the objects; nil for a cluster-scoped kind.
	namespaces map[string]bool
	selector   labels.Selector
	// where it looks, for people.
	where string
}

// has reports whether an object is looked at.
func (s *scope) has(namespace string, set map[string]string) bool {
	return (s.namespaces == nil || s.namespaces[namespace]) && s.selector.Matches(labels.Set(set))
}

// same reports whether two scopes look at the same.
func (s *scope) same(other *scope) bool {
	if s.kind != other.kind || len(s.namespaces) != len(other.namespaces) || (s.namespaces == nil) != (other.namespaces == nil) {
		return false
	}
	for namespace := range s.namespaces {
		if !other.namespaces[namespace] {
			return false
		}
	}
	return true
}

// eventsKind is where Kubernetes Events are.
var eventsKind = schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "Event"}

// scope finds out what a rule is to look at. The error is a problem if the rule
// or the cluster is at fault.
func (r *Reconciler) scope(ctx context.Context, rule *v1alpha1.SlackAlert) (*scope, error) {
	out := &scope{selector: labels.Everything()}
	gvk, selector, everywhere := eventsKind, (*metav1.LabelSelector)(nil), (*metav1.LabelSelector)(nil)
	if o := rule.Spec.Source.Objects; o != nil {
		gv, err := schema.ParseGroupVersion(o.APIVersion)
		if err != nil {
			return nil, forGood(v1alpha1.ReasonKindNotFound, "spec.source.objects.apiVersion %q is none: write it as in apps/v1", o.APIVersion)
		}
		gvk, selector, everywhere = gv.WithKind(o.Kind), o.Selector, o.NamespaceSelector
	} else {
		everywhere = rule.Spec.Source.Events.NamespaceSelector
	}
	central := slices.Contains(r.ClusterScopeNamespaces, rule.Namespace)
	if everywhere != nil && !central {
		return nil, forGood(v1alpha1.ReasonScopeNotAllowed, "rules of namespace %q may watch their own namespace only: remove %s, or %s", rule.Namespace, selectorField(rule), centralFlag(rule.Namespace))
	}
	var err error
	if selector != nil {
		if out.selector, err = metav1.LabelSelectorAsSelector(selector); err != nil {
			return nil, forGood(v1alpha1.ReasonInvalidExpression, "spec.source.objects.selector can't be used: %v", err)
		}
	}
	if out.kind, err = r.kind(ctx, rule, gvk); err != nil {
		return nil, err
	}
	if !out.kind.namespaced {
		if !central {
			return nil, forGood(v1alpha1.ReasonScopeNotAllowed, "%s is a kind of the whole cluster, which rules of namespace %q may not watch: name another in spec.source.objects.kind, or %s", gvk.Kind, rule.Namespace, centralFlag(rule.Namespace))
		}
		out.where = "the cluster"
		return out, nil
	}
	out.namespaces, out.where = map[string]bool{rule.Namespace: true}, fmt.Sprintf("namespace %q", rule.Namespace)
	if everywhere != nil {
		out.where = "the namespaces of " + selectorField(rule)
		out.namespaces, err = r.namespaces(ctx, everywhere, selectorField(rule))
	}
	return out, err
}

// selectorField is the path of the field by which a rule looks at other namespaces.
func selectorField(rule *v1alpha1.SlackAlert) string {
	if rule.Spec.Source.Objects != nil {
		return "spec.source.objects.namespaceSelector"
	}
	return "spec.source.events.namespaceSelector"
}

// centralFlag says how rules of a namespace get to watch the whole cluster.
func centralFlag(namespace string) string {
	return fmt.Sprintf("start the operator with --cluster-scope-namespaces=%s (beside the namespaces that it names already, in the args of its Deployment)", namespace)
}

// kind returns the kind that a rule looks at, which is only asked for when it is
// not being watched already.
func (r *Reconciler) kind(ctx context.Context, rule *v1alpha1.SlackAlert, gvk schema.GroupVersionKind) (kind, error) {
	key := client.ObjectKeyFromObject(rule)
	if run := r.current(key); run != nil && run.is(rule) {
		err := run.sub.refused()
		var p *problem
		if err == nil || errors.As(err, &p) {
			return run.scope.kind, err
		}
	}
	return r.Kinds.find(ctx, gvk, func() { r.Wake.Wake(key) })
}

// namespaces returns those with the labels.
func (r *Reconciler) namespaces(ctx context.Context, selector *metav1.LabelSelector, field string) (map[string]bool, error) {
	matching, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, forGood(v1alpha1.ReasonInvalidExpression, "%s can't be used: %v", field, err)
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

// plural of a kind, for people.
func plural(kind string) string {
	switch {
	case strings.HasSuffix(kind, "s"), strings.HasSuffix(kind, "x"), strings.HasSuffix(kind, "ch"):
		return kind + "es"
	case strings.HasSuffix(kind, "y") && !strings.HasSuffix(kind, "ay") && !strings.HasSuffix(kind, "ey"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}
