package statuswrite

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func statusOf(c *v1alpha1.SlackChannel) any { return &c.Status }

func isNil(err error) bool { return err == nil }

// What is written is what was found out, over nobody else's status, and over
// nothing but the status.
func TestWriteOver(t *testing.T) {
	const found, others = "U0FOUND", "U0OTHERS"
	for name, c := range map[string]struct {
		// meanwhile is what has become of the object since it was read.
		meanwhile func(t *testing.T, store client.Client, c *v1alpha1.SlackChannel)
		want      string
		fails     func(error) bool
		gone      bool
	}{
		"nobody has written": {meanwhile: func(*testing.T, client.Client, *v1alpha1.SlackChannel) {}, want: found, fails: isNil},
		"the rest was changed": {
			meanwhile: func(t *testing.T, store client.Client, c *v1alpha1.SlackChannel) {
				c.Annotations, c.Spec.Suspend = map[string]string{"a": "b"}, true
				write(t, store.Update(t.Context(), c))
			}, want: found, fails: isNil,
		},
		"the status was changed by somebody else": {
			meanwhile: func(t *testing.T, store client.Client, c *v1alpha1.SlackChannel) {
				c.Status.BotUserID = others
				write(t, store.Status().Update(t.Context(), c))
			}, want: others, fails: apierrors.IsConflict,
		},
		"it was made anew": {
			meanwhile: func(t *testing.T, store client.Client, c *v1alpha1.SlackChannel) {
				write(t, store.Delete(t.Context(), c))
				c.UID, c.ResourceVersion = "another", ""
				write(t, store.Create(t.Context(), c))
				c.Spec.Suspend = true
				write(t, store.Update(t.Context(), c))
			}, want: "", fails: apierrors.IsConflict,
		},
		"it is gone": {
			meanwhile: func(t *testing.T, store client.Client, c *v1alpha1.SlackChannel) {
				write(t, store.Delete(t.Context(), c))
			}, gone: true, fails: apierrors.IsNotFound,
		},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			write(t, v1alpha1.AddToScheme(scheme))
			o := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: types.UID("first")}}
			store := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(o).WithObjects(o).Build()
			key := client.ObjectKeyFromObject(o)
			read := &v1alpha1.SlackChannel{}
			write(t, store.Get(t.Context(), key, read))
			before := read.DeepCopy()
			c.meanwhile(t, store, read.DeepCopy())

			read.Status.BotUserID = found
			err := WriteOver(t.Context(), store, store, before, read, statusOf)
			if !c.fails(err) {
				t.Errorf("ends with %v", err)
			}
			now := &v1alpha1.SlackChannel{}
			if err := store.Get(t.Context(), key, now); apierrors.IsNotFound(err) != c.gone {
				t.Fatal(err)
			}
			if now.Status.BotUserID != c.want {
				t.Errorf("the status says %q, want %q", now.Status.BotUserID, c.want)
			}
			if err == nil && read.ResourceVersion != now.ResourceVersion {
				t.Errorf("the object is left at resourceVersion %s, want the new one, %s", read.ResourceVersion, now.ResourceVersion)
			}
			if name == "the rest was changed" && (now.Annotations["a"] != "b" || !now.Spec.Suspend) {
				t.Error("what somebody else has changed is lost")
			}
		})
	}
}

func write(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
