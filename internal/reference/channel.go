// Package reference says which SlackChannel a reference means, and whether it
// may be made from another namespace.
//
// It does not say whether the SlackChannel is ready.
package reference

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// Channels finds the SlackChannels that objects refer to.
type Channels struct {
	// Reader reads SlackChannels and Namespaces, from a cache.
	Reader client.Reader
	// Watched are the namespaces that the operator watches; all when empty. The
	// cache of one that is not watched answers with an error of no type.
	Watched []string
}

// Get returns the SlackChannel that an object of a namespace refers to. When a
// person must mend the reference it returns, beside the SlackChannel if there
// is one, what to say in the object's status; an error is one of the API server.
func (f Channels) Get(ctx context.Context, ref v1alpha1.ChannelReference, namespace string) (*v1alpha1.SlackChannel, *conditions.Summary, error) {
	key := Channel(ref, namespace)
	if !f.Sees(key.Namespace) {
		return nil, stalled(v1alpha1.ReasonSlackChannelNotFound, fmt.Sprintf(
			"this operator does not watch namespace %q, and so can't see SlackChannel %q there: name a SlackChannel of another namespace in spec.channelRef, or start the operator with --watch-namespaces=%s (in the args of its Deployment)", key.Namespace, key.Name, strings.Join(append(slices.Clone(f.Watched), key.Namespace), ","))), nil
	}
	c := &v1alpha1.SlackChannel{}
	if err := f.Reader.Get(ctx, key, c); client.IgnoreNotFound(err) != nil {
		return nil, nil, err
	}
	return f.Check(ctx, c, ref, namespace)
}

// Check is Get for whoever has read the SlackChannel; c is empty when there is none.
func (f Channels) Check(ctx context.Context, c *v1alpha1.SlackChannel, ref v1alpha1.ChannelReference, namespace string) (*v1alpha1.SlackChannel, *conditions.Summary, error) {
	key := Channel(ref, namespace)
	switch {
	case !f.Sees(key.Namespace):
		return f.Get(ctx, ref, namespace)
	case c.Name == "":
		return nil, stalled(v1alpha1.ReasonSlackChannelNotFound, fmt.Sprintf(
			"SlackChannel %q does not exist in namespace %q: create it, or correct spec.channelRef", key.Name, key.Namespace)), nil
	}
	allowed, err := Allowed(ctx, f.Reader, namespace, c)
	if err != nil {
		return nil, nil, err
	}
	if !allowed {
		return c, stalled(v1alpha1.ReasonNamespaceNotAllowed, fmt.Sprintf(
			"SlackChannel %s does not let namespace %q refer to it: ask its owner to add the namespace to spec.allowedNamespaces", key, namespace)), nil
	}
	return c, nil, nil
}

// Sees reports whether the operator watches a namespace.
func (f Channels) Sees(namespace string) bool {
	return len(f.Watched) == 0 || slices.Contains(f.Watched, namespace)
}

func stalled(reason, message string) *conditions.Summary {
	return &conditions.Summary{Kind: conditions.KindStalled, Reason: reason, Message: message}
}

// Channel is the SlackChannel that an object of a namespace refers to.
func Channel(ref v1alpha1.ChannelReference, namespace string) client.ObjectKey {
	if ref.Namespace != "" {
		namespace = ref.Namespace
	}
	return client.ObjectKey{Namespace: namespace, Name: ref.Name}
}

// Allowed reports whether objects of a namespace may refer to c. Labels of the
// namespace are read from r.
func Allowed(ctx context.Context, r client.Reader, namespace string, c *v1alpha1.SlackChannel) (bool, error) {
	rule := c.Spec.AllowedNamespaces
	switch {
	case namespace == c.Namespace:
		return true, nil
	case rule == nil:
		return false, nil
	case rule.From == v1alpha1.NamespacesFromAll:
		return true, nil
	case rule.From != v1alpha1.NamespacesFromSelector:
		return false, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(rule.Selector)
	if err != nil {
		return false, nil //nolint:nilerr // a selector that says nothing allows nobody
	}
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return selector.Matches(labels.Set(ns.Labels)), nil
}

// Guest returns the rules for an object of a namespace that refers to c; ok is
// false for the namespace of c itself, which no rules bind. Rules that are left out
// are the strict ones.
func Guest(c *v1alpha1.SlackChannel, namespace string) (rules v1alpha1.AllowedNamespaces, ok bool) {
	if c.Namespace == namespace {
		return rules, false
	}
	if spec := c.Spec.AllowedNamespaces; spec != nil {
		rules = *spec
	}
	return rules, true
}
