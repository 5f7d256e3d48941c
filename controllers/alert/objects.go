package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// objects follows the objects of one rule: for which "when" holds, and since
// when. It is the handler of the rule's watch. What it knows is only what it
// has seen since it began; what was told is in the incidents.
type objects struct {
	rule    *alerting.Rule
	ruleUID string
	scope   *scope
	hold    time.Duration
	changes *changes

	mu      sync.Mutex
	members map[types.UID]*member
	groups  map[string]*group
	failing map[types.UID]string
	// evaluated objects, and those of them where "when" named what is not there.
	evaluated, missing int
	missed             string
}

// member is an object for which "when" holds.
type member struct {
	uid   types.UID
	thing alerting.Thing
	group *group
	since time.Time
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
}

// objectsData is stored with an incident.
type objectsData struct {
	// Members that fire. They need not hold for spec.source.objects.for anew.
	Members []types.UID `json:"members,omitempty"`
}

// Members that are stored.
const (
	maxMembers = 200
	maxSmall   = 20
)

func newObjects(rule *alerting.Rule, alert *v1alpha1.SlackAlert, s *scope, c *changes) *objects {
	o := &objects{
		rule: rule, ruleUID: string(alert.UID), scope: s, changes: c,
		members: map[types.UID]*member{}, groups: map[string]*group{}, failing: map[types.UID]string{},
	}
	if f := alert.Spec.Source.Objects.For; f != nil {
		o.hold = f.Duration
	}
	return o
}

// matters implements follower.
func (o *objects) matters(c *compact, gone, pending bool) bool {
	if pending || !gone && o.scope.has(c.Namespace, c.Labels) && !ofRules(c) {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.members[c.UID] != nil || o.failing[c.UID] != ""
}

// spent implements follower.
func (o *objects) spent() uint64 { return lookCost + o.rule.Spent() }

// OnAdd implements cache.ResourceEventHandler.
func (o *objects) OnAdd(obj any, _ bool) { o.see(obj, nil) }

// OnUpdate implements cache.ResourceEventHandler.
func (o *objects) OnUpdate(before, obj any) { o.see(obj, before) }

// OnDelete implements cache.ResourceEventHandler.
func (o *objects) OnDelete(obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	if c, ok := obj.(*compact); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.leave(c.UID)
		o.recover(c.UID)
	}
}

// recover notes that an object is no trouble any more. The caller holds the
// lock.
func (o *objects) recover(uid types.UID) {
	if o.failing[uid] != "" {
		delete(o.failing, uid)
		o.changes.wake()
	}
}

// see looks at an object.
func (o *objects) see(obj, before any) {
	c, ok := obj.(*compact)
	if !ok {
		return
	}
	old, _ := before.(*compact)
	if old != nil && old.ResourceVersion == c.ResourceVersion {
		return // the watch has begun anew
	}
	if old != nil && old.UID != c.UID {
		o.OnDelete(old) // deleted and made anew while the watch was away
		old = nil
	}
	if !o.scope.has(c.Namespace, c.Labels) || ofRules(c) {
		o.OnDelete(c)
		return
	}
	key, holds, err := o.evaluate(c, old)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.recover(c.UID)
	switch {
	case err != nil:
		// What was so stays so until it can be told.
		o.failing[c.UID] = fmt.Sprintf("%s %s: %v", c.kind, c.label(), err)
		o.changes.wake()
	case holds:
		o.join(c, key)
	default:
		o.leave(c.UID)
	}
}

// evaluate tells whether "when" holds, and to which group the object belongs.
func (o *objects) evaluate(c, old *compact) (alerting.Key, bool, error) {
	u := c.whole()
	if u == nil {
		return alerting.Key{}, false, errUnreadable
	}
	vars := alerting.ObjectVars(u.Object, nil)
	if old != nil && o.rule.UsesOld() {
		if was := old.whole(); was != nil {
			vars = alerting.ObjectVars(u.Object, was.Object)
		}
	}
	holds, err := o.rule.Holds(context.Background(), vars)
	var failed *alerting.EvalError
	missing := errors.As(err, &failed) && failed.Missing
	o.mu.Lock()
	o.evaluated++
	if missing {
		o.missing++
		o.missed = failed.Message
		err = nil
	}
	o.mu.Unlock()
	if err != nil || !holds {
		return alerting.Key{}, false, err
	}
	values, err := o.rule.Group(context.Background(), vars, c.label())
	return alerting.KeyOf(o.ruleUID, values), true, err
}

var errUnreadable = errors.New("the object can't be read")

// ofRules reports whether an object is a message of a rule. To alert on those
// could go on for ever: a message that fails would make another.
func ofRules(c *compact) bool {
	return c.kind == "SlackNotification" && c.Labels[v1alpha1.LabelAlert] != ""
}

