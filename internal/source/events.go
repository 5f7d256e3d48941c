package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// events follows the Kubernetes Events of one rule. An Event that recurs is one
// object that is updated, so additions and updates count alike.
//
// What has been looked at is told by resourceVersion: senders have clocks of
// their own, and some tell whole seconds. The checkpoint in the rule's status and the
// version in each incident together see to it that a restart neither loses nor
// repeats an Event that is still there.
type events struct {
	rule     *alerting.Rule
	ruleUID  string
	source   v1alpha1.EventsSource
	scope    *kindwatch.Scope
	quiet    time.Duration
	schedule Schedule
	// count is told the result of each evaluation.
	count func(string)

	mu         sync.Mutex
	checkpoint checkpoint
	// groups with Events that are not stored yet.
	groups map[string]*eventGroup
	// waiting are the Events that are yet to be looked at, by their UIDs: the
	// version that comes next, and the last one.
	waiting map[types.UID]expected
	// savedAt is when the checkpoint was written into the status last, and matched
	// whether an Event has counted since.
	savedAt time.Time
	matched bool
	failing string
	// evaluated is how many evaluations of "when" there were, and missing those
	// of them where it named what is not there.
	evaluated, missing int
	missed             string
}

// eventGroup is a group of Events that are one incident.
type eventGroup struct {
	key     alerting.Key
	pending map[string]alerting.Event
}

// defaultQuiet is spec.resolveAfter.
const defaultQuiet = 10 * time.Minute

// eventsField is the source's place in the rule, and eventsKind where Kubernetes
// Events are.
const eventsField = "spec.source.events"

var eventsKind = schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "Event"}

// eventsTarget is the target of source.events.
func eventsTarget(alert *v1alpha1.SlackAlert) (Target, error) {
	return Target{Field: eventsField, Kind: eventsKind, Plural: "Events", Namespaces: alert.Spec.Source.Events.NamespaceSelector}, nil
}

// followEvents is the follow of source.events.
func followEvents(e Env, before Watched) Watched {
	was, _ := before.(*events)
	return newEvents(e, was)
}

func newEvents(env Env, before *events) *events {
	alert := env.Alert
	e := &events{
		rule: env.Rule, ruleUID: string(alert.UID), source: *alert.Spec.Source.Events, scope: env.Scope, schedule: env.Schedule, count: env.Evaluated, quiet: defaultQuiet,
		checkpoint: newCheckpoint(resumeFrom(alert, before, env.Schedule.Now())), groups: map[string]*eventGroup{}, waiting: map[types.UID]expected{},
	}
	if alert.Spec.ResolveAfter != nil {
		e.quiet = alert.Spec.ResolveAfter.Duration
	}
	return e
}

// Spent implements kindwatch.Handler.
func (e *events) Spent() uint64 { return e.rule.Spent() }

// OnAdd implements kindwatch.Handler.
func (e *events) OnAdd(c *kindwatch.Object, initial bool) { e.see(c, initial) }

// OnUpdate implements kindwatch.Handler.
func (e *events) OnUpdate(_, c *kindwatch.Object) { e.see(c, false) }

// OnDelete implements kindwatch.Handler. Events are deleted by age, which says
// nothing.
func (e *events) OnDelete(*kindwatch.Object) {}

// see looks at an Event. One that was there before may have been looked at by an
// earlier process.
func (e *events) see(c *kindwatch.Object, initial bool) {
	// Whatever comes of it, it waits no more when that is noted.
	defer func() {
		e.mu.Lock()
		e.arrived(c)
		e.mu.Unlock()
	}()
	if !e.scope.Has(c.Namespace, nil) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.checkpoint.see(c.ResourceVersion, time.Time{}, e.schedule.Now())
		return
	}
	u := c.Unpack()
	if u == nil {
		return
	}
	event := alerting.ReadEvent(u.Object)
	e.mu.Lock()
	known := initial && !e.checkpoint.fresh(event.ResourceVersion, event.Created, event.LastSeen)
	e.mu.Unlock()
	if known {
		return
	}
	key, matches, err := e.match(event)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checkpoint.see(event.ResourceVersion, event.LastSeen, e.schedule.Now())
	if err != nil {
		e.failing = fmt.Sprintf("an Event %s of %s %s: %v", event.Reason, event.Kind, event.Name, err)
		e.schedule.Wake()
		return
	}
	if !matches {
		return
	}
	e.failing, e.matched = "", true
	g := e.groups[key.ID]
	if g == nil {
		g = &eventGroup{key: key, pending: map[string]alerting.Event{}}
		e.groups[key.ID] = g
	}
	g.pending[event.UID] = event
	e.schedule.Changed(key.ID, e.schedule.Now(), false)
}

