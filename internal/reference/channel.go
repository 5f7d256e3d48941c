// Package reference says which SlackChannel a reference means, and whether it
// may be made from another namespace.
//
// It does not say whether the SlackChannel exists or is ready.
package reference

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

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
