package kindwatch

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/tools/cache"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var podKind = Kind{
	GVK:      schema.GroupVersionKind{Version: "v1", Kind: "Pod"},
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespaced: true,
}

func podOf(namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
	u.SetNamespace(namespace)
	u.SetName(name)
	u.SetUID(types.UID(namespace + "/" + name))
	u.SetResourceVersion("1")
	return u
}

// cluster is an API server in memory with Pods.
func cluster(pods ...*unstructured.Unstructured) *fake.FakeDynamicClient {
	objects := make([]runtime.Object, len(pods))
	for i, p := range pods {
		objects[i] = p
	}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{podKind.Resource: "PodList"}, objects...)
}

func scopeOf(namespaces ...string) *Scope {
	s := &Scope{Kind: podKind, Namespaces: map[string]bool{}}
	for _, n := range namespaces {
		s.Namespaces[n] = true
	}
	return s
}

func (w *Watches) follow(t *testing.T, s *Scope, h Handler) *Subscription {
	t.Helper()
	sub, err := w.Subscribe(t.Context(), "team", s, h, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	until(t, "the watch", sub.Synced)
	return sub
}

// places that are watched.
func (w *Watches) watched() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for place := range w.kinds[podKind.GVK] {
		out = append(out, place)
	}
	slices.Sort(out)
	return out
}

// A rule of one namespace has the objects of that namespace loaded alone.
func TestARuleLoadsItsOwnNamespace(t *testing.T) {
	var pods []*unstructured.Unstructured
	for i := range 200 {
		pods = append(pods, podOf("elsewhere", fmt.Sprint("p", i)))
	}
	w := &Watches{Client: cluster(append(pods, podOf("team", "mine"))...)}
	f := &watcher{}
	sub := w.follow(t, scopeOf("team"), f)
	if got := f.list(); !slices.Equal(got, []string{"mine@1"}) {
		t.Errorf("sees %v", got)
	}
	if got := sub.parts[0].objects.Load(); got != 1 || len(w.watched()) != 1 {
		t.Errorf("%d objects are kept, of %q", got, w.watched())
	}
	// A second rule shares the watch, and sees what is there.
	g := &watcher{}
	other := w.follow(t, scopeOf("team"), g)
	if other.parts[0] != sub.parts[0] || !slices.Equal(g.list(), []string{"mine@1"}) {
		t.Errorf("the second rule sees %v", g.list())
	}
	if _, err := w.Client.Resource(podKind.Resource).Namespace("team").Create(t.Context(), podOf("team", "new"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "both rules to see a new Pod", func() bool { return len(f.list()) == 2 && len(g.list()) == 2 })
	if err := w.Client.Resource(podKind.Resource).Namespace("team").Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "both rules to see it deleted", func() bool { return slices.Contains(f.list(), "-mine") && slices.Contains(g.list(), "-mine") })
	sub.Close()
	if len(w.watched()) != 1 {
		t.Error("the watch ends while a rule needs it")
	}
	other.Close()
	if len(w.watched()) != 0 {
		t.Error("the watch goes on without a rule")
	}
}

// Rules of many namespaces share one watch; central rules have it at once.
func TestManyNamespacesShareAWatch(t *testing.T) {
	var pods []*unstructured.Unstructured
	for i := range ownWatches + 5 {
		pods = append(pods, podOf(fmt.Sprintf("n%02d", i), "p"))
	}
	w := &Watches{Client: cluster(pods...)}
	for i := range ownWatches + 5 {
		f := &watcher{}
		w.follow(t, scopeOf(fmt.Sprintf("n%02d", i)), f)
		if got := f.list(); !slices.Equal(got, []string{"p@1"}) {
			t.Fatalf("the rule of namespace %d sees %v, want its own Pod alone", i, got)
		}
	}
	if got := w.watched(); len(got) != ownWatches+1 || got[0] != "" {
		t.Errorf("%d watches: %q, want %d and one of all", len(got), got, ownWatches)
	}
	central := &watcher{}
	w.follow(t, scopeOf("n03", "n22"), central)
	if got := central.list(); len(got) != 2 || len(w.watched()) != ownWatches+1 {
		t.Errorf("the central rule sees %v, by %d watches", got, len(w.watched()))
	}
	none := w.follow(t, scopeOf(), &watcher{})
	if len(none.parts) != 0 {
		t.Error("a rule that selects no namespace watches something")
	}
}

