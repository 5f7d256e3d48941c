package source

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Objects that wait for spec.source.objects.for are in the rule's status, so that
// a restart does not begin it anew: one write for many of them, and none for one
// that is well again soon.
const (
	// maxStoredPending is the bound of status.pending.
	maxStoredPending = 100
	// pendingFrom is the shortest time for which that is done: to begin a shorter
	// one anew takes no longer than a restart.
	pendingFrom = 10 * time.Second
	// pendingPart of the time an object waits before it is stored, and two writes
	// are apart.
	pendingPart = 8
	// longestUnstored is how long an object waits at the most before it is
	// stored, and longestPendingPace how far two writes are apart.
	longestUnstored    = 30 * time.Second
	longestPendingPace = time.Minute
	// stalePace is the shortest time between two writes: what is stored and does
	// not hold any more must not be taken for true after a restart.
	stalePace = time.Second
)

// remember takes over what is known of objects from the status, and from the work
// before if it has asked for the same. alert.Status.Pending must be of the spec
// as it is.
func (o *objects) remember(alert *v1alpha1.SlackAlert, before *objects) {
	o.earlySince, o.earlyLeft = map[types.UID]time.Time{}, map[types.UID]time.Time{}
	for _, p := range alert.Status.Pending {
		o.earlySince[p.UID] = p.Since.Time
	}
	if before == nil || before.when != o.when {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	o.pendingAt = before.pendingAt
	for uid, m := range before.members {
		if m.left.IsZero() {
			o.earlySince[uid] = m.since
		} else {
			o.earlyLeft[uid] = m.left
		}
	}
}

// Begun implements Watched: what is seen from now on is seen for the first time.
func (o *objects) Begun(Watch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.earlySince = nil
}

// pending are the objects to store, and when there will be more of them; zero for
// when something changes. stale is true when one that is stored does not wait any
// more, and has not fired.
func (o *objects) pending(stored []v1alpha1.PendingObject) (out []v1alpha1.PendingObject, next time.Time, stale bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.schedule.Now()
	for _, p := range stored {
		m := o.members[p.UID]
		stale = stale || m == nil || !m.fired && !p.Since.Time.Equal(wholeSecond(m.since))
	}
	if o.hold < pendingFrom {
		return nil, time.Time{}, stale
	}
	after := min(o.hold/pendingPart, longestUnstored)
	for uid, m := range o.members {
		if m.fired || !m.unknown && o.ripe(m) {
			continue
		}
		if at := m.since.Add(after); now.Before(at) {
			next = earlier(next, at)
			continue
		}
		out = append(out, v1alpha1.PendingObject{UID: uid, Since: metav1.NewTime(wholeSecond(m.since))})
	}
	slices.SortFunc(out, func(a, b v1alpha1.PendingObject) int {
		if c := a.Since.Compare(b.Since.Time); c != 0 {
			return c
		}
		return strings.Compare(string(a.UID), string(b.UID))
	})
	return out[:min(len(out), maxStoredPending)], next, stale
}

// wholeSecond rounds up, as a time is stored: nothing may fire early.
func wholeSecond(t time.Time) time.Time {
	out := t.UTC().Truncate(time.Second)
	if out.Before(t) {
		out = out.Add(time.Second)
	}
	return out
}

// Save implements Watched: it writes the pending objects.
func (o *objects) Save(alert *v1alpha1.SlackAlert) time.Time {
	alert.Status.EventsSeenUntil, alert.Status.EventsSeenVersion = nil, ""
	now := o.schedule.Now()
	list, next, stale := o.pending(alert.Status.Pending)
	if equality.Semantic.DeepEqual(list, alert.Status.Pending) {
		return next
	}
	pace := min(max(o.hold/pendingPart, stalePace), longestPendingPace)
	if stale {
		pace = stalePace
	}
	if due := o.pendingAt.Add(pace); now.Before(due) {
		return earlier(next, due)
	}
	o.pendingAt = now
	alert.Status.Pending = list
	return next
}
