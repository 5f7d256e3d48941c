package alert

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// Watches are the watches of all rules: one for each kind, however many rules
// look at it, and none for a kind that no rule looks at.
type Watches struct {
	// Client to watch with.
	Client dynamic.Interface
	// Namespaces that the operator watches; all when empty.
	Namespaces []string

	mu     sync.Mutex
	byKind map[schema.GroupVersionKind]*watch
}

// watch of one kind.
type watch struct {
	kind      kind
	informers []cache.SharedIndexInformer
	end       context.CancelFunc

	mu sync.Mutex
	// users are woken when the watch fails.
	users map[*subscription]func()
	// failed is why the API server has refused it.
	failed error
}

// subscription is one rule's part in a watch.
type subscription struct {
	watches *Watches
	watch   *watch
	handles []cache.ResourceEventHandlerRegistration
}

// subscribe has a handler see the objects of a kind. wake is called when the
// watch fails.
func (w *Watches) subscribe(ctx context.Context, k kind, handler cache.ResourceEventHandler, wake func()) (*subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shared := w.byKind[k.gvk]
	if shared == nil {
		var err error
		if shared, err = w.start(ctx, k); err != nil {
			return nil, err
		}
		if w.byKind == nil {
			w.byKind = map[schema.GroupVersionKind]*watch{}
		}
		w.byKind[k.gvk] = shared
	}
	s := &subscription{watches: w, watch: shared}
	shared.mu.Lock()
	shared.users[s] = wake
	shared.mu.Unlock()
	for _, informer := range shared.informers {
		handle, err := informer.AddEventHandler(handler)
		if err != nil {
			w.drop(s)
			return nil, err
		}
		s.handles = append(s.handles, handle)
	}
	return s, nil
}

// start begins to watch a kind. It goes on when the request that has asked for
// it is over, until its last user is gone.
func (w *Watches) start(ctx context.Context, k kind) (*watch, error) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	out := &watch{kind: k, end: end, users: map[*subscription]func(){}}
	namespaces := []string{metav1.NamespaceAll}
	if k.namespaced && len(w.Namespaces) > 0 {
		namespaces = w.Namespaces
	}
	for _, namespace := range namespaces {
		indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
		informer := dynamicinformer.NewFilteredDynamicInformer(w.Client, k.resource, namespace, 0, indexers, nil).Informer()
		if err := informer.SetTransform(shrink); err != nil {
			end()
			return nil, err
		}
		if err := informer.SetWatchErrorHandlerWithContext(out.fail); err != nil {
			end()
			return nil, err
		}
		out.informers = append(out.informers, informer)
		go informer.RunWithContext(ctx)
	}
	return out, nil
}

// fail notes that the API server has refused the watch, which is then looked
// into by its users; the log need not fill up with it.
func (w *watch) fail(ctx context.Context, r *cache.Reflector, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
		cache.DefaultWatchErrorHandler(ctx, r, err)
		return
	}
	w.mu.Lock()
	w.failed = err
	var wake []func()
	for _, f := range w.users {
		wake = append(wake, f)
	}
	w.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

// refused returns why the API server has refused the watch since it was last
// asked.
func (s *subscription) refused() error {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	err := s.watch.failed
	s.watch.failed = nil
	return err
}

// close ends the subscription, and the watch with its last one.
func (s *subscription) close() {
	s.watches.mu.Lock()
	defer s.watches.mu.Unlock()
	s.watches.drop(s)
}

func (w *Watches) drop(s *subscription) {
	for i, handle := range s.handles {
		_ = s.watch.informers[i].RemoveEventHandler(handle) // only fails for handles of others
	}
	s.handles = nil
	s.watch.mu.Lock()
	delete(s.watch.users, s)
	left := len(s.watch.users)
	s.watch.mu.Unlock()
	if left == 0 && w.byKind[s.watch.kind.gvk] == s.watch {
		delete(w.byKind, s.watch.kind.gvk)
		s.watch.end()
	}
}

// synced reports whether the handler has seen all that there was at first.
func (s *subscription) synced() bool {
	for _, handle := range s.handles {
		if !handle.HasSynced() {
			return false
		}
	}
	return true
}

// get returns an object, or nil. It must not be changed.
func (s *subscription) get(namespace, name string) map[string]any {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	for _, informer := range s.watch.informers {
		o, _, _ := informer.GetStore().GetByKey(key)
		if c, ok := o.(*compact); ok {
			if u := c.whole(); u != nil {
				return u.Object
			}
		}
	}
	return nil
}

// each calls f for all objects of the cache.
func (s *subscription) each(f func(any)) {
	for _, informer := range s.watch.informers {
		for _, o := range informer.GetStore().List() {
			f(o)
		}
	}
}

// version is up to where the watch has come; empty when it can't be told.
func (s *subscription) version() string {
	if len(s.watch.informers) == 1 {
		return s.watch.informers[0].LastSyncResourceVersion()
	}
	return ""
}
