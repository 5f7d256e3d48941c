package source

import (
	"errors"
	"sync"
	"time"
)

// ErrOverspent means that the expressions of a namespace's rules have cost more
// than its share; it has to wait.
var ErrOverspent = errors.New("the expressions of the namespace's SlackAlerts cost too much")

// What the expressions of a namespace may cost, in units of CEL: a second, and at
// once, for posts as for objects.
const (
	costRate  = 500_000
	costBurst = 5_000_000
	// maxAccounts of namespaces that have spent something.
	maxAccounts = 10_000
)

// spending holds the namespaces to a budget. What a post costs is known
// afterwards, so an account may be overdrawn. The zero value is ready to use.
type spending struct {
	mu sync.Mutex
	by map[string]*account
}

type account struct {
	left float64
	at   time.Time
}

// allow reports whether a namespace may spend now.
func (s *spending) allow(namespace string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.by[namespace]
	if a == nil {
		if s.by == nil || len(s.by) >= maxAccounts {
			s.by = map[string]*account{}
		}
		s.by[namespace] = &account{left: costBurst, at: now}
		return true
	}
	a.left = min(costBurst, a.left+costRate*max(0, now.Sub(a.at).Seconds()))
	a.at = now
	return a.left >= 0
}

// charge takes what was spent.
func (s *spending) charge(namespace string, cost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.by[namespace]; a != nil {
		a.left -= float64(cost)
	}
}