// match tells whether an Event counts, and to which group it belongs.
func (e *events) match(event alerting.Event) (alerting.Key, bool, error) {
	if event.OfRules() || !listed(e.source.Types, event.Type) ||
		!listed(e.source.Reasons, event.Reason) || !listed(e.source.InvolvedKinds, event.Kind) {
		return alerting.Key{}, false, nil
	}
	vars := alerting.EventVars(event.Fields)
	holds, err := e.rule.Holds(context.Background(), vars)
	e.count(result(holds, err))
	var failed *alerting.EvalError
	missing := errors.As(err, &failed) && failed.Missing
	e.mu.Lock()
	e.evaluated++
	if missing {
		e.missing++
		e.missed = failed.Error()
	}
	if missing || failed != nil && failed.Undecided {
		err = nil
	}
	e.mu.Unlock()
	if err != nil || !holds {
		return alerting.Key{}, false, err
	}
	values, err := e.rule.Group(context.Background(), vars, event.Kind, involved(event), event.Reason)
	return alerting.KeyOf(e.ruleUID, values), true, err
}

func involved(e alerting.Event) string {
	if e.Namespace == "" {
		return e.Name
	}
	return e.Namespace + "/" + e.Name
}

func listed(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

// Failures implements Watched.
func (e *events) Failures() Failures {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := Failures{Broken: e.failing}
	if e.failing != "" {
		t.Failing++
	}
	if e.evaluated > 0 && e.missing == e.evaluated {
		t.Failing, t.Missing, t.Lacking, t.Hint = t.Failing+e.missing, e.missing, e.missed, e.missed
	}
	return t
}

// Share implements Watched.
func (e *events) Share(n int, _ Watch) string {
	if n == 1 {
		return "an Event"
	}
	return fmt.Sprintf("%d Events", kindwatch.About(n))
}

// Suppress implements Watched. An Event is a change of the world, so the next one
// opens an incident again.
func (e *events) Suppress(string) {}

// Overdue implements Watched: an incident without news is over after a while.
func (e *events) Overdue(open incident.Group) (time.Time, bool) {
	// Without it, it is over.
	return readEvents(open.Current.Data).NewsAt.Add(e.quiet), true
}

// Update implements Watched.
func (e *events) Update(key alerting.Key, p *Pass) (incident.Update, func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var pending []alerting.Event
	if g := e.groups[key.ID]; g != nil {
		key = g.key
		pending = slices.Collect(maps.Values(g.pending))
	}
	slices.SortFunc(pending, func(a, b alerting.Event) int {
		if order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion); err == nil && order != 0 {
			return order
		}
		return strings.Compare(a.UID, b.UID)
	})
	now := e.schedule.Now().UTC()
	u := incident.Update{Key: key, Next: func(current incident.Current) incident.Desired { return e.fold(current, pending, now, key, p) }}
	return u, func() { e.drop(key.ID, pending) }
}

// fold makes of what is stored of a group and its Events what is to be.
func (e *events) fold(current incident.Current, pending []alerting.Event, now time.Time, key alerting.Key, p *Pass) incident.Desired {
	data := readEvents(current.Data)
	fresh := data.fresh(pending)
	if len(fresh) == 0 {
		out := incident.Desired{Firing: current.Open && now.Before(data.NewsAt.Add(e.quiet)), Data: current.Data, Small: current.Data, Count: data.Total}
		if current.Open && !out.Firing {
			out.Note = forWantOf("Event", e.quiet)
		}
		return out
	}
	if !current.Open {
		data.Total = 0
	}
	data.count(fresh)
	data.NewsAt = now
	last := fresh[len(fresh)-1]
	small, _ := json.Marshal(eventsData{NewsAt: data.NewsAt, Version: data.Version}) // strings and times alone
	all, _ := json.Marshal(data)
	return incident.Desired{Firing: true, Data: all, Small: small, Count: data.Total, Render: p.renderEvent(last, data.Total, key)}
}

// drop forgets pending Events that are stored, unless they have changed since.
func (e *events) drop(key string, stored []alerting.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.groups[key]
	if g == nil {
		return
	}
	for _, event := range stored {
		if g.pending[event.UID].ResourceVersion == event.ResourceVersion {
			delete(g.pending, event.UID)
		}
	}
	if len(g.pending) == 0 {
		delete(e.groups, key)
	}
}

// renderEvent makes the message about Events.
func (p *Pass) renderEvent(last alerting.Event, total int64, key alerting.Key) func(string) v1alpha1.Content {
	return func(state string) v1alpha1.Content {
		data := p.data(state)
		data["event"], data["count"] = last.Fields, total
		meta, _ := last.Fields["metadata"].(map[string]any)
		data["labels"], data["annotations"] = mapOf(meta, "labels"), mapOf(meta, "annotations")
		return p.content(data, alerting.EventsContent(last, p.Alert.Name, total, state), key)
	}
}
