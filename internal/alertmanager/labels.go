package alertmanager

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// deciding are labels and annotations that say what an alert is and where; they
// are never the ones that are dropped where there are too many.
var deciding = []string{
	"alertname", "severity", "priority", "level", "cluster", "namespace", "pod", "container", "node", "job", "instance",
	"service", "deployment", "summary", "description", "message", "title", "runbook_url", "runbook",
}

// ordered sorts names: those that decide, those that are wanted, and the rest by
// name.
func ordered(names iter.Seq[string], wanted func(string) bool) []string {
	rank := func(name string) int {
		if i := slices.Index(deciding, name); i >= 0 {
			return i
		}
		if wanted != nil && wanted(name) {
			return len(deciding)
		}
		return len(deciding) + 1
	}
	return slices.SortedFunc(names, func(a, b string) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
}

// Keep drops labels and annotations beyond those that a state keeps of an alert.
// Those that are wanted, the group's own and those that say what an alert is
// stay.
func (p *Payload) Keep(wanted func(name string) bool) {
	want := func(name string) bool {
		_, ours := p.GroupLabels[name]
		return ours || wanted(name)
	}
	for i := range p.Alerts {
		a := &p.Alerts[i]
		var dropped bool
		if a.Labels, dropped = fewer(a.Labels, want); dropped {
			a.Shortened = true
		}
		a.Annotations, _ = fewer(a.Annotations, want)
	}
}

func fewer(m map[string]string, want func(string) bool) (map[string]string, bool) {
	if len(m) <= maxPairs {
		return m, false
	}
	out := map[string]string{}
	for _, name := range ordered(maps.Keys(m), want)[:maxPairs] {
		out[name] = m[name]
	}
	return out, true
}
