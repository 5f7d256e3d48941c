package alertmanager

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Selects returns the labels with these names that all alerts have in common that
// fire; those of Alertmanager's group when there are no names. Where one is missing
// or was shortened, it returns a sentence that says so: without it, a silence would
// be wider than meant, or match nothing.
func (s State) Selects(names []string) (labels map[string]string, refused string) {
	const instead = ": name labels in spec.actions.silence.labels that all of them have"
	shared := common(s.detailed(Firing), func(a Alert) map[string]string { return a.Labels })
	if shared == nil {
		shared = s.GroupLabels
	}
	if len(names) == 0 {
		switch {
		case s.GroupCut:
			return nil, "the labels of Alertmanager's group are too long to be known in full" + instead
		case len(s.GroupLabels) == 0:
			return nil, "Alertmanager's group has no labels (group_by)" + instead
		}
		names = slices.Sorted(maps.Keys(s.GroupLabels))
	}
	labels = map[string]string{}
	for _, name := range names {
		value, ok := shared[name]
		switch {
		case !ok || value == "":
			return nil, fmt.Sprintf("the alerts of this incident do not have the same value of the label %q", name) + instead
		case strings.HasSuffix(value, "…") || strings.HasSuffix(name, "…") || strings.ContainsRune(name+value, '\uFFFD'):
			return nil, fmt.Sprintf("the label %q of these alerts is too long to be known in full", name) + instead
		}
		labels[name] = value
	}
	return labels, ""
}

// Has reports whether an alert, as Alertmanager tells of it, is one of this incident.
// grouped is true when a rule groups alerts by itself, so that not all of
// Alertmanager's group are.
func (s State) Has(fingerprint string, labels map[string]string, grouped bool) bool {
	if s.unknown() > 0 || s.Rest.set()[hashOf(fingerprint)] {
		return true
	}
	if slices.ContainsFunc(s.Alerts, func(a Known) bool { return a.Fingerprint == fingerprint }) {
		return true
	}
	if grouped || len(s.GroupLabels) == 0 {
		return false
	}
	for name, value := range s.GroupLabels {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// Vanish ends all alerts, because Alertmanager has none of them any more. While they
// are silenced, no post tells of their end.
func Vanish(s State, now time.Time) State {
	s = s.clone()
	for i := range s.Alerts {
		a := &s.Alerts[i]
		if a.Status == Firing {
			a.Status, a.EndsAt, a.ToldAt, a.Gone = Resolved, now, now, true
		}
	}
	s.Forgotten += s.unknown() + s.Rest.Len()
	s.Rest = Crowd{}
	for i := range s.Senders {
		s.Senders[i].Unknown, s.Senders[i].SeenAt = 0, time.Time{}
	}
	s.arrange()
	return s
}

// hushed reports whether the post was made while alerts may have been silenced: what
// it leaves out may fire.
func (p Payload) hushed() bool {
	return !p.SilencedUntil.IsZero() && !p.ReceivedAt.After(p.SilencedUntil)
}
