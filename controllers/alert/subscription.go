package alert

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// subscription is one rule's part in the watches of its kind.
type subscription struct {
	watches *Watches
	kind    schema.GroupVersionKind
	// namespace of the rule, in whose name it looks.
	namespace string
	// namespaces of the objects; nil for a cluster-scoped kind.
	namespaces map[string]bool
	follower   follower
	wake       func()
	parts      []*watch

	// Of the pool, whose lock holds them.
	looks  map[types.UID]*glance
	unseen int
	closed bool
}

// places are the namespaces that the rule looks at; "" of a kind without.
func (s *subscription) places() []string {
	if s.namespaces == nil {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(s.namespaces))
}

// tell has the rule look at an object soon, if that may matter to it.
func (s *subscription) tell(c, old *compact, initial, gone bool) {
	pool := &s.watches.Pool
	if old != nil && old.UID != c.UID {
		// Deleted and made anew while the watch was away.
		s.tell(old, nil, false, true)
		old = nil
	}
	if old != nil && old.ResourceVersion == c.ResourceVersion {
		return // the watch has begun anew
	}
	if s.follower.matters(c, gone, pool.pending(s, c.UID)) {
		pool.submit(&glance{sub: s, uid: c.UID, obj: c, before: old, initial: initial, gone: gone})
	}
}

// see has the follower look, and returns what that has cost.
func (s *subscription) see(l *glance) uint64 {
	switch {
	case l.gone:
		s.follower.OnDelete(l.obj)
	case l.before != nil && !l.initial:
		s.follower.OnUpdate(l.before, l.obj)
	default:
		s.follower.OnAdd(l.obj, l.initial)
	}
	return s.follower.spent()
}

// refused returns why the API server has refused the watch since it was last
// asked, or the problem that it has come to be.
func (s *subscription) refused() error {
	for _, part := range s.parts {
		part.mu.Lock()
		err := part.failed
		part.failed = nil
		part.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends the subscription, and the watches with their last one.
func (s *subscription) close() {
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

// synced reports whether the rule has looked at all that there was at first.
func (s *subscription) synced() bool {
	for _, part := range s.parts {
		if !part.handle.HasSynced() {
			return false
		}
	}
	return s.watches.Pool.begun(s)
}

// get returns an object, or nil. It must not be changed.
func (s *subscription) get(namespace, name string) map[string]any {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	for _, part := range s.parts {
		o, _, _ := part.informer.GetStore().GetByKey(key)
		if c, ok := o.(*compact); ok {
			if u := c.whole(); u != nil {
				return u.Object
			}
		}
	}
	return nil
}

// count is how many objects a rule looks at.
func (s *subscription) count(in *scope) int {
	n := 0
	for _, part := range s.parts {
		for _, o := range part.informer.GetStore().List() {
			if c, ok := o.(*compact); ok && in.has(c.Namespace, c.Labels) && !ofRules(c) {
				n++
			}
		}
	}
	return n
}

// replay has the rule look at all that there is once more.
func (s *subscription) replay() {
	for _, part := range s.parts {
		part.mu.Lock()
		part.replay(s)
		part.mu.Unlock()
	}
}

// version is up to where the watch has come; empty when it can't be told.
func (s *subscription) version() string {
	if len(s.parts) == 1 {
		return s.parts[0].informer.LastSyncResourceVersion()
	}
	return ""
}
