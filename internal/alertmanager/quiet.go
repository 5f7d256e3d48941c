package alertmanager

import (
	"slices"
	"time"
)

// A SeenAt is written when it is a tenth of State.Within older than the news, so
// that not each repeat of a post is a write.
const tenth = 10

// seen notes when the alerts were told of that fire by a post. One that leaves
// out alerts may have left out any of its sender's.
func (m *merging) seen(from *Sender, firing []int) {
	if m.p.Within == 0 || m.p.Status != Firing {
		return
	}
	told := setOf(firing)
	for i := range m.s.Alerts {
		a := &m.s.Alerts[i]
		if a.Status == Firing && (told[i] || !m.p.Complete() && from.has(a.Circles)) {
			m.note(&a.SeenAt)
		}
	}
	if len(m.rest) > 0 {
		m.note(&m.s.Rest.SeenAt)
	}
}

// note notes the time of the post, if the last one is old enough.
func (m *merging) note(seen *time.Time) {
	if m.p.Within > 0 && (seen.IsZero() || m.p.ReceivedAt.Sub(*seen) >= m.p.Within/tenth) {
		*seen = m.p.ReceivedAt
	}
}

func (from *Sender) has(circles []int) bool {
	for _, c := range from.Circles {
		for _, n := range circles {
			if c.N == n {
				return true
			}
		}
	}
	return false
}

// listen begins to count anew when the time has changed after which an alert
// counts as over: until then, repeats were not noted.
func (s *State) listen(within time.Duration, now time.Time) {
	if s.Within == within {
		return
	}
	s.Within = within
	if within == 0 {
		now = time.Time{}
	}
	for i := range s.Alerts {
		if s.Alerts[i].Status == Firing {
			s.Alerts[i].SeenAt = now
		}
	}
	for i := range s.Senders {
		if s.Senders[i].Unknown > 0 {
			s.Senders[i].SeenAt = now
		}
	}
	if s.Rest.Len() > 0 {
		s.Rest.SeenAt = now
	}
}

// Listen returns the state with another time after which an alert counts as
// over, counted from now on.
func Listen(s State, within time.Duration, now time.Time) State {
	s = s.clone()
	s.listen(within, now)
	return s
}

// due is when what was last told of then counts as over: after Within, and a
// tenth of it, by which what is noted may be older than the news.
func (s State) due(seen time.Time) time.Time { return seen.Add(s.Within + s.Within/tenth) }

// Due is when the first of the alerts that fire counts as over for want of news;
// zero when none does.
func (s State) Due() time.Time {
	if s.Unread != nil {
		return s.Unread.At.Add(s.Unread.keptFor(s.Within))
	}
	var out time.Time
	note := func(seen time.Time) {
		if at := s.due(seen); out.IsZero() || at.Before(out) {
			out = at
		}
	}
	if s.Within == 0 {
		return out
	}
	for _, a := range s.Alerts {
		if a.Status == Firing {
			note(a.SeenAt)
		}
	}
	for _, from := range s.Senders {
		if from.Unknown > 0 {
			note(from.SeenAt)
		}
	}
	if s.Rest.Len() > 0 {
		note(s.Rest.SeenAt)
	}
	return out
}

// Expire ends what has not been told of for Within. That is no evidence that it
// is over, and the message says so.
func Expire(s State, now time.Time) State {
	s = s.clone()
	if s.Unread != nil {
		if !now.Before(s.Due()) {
			ended := *s.Unread
			ended.Ended = true
			s.Unread = &ended
		}
		return s
	}
	if s.Within == 0 {
		return s
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		if a.Status == Firing && !now.Before(s.due(a.SeenAt)) {
			a.Status, a.EndsAt, a.ToldAt, a.Gone, a.Quiet = Resolved, now, now, true, true
		}
	}
	s.arrange()
	for i := range s.Senders {
		from := &s.Senders[i]
		if from.Unknown > 0 && !now.Before(s.due(from.SeenAt)) {
			s.Forgotten += from.Unknown
			s.Hushed = true
			from.Unknown, from.SeenAt = 0, time.Time{}
		}
	}
	if s.Rest.Len() > 0 && !now.Before(s.due(s.Rest.SeenAt)) {
		s.Forgotten += s.Rest.Len()
		s.Hushed = true
		s.Rest = Crowd{}
	}
	return s
}

// Quiet reports whether a part of what is over is so for want of news.
func (s State) Quiet() bool {
	return s.Hushed || slices.ContainsFunc(s.Alerts, func(a Known) bool { return a.Quiet && a.Status == Resolved })
}
