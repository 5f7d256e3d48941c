package alertmanager

import (
	"slices"
	"time"
)

const (
	// maxSenders of an incident. A Pod that gets another name is another one.
	maxSenders = 16
	// maxFellows of a circle, and maxCircles of an alert.
	maxFellows = 40
	maxCircles = 6
)

// Sender is who has told of alerts: one receiver of one Alertmanager, for one
// group.
//
// Clusters with the same configuration, and tenants of one Alertmanager, post
// the same group key for other alerts. So a group that is resolved is evidence
// for those alerts alone that it names, and for those that the same sender has
// told of together with one that it names: they were silenced. That is what a
// circle holds. Alertmanagers of one cluster tell of the same alerts, by the
// same fingerprints, and each of them has its own circle.
type Sender struct {
	// ID is short and made of the receiver, the address, the organisation and
	// the group.
	ID string `json:"id,omitempty"`
	// Circles of alerts that were told of together.
	Circles []Circle `json:"circles,omitempty"`
	// Unknown is how many alerts the last post left out that may fire.
	Unknown int `json:"unknown,omitempty"`
	// SeenAt is when it last did; see State.Within.
	SeenAt time.Time `json:"seenAt,omitzero"`
	// Over is the last end of an alert in a post that said that all are over.
	Over time.Time `json:"over,omitzero"`
}

// Circle are alerts that a sender told of together.
type Circle struct {
	// N is what the alerts of this incident know it by.
	N int `json:"n"`
	// Fellows are hashes of alerts that belong to other incidents.
	Fellows []uint32 `json:"with,omitempty"`
}

// sender notes who told of what, and ends what a resolved group leaves out.
func (m *merging) sender() {
	s, p, id := m.s, m.p, m.p.sender()
	at := slices.IndexFunc(s.Senders, func(from Sender) bool { return from.ID == id })
	var from Sender
	if at >= 0 {
		from = s.Senders[at]
		s.Senders = slices.Delete(s.Senders, at, at+1)
	} else {
		from.ID = id
	}
	named, firing := m.named()
	circles := s.circlesWith(from, named, p.fellows)
	m.seen(&from, firing)
	if len(firing) > 0 {
		m.join(&from, circles, firing)
	}
	if p.Complete() && p.Status == Resolved && !p.hushed() {
		m.silenced(circles, named)
	}
	if !p.Complete() || !p.hushed() {
		from.cut(p)
	}
	m.bound()
	m.count(&from)
	s.prune(&from)
	if len(from.Circles) > 0 || from.Unknown > 0 || !from.Over.IsZero() {
		if at < 0 || at > len(s.Senders) {
			at = len(s.Senders)
		}
		s.Senders = slices.Insert(s.Senders, at, from)
	}
	if len(s.Senders) > maxSenders {
		s.Senders = s.Senders[1:]
	}
}

// count notes how many alerts are known by hash alone, or not at all, and when they
// were last told of.
func (m *merging) count(from *Sender) {
	s, p := m.s, m.p
	over := 0
	if s.Rest, over = crowdOf(m.rest, s.Rest.SeenAt); s.Rest.Len() > 0 && p.Status == Firing {
		m.note(&s.Rest.SeenAt)
	}
	if from.Unknown += over; from.Unknown == 0 {
		from.SeenAt = time.Time{}
	} else if p.Status == Firing {
		m.note(&from.SeenAt)
	}
}

// ToldBy reports whether the sender of a post has told of alerts that fire, or
// has left out some. The state is not changed.
func (s State) ToldBy(p Payload) bool {
	id := p.sender()
	return slices.ContainsFunc(s.Senders, func(from Sender) bool { return from.ID == id && (len(from.Circles) > 0 || from.Unknown > 0) })
}

// named are the places in the state of the alerts that the post names, and of
// those that fire by it.
func (m *merging) named() (named, firing []int) {
	for _, a := range m.p.Alerts {
		i, ok := m.index[a.Fingerprint]
		if !ok {
			continue
		}
		named = append(named, i)
		if a.Status == Firing && m.s.Alerts[i].Status == Firing {
			firing = append(firing, i)
		}
	}
	return named, firing
}

