// Package consistency remembers what a controller wrote, so that it does not
// decide by a cache that is older than that (KEP-5647 calls it the same).
package consistency

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Store knows the last write to each object. The zero value is ready for use,
// and safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	writes map[types.NamespacedName]write
}

type write struct {
	uid     types.UID
	version string
}

// WroteAt records that o, as the API server returned it, was written.
func (s *Store) WroteAt(o client.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes == nil {
		s.writes = map[types.NamespacedName]write{}
	}
	s.writes[client.ObjectKeyFromObject(o)] = write{o.GetUID(), o.GetResourceVersion()}
}

// Ready reports whether o, as the cache has it, is as new as the last write to
// it. Deciding by an older one could leave that write standing: it may differ
// from what is wanted now, though the cache does not show it yet.
func (s *Store) Ready(o client.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.writes[client.ObjectKeyFromObject(o)]
	return !ok || last.uid != o.GetUID() || !Older(o.GetResourceVersion(), last.version)
}

// Forget drops what is known of an object that is gone.
func (s *Store) Forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writes, name)
}

// Older reports whether a resourceVersion is certainly older than another.
func Older(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order < 0
}
