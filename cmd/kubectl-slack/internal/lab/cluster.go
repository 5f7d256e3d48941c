package lab

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// cluster is one that is made up: it has the objects of one kind.
type cluster struct {
	kind       schema.GroupVersionKind
	resource   schema.GroupVersionResource
	namespaced bool
	client     *dynamicfake.FakeDynamicClient
	watches    *kindwatch.Watches

	mu      sync.Mutex
	version int
	looks   map[types.UID]int
	looked  chan struct{}
	// watching is closed when the watch has begun: what comes between its list and
	// that is lost to it, as no API server would have it.
	watching chan struct{}
	begun    sync.Once
}

func newCluster(kind schema.GroupVersionKind, namespaced bool) *cluster {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	c := &cluster{kind: kind, resource: plural, namespaced: namespaced, looks: map[types.UID]int{}, looked: make(chan struct{}, 1), watching: make(chan struct{})}
	c.client = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{plural: kind.Kind + "List"})
	c.client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := c.client.Tracker().Watch(action.GetResource(), action.GetNamespace())
		c.begun.Do(func() { close(c.watching) })
		return true, w, err
	})
	c.watches = &kindwatch.Watches{Client: c.client}
	c.watches.Pool.Looked = c.note
	return c
}

// note counts the looks of the rule at an object.
func (c *cluster) note(uid types.UID) {
	c.mu.Lock()
	c.looks[uid]++
	c.mu.Unlock()
	select {
	case c.looked <- struct{}{}:
	default:
	}
}

func (c *cluster) seen(uid types.UID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks[uid]
}

// lookPatience is how long the rule may take to look at an object.
const lookPatience = 10 * time.Second

// ready waits until the watch of the rule has begun.
func (c *cluster) ready(ctx context.Context) error {
	select {
	case <-c.watching:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits until the rule has looked at an object once more.
func (c *cluster) await(ctx context.Context, uid types.UID, before int) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	for c.seen(uid) == before {
		select {
		case <-c.looked:
		case <-ctx.Done():
			return fmt.Errorf("the rule does not look at %s", c.kind.Kind)
		}
	}
	return nil
}

// stamped is an object as the API server would store it now.
func (c *cluster) stamped(o *unstructured.Unstructured) *unstructured.Unstructured {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	out := o.DeepCopy()
	out.SetGroupVersionKind(c.kind)
	out.SetResourceVersion(strconv.Itoa(1000 + c.version))
	out.SetUID(c.uidOf(o))
	return out
}

// uidOf is the UID of an object, which one from a manifest does not have.
func (c *cluster) uidOf(o *unstructured.Unstructured) types.UID {
	if uid := o.GetUID(); uid != "" {
		return uid
	}
	return types.UID("uid-of-" + o.GetNamespace() + "-" + o.GetName())
}

// put stores objects before anybody watches.
func (c *cluster) put(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		if _, err := c.client.Resource(c.resource).Namespace(o.GetNamespace()).Create(ctx, c.stamped(o), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// add stores an object, and waits until the rule has looked at it.
func (c *cluster) add(ctx context.Context, o *unstructured.Unstructured) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	o = c.stamped(o)
	before := c.seen(o.GetUID())
	if _, err := c.client.Resource(c.resource).Namespace(o.GetNamespace()).Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return err
	}
	return c.await(ctx, o.GetUID(), before)
}

// change stores another state of an object, and waits until the rule has looked.
func (c *cluster) change(ctx context.Context, o *unstructured.Unstructured) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	o = c.stamped(o)
	before := c.seen(o.GetUID())
	if _, err := c.client.Resource(c.resource).Namespace(o.GetNamespace()).Update(ctx, o, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return c.await(ctx, o.GetUID(), before)
}

// kinds of the cluster, all of which may be watched.
func (c *cluster) kinds(now *fakeClock) *kindwatch.Kinds {
	return &kindwatch.Kinds{Discovery: only{c: c}, Access: allowed{}, Clock: now}
}

// only answers for the one kind.
type only struct {
	discovery.ServerResourcesInterface
	c *cluster
}

// ServerResourcesForGroupVersion implements the discovery.
func (o only) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	return &metav1.APIResourceList{GroupVersion: groupVersion, APIResources: []metav1.APIResource{{
		Name: o.c.resource.Resource, Kind: o.c.kind.Kind, Namespaced: o.c.namespaced, Verbs: metav1.Verbs{"get", "list", "watch"},
	}}}, nil
}

// allowed is an API server that allows all.
type allowed struct {
	authorizationclient.SelfSubjectAccessReviewExpansion
}

// Create implements the review.
func (allowed) Create(_ context.Context, r *authorizationv1.SelfSubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error) {
	out := r.DeepCopy()
	out.Status.Allowed = true
	return out, nil
}

// fakeClock stands still until it is set.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements clock.PassiveClock.
func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since implements clock.PassiveClock.
func (c *fakeClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