// join notes that "when" holds for an object. The caller holds the lock.
func (o *objects) join(c *compact, key alerting.Key) {
	m := o.members[c.UID]
	if m != nil && m.group.key.ID != key.ID {
		o.leave(c.UID)
		m = nil
	}
	now, urgent := o.changes.clock.Now(), false
	if m == nil {
		g := o.groups[key.ID]
		if g == nil {
			g = &group{key: key, members: map[types.UID]*member{}}
			o.groups[key.ID] = g
		}
		m = &member{uid: c.UID, group: g, since: now}
		urgent = len(g.members) == 0
		o.members[m.uid], g.members[m.uid] = m, m
	}
	m.thing = alerting.Thing{Kind: c.kind, Namespace: c.Namespace, Name: c.Name}
	// One that is not ripe may be one of an open incident, of an earlier
	// process: so it is looked at now as well as then.
	o.changes.mark(key.ID, now, urgent)
	if ripe := m.since.Add(o.hold); ripe.After(now) {
		o.changes.later(key.ID, ripe)
	}
}

// leave notes that "when" does not hold for an object. The caller holds the
// lock.
func (o *objects) leave(uid types.UID) {
	m := o.members[uid]
	if m == nil {
		return
	}
	delete(o.members, uid)
	delete(m.group.members, uid)
	m.group.last = m.thing
	if len(m.group.members) == 0 {
		m.group.muted = false
	}
	o.changes.mark(m.group.key.ID, o.changes.clock.Now(), len(m.group.members) == 0)
}

// mute implements follower.
func (o *objects) mute(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.groups[key]; g != nil && len(g.members) > 0 {
		g.muted = true
	}
}

// settled implements follower: it drops a group that nothing is known of any
// more.
func (o *objects) settled(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.groups[key]; g != nil && len(g.members) == 0 {
		delete(o.groups, key)
	}
}

// overdue implements follower: an incident without any object that fires is
// over.
func (o *objects) overdue(open incident.Group) (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, known := o.groups[open.Key.ID]
	return time.Time{}, !known
}

// news implements follower.
func (o *objects) news(key alerting.Key, w *work) incident.News {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.changes.clock.Now()
	var members []member
	var last alerting.Thing
	muted := false
	if g := o.groups[key.ID]; g != nil {
		key, last, muted = g.key, g.last, g.muted
		for _, m := range g.members {
			members = append(members, *m)
			if ripe := m.since.Add(o.hold); ripe.After(now) {
				o.changes.later(key.ID, ripe)
			}
		}
	}
	slices.SortFunc(members, func(a, b member) int {
		return strings.Compare(a.thing.Namespace+"/"+a.thing.Name+"/"+string(a.uid), b.thing.Namespace+"/"+b.thing.Name+"/"+string(b.uid))
	})
	return incident.News{Key: key, Fold: func(past incident.Past) incident.Outlook {
		firing := o.firing(members, past, now)
		if len(firing) == 0 || muted && !past.Open {
			out := incident.Outlook{}
			if last.Object = w.get(last); last.Name != "" && last.Object != nil {
				out.Render = w.render([]alerting.Thing{last}, key)
			}
			return out
		}
		things := make([]alerting.Thing, len(firing))
		for i, m := range firing {
			things[i] = m.thing
			if i < maxThings {
				things[i].Object = w.get(m.thing)
			}
		}
		return incident.Outlook{
			Firing: true, Count: int64(len(firing)), Render: w.render(things, key),
			Data: membersJSON(firing, maxMembers), Small: membersJSON(firing, maxSmall),
		}
	}}
}

// firing are the members that hold for long enough, or that fired before.
func (o *objects) firing(members []member, past incident.Past, now time.Time) []member {
	var before objectsData
	if past.Open {
		_ = json.Unmarshal(past.Data, &before) // what can't be read is not known
	}
	var out []member
	for _, m := range members {
		if !now.Before(m.since.Add(o.hold)) || slices.Contains(before.Members, m.uid) {
			out = append(out, m)
		}
	}
	return out
}

func membersJSON(members []member, limit int) json.RawMessage {
	var data objectsData
	for _, m := range members[:min(len(members), limit)] {
		data.Members = append(data.Members, m.uid)
	}
	out, _ := json.Marshal(data) // strings alone
	return out
}

// trouble implements follower.
func (o *objects) trouble() (failing, hint string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, text := range o.failing {
		if failing == "" || text < failing {
			failing = text
		}
	}
	if o.evaluated > 0 && o.missing == o.evaluated {
		hint = o.missed
	}
	return failing, hint
}
