package source

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// objects follows the objects of one rule: for which "when" holds, and since
// when. It is the handler of the rule's watch. What it knows is only what it
// has seen since it began; what was told is in the incidents, and what waits to
// be told in the rule's status.
//
// What can't be evaluated is no evidence: a member stays one, and nothing new is
// opened.
type objects struct {
	rule    *alerting.Rule
	ruleUID string
	scope   *kindwatch.Scope
	when    string
	// hold is spec.source.objects.for, and keep is spec.keepFiringFor.
	hold, keep time.Duration
	schedule   Schedule
	// count is told the result of each evaluation.
	count func(string)

	mu      sync.Mutex
	members map[types.UID]*member
	groups  map[string]*group
	// failing are the objects for which an expression can't be evaluated.
	failing map[types.UID]failure
	// earlySince is since when "when" held for objects before the rule began
	// anew, and earlyLeft since when it did not any more.
	earlySince, earlyLeft map[types.UID]time.Time
	// pendingAt is when the pending objects were written into the status last.
	pendingAt time.Time
	// evaluated is how many evaluations there were, and missing those of them
	// where "when" named what is not there.
	evaluated, missing int
	missed             string
}

// member is an object for which "when" holds, or held when it could last be
// told.
type member struct {
	uid   types.UID
	thing alerting.Thing
	group *group
	// since is when "when" was first seen to hold.
	since time.Time
	// left is when "when" was first seen not to hold any more, or the object to
	// be gone, and last is what it was like then; zero for one that holds.
	left time.Time
	last *kindwatch.Object
	// fired is true once it has held for long enough.
	fired bool
	// unknown is true while "when" or its group can't be told.
	unknown bool
	// unsure is true while its group is made of what is not there.
	unsure bool
}

// group of objects that are one incident.
type group struct {
	key     alerting.Key
	members map[types.UID]*member
	// last object that left.
	last alerting.Thing
	// muted is true when a person has deleted the open incident: it is not
	// opened again before all is well once.
	muted bool
	// adopted is true when the members that are stored with the open incident are
	// known.
	adopted bool
}

// failure is an expression that can't be evaluated for an object.
type failure struct {
	thing alerting.Thing
	text  string
	// at is when that was first seen.
	at time.Time
	// missing is true when a field is not there, and grouped when it is one that
	// groupBy alone names: then "when" is known to hold. undecided is true when
	// "when" says itself that it can't be told, which is no trouble.
	missing, grouped, undecided bool
}

// objectsTarget is the kind that a rule names.
func objectsTarget(alert *v1alpha1.SlackAlert) (Target, error) {
	source := alert.Spec.Source.Objects
	gv, err := schema.ParseGroupVersion(source.APIVersion)
	if err != nil {
		return Target{}, kindwatch.Terminal(v1alpha1.ReasonKindNotFound, "spec.source.objects.apiVersion %q is none: write it as in apps/v1", source.APIVersion)
	}
	return Target{Field: objectsField, Kind: gv.WithKind(source.Kind), Selector: source.Selector, Namespaces: source.NamespaceSelector}, nil
}

// followObjects is the follow of source.objects.
func followObjects(e Env, before Watched) Watched {
	was, _ := before.(*objects)
	return newObjects(e, was)
}

func newObjects(e Env, before *objects) *objects {
	alert := e.Alert
	o := &objects{
		rule: e.Rule, ruleUID: string(alert.UID), scope: e.Scope, schedule: e.Schedule, count: e.Evaluated, when: alert.Spec.Source.Objects.When,
		members: map[types.UID]*member{}, groups: map[string]*group{}, failing: map[types.UID]failure{},
	}
	if f := alert.Spec.Source.Objects.For; f != nil {
		o.hold = f.Duration
	}
	if k := alert.Spec.KeepFiringFor; k != nil {
		o.keep = k.Duration
	}
	o.remember(alert, before)
	return o
}

