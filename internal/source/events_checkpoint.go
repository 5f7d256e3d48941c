package source

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// expected are versions of an Event that are yet to be looked at.
type expected struct{ next, last string }

// Matters implements kindwatch.Handler. Events are deleted by age, which says nothing: one
// that is yet to be looked at is looked at all the same.
func (e *events) Matters(c *kindwatch.Object, gone, _ bool) bool {
	if gone || !e.scope.Has(c.Namespace, nil) {
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

// pending are the versions that are yet to be looked at or stored. The caller holds
// the lock.
func (e *events) pending(yield func(string) bool) {
	for _, event := range e.waiting {
		if !yield(event.next) {
			return
		}
	}
	for _, g := range e.groups {
		for _, event := range g.pending {
			if !yield(event.ResourceVersion) {
				return
			}
		}
	}
}

// commit returns up to where all is stored. The caller has stored what was taken.
func (e *events) commit() position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.checkpoint.commit(e.pending)
}

// Begun implements Watched: after a restore of the cluster, what there is is looked
// at once more.
func (e *events) Begun(w Watch) {
	current := w.Version()
	e.mu.Lock()
	stale := e.checkpoint.restart(current)
	e.mu.Unlock()
	if stale {
		w.Replay()
	}
}

// resumeFrom is up to where Events have been looked at: by the work before, or else
// as the status says. What happened while the rule was suspended is not told later.
func resumeFrom(alert *v1alpha1.SlackAlert, before *events, now time.Time) position {
	ready := conditions.Find(alert, v1alpha1.ConditionReady)
	seen := alert.Status.EventsSeenUntil
	switch {
	case before != nil:
		return before.commit()
	case ready != nil && ready.Reason == v1alpha1.ReasonSuspended:
		return position{at: now}
	case seen != nil:
		return position{alert.Status.EventsSeenVersion, seen.Time}
	}
	return position{alert.Status.EventsSeenVersion, alert.CreationTimestamp.Time}
}

// Times between two writes of the checkpoint: while Events are told, and while none
// is.
const (
	savePace = 5 * time.Second
	saveIdle = time.Minute
)

// Save implements Watched: it writes the checkpoint. Events behind it are read
// again after a restart, and counted once all the same.
func (e *events) Save(alert *v1alpha1.SlackAlert) time.Time {
	alert.Status.Pending = nil
	e.mu.Lock()
	defer e.mu.Unlock()
	now, at := e.schedule.Now(), e.checkpoint.commit(e.pending)
	if at.at.IsZero() {
		at.at = alert.CreationTimestamp.Time
	}
	if at.version == alert.Status.EventsSeenVersion && alert.Status.EventsSeenUntil != nil {
		return now.Add(saveIdle)
	}
	every := saveIdle
	if e.matched {
		every = savePace
	}
	if due := e.savedAt.Add(every); now.Before(due) && alert.Status.EventsSeenUntil != nil {
		return due
	}
	e.savedAt, e.matched = now, false
	alert.Status.EventsSeenVersion, alert.Status.EventsSeenUntil = at.version, &metav1.MicroTime{Time: at.at.UTC().Truncate(time.Microsecond)}
	return now.Add(saveIdle)
}

// retainEvents keeps those whose Events the checkpoint does not cover yet.
func retainEvents(alert *v1alpha1.SlackAlert) func(incident.Current, time.Time) bool {
	committed := alert.Status.EventsSeenVersion
	return func(current incident.Current, _ time.Time) bool {
		version := readEvents(current.Data).Version
		return version != "" && (committed == "" || newer(version, committed))
	}
}
