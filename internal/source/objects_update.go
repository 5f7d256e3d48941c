package source

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// objectsData is stored with an incident.
type objectsData struct {
	// Members that fire. They need not hold for spec.source.objects.for anew.
	Members []types.UID `json:"members,omitempty"`
	// More is how many fire that are not named.
	More int `json:"more,omitempty"`
}

// Members that are stored.
const (
	maxMembers = 200
	maxSmall   = 20
)

// Update implements Watched.
func (o *objects) Update(key alerting.Key, p *Pass) (incident.Update, func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g := o.groups[key.ID]; g != nil {
		key = g.key
	}
	u := incident.Update{Key: key, Next: func(current incident.Current) incident.Desired {
		firing, last, muted := o.firing(key, current)
		if len(firing) == 0 || muted && !current.Open {
			out := incident.Desired{}
			if last.Object = p.get(last); last.Name != "" && last.Object != nil {
				out.Render = p.render([]alerting.Thing{last}, 1, key)
			}
			return out
		}
		return incident.Desired{
			Firing: true, Count: int64(len(firing)), Render: p.renderMembers(firing, current, key),
			Data: membersJSON(firing, maxMembers), Small: membersJSON(firing, maxSmall),
		}
	}}
	return u, func() { o.settled(key.ID) }
}

// firing are the members of a group that hold for long enough, or that fired
// before and are not over: those that hold come first. Beside them is the last
// object that left, and whether the group is muted.
func (o *objects) firing(key alerting.Key, current incident.Current) (out []member, last alerting.Thing, muted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g, now := o.group(key), o.schedule.Now()
	if current.Open && !g.adopted {
		o.adopt(g, current)
	}
	g.adopted = true
	for _, m := range g.members {
		if !m.left.IsZero() {
			if over := m.left.Add(o.keep); !now.Before(over) {
				o.remove(m)
			} else {
				o.schedule.At(g.key.ID, over)
			}
		}
	}
	for _, m := range g.members {
		if !m.fired && !o.ripe(m) {
			if ripe := m.since.Add(o.hold); ripe.After(now) {
				o.schedule.At(g.key.ID, ripe)
			}
			continue
		}
		m.fired = true
		out = append(out, *m)
	}
	if current.Open && o.keep > 0 && !slices.ContainsFunc(out, func(m member) bool { return m.left.IsZero() }) {
		out = append(out, o.takeOver(g)...)
	}
	slices.SortFunc(out, func(a, b member) int {
		if a.left.IsZero() != b.left.IsZero() {
			if a.left.IsZero() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.thing.Namespace+"/"+a.thing.Name+"/"+string(a.uid), b.thing.Namespace+"/"+b.thing.Name+"/"+string(b.uid))
	})
	return out, g.last, g.muted
}

// takeOver has the objects for which "when" holds, though not yet for long enough,
// go on with an open incident that spec.keepFiringFor alone holds open: such an
// object may be one that was made anew. The caller holds the lock.
func (o *objects) takeOver(g *group) (out []member) {
	for _, m := range g.members {
		if m.left.IsZero() && !m.unknown {
			m.fired = true
			out = append(out, *m)
		}
	}
	return out
}

// adopt has a group know of the members that are stored with its open incident,
// which this process has not seen fire: those that hold fire at once, those that
// can't be evaluated stay, and of those that do not hold, or that are gone,
// spec.keepFiringFor begins. The caller holds the lock.
func (o *objects) adopt(g *group, current incident.Current) {
	var before objectsData
	if json.Unmarshal(current.Data, &before) != nil && len(current.Data) == 0 {
		before.More = 1 // there was no room for them, beyond maxIncidents
	}
	for _, uid := range before.Members {
		o.adoptOne(g, uid)
	}
	if before.More == 0 {
		return
	}
	// It may be any of those that can't be evaluated.
	for uid, f := range o.failing {
		if !f.grouped && o.members[uid] == nil {
			o.adoptOne(g, uid)
		}
	}
}

func (o *objects) adoptOne(g *group, uid types.UID) {
	m, now := o.members[uid], o.schedule.Now()
	f, fails := o.failing[uid]
	switch {
	case m != nil && m.group != g && !m.unsure:
		return // it is told of there
	case m != nil && m.group != g:
		o.remove(m)
		o.schedule.Changed(m.group.key.ID, now, false)
	case m != nil:
	case fails && !f.grouped:
		m = &member{uid: uid, thing: f.thing, since: now, unknown: true}
	case o.keep > 0:
		m = &member{uid: uid, since: now, left: now}
		if left, ok := o.earlyLeft[uid]; ok {
			m.left = left
		}
		o.schedule.At(g.key.ID, m.left.Add(o.keep))
	default:
		return
	}
	m.group, m.fired = g, true
	o.members[uid], g.members[uid] = m, m
}

func membersJSON(members []member, limit int) json.RawMessage {
	var data objectsData
	for _, m := range members[:min(len(members), limit)] {
		data.Members = append(data.Members, m.uid)
	}
	data.More = len(members) - len(data.Members)
	out, _ := json.Marshal(data) // strings and a number alone
	return out
}
