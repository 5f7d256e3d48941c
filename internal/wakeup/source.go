// Package wakeup lets anything that is not an event of the API server wake a
// controller: a turn that has come, a list that was read, a verdict of Slack.
package wakeup

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Source is a source of requests for one controller. The zero value is ready
// to use. Waking never blocks, and waking what is already queued does nothing.
//
// Nor does it before the controller begins, which then looks at every object: a
// replica that waits to be the leader remembers nothing.
type Source struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// Wake has the controller reconcile an object soon.
func (s *Source) Wake(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue != nil {
		s.queue.Add(reconcile.Request{NamespacedName: name})
	}
}

// WakeAfter has the controller reconcile an object after a time. It returns false when
// the controller has not begun, and then does nothing.
func (s *Source) WakeAfter(name types.NamespacedName, after time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		return false
	}
	s.queue.AddAfter(reconcile.Request{NamespacedName: name}, after)
	return true
}

// Start implements source.Source.
func (s *Source) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = queue
	return nil
}
