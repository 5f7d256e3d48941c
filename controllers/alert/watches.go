package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// DefaultMaxObjects of a kind are kept in memory: some 250 MiB of Deployments.
const DefaultMaxObjects = 50000

// ownWatches of a kind are for one namespace each; rules of further namespaces
// share one of the whole cluster, which costs the API server less by then.
const ownWatches = 20

// Watches are the watches of all rules: of each kind one for each namespace
// whose rules look at it, or one for the whole cluster, and none for what no
// rule looks at.
type Watches struct {
	// Client to watch with.
	Client dynamic.Interface
	// Namespaces that the operator watches; all when empty.
	Namespaces []string
	// MaxObjects of a kind; DefaultMaxObjects when 0.
	MaxObjects int
	// Pool has the rules look at what has changed.
	Pool Pool

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]map[string]*watch
}

// subscribe has a rule's follower see the objects of its scope. namespace is the
// rule's own. wake is called when the watch fails, and when all that was there
// at first has been looked at. The error may be a problem.
func (w *Watches) subscribe(ctx context.Context, namespace string, s *scope, f follower, wake func()) (*subscription, error) {
	sub := &subscription{watches: w, kind: s.kind.gvk, namespace: namespace, namespaces: s.namespaces, follower: f, wake: wake}
	missing := w.attach(ctx, sub, s, false)
	if len(missing) == 0 {
		return sub, nil
	}
	// To count takes a call, for which nobody else waits.
	if err := w.room(ctx, s.kind, missing); err != nil {
		return nil, err
	}
	w.attach(ctx, sub, s, true)
	return sub, nil
}

// places are the namespaces to watch for a scope, "" for all. The caller holds
// the lock.
func (w *Watches) places(s *scope) []string {
	everywhere := []string{metav1.NamespaceAll}
	if len(w.Namespaces) > 0 && s.kind.namespaced {
		everywhere = w.Namespaces
	}
	if s.namespaces == nil || len(s.namespaces) > 1 {
		return everywhere
	}
	own := slices.Collect(maps.Keys(s.namespaces))
	running := w.kinds[s.kind.gvk]
	shared := running[metav1.NamespaceAll] != nil
	if len(own) == 1 && running[own[0]] == nil && (shared || len(running) >= ownWatches) && len(w.Namespaces) == 0 {
		return everywhere
	}
	return own
}

// attach has a subscription take part in the watches of its scope. Those that are
// not there are begun, or else returned.
func (w *Watches) attach(ctx context.Context, sub *subscription, s *scope, begin bool) (missing []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	places := w.places(s)
	for _, place := range places {
		if w.kinds[s.kind.gvk][place] == nil {
			missing = append(missing, place)
		}
	}
	if len(missing) > 0 && !begin {
		return missing
	}
	if w.kinds == nil {
		w.kinds = map[schema.GroupVersionKind]map[string]*watch{}
	}
	running := w.kinds[s.kind.gvk]
	if running == nil {
		running = map[string]*watch{}
		w.kinds[s.kind.gvk] = running
	}
	for _, place := range missing {
		running[place] = w.begin(ctx, s.kind, place)
	}
	for _, place := range places {
		sub.parts = append(sub.parts, running[place])
		running[place].join(sub)
	}
	return nil
}

// begin begins to watch a kind in a namespace, or in all. It goes on when the
// request that has asked for it is over, until its last user is gone.
func (w *Watches) begin(ctx context.Context, k kind, namespace string) *watch {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	out := &watch{kind: k, end: end, users: map[string]map[*subscription]struct{}{}, overfull: func() error { return w.overfull(k) },
		informer: dynamicinformer.NewFilteredDynamicInformer(w.Client, k.resource, namespace, 0, indexers, nil).Informer()}
	// These fail for an informer that runs already.
	_ = out.informer.SetTransform(shrink)
	_ = out.informer.SetWatchErrorHandlerWithContext(out.fail)
	out.handle, _ = out.informer.AddEventHandler(out)
	go out.informer.RunWithContext(ctx)
	return out
}

// maxObjects of a kind.
func (w *Watches) maxObjects() int {
	if w.MaxObjects == 0 {
		return DefaultMaxObjects
	}
	return w.MaxObjects
}

// kept is how many objects of a kind are in memory. The caller holds the lock.
func (w *Watches) kept(k kind) int {
	n := 0
	for _, part := range w.kinds[k.gvk] {
		n += int(part.objects.Load())
	}
	return n
}

// overfull is the problem of a kind that has come to have too many objects.
func (w *Watches) overfull(k kind) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	// What grows slowly past the limit is let be for a while, rather than
	// stopped and begun again.
	if n := w.kept(k); n > w.maxObjects()+w.maxObjects()/10 {
		return w.tooMany(k, n)
	}
	return nil
}

