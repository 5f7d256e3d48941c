package alertmanager

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	// late is how long after an alert was told of as resolved a post that tells
	// of the same firing is taken for a late one. Alertmanager gives up a post
	// after group_interval, which is 5m by default.
	late = 5 * time.Minute
	// maxDetailed alerts of a state have their labels and annotations.
	maxDetailed = 50
	// maxDetails is how many bytes of JSON these may have together.
	maxDetails = 64 << 10
	// maxGroupLabels is how many bytes the labels of a group may have.
	maxGroupLabels = 4 << 10
)

// State is what is known of an incident. As JSON it has less than 160 KiB, so
// that it fits into an annotation.
type State struct {
	// GroupKey, GroupLabels, Receiver and ExternalURL are those of the first post.
	GroupKey    string            `json:"groupKey,omitempty"`
	GroupLabels map[string]string `json:"groupLabels,omitempty"`
	Receiver    string            `json:"receiver,omitempty"`
	ExternalURL string            `json:"externalURL,omitempty"`
	// Alerts, those that fire first, then by their start.
	Alerts []Known `json:"alerts,omitempty"`
	// Truncated is how many alerts the last post left out.
	Truncated int `json:"truncated,omitempty"`
	// Forgotten is how many alerts were left out here, for there were too many.
	Forgotten int `json:"forgotten,omitempty"`
	// Ended are the alerts of earlier incidents, which late posts may tell of.
	Ended []Known `json:"ended,omitempty"`
}

// Known is what is known of an alert.
type Known struct {
	Alert
	// Group is a short hash of the group that told of it.
	Group string `json:"group,omitempty"`
	// ToldAt is when it was told of as resolved.
	ToldAt time.Time `json:"toldAt,omitzero"`
	// Before is when its last firing but this one began.
	Before time.Time `json:"before,omitzero"`
	// Gone is true when its end was not told, but it is no longer told of in a
	// group that is resolved: it was silenced.
	Gone bool `json:"gone,omitempty"`
}

// Firing is how many alerts fire, those included that were left out.
func (s State) Firing() int {
	n := 0
	for _, a := range s.Alerts {
		if a.Status == Firing {
			n++
		}
	}
	if n > 0 {
		n += s.Truncated
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
		a.Labels, a.Annotations, a.GeneratorURL = nil, nil, ""
		ended = append(ended, a)
	}
	// The last ones to end are those that a late post may tell of.
	slices.SortStableFunc(ended, func(a, b Known) int { return b.EndsAt.Compare(a.EndsAt) })
	var out []Known
	seen := map[string]bool{}
	for _, a := range ended {
		if !seen[a.Fingerprint] && len(out) < maxAlerts/2 {
			out = append(out, a)
		}
		seen[a.Fingerprint] = true
	}
	return State{Ended: out}
}

// Merge returns the state after a post, and whether it says anything new. The
// same post again says nothing, and the order of posts does not matter:
//
//   - an alert is one firing from its start to its end; a later start is a new
//     one;
//   - an alert that is over stays so when a post tells of the same firing. It
//     fires again if that post came more than 5 minutes after its end had been
//     told (ReceivedAt): Prometheus was cut off from Alertmanager meanwhile, and
//     the firing has its old start;
//   - an alert that a post leaves out stays as it is. But when the whole group
//     is resolved, it was silenced before it ended, and nobody will tell of its
//     end; it is over.
//
// To merge into the state of an incident that is resolved shows whether there
// is a new one, which then begins with Merge(old.Next(), p).
func Merge(s State, p Payload) (State, bool) {
	before := s
	s.Alerts = slices.Clone(s.Alerts)
	group := GroupID(p.GroupKey)
	index := map[string]int{}
	for i, a := range s.Alerts {
		index[a.Fingerprint] = i
	}
	for _, a := range p.Alerts {
		told := Known{Alert: a, Group: group}
		if a.Status == Resolved {
			told.ToldAt = p.ReceivedAt
		}
		if i, ok := index[a.Fingerprint]; ok {
			if !s.isEarlier(s.Alerts[i], told) {
				s.Alerts[i] = join(s.Alerts[i], told, p.ReceivedAt)
			}
		} else if !s.hasEnded(told, p.ReceivedAt) {
			index[a.Fingerprint] = len(s.Alerts)
			s.Alerts = append(s.Alerts, told)
		}
	}
	s.dropSilenced(p, group)
	if len(s.Alerts) > 0 {
		if len(before.Alerts) == 0 {
			s.describe(p)
		}
		s.Truncated = p.Truncated
	}
	s.bound()
	return s, !reflect.DeepEqual(normal(before), normal(s))
}

// describe takes over what a post says of the group. Each Alertmanager of a
// cluster has an address of its own, so that the first one is kept.
func (s *State) describe(p Payload) {
	s.GroupKey, s.Receiver, s.ExternalURL = p.GroupKey, p.Receiver, p.ExternalURL
	room := maxGroupLabels
	s.GroupLabels = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(p.GroupLabels)) {
		if room -= len(key) + len(p.GroupLabels[key]); room >= 0 {
			s.GroupLabels[key] = p.GroupLabels[key]
		}
	}
}