// With --watch-namespaces, none is watched but those.
func TestWatchesOfListedNamespaces(t *testing.T) {
	w := &Watches{Client: cluster(podOf("a", "p"), podOf("b", "p"), podOf("c", "p")), Namespaces: []string{"a", "b"}}
	f := &watcher{}
	w.follow(t, scopeOf("a", "b"), f)
	if got := w.watched(); !slices.Equal(got, []string{"a", "b"}) || len(f.list()) != 2 {
		t.Errorf("watches %q, sees %v", got, f.list())
	}
}

// An object whose deletion the watch has missed is deleted all the same, as it was
// last.
func TestMissedDeletionsAreSeen(t *testing.T) {
	w := &Watches{Client: cluster(podOf("team", "gone"))}
	f := &watcher{}
	sub := w.follow(t, scopeOf("team"), f)
	last, _, _ := sub.parts[0].informer.GetStore().GetByKey("team/gone")
	sub.parts[0].OnDelete(cache.DeletedFinalStateUnknown{Key: "team/gone", Obj: last})
	until(t, "the deletion", func() bool { return slices.Contains(f.list(), "-gone") })
}

// Too many objects are not loaded; the rule says how many there are, and what
// to do.
func TestTooManyObjects(t *testing.T) {
	var pods []*unstructured.Unstructured
	for i := range 120 {
		pods = append(pods, podOf("team", fmt.Sprint("p", i)))
	}
	w := &Watches{Client: cluster(pods...), MaxObjects: 110}
	_, err := w.Subscribe(t.Context(), "team", scopeOf("team"), &watcher{}, func() {})
	var p *Unavailable
	if !errors.As(err, &p) || p.Reason != v1alpha1.ReasonTooManyObjects || !p.Stalled || p.RetryAfter == 0 {
		t.Fatalf("ends with %v", err)
	}
	want := "there are about 120 Pods to watch, and the operator keeps 110 objects of a kind in memory at the most: have rules of fewer namespaces watch them, or give the operator more memory (some 5 KiB for each object) and start it with --max-objects-per-kind=240 or more (in the args of its Deployment); it is looked at again every minute"
	if p.Message != want || len(w.watched()) != 0 {
		t.Errorf("says %q, and watches %q", p.Message, w.watched())
	}
	// Fewer are, and those that come later are noticed.
	w.Client = cluster(pods[:90]...)
	woken := make(chan struct{}, 100)
	sub, err := w.Subscribe(t.Context(), "team", scopeOf("team"), &watcher{}, func() { woken <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	until(t, "the watch", sub.Synced)
	other, err := w.Subscribe(t.Context(), "team", scopeOf("team"), &watcher{}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	for i := range 110 {
		if _, err := w.Client.Resource(podKind.Resource).Namespace("team").Create(t.Context(), podOf("team", fmt.Sprint("later", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "the Pod", func() bool { return int(sub.parts[0].objects.Load()) == 91+i })
	}
	until(t, "the refusal", func() bool {
		<-woken
		return errors.As(sub.Refused(), &p)
	})
	if p.Reason != v1alpha1.ReasonTooManyObjects {
		t.Errorf("the problem is %s", p.Reason)
	}
	if err := other.Refused(); !errors.As(err, &p) {
		t.Errorf("who shares the watch is told %v, want the same", err)
	}
	if err := sub.Refused(); err != nil {
		t.Errorf("%v is told twice", err)
	}
	if _, err := w.Subscribe(t.Context(), "team", scopeOf("team"), &watcher{}, func() {}); !errors.As(err, &p) {
		t.Errorf("one more takes part: %v, want the refusal", err)
	}
}
