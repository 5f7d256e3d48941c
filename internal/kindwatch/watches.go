package kindwatch

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

// ownWatches of a kind are for one namespace each; subscribers of further namespaces
// share one of the whole cluster, which costs the API server less by then.
const ownWatches = 20

// Watches are the watches of all subscriptions: of each kind one for each
// namespace that is looked at, or one for the whole cluster, and none for what
// nobody looks at.
type Watches struct {
	// Client to watch with.
	Client dynamic.Interface
	// Namespaces that the operator watches; all when empty.
	Namespaces []string
	// MaxObjects of a kind; DefaultMaxObjects when 0.
	MaxObjects int
	// Pool has the handlers look at what has changed.
	Pool Pool

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]map[string]*watch
}

// Subscribe has a handler see the objects of a scope. namespace is the one that
// pays for looking (see Pool). wake is called when the watch fails, and when all
// that was there at first has been looked at. The error may be an *Unavailable.
func (w *Watches) Subscribe(ctx context.Context, namespace string, s *Scope, h Handler, wake func()) (*Subscription, error) {
	sub := &Subscription{watches: w, kind: s.Kind.GVK, namespace: namespace, namespaces: s.Namespaces, handler: h, wake: wake}
	if err := w.overfull(s.Kind); err != nil {
		return nil, err
	}
	missing := w.attach(ctx, sub, s, false)
	if len(missing) == 0 {
		return sub, nil
	}
	// To count takes a call, for which nobody else waits.
	if err := w.room(ctx, s.Kind, missing); err != nil {
		return nil, err
	}
	w.attach(ctx, sub, s, true)
	return sub, nil
}

// places are the namespaces to watch for a scope, "" for all. The caller holds
// the lock.
func (w *Watches) places(s *Scope) []string {
	everywhere := []string{metav1.NamespaceAll}
	if len(w.Namespaces) > 0 && s.Kind.Namespaced {
		everywhere = w.Namespaces
	}
	if s.Namespaces == nil || len(s.Namespaces) > 1 {
		return everywhere
	}
	own := slices.Collect(maps.Keys(s.Namespaces))
	running := w.kinds[s.Kind.GVK]
	shared := running[metav1.NamespaceAll] != nil
	if len(own) == 1 && running[own[0]] == nil && (shared || len(running) >= ownWatches) && len(w.Namespaces) == 0 {
		return everywhere
	}
	return own
}

// attach has a subscription take part in the watches of its scope. Those that are
// not there are begun, or else returned.
func (w *Watches) attach(ctx context.Context, sub *Subscription, s *Scope, begin bool) (missing []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	places := w.places(s)
	for _, place := range places {
		if w.kinds[s.Kind.GVK][place] == nil {
			missing = append(missing, place)
		}
	}
	if len(missing) > 0 && !begin {
		return missing
	}
	if w.kinds == nil {
		w.kinds = map[schema.GroupVersionKind]map[string]*watch{}
	}
	running := w.kinds[s.Kind.GVK]
	if running == nil {
		running = map[string]*watch{}
		w.kinds[s.Kind.GVK] = running
	}
	for _, place := range missing {
		running[place] = w.begin(ctx, s.Kind, place)
	}
	for _, place := range places {
		sub.parts = append(sub.parts, running[place])
		seen := running[place].join(sub)
		if slices.Contains(missing, place) {
			seen = 0 // what has failed since it was begun
		}
		sub.seen = append(sub.seen, seen)
	}
	return nil
}

// begin begins to watch a kind in a namespace, or in all. It goes on when the
// request that has asked for it is over, until its last user is gone.
func (w *Watches) begin(ctx context.Context, k Kind, namespace string) *watch {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	out := &watch{kind: k, end: end, users: map[string]map[*Subscription]struct{}{}, overfull: func() error { return w.overfull(k) },
		informer: dynamicinformer.NewFilteredDynamicInformer(w.Client, k.Resource, namespace, 0, indexers, nil).Informer()}
	// These fail for an informer that runs already.
	_ = out.informer.SetTransform(transform)
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
func (w *Watches) kept(k Kind) int {
	n := 0
	for _, part := range w.kinds[k.GVK] {
		n += int(part.objects.Load())
	}
	return n
}

// overfull is the problem of a kind that has come to have too many objects.
func (w *Watches) overfull(k Kind) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	// What grows slowly past the limit is let be for a while, rather than
	// stopped and begun again.
	if n := w.kept(k); n > w.maxObjects()+w.maxObjects()/10 {
		return w.tooMany(k, n)
	}
	return nil
}

func (w *Watches) tooMany(k Kind, n int) *Unavailable {
	return &Unavailable{Reason: v1alpha1.ReasonTooManyObjects, Stalled: true, RetryAfter: tooManyAgain, Message: fmt.Sprintf(
		"there are about %d %s to watch, and the operator keeps %d objects of a kind in memory at the most: have rules of fewer namespaces watch them, or give the operator more memory (some 5 KiB for each object) and start it with --max-objects-per-kind=%d or more (in the args of its Deployment); it is looked at again every minute",
		About(n), k.Plural(), w.maxObjects(), max(2*w.maxObjects(), 2*About(n)))}
}

// About is a number to two digits, so that a message does not change with each
// object.
func About(n int) int {
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
func (w *Watches) room(ctx context.Context, k Kind, namespaces []string) error {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	w.mu.Lock()
	n := w.kept(k)
	w.mu.Unlock()
	for _, namespace := range namespaces {
		list, err := w.Client.Resource(k.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 1})
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
// informer, and knows which subscribers look at what namespace.
type watch struct {
	kind     Kind
	informer cache.SharedIndexInformer
	handle   cache.ResourceEventHandlerRegistration
	end      context.CancelFunc
	objects  atomic.Int64
	// overfull is the problem of too many objects, or nil.
	overfull func() error

	mu sync.Mutex
	// users by the namespaces that they look at; by "" those of a kind that has
	// none.
	users map[string]map[*Subscription]struct{}
	// failed is why the API server has refused it last, and failures is how often it has.
	failed   error
	failures int
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

// tell has the subscribers that an object concerns look at it.
func (w *watch) tell(obj, before any, initial, gone bool) {
	c, ok := obj.(*Object)
	if !ok {
		return
	}
	old, _ := before.(*Object)
	w.mu.Lock()
	defer w.mu.Unlock()
	for sub := range w.users[c.Namespace] {
		sub.tell(c, old, initial, gone)
	}
}

// join has a subscriber see what there is, and what comes. What comes in between may be
// told twice, which changes nothing. It returns how often the watch has failed before.
func (w *watch) join(s *Subscription) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, namespace := range s.places() {
		if w.users[namespace] == nil {
			w.users[namespace] = map[*Subscription]struct{}{}
		}
		w.users[namespace][s] = struct{}{}
	}
	w.replay(s)
	return w.failures
}

// leave reports whether a subscriber was the last one.
func (w *watch) leave(s *Subscription) bool {
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

// replay tells a subscriber of all that there is. The caller holds the lock.
func (w *watch) replay(s *Subscription) {
	for _, namespace := range s.places() {
		list := w.informer.GetStore().List
		if namespace != "" {
			list = func() []any {
				out, _ := w.informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace) // only fails without the index
				return out
			}
		}
		for _, o := range list() {
			if c, ok := o.(*Object); ok {
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
	w.failures++
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
