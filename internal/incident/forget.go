package incident

import (
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Forget drops what is kept in memory of a rule that is gone.
func (s *Store) Forget(rule types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, rule)
}

// ForgetDeleted is the handler of an informer by which a replica forgets the rules
// that are gone. The intake works on every replica, the controller on the leader
// alone. also are told of them too.
func (s *Store) ForgetDeleted(also ...func(rule types.UID)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{DeleteFunc: func(o any) {
		if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		rule, ok := o.(client.Object)
		if !ok {
			return
		}
		s.Forget(rule.GetUID())
		for _, forget := range also {
			forget(rule.GetUID())
		}
	}}
}
