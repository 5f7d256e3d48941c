package alert

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// current returns a rule at work, or nil.
func (r *Reconciler) current(key types.NamespacedName) *running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[key]
}

// halt ends the work of a rule, which may begin again.
func (r *Reconciler) halt(key types.NamespacedName) {
	r.mu.Lock()
	run := r.runs[key]
	delete(r.runs, key)
	r.mu.Unlock()
	if run != nil {
		run.sub.Close()
	}
}

// stop ends the work of a rule that is gone.
func (r *Reconciler) stop(key types.NamespacedName) {
	r.halt(key)
	r.leave(key)
	r.mu.Lock()
	uid := r.uids[key]
	delete(r.uids, key)
	delete(r.firing, key)
	r.mu.Unlock()
	r.writes.Forget(key)
	r.Incidents.Forget(uid)
	if r.Posts != nil {
		r.Posts.Forget(uid)
	}
	r.Rules.Forget(uid)
}

// is reports whether it is the work of this very rule.
func (run *running) is(alert *v1alpha1.SlackAlert) bool {
	return run.alert.UID == alert.UID && run.alert.Generation == alert.Generation
}

// run returns the rule at work, which begins anew when the rule or what it
// looks at has changed.
func (r *Reconciler) run(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, s *scope) (*running, error) {
	key := client.ObjectKeyFromObject(alert)
	before := r.current(key)
	if before != nil && before.is(alert) && before.scope.Same(&s.Scope) {
		before.alert = alert
		return before, nil
	}
	wake := func() { r.Wake.Wake(key) }
	c := newChanges(r.Clock, r.pace(), wake)
	run := &running{uid: alert.UID, alert: alert, rule: rule, scope: s, changes: c, since: r.Clock.Now(), unrendered: map[string]string{}}
	if rule.Source == alerting.Objects {
		var was *objects
		if before != nil && before.alert.UID == alert.UID {
			was, _ = before.follower.(*objects)
		}
		o := newObjects(rule, alert, s, c, was)
		o.count = r.evaluated(rule.Source)
		run.follower = o
	} else {
		e := newEvents(rule, r.eventsFrom(alert, before), s, c)
		e.count = r.evaluated(rule.Source)
		run.follower = e
	}
	// The new part in the watch comes first, so that a watch that is still
	// wanted goes on.
	sub, err := r.Watches.Subscribe(ctx, alert.Namespace, &s.Scope, run.follower, wake)
	if err != nil {
		return nil, err
	}
	run.sub = sub
	r.halt(key)
	r.mu.Lock()
	if r.runs == nil {
		r.runs = map[types.NamespacedName]*running{}
	}
	r.runs[key] = run
	r.mu.Unlock()
	return run, nil
}

// eventsFrom is the rule with the mark up to which Events have been looked at:
// of the work before, or else of the status. What happened while it was
// suspended is not told later.
func (r *Reconciler) eventsFrom(alert *v1alpha1.SlackAlert, before *running) *v1alpha1.SlackAlert {
	out := alert.DeepCopy()
	if before != nil && before.alert.UID == alert.UID {
		if e, ok := before.follower.(*events); ok {
			version, at, _ := e.advance()
			out.Status.EventsSeenVersion, out.Status.EventsSeenUntil = version, &metav1.MicroTime{Time: at}
		}
		return out
	}
	if ready := conditions.Find(alert, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonSuspended {
		out.Status.EventsSeenVersion, out.Status.EventsSeenUntil = "", &metav1.MicroTime{Time: r.Clock.Now()}
	}
	return out
}

// Times between two writes of the mark: while Events are told, and while none
// is.
const (
	seenPace = 5 * time.Second
	seenIdle = time.Minute
)

// noteSeen writes into the status up to where Events have been looked at and
// stored, now and then: what is looked at twice is told once all the same.
func (r *Reconciler) noteSeen(alert *v1alpha1.SlackAlert, run *running, out *outcome) {
	e, ok := run.follower.(*events)
	if !ok {
		alert.Status.EventsSeenUntil, alert.Status.EventsSeenVersion = nil, ""
		return
	}
	now := r.Clock.Now()
	version, at, matched := e.advance()
	if at.IsZero() {
		at = alert.CreationTimestamp.Time
	}
	if version == alert.Status.EventsSeenVersion && alert.Status.EventsSeenUntil != nil {
		out.at(now.Add(seenIdle))
		return
	}
	every := seenIdle
	if matched {
		every = seenPace
	}
	if due := run.seenAt.Add(every); now.Before(due) && alert.Status.EventsSeenUntil != nil {
		out.at(due)
		return
	}
	run.seenAt = now
	e.told()
	alert.Status.EventsSeenVersion, alert.Status.EventsSeenUntil = version, &metav1.MicroTime{Time: at.UTC().Truncate(time.Microsecond)}
	out.at(now.Add(seenIdle))
}

// latePosts is how long a sender may still tell of something as firing that is
// over (Alertmanager's group_interval), with time to spare.
const latePosts = 2 * time.Hour

// stillNeeded tells which incidents that are over must be kept, so that they are
// not opened again: those whose Events the mark does not cover yet, and those
// that a late post may tell of.
func (r *Reconciler) stillNeeded(alert *v1alpha1.SlackAlert) func(incident.Past, time.Time) bool {
	if takesPosts(alert) {
		return func(_ incident.Past, over time.Time) bool { return r.Clock.Since(over) < latePosts }
	}
	if alert.Spec.Source.Events == nil {
		return nil
	}
	mark := alert.Status.EventsSeenVersion
	return func(past incident.Past, _ time.Time) bool {
		version := readEvents(past.Data).Version
		return version != "" && (mark == "" || newer(version, mark))
	}
}
