package alertmanager

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

const (
	// maxDetailed alerts of a state have their labels and annotations.
	maxDetailed = 50
	// maxDetails is how many bytes of JSON these may have together.
	maxDetails = 64 << 10
	// maxGroupLabels is how many bytes the labels of a group may have.
	maxGroupLabels = 4 << 10
	// maxEnded alerts of earlier incidents are known.
	maxEnded = 80
)

// State is what is known of an incident. As JSON it has less than 180 KiB, so
// that it fits into an annotation.
type State struct {
	// GroupKey, GroupLabels, Receiver, ExternalURL and Grafana are those of the
	// first post.
	GroupKey    string            `json:"groupKey,omitempty"`
	GroupLabels map[string]string `json:"groupLabels,omitempty"`
	// GroupCut is true when the group has more labels than these.
	GroupCut    bool   `json:"groupCut,omitempty"`
	Receiver    string `json:"receiver,omitempty"`
	ExternalURL string `json:"externalURL,omitempty"`
	Grafana     bool   `json:"grafana,omitempty"`
	// Alerts, those that fire first, then by their start.
	Alerts []Known `json:"alerts,omitempty"`
	// Rest are alerts that fire and find no place in Alerts.
	Rest Crowd `json:"rest,omitzero"`
	// Senders of the posts.
	Senders []Sender `json:"senders,omitempty"`
	// Forgotten is how many alerts that are over were left out here, for there
	// were too many.
	Forgotten int `json:"forgotten,omitempty"`
	// Ended are the alerts of earlier incidents, which late posts may tell of.
	Ended []Known `json:"ended,omitempty"`
	// Past are those that found no place in Ended, and those that are Forgotten.
	Past Past `json:"past,omitzero"`
	// Within is after what time without a post an alert counts as over; never
	// when 0.
	Within time.Duration `json:"within,omitempty"`
	// Hushed is true when alerts that are not in Alerts are over for want of news.
	Hushed bool `json:"hushed,omitempty"`
	// Unread is the post that could not be read, if that is what the incident is
	// about.
	Unread *Unread `json:"unread,omitempty"`
}

// Known is what is known of an alert.
type Known struct {
	Alert
	// Circles that the alert is in; see Sender.
	Circles []int `json:"in,omitempty"`
	// ToldAt is when it was told of as resolved.
	ToldAt time.Time `json:"toldAt,omitzero"`
	// LateAt is when it was told of as firing for the first time after that.
	LateAt time.Time `json:"lateAt,omitzero"`
	// SeenAt is when it was last told of as firing; see State.Within.
	SeenAt time.Time `json:"seenAt,omitzero"`
	// Before is when its last firing but this one began.
	Before time.Time `json:"before,omitzero"`
	// Gone is true when its end was not told, but it is no longer told of in a
	// group that is resolved (it was silenced), or at all (Quiet).
	Gone  bool `json:"gone,omitempty"`
	Quiet bool `json:"quiet,omitempty"`
}

// Firing is how many alerts fire, those included that were left out.
func (s State) Firing() int {
	if s.Unread != nil {
		return s.Unread.firing()
	}
	return s.known() + s.unknown()
}

// known is how many alerts are known to fire.
func (s State) known() int {
	n := s.Rest.Len()
	for _, a := range s.Alerts {
		if a.Status == Firing {
			n++
		}
	}
	return n
}

// unknown is how many alerts may fire, of which nothing is known but their
// number. Two Alertmanagers of a cluster leave out the same ones.
func (s State) unknown() int {
	n := 0
	for _, from := range s.Senders {
		n = max(n, from.Unknown)
	}
	return n
}

// resolved is how many alerts are over, those included that are forgotten.
func (s State) resolved() int {
	n := s.Forgotten
	for _, a := range s.Alerts {
		if a.Status == Resolved {
			n++
		}
	}
	return n
}

// Status is Firing while any alert fires.
func (s State) Status() Status {
	if s.Firing() > 0 {
		return Firing
	}
	return Resolved
}