// Matters implements kindwatch.Handler.
func (o *objects) Matters(c *kindwatch.Object, gone, pending bool) bool {
	if pending || !gone && o.scope.Has(c.Namespace, c.Labels) && !ofRules(c) {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, fails := o.failing[c.UID]
	return fails || o.members[c.UID] != nil
}

// Spent implements kindwatch.Handler.
func (o *objects) Spent() uint64 { return o.rule.Spent() }

// OnAdd implements kindwatch.Handler.
func (o *objects) OnAdd(c *kindwatch.Object, _ bool) { o.see(c, nil) }

// OnUpdate implements kindwatch.Handler.
func (o *objects) OnUpdate(before, c *kindwatch.Object) { o.see(c, before) }

// OnDelete implements kindwatch.Handler.
func (o *objects) OnDelete(c *kindwatch.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.recover(c.UID)
	o.leave(c)
}

// recover notes that an object is no trouble any more. The caller holds the
// lock.
func (o *objects) recover(uid types.UID) {
	f, ok := o.failing[uid]
	delete(o.failing, uid)
	if ok && !f.undecided {
		o.schedule.Wake()
	}
}

// see looks at an object.
func (o *objects) see(c, old *kindwatch.Object) {
	if !o.scope.Has(c.Namespace, c.Labels) || ofRules(c) {
		o.OnDelete(c)
		return
	}
	seen := o.evaluate(c, old)
	o.count(result(seen.holds, seen.err))
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen.err != nil {
		o.fail(c, seen.err)
	} else {
		o.recover(c.UID)
	}
	switch {
	case seen.holds:
		o.join(c, seen.key, seen.err != nil)
	case seen.err == nil:
		o.leave(c)
	}
	delete(o.earlySince, c.UID)
}

// ofRules reports whether an object is a message of a rule. To alert on those
// could go on for ever: a message that fails would make another.
func ofRules(c *kindwatch.Object) bool {
	return c.Kind == "SlackNotification" && c.Labels[v1alpha1.LabelAlert] != ""
}

func thingOf(c *kindwatch.Object) alerting.Thing {
	return alerting.Thing{Kind: c.Kind, Namespace: c.Namespace, Name: c.Name}
}

// fail notes that an object can't be evaluated. If it is a member, it stays one.
// The caller holds the lock.
func (o *objects) fail(c *kindwatch.Object, err error) {
	f := failure{thing: thingOf(c), text: err.Error(), at: o.schedule.Now()}
	var failed *alerting.EvalError
	if errors.As(err, &failed) {
		f.missing, f.grouped, f.undecided = failed.Missing, failed.Missing && failed.Place != whenPlace, failed.Undecided
	}
	was, ok := o.failing[c.UID]
	if ok && was.undecided == f.undecided {
		f.at = was.at
	}
	o.failing[c.UID] = f
	if told := ok && !was.undecided; told == f.undecided || told && was.text != f.text {
		o.schedule.Wake() // what the status says of it has changed
	}
	if m := o.members[c.UID]; m != nil && !f.grouped {
		m.fired = m.fired || m.left.IsZero() && o.ripe(m)
		m.thing, m.unknown, m.left, m.last = f.thing, true, time.Time{}, nil
	}
}

// objectsField is the source's place in the rule, and whenPlace that of "when".
const (
	objectsField = "spec.source.objects"
	whenPlace    = objectsField + ".when"
)

// ripe reports whether a member has held for long enough by now.
func (o *objects) ripe(m *member) bool {
	return !m.unknown && !o.schedule.Now().Before(m.since.Add(o.hold))
}

// join notes that "when" holds for an object. unsure is true when its group is
// made of what is not there: then one that has a group stays in it. The caller
// holds the lock.
func (o *objects) join(c *kindwatch.Object, key alerting.Key, unsure bool) {
	now, urgent := o.schedule.Now(), false
	m := o.members[c.UID]
	if m == nil {
		m = &member{uid: c.UID, since: now}
		if since, ok := o.earlySince[c.UID]; ok && since.Before(now) {
			m.since = since
		}
	}
	delete(o.earlyLeft, c.UID)
	if m.group == nil || m.group.key.ID != key.ID && !unsure {
		if m.group != nil {
			o.remove(m) // it is in another group now, which tells of it
			o.schedule.Changed(m.group.key.ID, now, len(m.group.members) == 0)
		}
		g := o.group(key)
		m.group, m.unsure = g, unsure
		urgent = len(g.members) == 0
		o.members[m.uid], g.members[m.uid] = m, m
	}
	m.thing, m.unknown, m.left, m.last = thingOf(c), false, time.Time{}, nil
	// One that is not ripe may be one of an open incident, of an earlier
	// process: so it is looked at now as well as then.
	o.schedule.Changed(m.group.key.ID, now, urgent)
	if ripe := m.since.Add(o.hold); ripe.After(now) {
		o.schedule.At(m.group.key.ID, ripe)
	}
}

// group returns the group of a key, which is made if there is none. The caller
// holds the lock.
func (o *objects) group(key alerting.Key) *group {
	g := o.groups[key.ID]
	if g == nil {
		g = &group{key: key, members: map[types.UID]*member{}}
		o.groups[key.ID] = g
	}
	return g
}

// leave notes that "when" does not hold for an object, or that it is gone. One
// that has fired is kept for spec.keepFiringFor. The caller holds the lock.
func (o *objects) leave(c *kindwatch.Object) {
	m := o.members[c.UID]
	if m == nil || !m.left.IsZero() {
		return
	}
	now := o.schedule.Now()
	if o.keep <= 0 || !m.fired && !o.ripe(m) {
		o.remove(m)
		o.schedule.Changed(m.group.key.ID, now, len(m.group.members) == 0)
		return
	}
	m.fired, m.unknown, m.left, m.last = true, false, now, c
	if m.thing.Name == "" {
		m.thing = thingOf(c)
	}
	o.schedule.Changed(m.group.key.ID, now, false)
	o.schedule.At(m.group.key.ID, now.Add(o.keep))
}

// remove takes a member out of its group. The caller holds the lock.
func (o *objects) remove(m *member) {
	delete(o.members, m.uid)
	delete(m.group.members, m.uid)
	if m.thing.Name != "" {
		m.group.last = m.thing
	}
	if len(m.group.members) == 0 {
		m.group.muted = false
	}
}

// Suppress implements Watched.
func (o *objects) Suppress(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.groups[key]; g != nil && len(g.members) > 0 {
		g.muted = true
	}
}

// settled drops a group that nothing is known of any
// more.
func (o *objects) settled(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.groups[key]; g != nil && len(g.members) == 0 {
		delete(o.groups, key)
	}
}

// Overdue implements Watched: an incident of which nothing is known is looked
// at, since its objects may all be over.
func (o *objects) Overdue(open incident.Group) (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, known := o.groups[open.Key.ID]
	return time.Time{}, !known
}