func (w *Watches) tooMany(k kind, n int) *problem {
	return &problem{reason: v1alpha1.ReasonTooManyObjects, stalled: true, again: tooManyAgain, message: fmt.Sprintf(
		"there are about %d %s to watch, and the operator keeps %d objects of a kind in memory at the most: have rules of fewer namespaces watch them, or give the operator more memory (some 5 KiB for each object) and start it with --max-objects-per-kind=%d or more (in the args of its Deployment); it is looked at again every minute",
		about(n), plural(k.gvk.Kind), w.maxObjects(), max(2*w.maxObjects(), 2*about(n)))}
}

// about is a number to two digits, so that a message does not change with each
// object.
func about(n int) int {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit/2) / unit * unit
}

// tooManyAgain is when to look again whether there are fewer objects.
const tooManyAgain = time.Minute

// countPatience is how long the API server may take to count.
const countPatience = 5 * time.Second

// room is nil if the objects of namespaces can be kept beside those that are. The
// API server counts: an answer of one object says how many remain.
func (w *Watches) room(ctx context.Context, k kind, namespaces []string) error {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	w.mu.Lock()
	n := w.kept(k)
	w.mu.Unlock()
	for _, namespace := range namespaces {
		list, err := w.Client.Resource(k.resource).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			continue // the watch will tell
		}
		n += len(list.Items)
		if left := list.GetRemainingItemCount(); left != nil {
			n += int(*left)
		}
	}
	if n > w.maxObjects() {
		return w.tooMany(k, n)
	}
	return nil
}

// watch of one kind in one namespace, or in all. It is the only handler of its
// informer, and knows which rules look at what namespace.
type watch struct {
	kind     kind
	informer cache.SharedIndexInformer
	handle   cache.ResourceEventHandlerRegistration
	end      context.CancelFunc
	objects  atomic.Int64
	// overfull is the problem of too many objects, or nil.
	overfull func() error

	mu sync.Mutex
	// users by the namespaces that they look at; by "" those of a kind that has
	// none.
	users map[string]map[*subscription]struct{}
	// failed is why the API server has refused it.
	failed error
}

// OnAdd implements cache.ResourceEventHandler.
func (w *watch) OnAdd(obj any, initial bool) {
	if n := w.objects.Add(1); n%100 == 0 {
		if err := w.overfull(); err != nil {
			w.refuse(err)
		}
	}
	w.tell(obj, nil, initial, false)
}

// OnUpdate implements cache.ResourceEventHandler.
func (w *watch) OnUpdate(before, obj any) { w.tell(obj, before, false, false) }

// OnDelete implements cache.ResourceEventHandler.
func (w *watch) OnDelete(obj any) {
	w.objects.Add(-1)
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	w.tell(obj, nil, false, true)
}

// tell has the rules that an object concerns look at it.
func (w *watch) tell(obj, before any, initial, gone bool) {
	c, ok := obj.(*compact)
	if !ok {
		return
	}
	old, _ := before.(*compact)
	w.mu.Lock()
	defer w.mu.Unlock()
	for sub := range w.users[c.Namespace] {
		sub.tell(c, old, initial, gone)
	}
}

// join has a rule see what there is, and what comes. What comes in between may be
// told twice, which changes nothing.
func (w *watch) join(s *subscription) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, namespace := range s.places() {
		if w.users[namespace] == nil {
			w.users[namespace] = map[*subscription]struct{}{}
		}
		w.users[namespace][s] = struct{}{}
	}
	w.replay(s)
}

// leave reports whether a rule was the last one.
func (w *watch) leave(s *subscription) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, namespace := range s.places() {
		delete(w.users[namespace], s)
		if len(w.users[namespace]) == 0 {
			delete(w.users, namespace)
		}
	}
	return len(w.users) == 0
}

// replay tells a rule of all that there is. The caller holds the lock.
func (w *watch) replay(s *subscription) {
	for _, namespace := range s.places() {
		list := w.informer.GetStore().List
		if namespace != "" {
			list = func() []any {
				out, _ := w.informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace) // only fails without the index
				return out
			}
		}
		for _, o := range list() {
			if c, ok := o.(*compact); ok {
				s.tell(c, nil, true, false)
			}
		}
	}
}

// fail notes that the API server has refused the watch, which is then looked
// into by its users; the log need not fill up with it.
func (w *watch) fail(ctx context.Context, r *cache.Reflector, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
		cache.DefaultWatchErrorHandler(ctx, r, err)
		return
	}
	w.refuse(err)
}

func (w *watch) refuse(err error) {
	w.mu.Lock()
	w.failed = err
	var wake []func()
	for _, users := range w.users {
		for s := range users {
			wake = append(wake, s.wake)
		}
	}
	w.mu.Unlock()
	for _, f := range wake {
		f()
	}
}
