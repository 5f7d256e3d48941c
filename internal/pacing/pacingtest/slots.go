// Package pacingtest is for the tests of those who make calls in slots of a Limiter.
package pacingtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Limiter hands out slots for calls; *pacing.Limiter is one.
type Limiter interface {
	Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration)
	Done(now time.Time, workspace slack.Workspace, method, holder string)
}

// NoLimits is a Limiter that has a slot for everybody, until Slack asks to wait.
func NoLimits() *pacing.Limiter {
	return pacing.NewLimiter(pacing.LimiterOptions{Methods: map[string][]pacing.Limit{}, Others: []pacing.Limit{}})
}

// slots are those that were given and of whose end nobody has told yet.
type slots struct {
	Limiter
	mu   sync.Mutex
	open map[string]int
}

// Watch fails the test at its end when the Limiter was not told of the end of each
// call that it gave a slot to.
func Watch(t testing.TB, l Limiter) Limiter {
	s := &slots{Limiter: l, open: map[string]int{}}
	t.Cleanup(func() {
		// What the end of the test cuts off ends a moment later.
		for end := time.Now().Add(10 * time.Second); len(s.left()) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("the Limiter was not told that these calls have ended: %v", s.left())
				return
			}
		}
	})
	return s
}

func (s *slots) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.open))
}

func (s *slots) count(workspace slack.Workspace, method, holder string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s for %s in %s", method, holder, workspace)
	if s.open[key] += by; s.open[key] <= 0 {
		delete(s.open, key)
	}
}

func (s *slots) Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (time.Time, bool) {
	at, ok := s.Limiter.Reserve(now, workspace, method, h)
	if ok {
		s.count(workspace, method, h.Name, 1)
	}
	return at, ok
}

func (s *slots) Done(now time.Time, workspace slack.Workspace, method, holder string) {
	s.Limiter.Done(now, workspace, method, holder)
	s.count(workspace, method, holder, -1)
}
