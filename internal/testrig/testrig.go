// Package testrig is what the controllers' tests run in: a simulated Slack, and an
// API server whose cache can be held back and which refuses writes on demand. A real
// one can't be made to do either at a given moment.
package testrig

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Slack is a simulated Slack without rate limits.
type Slack struct {
	*httptest.Server
	t testing.TB
}

// NewSlack starts a simulated Slack, which ends with the test.
func NewSlack(t testing.TB) *Slack {
	t.Helper()
	s := httptest.NewServer(slacksim.New(slacksim.Config{NoLimits: true}))
	t.Cleanup(s.Close)
	return &Slack{s, t}
}

// Resolver leads to the simulated Slack by the Secrets of a store.
func (s *Slack) Resolver(store client.Client) *connection.Resolver {
	s.t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	allow, err := egress.NewAllowList([]string{u.Host})
	if err != nil {
		s.t.Fatal(err)
	}
	return &connection.Resolver{Versions: store, Secrets: store, Allow: allow, APIURL: s.URL + "/api/"}
}

// Set changes something in the simulated Slack, as in _sim/faults.
func (s *Slack) Set(kind string, body any) {
	s.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.Client().Post(s.URL+"/_sim/"+kind, "application/json", bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("_sim/%s: %s", kind, resp.Status)
	}
}

// Get reads _sim/calls or _sim/state.
func (s *Slack) Get(kind string, into any) {
	s.t.Helper()
	resp, err := s.Client().Get(s.URL + "/_sim/" + kind)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}

// Calls of a method so far, also those that were refused.
func (s *Slack) Calls(method string) (n int) {
	s.t.Helper()
	var calls slacksim.Calls
	s.Get("calls", &calls)
	for _, c := range calls.Log {
		if c.Method == method {
			n++
		}
	}
	return n
}

// Scheme has the kinds of Kubernetes and of this module.
func Scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Store is the API server, and the cache in front of it.
type Store struct {
	client.WithWatch
	// Old is what reads of an object of its kind return, when set.
	Old client.Object
	// Refuse the next writes of a status with these.
	Refuse []error
	// Writes of a status that were made.
	Writes int
}

// NewStore holds objects and a Secret s in the namespace default with the demo token.
func NewStore(t testing.TB, objects ...client.Object) *Store {
	t.Helper()
	s := &Store{}
	token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "s"}, Data: map[string][]byte{"token": []byte(slacksim.DemoToken)}}
	s.WithWatch = fake.NewClientBuilder().WithScheme(Scheme(t)).WithInterceptorFuncs(interceptor.Funcs{Get: s.get, SubResourcePatch: s.patch}).
		WithStatusSubresource(&v1alpha1.SlackChannel{}, &v1alpha1.SlackNotification{}).WithObjects(append(objects, token)...).Build()
	return s
}

// Fresh reads what is stored, whatever reads return.
func (s *Store) Fresh(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	old := s.Old
	s.Old = nil
	defer func() { s.Old = old }()
	return s.Get(ctx, key, o, opts...)
}

func (s *Store) get(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if s.Old != nil && reflect.TypeOf(o) == reflect.TypeOf(s.Old) {
		reflect.ValueOf(o).Elem().Set(reflect.ValueOf(s.Old.DeepCopyObject()).Elem())
		return nil
	}
	return c.Get(ctx, key, o, opts...)
}

func (s *Store) patch(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	if len(s.Refuse) > 0 {
		err := s.Refuse[0]
		s.Refuse = s.Refuse[1:]
		return err
	}
	s.Writes++
	return c.SubResource(sub).Patch(ctx, o, patch, opts...)
}
