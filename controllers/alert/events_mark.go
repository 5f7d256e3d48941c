package alert

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// expected are versions of an Event that are yet to be looked at.
type expected struct{ next, last string }

// Matters implements kindwatch.Handler. Events are deleted by age, which says nothing: one
// that is yet to be looked at is looked at all the same.
func (e *events) Matters(c *kindwatch.Object, gone, _ bool) bool {
	if gone || !e.scope.has(c.Namespace, nil) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	was, ok := e.waiting[c.UID]
	if !ok {
		was.next = c.ResourceVersion
	}
	was.last = c.ResourceVersion
	e.waiting[c.UID] = was
	return true
}

// arrived notes that an Event is looked at, of which a later version may wait.
// The caller holds the lock.
func (e *events) arrived(c *kindwatch.Object) {
	was, ok := e.waiting[c.UID]
	switch {
	case !ok:
	case was.last == c.ResourceVersion:
		delete(e.waiting, c.UID)
	default:
		e.waiting[c.UID] = expected{was.last, was.last}
	}
}

// look notes that an Event is being looked at, whose sender's clock may be ahead
// of ours. The caller holds the lock.
func (e *events) look(version string, at time.Time) {
	if newer(version, e.looked) {
		e.looked = version
		if now := e.changes.clock.Now(); at.After(now) {
			at = now
		}
		e.at = latest(e.at, at)
	}
}

// advance moves the mark to where all is stored. The caller has stored what was
// taken.
func (e *events) advance() (mark string, at time.Time, matched bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == "" {
		e.open, e.openAt = e.looked, e.at
	}
	for _, event := range e.waiting {
		if !newer(event.next, e.open) {
			return e.mark, e.marked, e.matched
		}
	}
	for _, g := range e.groups {
		for _, event := range g.pending {
			if !newer(event.ResourceVersion, e.open) {
				return e.mark, e.marked, e.matched
			}
		}
	}
	e.mark, e.marked, e.open = e.open, e.openAt, ""
	return e.mark, e.marked, e.matched
}

// told notes that the mark is in the status.
func (e *events) told() {
	e.mu.Lock()
	e.matched = false
	e.mu.Unlock()
}

// restore begins anew by time when the versions of the cluster are older than
// what was noted: it was restored from a backup.
func (e *events) restore(s *kindwatch.Subscription) {
	current := s.Version()
	e.mu.Lock()
	stale := e.base != "" && current != "" && newer(e.base, current)
	if stale {
		e.base, e.looked, e.mark, e.open = "", "", "", ""
	}
	e.mu.Unlock()
	if stale {
		s.Replay()
	}
}
