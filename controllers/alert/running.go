package alert

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// current returns a rule at work, or nil.
func (r *Reconciler) current(key types.NamespacedName) *activeRule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[key]
}

// pause ends the work of a rule, which may begin again.
func (r *Reconciler) pause(key types.NamespacedName) {
	r.mu.Lock()
	run := r.runs[key]
	delete(r.runs, key)
	r.mu.Unlock()
	if run != nil {
		run.sub.Close()
	}
}

// forget ends the work of a rule that is gone.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.pause(key)
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
func (run *activeRule) is(alert *v1alpha1.SlackAlert) bool {
	return run.alert.UID == alert.UID && run.alert.Generation == alert.Generation
}

// run returns the rule at work, which begins anew when the rule or what it
// looks at has changed.
func (r *Reconciler) run(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, s *scope) (*activeRule, error) {
	key := client.ObjectKeyFromObject(alert)
	before := r.current(key)
	if before != nil && before.is(alert) && before.scope.Same(&s.Scope) {
		before.alert = alert
		return before, nil
	}
	wake := func() { r.Wake.Wake(key) }
	c := newSchedule(r.Clock, r.pace(), wake)
	run := &activeRule{uid: alert.UID, alert: alert, rule: rule, scope: s, schedule: c, since: r.Clock.Now(), unrendered: map[string]string{}}
	var earlier follower
	if before != nil && before.alert.UID == alert.UID {
		earlier = before.follower
	}
	run.follower = r.newFollower(run, earlier)
	// The new part in the watch comes first, so that a watch that is still
	// wanted goes on.
	sub, err := r.Watches.Subscribe(ctx, alert.Namespace, &s.Scope, run.follower, wake)
	if err != nil {
		return nil, err
	}
	run.sub = sub
	r.pause(key)
	r.mu.Lock()
	if r.runs == nil {
		r.runs = map[types.NamespacedName]*activeRule{}
	}
	r.runs[key] = run
	r.mu.Unlock()
	return run, nil
}

// newFollower makes the follower of a rule, which goes on where the one before has
// been; before is nil when there was none.
func (r *Reconciler) newFollower(run *activeRule, before follower) follower {
	if run.rule.Source == alerting.Events {
		was, _ := before.(*events)
		e := newEvents(run.rule, run.alert, run.scope, run.schedule, was)
		e.count = r.evaluated(run.rule.Source)
		return e
	}
	was, _ := before.(*objects)
	o := newObjects(run.rule, run.alert, run.scope, run.schedule, was)
	o.count = r.evaluated(run.rule.Source)
	return o
}

// latePosts is how long a sender may still tell of something as firing that is
// over (Alertmanager's group_interval), with time to spare.
const latePosts = 2 * time.Hour

// mustRetain tells which incidents that are over must be kept, so that they are
// not opened again: those whose Events the checkpoint does not cover yet, and those
// that a late post may tell of.
func (r *Reconciler) mustRetain(alert *v1alpha1.SlackAlert) func(incident.Current, time.Time) bool {
	if takesPosts(alert) {
		return func(_ incident.Current, over time.Time) bool { return r.Clock.Since(over) < latePosts }
	}
	if alert.Spec.Source.Events == nil {
		return nil
	}
	committed := alert.Status.EventsSeenVersion
	return func(current incident.Current, _ time.Time) bool {
		version := readEvents(current.Data).Version
		return version != "" && (committed == "" || newer(version, committed))
	}
}