// join makes one of what is known of an alert and what is told of it.
func join(have, told Known, at time.Time) Known {
	newer := told.StartsAt.After(have.StartsAt)
	told.Before = have.Before
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
		return have
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
	return k.Gone || !at.IsZero() && !k.ToldAt.IsZero() && at.Sub(k.ToldAt) > late
}

// isEarlier reports whether told is of an earlier firing than the one that is
// known, whose words would take the place of the newer ones.
func (s State) isEarlier(have, told Known) bool {
	if !told.StartsAt.Before(have.StartsAt) {
		return false
	}
	last := have.Before
	for _, a := range s.Ended {
		if a.Fingerprint == have.Fingerprint && a.StartsAt.After(last) {
			last = a.StartsAt
		}
	}
	return !last.IsZero() && !told.StartsAt.After(last)
}

// hasEnded reports whether an earlier incident has told of it as over.
func (s State) hasEnded(told Known, at time.Time) bool {
	for _, a := range s.Ended {
		if a.Fingerprint == told.Fingerprint {
			return !told.StartsAt.After(a.StartsAt) && (told.Status == Resolved || !a.again(told, at))
		}
	}
	return false
}

// dropSilenced ends the alerts that a resolved group does not tell of, though
// they began before its end.
func (s *State) dropSilenced(p Payload, group string) {
	if p.Status != Resolved || p.Truncated > 0 {
		return
	}
	told := map[string]bool{}
	var end time.Time
	for _, a := range p.Alerts {
		told[a.Fingerprint] = true
		if a.EndsAt.After(end) {
			end = a.EndsAt
		}
	}
	for i, a := range s.Alerts {
		if a.Status == Firing && a.Group == group && !told[a.Fingerprint] && !a.StartsAt.After(end) {
			a.Status, a.EndsAt, a.ToldAt, a.Gone = Resolved, end, p.ReceivedAt, true
			s.Alerts[i] = a
		}
	}
}

// bound puts the alerts in their order, and leaves out what is too much.
func (s *State) bound() {
	slices.SortStableFunc(s.Alerts, func(a, b Known) int {
		if a.Status != b.Status {
			return strings.Compare(string(a.Status), string(b.Status))
		}
		if c := a.StartsAt.Compare(b.StartsAt); c != 0 {
			return c
		}
		return strings.Compare(a.Fingerprint, b.Fingerprint)
	})
	for len(s.Alerts) > maxAlerts {
		s.forget()
	}
	room := maxDetails
	for i := range s.Alerts {
		a := &s.Alerts[i]
		size, _ := json.Marshal(a) // strings and times alone
		if room -= len(size); room < 0 || i >= maxDetailed {
			a.Labels, a.Annotations, a.GeneratorURL = nil, nil, ""
			room += len(size)
		}
	}
}

// forget leaves out the alert that ended first, or the last one if all fire.
func (s *State) forget() {
	oldest := len(s.Alerts) - 1
	for i, a := range s.Alerts {
		if a.Status == Resolved && (s.Alerts[oldest].Status == Firing || a.EndsAt.Before(s.Alerts[oldest].EndsAt)) {
			oldest = i
		}
	}
	s.Alerts = slices.Delete(s.Alerts, oldest, oldest+1)
	s.Forgotten++
}

// normal makes states comparable that mean the same.
func normal(s State) State {
	if len(s.GroupLabels) == 0 {
		s.GroupLabels = nil
	}
	s.Alerts = slices.Clone(s.Alerts)
	for i := range s.Alerts {
		a := &s.Alerts[i]
		a.StartsAt, a.EndsAt = a.StartsAt.UTC(), a.EndsAt.UTC()
		a.ToldAt, a.Before = a.ToldAt.UTC(), a.Before.UTC()
		if len(a.Labels) == 0 {
			a.Labels = nil
		}
		if len(a.Annotations) == 0 {
			a.Annotations = nil
		}
	}
	if len(s.Alerts) == 0 {
		s.Alerts = nil
	}
	return s
}

// GroupID is a short name for a group.
func GroupID(groupKey string) string { return digest(groupKey)[:12] }

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

// shared are the labels and annotations that the alerts have in common: those
// that fire, or all when none does.
func (s State) shared() (labels, annotations map[string]string) {
	alerts := s.detailed(Firing)
	if len(alerts) == 0 {
		alerts = s.detailed(Resolved)
	}
	labels = common(alerts, func(a Alert) map[string]string { return a.Labels })
	annotations = common(alerts, func(a Alert) map[string]string { return a.Annotations })
	if labels == nil {
		labels = maps.Clone(s.GroupLabels)
	}
	return labels, annotations
}
