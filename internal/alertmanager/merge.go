package alertmanager

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// late is for how long posts that tell of a firing whose end was told are taken
// for late ones. A post that is late comes once, or is repeated within
// group_interval; an alert that fires is told of again by repeat_interval, for
// ever.
const late = time.Hour

// Merge returns the state after a post, and whether it says anything new. The
// same post again says nothing, and the order of posts does not matter:
//
//   - an alert is one firing from its start to its end; a later start is a new
//     one;
//   - an alert whose end was told stays over when a post tells of the same
//     firing. It fires again only when such posts go on for an hour or longer
//     (ReceivedAt): Prometheus was cut off from Alertmanager meanwhile, and the
//     firing has its old start;
//   - an alert that a post leaves out stays as it is. But when the whole group
//     is resolved, by who told of the alert before, it was silenced before it
//     ended, and nobody will tell of its end; it is over. See Sender;
//   - while alerts of the group may be silenced (SilencedUntil), that a resolved
//     group leaves them out is no evidence;
//   - alerts that are too many to be named in a post that fires may fire, until
//     a post of the same sender names all.
//
// To merge into the state of an incident that is resolved shows whether there
// is a new one, which then begins with Merge(old.Next(), p).
func Merge(s State, p Payload) (State, bool) {
	before := s
	s = s.clone()
	s.listen(p.Within, p.ReceivedAt)
	m := merging{s: &s, p: p, index: map[string]int{}, rest: s.Rest.set(), had: map[string]bool{}}
	for i, a := range s.Alerts {
		m.index[a.Fingerprint], m.had[a.Fingerprint] = i, true
	}
	for _, a := range p.Alerts {
		m.alert(a)
	}
	m.sender()
	if (len(s.Alerts) > 0 || s.unknown() > 0) && len(before.Alerts) == 0 && before.GroupKey == "" {
		s.describe(p)
	}
	return s, !reflect.DeepEqual(normal(before), normal(s))
}

// merging is one call of Merge.
type merging struct {
	s     *State
	p     Payload
	index map[string]int
	// rest is the set of State.Rest.
	rest map[uint32]bool
	// had are the fingerprints that were in the state before.
	had map[string]bool
}

func (s State) clone() State {
	s.Alerts, s.Ended, s.Senders = slices.Clone(s.Alerts), slices.Clone(s.Ended), slices.Clone(s.Senders)
	for i := range s.Alerts {
		s.Alerts[i].Circles = slices.Clone(s.Alerts[i].Circles)
	}
	for i := range s.Senders {
		s.Senders[i].Circles = slices.Clone(s.Senders[i].Circles)
	}
	return s
}

// alert merges one alert.
func (m *merging) alert(a Alert) {
	told := Known{Alert: a}
	if a.Status == Resolved {
		told.ToldAt = m.p.ReceivedAt
	}
	at := m.p.ReceivedAt
	if i, ok := m.index[a.Fingerprint]; ok {
		if have := m.s.Alerts[i]; !m.s.isEarlier(have, told) {
			m.s.Alerts[i] = join(have, told, at)
		}
		return
	}
	switch h := hashOf(a.Fingerprint); {
	case !m.rest[h]:
		if m.s.hasEnded(told, at) {
			return
		}
	case told.Status == Resolved && !m.s.lastBegan(a.Fingerprint).Before(told.StartsAt):
		return // that is the end of an earlier firing
	default:
		delete(m.rest, h) // it comes back if there is no place
	}
	m.index[a.Fingerprint] = len(m.s.Alerts)
	m.s.Alerts = append(m.s.Alerts, told)
}

// join makes one of what is known of an alert and what is told of it.
func join(have, told Known, at time.Time) Known {
	newer := told.StartsAt.After(have.StartsAt)
	told.Before, told.Circles = have.Before, have.Circles
	if newer && have.Status == Resolved {
		told.Before = have.StartsAt
	}
	switch {
	case have.Status == Firing && told.Status == Firing:
		if !newer {
			told.StartsAt = have.StartsAt
			// Each of two Prometheus has an address of its own.
			if have.GeneratorURL != "" {
				told.GeneratorURL = have.GeneratorURL
			}
		}
		told.SeenAt = have.SeenAt
		return told
	case have.Status == Firing: // told resolved
		if told.StartsAt.Before(have.StartsAt) && told.EndsAt.Before(have.StartsAt) {
			return have // an earlier firing
		}
		// Alertmanager takes the earliest start that any Prometheus told, which
		// may be known later than another.
		if !newer {
			told.StartsAt = have.StartsAt
		}
		return told
	case told.Status == Firing: // have resolved
		if newer || have.again(told, at) {
			return told
		}
		return have.late(told, at)
	default:
		if newer || have.Gone {
			return told
		}
		if told.StartsAt.Equal(have.StartsAt) && told.EndsAt.After(have.EndsAt) {
			have.EndsAt = told.EndsAt
		}
		return have
	}
}

// again reports whether an alert that is over fires again, though told has no
// later start.
func (k Known) again(told Known, at time.Time) bool {
	if !told.StartsAt.Equal(k.StartsAt) {
		return false
	}
	return k.Gone || !at.IsZero() && !k.LateAt.IsZero() && at.Sub(k.LateAt) >= late
}