// circlesWith are the circles of a sender that have one of these alerts.
func (s State) circlesWith(from Sender, named []int, fellows []uint32) []int {
	var out []int
	for _, c := range from.Circles {
		in := slices.ContainsFunc(named, func(i int) bool { return slices.Contains(s.Alerts[i].Circles, c.N) })
		if in || slices.ContainsFunc(c.Fellows, func(h uint32) bool { _, ok := slices.BinarySearch(fellows, h); return ok }) {
			out = append(out, c.N)
		}
	}
	return out
}

// join makes one circle of those that a post brings together.
func (m *merging) join(from *Sender, circles, firing []int) {
	s := m.s
	n := 1
	for _, other := range append(slices.Clone(s.Senders), *from) {
		for _, c := range other.Circles {
			n = max(n, c.N+1)
		}
	}
	if len(circles) > 0 {
		n = slices.Min(circles)
	}
	var fellows []uint32
	from.Circles = slices.DeleteFunc(from.Circles, func(c Circle) bool {
		if !slices.Contains(circles, c.N) {
			return false
		}
		fellows = append(fellows, c.Fellows...)
		return true
	})
	for _, h := range m.p.fellows {
		if len(fellows) < maxFellows {
			fellows = append(fellows, h)
		}
	}
	slices.Sort(fellows)
	fellows = slices.Compact(fellows)
	from.Circles = append(from.Circles, Circle{n, fellows[:min(len(fellows), maxFellows)]})
	slices.SortFunc(from.Circles, func(a, b Circle) int { return a.N - b.N })
	joining := setOf(firing)
	for i := range s.Alerts {
		a := &s.Alerts[i]
		was := len(a.Circles)
		a.Circles = slices.DeleteFunc(a.Circles, func(c int) bool { return slices.Contains(circles, c) })
		if (len(a.Circles) < was || joining[i]) && len(a.Circles) < maxCircles {
			a.Circles = append(a.Circles, n)
			slices.Sort(a.Circles)
		}
	}
}

// silenced ends the alerts that a resolved group does not name, though it was
// told of them together with those that it names, and they began before its end.
func (m *merging) silenced(circles, named []int) {
	told := setOf(named)
	for i := range m.s.Alerts {
		a := &m.s.Alerts[i]
		ours := slices.ContainsFunc(a.Circles, func(c int) bool { return slices.Contains(circles, c) })
		if a.Status == Firing && ours && !told[i] && !a.StartsAt.After(m.p.Over) {
			a.Status, a.EndsAt, a.ToldAt, a.Gone = Resolved, m.p.Over, m.p.ReceivedAt, true
		}
	}
}

func setOf(list []int) map[int]bool {
	out := make(map[int]bool, len(list))
	for _, i := range list {
		out[i] = true
	}
	return out
}

// cut notes how many alerts a post left out. That they are left out is no
// evidence that they are over; that a later post names all, is.
func (from *Sender) cut(p Payload) {
	switch {
	case p.Partial && p.GroupKey == "": // nobody knows whose they are
	case p.Complete():
		from.Unknown = 0
		if p.Status == Resolved && p.Over.After(from.Over) {
			from.Over = p.Over
		}
	case p.Status == Firing && !from.outdates(p):
		if from.Unknown = p.Truncated + p.More; p.Partial {
			from.Unknown = max(from.Unknown, 1)
		}
	}
}

// outdates reports whether the post was made before the sender said that all are
// over.
func (from *Sender) outdates(p Payload) bool {
	var last time.Time
	for _, a := range p.Alerts {
		for _, t := range []time.Time{a.StartsAt, a.EndsAt} {
			if t.After(last) {
				last = t
			}
		}
	}
	return !last.IsZero() && !last.After(from.Over)
}

// prune drops circles that no alert is in.
func (s *State) prune(from *Sender) {
	used := map[int]bool{}
	for _, a := range s.Alerts {
		for _, c := range a.Circles {
			used[c] = true
		}
	}
	from.Circles = slices.DeleteFunc(from.Circles, func(c Circle) bool { return !used[c.N] })
}
