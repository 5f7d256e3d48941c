package kindwatch

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Handler looks at the objects of a Subscription. Only Matters is called by the
// watch, and must be quick; the others are called by the workers of the Pool, for
// one object never two at once.
type Handler interface {
	// Matters reports whether an object is worth a look, when it is changed or
	// gone; pending is true while an earlier look at it is yet to come.
	Matters(o *Object, gone, pending bool) bool
	// OnAdd sees an object that is new; initial is true for what was there when the
	// subscription or the watch began.
	OnAdd(o *Object, initial bool)
	// OnUpdate sees an object that has changed since it was seen last. Neither its
	// UID nor its version is the same thing twice: one that was made anew is deleted
	// first.
	OnUpdate(before, o *Object)
	// OnDelete sees an object that is gone, as it was last.
	OnDelete(o *Object)
	// Spent is what looking has cost since it was last asked, in units of CEL.
	Spent() uint64
}

// Scope is what a Subscription looks at.
type Scope struct {
	Kind Kind
	// Namespaces of the objects; nil for a cluster-scoped kind.
	Namespaces map[string]bool
	// Selector of the objects; nil for all of them. Watches bring all, it is for the
	// subscriber to ask.
	Selector labels.Selector
}

// Has reports whether an object with these labels is looked at.
func (s *Scope) Has(namespace string, set map[string]string) bool {
	return (s.Namespaces == nil || s.Namespaces[namespace]) && (s.Selector == nil || s.Selector.Matches(labels.Set(set)))
}

// Same reports whether two scopes are of the same kind and namespaces.
func (s *Scope) Same(other *Scope) bool {
	return s.Kind == other.Kind && (s.Namespaces == nil) == (other.Namespaces == nil) && maps.Equal(s.Namespaces, other.Namespaces)
}

// Subscription is one subscriber's part in the watches of its kind. One without
// watches, as the zero value is, has no objects.
type Subscription struct {
	watches *Watches
	kind    schema.GroupVersionKind
	// namespace of the subscriber, in whose name it looks.
	namespace string
	// namespaces of the objects; nil for a cluster-scoped kind.
	namespaces map[string]bool
	handler    Handler
	wake       func()
	parts      []*watch
	// seen are how many failures of each part it has been told of.
	seen []int

	// Of the pool, whose lock holds them.
	looks  map[types.UID]*glance
	unseen int
	closed bool
}

// places are the namespaces that the subscriber looks at; "" of a kind without.
func (s *Subscription) places() []string {
	if s.namespaces == nil {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(s.namespaces))
}

// tell has the subscriber look at an object soon, if that may matter to it.
func (s *Subscription) tell(c, old *Object, initial, gone bool) {
	pool := &s.watches.Pool
	if old != nil && old.UID != c.UID {
		// Deleted and made anew while the watch was away.
		s.tell(old, nil, false, true)
		old = nil
	}
	if old != nil && old.ResourceVersion == c.ResourceVersion {
		return // the watch has begun anew
	}
	if s.handler.Matters(c, gone, pool.pending(s, c.UID)) {
		pool.submit(&glance{sub: s, uid: c.UID, obj: c, before: old, initial: initial, gone: gone})
	}
}

// see has the handler look, and returns what that has cost.
func (s *Subscription) see(l *glance) uint64 {
	switch {
	case l.gone:
		s.handler.OnDelete(l.obj)
	case l.before != nil && !l.initial:
		s.handler.OnUpdate(l.before, l.obj)
	default:
		s.handler.OnAdd(l.obj, l.initial)
	}
	return lookCost + s.handler.Spent()
}

// Refused returns why the API server has refused the watch since it was last
// asked, or the Unavailable that it has come to be; nil when it goes on. Each of those
// who share a watch is told.
func (s *Subscription) Refused() (err error) {
	for i, part := range s.parts {
		part.mu.Lock()
		if s.seen[i] != part.failures {
			s.seen[i], err = part.failures, part.failed
		}
		part.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Close ends the subscription, and the watches with their last one.
func (s *Subscription) Close() {
	w := s.watches
	w.Pool.drop(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, part := range s.parts {
		if !part.leave(s) {
			continue
		}
		part.end()
		for place, running := range w.kinds[s.kind] {
			if running == part {
				delete(w.kinds[s.kind], place)
			}
		}
	}
	if len(w.kinds[s.kind]) == 0 {
		delete(w.kinds, s.kind)
	}
}

// Synced reports whether the handler has looked at all that there was at first.
func (s *Subscription) Synced() bool {
	for _, part := range s.parts {
		if !part.handle.HasSynced() {
			return false
		}
	}
	return s.watches.Pool.begun(s)
}

// Get returns an object, or nil. It must not be changed.
func (s *Subscription) Get(namespace, name string) map[string]any {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	for _, part := range s.parts {
		o, _, _ := part.informer.GetStore().GetByKey(key)
		if c, ok := o.(*Object); ok {
			if u := c.Unpack(); u != nil {
				return u.Object
			}
		}
	}
	return nil
}

// Count is how many objects are counted of those that are watched.
func (s *Subscription) Count(counts func(*Object) bool) int {
	n := 0
	for _, part := range s.parts {
		for _, o := range part.informer.GetStore().List() {
			if c, ok := o.(*Object); ok && counts(c) {
				n++
			}
		}
	}
	return n
}

// Replay has the handler look at all that there is once more.
func (s *Subscription) Replay() {
	for _, part := range s.parts {
		part.mu.Lock()
		part.replay(s)
		part.mu.Unlock()
	}
}

// Version is the resourceVersion up to where the watch has come; empty when it
// can't be told.
func (s *Subscription) Version() string {
	if len(s.parts) == 1 {
		return s.parts[0].informer.LastSyncResourceVersion()
	}
	return ""
}
