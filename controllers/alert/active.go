package alert

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/schedule"
	"github.com/slack-notifier/slack-notifier/internal/source"
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
	delete(r.requests, key)
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
	run := &activeRule{uid: alert.UID, alert: alert, rule: rule, scope: s, schedule: schedule.New(r.Clock, r.pace(), wake), since: r.Clock.Now(), unrendered: map[string]string{}}
	var earlier source.Watched
	if before != nil && before.alert.UID == alert.UID {
		earlier = before.watched
	}
	run.watched = source.Follow(source.Env{Alert: alert, Rule: rule, Scope: &s.Scope, Schedule: run.schedule, Evaluated: r.evaluated(rule.Source)}, earlier)
	// The new part in the watch comes first, so that a watch that is still
	// wanted goes on.
	sub, err := r.Watches.Subscribe(ctx, alert.Namespace, &s.Scope, run.watched, wake)
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
