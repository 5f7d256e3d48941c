package kindwatch

import (
	"reflect"
	"runtime"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func object(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"namespace": "ns", "name": "web", "uid": "u-" + version, "resourceVersion": version, "labels": map[string]any{"app": "web"},
			"annotations":   map[string]any{"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"},
			"managedFields": []any{map[string]any{"manager": "kubectl"}},
		},
		"spec": map[string]any{"replicas": int64(3), "ratio": 0.5, "on": true, "list": []any{"a", nil}},
	}}
}

// An object comes back as it was, but for what is dropped, whether it is still
// in memory or not.
func TestPack(t *testing.T) {
	c, err := Pack(object("7"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Namespace != "ns" || c.Name != "web" || c.UID != "u-7" || c.ResourceVersion != "7" || c.Kind != "Pod" || c.Labels["app"] != "web" || c.Key() != "ns/web" {
		t.Errorf("%+v", c.ObjectMeta)
	}
	want := object("7")
	want.SetManagedFields(nil)
	want.SetAnnotations(map[string]string{"kept": "yes"})
	for range 2 {
		if got := c.Unpack(); !reflect.DeepEqual(got.Object, want.Object) {
			t.Errorf("comes back as %v\nwant %v", got.Object, want.Object)
		}
		runtime.GC()
		if c.recent.Load().Value() != nil {
			t.Error("it is still in memory, so that the other way is not tried")
		}
	}
	if again, err := transform(c); again != any(c) || err != nil {
		t.Errorf("what is packed becomes %v, %v", again, err)
	}
}
