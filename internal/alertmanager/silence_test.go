package alertmanager

import (
	"fmt"
	"strings"
	"testing"
)

// What a silence would match, and why it can't be known.
func TestSelects(t *testing.T) {
	of := func(name string, labels ...string) Alert {
		a := alertOf(name, 0, -1)
		for i := 0; i < len(labels); i += 2 {
			a.Labels[labels[i]] = labels[i+1]
		}
		return a
	}
	group := func(labels map[string]string, alerts ...Alert) State {
		p := post(alerts...)
		p.GroupLabels = labels
		s, _ := Merge(State{}, p)
		return s
	}
	down := map[string]string{"alertname": "A"}
	large := map[string]string{}
	for i := range 20 {
		large[fmt.Sprint("label", i)] = strings.Repeat("x", 400)
	}
	for name, test := range map[string]struct {
		state State
		names []string
		want  string
	}{
		"the group's own":               {group(down, of("a"), of("b")), nil, "map[alertname:A]"},
		"one that all have":             {group(down, of("a", "job", "x"), of("b", "job", "x")), []string{"job"}, "map[job:x]"},
		"one that differs":              {group(down, of("a"), of("b")), []string{"pod"}, `the same value of the label "pod"`},
		"one that differs, but is over": {group(down, of("a"), alertOf("b", 0, 5)), []string{"pod"}, "map[pod:a]"},
		"one that is missing":           {group(down, of("a", "job", "x"), of("b")), []string{"alertname", "job"}, `the same value of the label "job"`},
		"one that is empty":             {group(down, of("a", "job", "")), []string{"job"}, `the same value of the label "job"`},
		"one that was cut":              {group(down, of("a", "job", "xx…")), []string{"job"}, "too long to be known in full"},
		"a group that was cut":          {group(map[string]string{"alertname": "A…"}, of("a", "alertname", "A…")), nil, "too long to be known in full"},
		"a group without labels":        {group(nil, of("a")), nil, "has no labels (group_by)"},
		"a group with too many":         {group(large, of("a")), nil, "too long to be known in full"},
		"a group of another incident":   {group(map[string]string{"alertname": "B"}, of("a")), nil, "map[alertname:A]"},
		"nothing is known":              {State{}, []string{"job"}, `the same value of the label "job"`},
	} {
		t.Run(name, func(t *testing.T) {
			labels, refused := test.state.Selects(test.names)
			got := refused
			if refused == "" {
				got = fmt.Sprint(labels)
			} else if labels != nil {
				t.Errorf("refused, and yet %v", labels)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
}

// While alerts are silenced, that a resolved group leaves them out is no evidence;
// what it names is.
func TestMergeWhileSilenced(t *testing.T) {
	a, b := alertOf("a", 0, -1), alertOf("b", 0, -1)
	hush := func(until int, p Payload) Payload { p.SilencedUntil = at(until); return p }
	for name, test := range map[string]struct {
		posts []Payload
		want  string
	}{
		"the rest is over":                 {[]Payload{post(a, b), hush(30, received(20, post(alertOf("b", 0, 10))))}, "a:firing b:resolved"},
		"the rest is over, after it":       {[]Payload{post(a, b), hush(30, received(31, post(alertOf("b", 0, 10))))}, "a:resolved b:resolved"},
		"without a silence":                {[]Payload{post(a, b), received(20, post(alertOf("b", 0, 10)))}, "a:resolved b:resolved"},
		"it is named":                      {[]Payload{post(a, b), hush(30, received(20, post(alertOf("a", 0, 10), alertOf("b", 0, 10))))}, "a:resolved b:resolved"},
		"it goes on after it":              {[]Payload{post(a, b), hush(30, received(20, post(alertOf("b", 0, 10)))), received(40, post(a))}, "a:firing b:resolved"},
		"it is over after it":              {[]Payload{post(a, b), hush(30, received(20, post(alertOf("b", 0, 10)))), received(40, post(alertOf("a", 0, 39)))}, "a:resolved b:resolved"},
		"what was left out may fire still": {[]Payload{cut(3, post(a)), hush(30, received(20, post(alertOf("b", 0, 10))))}, "a:firing b:resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
				checkState(t, s)
			}
			if got := look(s); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
	t.Run("what was left out", func(t *testing.T) {
		s, _ := Merge(State{}, cut(3, post(a)))
		s, _ = Merge(s, hush(30, received(20, post(alertOf("b", 0, 10)))))
		if s.Firing() != 4 {
			t.Errorf("%d fire, not 4", s.Firing())
		}
	})
}

// Which alerts of Alertmanager's are of an incident, and that all are over when there
// are none.
func TestHasAndVanish(t *testing.T) {
	p := post(alertOf("a", 0, -1), alertOf("b", 0, -1))
	p.GroupLabels = map[string]string{"alertname": "A"}
	s, _ := Merge(State{}, p)
	left, _ := Merge(State{}, cut(3, p))
	for name, test := range map[string]struct {
		state   State
		print   string
		labels  map[string]string
		grouped bool
		want    bool
	}{
		"one that was told":                 {s, "a", nil, true, true},
		"a new one of the group":            {s, "x", map[string]string{"alertname": "A", "pod": "x"}, false, true},
		"a new one of the group, regrouped": {s, "x", map[string]string{"alertname": "A", "pod": "x"}, true, false},
		"one of another group":              {s, "x", map[string]string{"alertname": "B"}, false, false},
		"one that may have been left out":   {left, "x", map[string]string{"alertname": "B"}, false, true},
		"none is known":                     {State{}, "x", map[string]string{"alertname": "B"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.state.Has(test.print, test.labels, test.grouped); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
	for name, state := range map[string]State{"all are known": s, "some were left out": left} {
		t.Run(name, func(t *testing.T) {
			over := Vanish(state, at(20))
			checkState(t, over)
			if over.Status() != Resolved || look(over) != "a:resolved b:resolved" || look(state) != "a:firing b:firing" {
				t.Errorf("%s, %d firing", look(over), over.Firing())
			}
			// It was no end after all.
			if again, _ := Merge(over.Next(), received(30, post(alertOf("a", 0, -1)))); again.Status() != Firing {
				t.Error("a post that tells of it as firing says nothing")
			}
		})
	}
}
