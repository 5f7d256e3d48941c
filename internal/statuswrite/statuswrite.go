// Package statuswrite writes the status of an object, as the controllers do.
package statuswrite

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replacement is one operation of a JSON patch (RFC 6902).
type replacement struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Write writes a status over the one of o's resourceVersion, and gives o the new
// resourceVersion. A newer object is a conflict (apierrors.IsConflict).
//
// An update would send the whole object and decode the whole answer, which was a
// fifth of the cost of a delivery: of the answer the metadata is enough.
func Write(ctx context.Context, c client.Client, o client.Object, status any) error {
	gvk, err := c.GroupVersionKindFor(o)
	if err != nil {
		return err
	}
	patch, err := json.Marshal([]replacement{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: o.GetResourceVersion()},
		{Op: "add", Path: "/status", Value: status},
	})
	if err != nil {
		return err
	}
	stored := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}}
	stored.SetGroupVersionKind(gvk)
	if err := c.Status().Patch(ctx, stored, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return err
	}
	o.SetResourceVersion(stored.ResourceVersion)
	return nil
}

// rebases are how often WriteOver begins anew with a newer object.
const rebases = 5

// WriteOver is Write for a status that is to be written however often somebody
// changes the rest of the object: what was found out about an older generation says
// so (observedGeneration). A conflict is left where the status is not before's any
// more, or the object is another one of the same name. live reads from the API
// server, and is asked after a conflict alone.
func WriteOver[T client.Object](ctx context.Context, c client.Client, live client.Reader, before, o T, statusOf func(T) any) error {
	err := Write(ctx, c, o, statusOf(o))
	for n := 0; n < rebases && apierrors.IsConflict(err); n++ {
		now, ok := o.DeepCopyObject().(T)
		if !ok {
			return err
		}
		if err := live.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
			return err
		}
		if now.GetUID() != o.GetUID() || !equality.Semantic.DeepEqual(statusOf(now), statusOf(before)) {
			return err
		}
		o.SetResourceVersion(now.GetResourceVersion())
		err = Write(ctx, c, o, statusOf(o))
	}
	return err
}