// late notes that an alert whose end was told was told of as firing.
func (k Known) late(told Known, at time.Time) Known {
	if k.LateAt.IsZero() && told.StartsAt.Equal(k.StartsAt) {
		k.LateAt = at
	}
	return k
}

// isEarlier reports whether told is of an earlier firing than the one that is
// known, whose words would take the place of the newer ones.
func (s State) isEarlier(have, told Known) bool {
	if !told.StartsAt.Before(have.StartsAt) {
		return false
	}
	last := have.Before
	if began := s.lastBegan(have.Fingerprint); began.After(last) {
		last = began
	}
	return !last.IsZero() && !told.StartsAt.After(last)
}

// lastBegan is when the last firing of an alert began that is over and in no list of
// this incident; zero when none is known.
func (s State) lastBegan(fingerprint string) time.Time {
	last := s.Past.began(fingerprint)
	for _, a := range s.Ended {
		if a.Fingerprint == fingerprint && a.StartsAt.After(last) {
			last = a.StartsAt
		}
	}
	return last
}

// hasEnded reports whether an earlier incident has told of it as over, or this one
// has and then forgot it.
func (s *State) hasEnded(told Known, at time.Time) bool {
	for i, a := range s.Ended {
		if a.Fingerprint != told.Fingerprint {
			continue
		}
		switch {
		case told.StartsAt.After(a.StartsAt):
			return false
		case told.Status == Firing && a.again(told, at):
			s.Ended = slices.Delete(s.Ended, i, i+1)
			return false
		case told.Status == Firing:
			s.Ended[i] = a.late(told, at)
		}
		return true
	}
	return s.Past.has(told, at)
}

// arrange puts the alerts in their order, and returns how many of them fire.
func (s *State) arrange() (firing int) {
	slices.SortStableFunc(s.Alerts, func(a, b Known) int {
		if a.Status != b.Status {
			return strings.Compare(string(a.Status), string(b.Status))
		}
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	for firing < len(s.Alerts) && s.Alerts[firing].Status == Firing {
		firing++
	}
	return firing
}

// bound puts the alerts in their order, and leaves out what is too much.
func (m *merging) bound() {
	s := m.s
	firing := s.arrange()
	if firing > maxAlerts {
		for _, a := range s.Alerts[maxAlerts:firing] {
			m.rest[hashOf(a.Fingerprint)] = true
		}
		s.Alerts = slices.Delete(s.Alerts, maxAlerts, firing)
		firing = maxAlerts
	}
	if len(s.Alerts) > maxAlerts {
		m.forget(firing)
	}
	room := maxDetails
	for i := range s.Alerts {
		a := &s.Alerts[i]
		size, _ := json.Marshal(a) // strings, numbers and times alone
		if room -= len(size); room < 0 || i >= maxDetailed {
			room += len(size)
			a.Alert = a.strip()
		}
	}
}

// forget leaves out the alerts that ended first. One that was never told of as
// firing is not counted, or each repeat of a post would count it anew.
func (m *merging) forget(firing int) {
	over := slices.Clone(m.s.Alerts[firing:])
	slices.SortStableFunc(over, func(a, b Known) int { return b.EndsAt.Compare(a.EndsAt) })
	for _, a := range over[maxAlerts-firing:] {
		if m.had[a.Fingerprint] {
			m.s.Forgotten++
		}
	}
	m.s.Past = m.s.Past.with(over[maxAlerts-firing:]...)
	m.s.Alerts = append(m.s.Alerts[:firing], over[:maxAlerts-firing]...)
	m.s.arrange()
}

// normal makes states comparable that mean the same.
func normal(s State) State {
	if len(s.GroupLabels) == 0 {
		s.GroupLabels = nil
	}
	s.Alerts, s.Ended, s.Senders = slices.Clone(s.Alerts), slices.Clone(s.Ended), slices.Clone(s.Senders)
	for _, list := range [][]Known{s.Alerts, s.Ended} {
		for i := range list {
			a := &list[i]
			for _, t := range []*time.Time{&a.StartsAt, &a.EndsAt, &a.ToldAt, &a.Before, &a.LateAt, &a.SeenAt} {
				*t = t.UTC()
			}
			if len(a.Labels) == 0 {
				a.Labels = nil
			}
			if len(a.Annotations) == 0 {
				a.Annotations = nil
			}
			if len(a.Values) == 0 {
				a.Values = nil
			}
			if len(a.Circles) == 0 {
				a.Circles = nil
			}
		}
	}
	for i := range s.Senders {
		from := &s.Senders[i]
		from.SeenAt, from.Over = from.SeenAt.UTC(), from.Over.UTC()
		if len(from.Circles) == 0 {
			from.Circles = nil
		}
	}
	s.Rest.SeenAt = s.Rest.SeenAt.UTC()
	if len(s.Alerts) == 0 {
		s.Alerts = nil
	}
	if len(s.Ended) == 0 {
		s.Ended = nil
	}
	if len(s.Senders) == 0 {
		s.Senders = nil
	}
	return s
}
