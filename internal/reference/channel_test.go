package reference

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func TestGet(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	channel := func(namespace, name string, allowed *v1alpha1.AllowedNamespaces) *v1alpha1.SlackChannel {
		return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: v1alpha1.SlackChannelSpec{AllowedNamespaces: allowed}}
	}
	selector := &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"slack": "yes"}}}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{"slack": "yes"}}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "stranger"}},
		channel("team", "own", nil), channel("platform", "shared", &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}),
		channel("platform", "closed", nil), channel("platform", "some", selector),
	).WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if key.Namespace == "elsewhere" {
			return errors.New("unable to get: unknown namespace for the cache") // as controller-runtime's cache does
		}
		return w.Get(ctx, key, o, opts...)
	}}).Build()
	for _, c := range []struct {
		name, from string
		ref        v1alpha1.ChannelReference
		reason     string
		says       []string
	}{
		{name: "own namespace by default", from: "team", ref: v1alpha1.ChannelReference{Name: "own"}},
		{name: "open to all", from: "team", ref: v1alpha1.ChannelReference{Namespace: "platform", Name: "shared"}},
		{name: "labels match", from: "team", ref: v1alpha1.ChannelReference{Namespace: "platform", Name: "some"}},
		{"labels do not match", "stranger", v1alpha1.ChannelReference{Namespace: "platform", Name: "some"}, v1alpha1.ReasonNamespaceNotAllowed, []string{`"stranger"`, "platform/some", "spec.allowedNamespaces"}},
		{"closed", "team", v1alpha1.ChannelReference{Namespace: "platform", Name: "closed"}, v1alpha1.ReasonNamespaceNotAllowed, []string{"platform/closed"}},
		{"absent", "team", v1alpha1.ChannelReference{Name: "none"}, v1alpha1.ReasonSlackChannelNotFound, []string{`"none"`, `"team"`, "spec.channelRef"}},
		{"not watched", "team", v1alpha1.ChannelReference{Namespace: "elsewhere", Name: "c"}, v1alpha1.ReasonSlackChannelNotFound, []string{`"elsewhere"`, "--watch-namespaces"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problem, err := Channels{Reader: reader, Watched: []string{"team", "stranger", "platform"}}.Get(t.Context(), c.ref, c.from)
			if err != nil {
				t.Fatalf("got the error %v, which is tried again for ever; want a sentence in the status", err)
			}
			if c.reason == "" {
				if problem != nil {
					t.Errorf("got %+v, want no problem", problem)
				}
				return
			}
			if problem == nil || problem.Reason != c.reason {
				t.Fatalf("got %+v, want the reason %s", problem, c.reason)
			}
			for _, part := range c.says {
				if !strings.Contains(problem.Message, part) {
					t.Errorf("%q does not name %s", problem.Message, part)
				}
			}
		})
	}
}