// Next is the state for an incident after this one: it shows nothing of this
// one, but knows a late post of it.
func (s State) Next() State {
	ended := slices.Clone(s.Ended)
	for _, a := range s.Alerts {
		a.Alert, a.Circles, a.SeenAt = a.strip(), nil, time.Time{}
		ended = append(ended, a)
	}
	// The last ones to end are those that a late post may tell of.
	slices.SortStableFunc(ended, func(a, b Known) int { return b.EndsAt.Compare(a.EndsAt) })
	next := State{Within: s.Within, Past: s.Past}
	var left []Known
	seen := map[string]bool{}
	for _, a := range ended {
		switch {
		case seen[a.Fingerprint]:
		case len(next.Ended) < maxEnded:
			next.Ended = append(next.Ended, a)
		default:
			left = append(left, a)
		}
		seen[a.Fingerprint] = true
	}
	next.Past = next.Past.with(left...)
	for _, from := range s.Senders {
		if !from.Over.IsZero() {
			next.Senders = append(next.Senders, Sender{ID: from.ID, Over: from.Over})
		}
	}
	return next
}

// smallest is how many bytes of JSON a state may have that is kept of an
// incident without a message of its own.
const smallest = 1900

// Small is what must be known of an incident to see its end, and that a post of what
// is over is late, in less than 2 KiB of JSON.
func (s State) Small() State {
	out := State{GroupKey: clean(s.GroupKey, 200), Rest: s.Rest, Senders: slices.Clone(s.Senders), Within: s.Within, Unread: s.Unread}
	over := slices.Clone(s.Ended)
	for _, a := range s.Alerts {
		if a.Status == Firing {
			a.Alert = a.strip()
			out.Alerts = append(out.Alerts, a)
		} else {
			over = append(over, a)
		}
	}
	out.Past = s.Past.with(over...)
	size := func() int {
		data, _ := json.Marshal(out) // strings, numbers and times alone
		return len(data)
	}
	for size() > smallest && out.Past.Len() > 0 { // a late post of these is news, and no all-clear
		out.Past = out.Past.newest(out.Past.Len() * 3 / 4)
	}
	for size() > smallest && out.Rest.Len() > 0 {
		out.leaveOut(out.Rest.Len())
		out.Rest = Crowd{}
	}
	for size() > smallest && len(out.Senders) > 1 {
		out.Senders = out.Senders[1:]
	}
	if most := smallest / 100; size() > smallest && len(out.Alerts) > most {
		out.leaveOut(len(out.Alerts) - most)
		out.Alerts = out.Alerts[:most]
	}
	for size() > smallest && len(out.Alerts) > 0 {
		out.leaveOut(1)
		out.Alerts = out.Alerts[:len(out.Alerts)-1]
	}
	return out
}

// leaveOut counts alerts that fire and are no longer known.
func (s *State) leaveOut(n int) {
	if len(s.Senders) == 0 {
		s.Senders = []Sender{{}}
	}
	s.Senders[len(s.Senders)-1].Unknown += n
}

// describe takes over what a post says of the group. Each Alertmanager of a
// cluster has an address of its own, so that the first one is kept.
func (s *State) describe(p Payload) {
	s.GroupKey, s.Receiver, s.ExternalURL, s.Grafana = p.GroupKey, p.Receiver, p.ExternalURL, p.Grafana
	room := maxGroupLabels
	s.GroupLabels = map[string]string{}
	for _, key := range ordered(maps.Keys(p.GroupLabels), nil) {
		if room -= len(key) + len(p.GroupLabels[key]); room >= 0 {
			s.GroupLabels[key] = p.GroupLabels[key]
		} else {
			s.GroupCut = true
		}
	}
}

// detailed are the alerts whose labels are known.
func (s State) detailed(which Status) []Alert {
	var out []Alert
	for _, a := range s.Alerts {
		if a.Status == which && (len(a.Labels) > 0 || len(a.Annotations) > 0) {
			out = append(out, a.Alert)
		}
	}
	return out
}

// shown are the alerts that a message is about: those that fire, or all when
// none does.
func (s State) shown() []Alert {
	if alerts := s.detailed(Firing); len(alerts) > 0 {
		return alerts
	}
	return s.detailed(Resolved)
}

// shared are the labels and annotations that the shown alerts have in common.
func (s State) shared() (labels, annotations map[string]string) {
	alerts := s.shown()
	labels = common(alerts, func(a Alert) map[string]string { return a.Labels })
	annotations = common(alerts, func(a Alert) map[string]string { return a.Annotations })
	if labels == nil {
		labels = maps.Clone(s.GroupLabels)
	}
	return labels, annotations
}
