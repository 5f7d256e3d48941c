package alert

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/schedule"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// activeRule is a rule at work.
type activeRule struct {
	uid      types.UID
	alert    *v1alpha1.SlackAlert
	rule     *alerting.Rule
	scope    *scope
	watched  source.Watched
	schedule *schedule.Schedule
	sub      *kindwatch.Subscription
	since    time.Time
	synced   bool
	// overflowAt is when the overflow may be written again.
	overflowAt time.Time
	// evaluatingAt is when the condition Evaluating was changed last.
	evaluatingAt time.Time
	// refused are the groups whose messages the API server does not store, which
	// are tried again from refusedUntil, after a pause that has grown.
	refused      map[string]bool
	refusedUntil time.Time
	refusedPause time.Duration
	// unrendered are the groups whose templates fail, and how.
	unrendered map[string]string
}

// processChanges stores what has changed, and returns when there is more to do.
func (r *Reconciler) processChanges(ctx context.Context, run *activeRule) (time.Time, error) {
	open, err := r.Incidents.Open(ctx, run.alert)
	if err != nil {
		return time.Time{}, err
	}
	now := r.Clock.Now()
	var next time.Time
	keys := make(map[string]alerting.Key, len(open))
	for _, g := range open {
		keys[g.Key.ID] = g.Key
		at, ok := run.watched.Overdue(g)
		switch {
		case ok && !now.Before(at):
			run.schedule.Expire(g.Key.ID, now)
		case ok:
			next = earlier(next, at)
		}
	}
	for id := range run.unrendered {
		if _, isOpen := keys[id]; !isOpen {
			delete(run.unrendered, id) // over
		}
	}
	pass := &source.Pass{Ctx: ctx, Alert: run.alert, Rule: run.rule, ClusterName: r.ClusterName, Watch: run.sub, Rendered: run.rendered}
	ids := run.untried(run.schedule.Due(now), now)
	updates, commits := make([]incident.Update, len(ids)), make([]func(), len(ids))
	for i, id := range ids {
		key := keys[id]
		key.ID = id
		updates[i], commits[i] = run.watched.Update(key, pass)
	}
	if len(updates) > 0 {
		if err := r.store(ctx, run, ids, updates, commits); err != nil {
			return time.Time{}, err
		}
	}
	return earlier(next, run.schedule.Next()), nil
}

// rendered notes whether the templates of a message fail.
func (run *activeRule) rendered(key alerting.Key, err error) {
	if err != nil {
		run.unrendered[key.ID] = key.Text + ": " + err.Error()
	} else {
		delete(run.unrendered, key.ID)
	}
}

// store applies the updates of groups to the incidents.
func (r *Reconciler) store(ctx context.Context, run *activeRule, ids []string, updates []incident.Update, commits []func()) error {
	now := r.Clock.Now()
	applied, err := r.Incidents.Apply(ctx, run.alert, updates, incident.Options{HoldOverflow: now.Before(run.overflowAt)})
	if err != nil {
		run.schedule.Retry(ids, now)
		return err
	}
	if applied.Overflow {
		run.overflowAt = now.Add(r.pace())
	}
	run.note(ids, applied.Refused, now)
	var held []string
	for i, id := range ids {
		if applied.Refused[id] != "" {
			continue
		}
		if applied.Held[id] {
			held = append(held, id)
			continue
		}
		commits[i]()
	}
	run.schedule.Retry(held, run.overflowAt)
	return nil
}

// Pauses between two tries to store what the API server has refused.
const (
	refusedFirst  = 5 * time.Second
	refusedRarely = 5 * time.Minute
)

// untried are the groups that are to be tried now. Those that were refused wait
// for their time, whatever happens to them meanwhile.
func (run *activeRule) untried(ids []string, now time.Time) []string {
	if !now.Before(run.refusedUntil) {
		return ids
	}
	var out, wait []string
	for _, id := range ids {
		if run.refused[id] {
			wait = append(wait, id)
		} else {
			out = append(out, id)
		}
	}
	run.schedule.Retry(wait, run.refusedUntil)
	return out
}

// note has groups that were refused tried again, and forgets those that were
// not.
func (run *activeRule) note(ids []string, refused map[string]string, now time.Time) {
	if run.refused == nil {
		run.refused = map[string]bool{}
	}
	var again []string
	for _, id := range ids {
		delete(run.refused, id)
		if refused[id] != "" {
			run.refused[id] = true
			again = append(again, id)
		}
	}
	switch {
	case len(run.refused) == 0:
		run.refusedPause, run.refusedUntil = 0, time.Time{}
	case len(again) > 0 && !now.Before(run.refusedUntil):
		run.refusedPause = min(max(2*run.refusedPause, refusedFirst), refusedRarely)
		run.refusedUntil = now.Add(run.refusedPause)
	}
	run.schedule.Retry(again, run.refusedUntil)
}

// tryRefused has what was refused tried now, with short pauses again.
func (run *activeRule) tryRefused(now time.Time) {
	run.refusedUntil, run.refusedPause = time.Time{}, 0
	run.schedule.Retry(slices.Collect(maps.Keys(run.refused)), now)
}

// earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
