package alert

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// follower follows what a rule's source brings.
type follower interface {
	kindwatch.Handler
	// update of a group that has changed or is overdue. commit is called when it is
	// stored.
	update(key alerting.Key, w *work) (u incident.Update, commit func())
	// overdue tells when an open incident is to be looked at though nothing
	// has changed; false for never.
	overdue(open incident.Group) (time.Time, bool)
	// suppress is told when a person has deleted an open incident.
	suppress(key string)
	// begun is told when all that there was at first has been looked at.
	begun(s *kindwatch.Subscription)
	// save writes into the status what must survive a restart, now and then, and
	// returns when there is more to write; zero for when something changes.
	save(alert *v1alpha1.SlackAlert) time.Time
	// trouble tells of expressions that can't be evaluated.
	trouble() trouble
}

// activeRule is a rule at work.
type activeRule struct {
	uid      types.UID
	alert    *v1alpha1.SlackAlert
	rule     *alerting.Rule
	scope    *scope
	follower follower
	schedule *schedule
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

// work is one pass over the changes of a rule.
type work struct {
	ctx     context.Context //nolint:containedctx // the life of the pass
	run     *activeRule
	cluster string
}

// maxThings are the objects of a group that templates see.
const maxThings = 20

// maxRendering is how long a template may take.
const maxRendering = time.Second

// get returns the object of a thing, or nil.
func (w *work) get(t alerting.Thing) map[string]any { return w.run.sub.Get(t.Namespace, t.Name) }

// render makes the message about objects, of which there are total.
func (w *work) render(things []alerting.Thing, total int, key alerting.Key) func(string) v1alpha1.Content {
	return func(state string) v1alpha1.Content {
		data := w.data(state)
		var all []any
		for _, t := range things {
			if t.Object != nil {
				all = append(all, t.Object)
			}
		}
		if len(all) > 0 {
			first := all[0].(map[string]any)
			data["object"] = first
			meta, _ := first["metadata"].(map[string]any)
			data["labels"], data["annotations"] = mapOf(meta, "labels"), mapOf(meta, "annotations")
		}
		data["objects"], data["count"] = all, total
		instead := alerting.ObjectsContent(w.run.alert.Name, things, total, state)
		return w.content(data, instead, key)
	}
}

// renderEvent makes the message about Events.
func (w *work) renderEvent(last alerting.Event, total int64, key alerting.Key) func(string) v1alpha1.Content {
	return func(state string) v1alpha1.Content {
		data := w.data(state)
		data["event"], data["count"] = last.Fields, total
		meta, _ := last.Fields["metadata"].(map[string]any)
		data["labels"], data["annotations"] = mapOf(meta, "labels"), mapOf(meta, "annotations")
		return w.content(data, alerting.EventsContent(last, w.run.alert.Name, total, state), key)
	}
}

func mapOf(m map[string]any, name string) map[string]any {
	out, _ := m[name].(map[string]any)
	if out == nil {
		return map[string]any{}
	}
	return out
}

// data is what all templates see.
func (w *work) data(state string) map[string]any { return alerting.Data(w.run.alert, w.cluster, state) }

// content runs the templates, and notes whether they fail.
func (w *work) content(data map[string]any, instead v1alpha1.Content, key alerting.Key) v1alpha1.Content {
	ctx, cancel := context.WithTimeout(w.ctx, maxRendering)
	defer cancel()
	content, err := w.run.rule.Render(ctx, data, instead)
	if err != nil {
		w.run.unrendered[key.ID] = key.Text + ": " + err.Error()
	} else {
		delete(w.run.unrendered, key.ID)
	}
	return content
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
		at, ok := run.follower.overdue(g)
		switch {
		case ok && !now.Before(at):
			run.schedule.expire(g.Key.ID, now)
		case ok:
			next = earlier(next, at)
		}
	}
	for id := range run.unrendered {
		if _, isOpen := keys[id]; !isOpen {
			delete(run.unrendered, id) // over
		}
	}
	w := &work{ctx: ctx, run: run, cluster: r.ClusterName}
	ids := run.untried(run.schedule.due(now), now)
	updates, commits := make([]incident.Update, len(ids)), make([]func(), len(ids))
	for i, id := range ids {
		key := keys[id]
		key.ID = id
		updates[i], commits[i] = run.follower.update(key, w)
	}
	if len(updates) > 0 {
		if err := r.store(ctx, run, ids, updates, commits); err != nil {
			return time.Time{}, err
		}
	}
	return earlier(next, run.schedule.next()), nil
}

// store applies the updates of groups to the incidents.
func (r *Reconciler) store(ctx context.Context, run *activeRule, ids []string, updates []incident.Update, commits []func()) error {
	now := r.Clock.Now()
	applied, err := r.Incidents.Apply(ctx, run.alert, updates, incident.Options{HoldOverflow: now.Before(run.overflowAt)})
	if err != nil {
		run.schedule.retry(ids, now)
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
	run.schedule.retry(held, run.overflowAt)
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
	run.schedule.retry(wait, run.refusedUntil)
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
	run.schedule.retry(again, run.refusedUntil)
}

// earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
