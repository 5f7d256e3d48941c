package alertmanager

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// at is a moment so many minutes after t0; zero for a negative number.
func at(minutes int) time.Time {
	if minutes < 0 {
		return time.Time{}
	}
	return t0.Add(time.Duration(minutes) * time.Minute)
}

func alertOf(name string, from, to int) Alert {
	a := Alert{Fingerprint: name, Status: Firing, StartsAt: at(from), EndsAt: at(to), Labels: map[string]string{"alertname": "A", "pod": name}}
	if to >= 0 {
		a.Status = Resolved
	}
	return a
}

func post(alerts ...Alert) Payload {
	p := Payload{GroupKey: "g", Status: Resolved, Alerts: alerts}
	for _, a := range alerts {
		if a.Status == Firing {
			p.Status = Firing
		} else if a.EndsAt.After(p.Over) {
			p.Over = a.EndsAt
		}
	}
	return p
}

// by has another Alertmanager send a post.
func by(url string, p Payload) Payload { p.ExternalURL = url; return p }

// cut has a post leave out alerts.
func cut(n int, p Payload) Payload { p.Truncated = n; return p }

func received(minutes int, p Payload) Payload { p.ReceivedAt = at(minutes); return p }

// look is what a state says, as in "a:firing b:resolved".
func look(s State) string {
	var out []string
	for _, a := range s.Alerts {
		out = append(out, a.Fingerprint+":"+string(a.Status))
	}
	return strings.Join(out, " ")
}

func TestMerge(t *testing.T) {
	firing, over := alertOf("a", 0, -1), alertOf("a", 0, 10)
	for name, test := range map[string]struct {
		posts []Payload
		want  string
	}{
		"fires":                                {[]Payload{post(firing)}, "a:firing"},
		"fires and is over":                    {[]Payload{post(firing), post(over)}, "a:resolved"},
		"a late firing changes nothing":        {[]Payload{post(firing), post(over), post(firing)}, "a:resolved"},
		"nor one before anything else":         {[]Payload{post(over), post(firing)}, "a:resolved"},
		"a later start is a new firing":        {[]Payload{post(over), post(alertOf("a", 20, -1))}, "a:firing"},
		"even within the last one":             {[]Payload{post(over), post(alertOf("a", 5, -1))}, "a:firing"},
		"an old end changes nothing":           {[]Payload{post(alertOf("a", 20, -1)), post(over)}, "a:firing"},
		"an end of what began a bit earlier":   {[]Payload{post(alertOf("a", 1, -1)), post(over)}, "a:resolved"},
		"which a late one does not begin anew": {[]Payload{post(alertOf("a", 1, -1)), post(over), post(alertOf("a", 1, -1))}, "a:resolved"},
		"no times at all":                      {[]Payload{post(alertOf("a", -1, -1)), post(Alert{Fingerprint: "a", Status: Resolved})}, "a:resolved"},
		"one of two is over":                   {[]Payload{post(firing, alertOf("b", 1, -1)), post(over, alertOf("b", 1, -1))}, "b:firing a:resolved"},
		"what is left out stays":               {[]Payload{post(firing, alertOf("b", 1, -1)), post(alertOf("b", 1, -1))}, "a:firing b:firing"},
		"silenced, when the group is over":     {[]Payload{post(firing, alertOf("b", 1, -1)), post(alertOf("b", 1, 9))}, "a:resolved b:resolved"},
		"silenced, and back":                   {[]Payload{post(firing, alertOf("b", 1, -1)), post(alertOf("b", 1, 9)), post(firing)}, "a:firing b:resolved"},
		"begun after the group was over":       {[]Payload{post(alertOf("a", 20, -1)), post(alertOf("b", 1, 9))}, "a:firing b:resolved"},
		"left out by Alertmanager": {[]Payload{post(firing, alertOf("b", 1, -1)),
			cut(1, post(alertOf("b", 1, 9)))}, "a:firing b:resolved"},
		"another group is over": {[]Payload{post(firing),
			{GroupKey: "other", Status: Resolved, Alerts: []Alert{alertOf("b", 1, 9)}}}, "a:firing b:resolved"},
		"the old start, soon after the end":     {[]Payload{received(0, post(firing)), received(10, post(over)), received(14, post(firing))}, "a:resolved"},
		"the old start, long after the end":     {[]Payload{received(0, post(firing)), received(10, post(over)), received(300, post(firing))}, "a:resolved"},
		"late, and repeated for some minutes":   {[]Payload{received(10, post(over)), received(25, post(firing)), received(40, post(firing)), received(84, post(firing))}, "a:resolved"},
		"the old start, again and again":        {[]Payload{received(10, post(over)), received(30, post(firing)), received(90, post(firing))}, "a:firing"},
		"an older start, long after the end":    {[]Payload{received(30, post(alertOf("a", 20, 30))), received(60, post(firing))}, "a:resolved"},
		"the end again, and then the old start": {[]Payload{received(10, post(over)), received(14, post(over)), received(16, post(firing))}, "a:resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
			}
			if got := look(s); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
}

// Repeats, by Alertmanager's repeat_interval or by a second Alertmanager, say
// nothing new.
func TestMergeRepeats(t *testing.T) {
	first := received(0, post(alertOf("a", 0, -1), alertOf("b", 1, 2)))
	first.ExternalURL, first.Alerts[0].GeneratorURL = "http://am-0", "http://prometheus-0/"
	s, changed := Merge(State{}, first)
	if !changed {
		t.Error("the first post says nothing")
	}
	second := received(240, post(alertOf("b", 1, 2), alertOf("a", 0, -1)))
	second.ExternalURL, second.Alerts[1].GeneratorURL = "http://am-1", "http://prometheus-1/"
	s2, _ := Merge(s, second) // it is noted who told of it
	if !reflect.DeepEqual(DefaultContent(s), DefaultContent(s2)) {
		t.Errorf("a repeat changes the message:\n%+v\n%+v", DefaultContent(s), DefaultContent(s2))
	}
	for name, p := range map[string]Payload{"first": first, "second": second} {
		if s3, changed := Merge(s2, p); changed || !reflect.DeepEqual(s2, s3) {
			t.Errorf("a repeat of the %s changes the state:\n%+v\n%+v", name, s2, s3)
		}
	}
	if _, changed := Merge(s, post(alertOf("a", 0, 5))); !changed {
		t.Error("an end changes nothing")
	}
	told := alertOf("a", 0, -1)
	told.Annotations = map[string]string{"summary": "now 99 %"}
	if _, changed := Merge(s, post(told)); !changed {
		t.Error("another summary changes nothing")
	}
}

// An incident after the last one knows late posts of it.
func TestNext(t *testing.T) {
	old, _ := Merge(State{}, received(10, post(alertOf("a", 0, 10), alertOf("b", 0, 9))))
	next := old.Next()
	if s, changed := Merge(next, received(11, post(alertOf("a", 0, -1)))); !changed || len(s.Alerts) > 0 {
		t.Errorf("a late post: %s", look(s))
	}
	s, changed := Merge(next, received(20, post(alertOf("a", 20, -1), alertOf("b", 0, 9))))
	if !changed || look(s) != "a:firing" {
		t.Errorf("a new firing: %s", look(s))
	}
	late, changed := Merge(next, received(30, post(alertOf("b", 0, -1))))
	if !changed || look(late) != "" {
		t.Errorf("the old start, long after: %s", look(late))
	}
	if s, _ := Merge(late, received(90, post(alertOf("b", 0, -1)))); look(s) != "b:firing" {
		t.Errorf("the old start for an hour: %s", look(s))
	}
	if again := s.Next(); len(again.Ended) != 2 {
		t.Errorf("%d are known to have ended", len(again.Ended))
	}
}

// A late post of an earlier firing does not bring its words back.
func TestLateWords(t *testing.T) {
	late := alertOf("a", 0, -1)
	late.Annotations = map[string]string{"summary": "old"}
	over, _ := Merge(State{}, post(alertOf("a", 0, 10)))
	for name, before := range map[string]State{"of the same incident": over, "of the last incident": over.Next()} {
		s, _ := Merge(before, post(alertOf("a", 20, -1)))
		if again, changed := Merge(s, post(late)); changed {
			t.Errorf("%s: %+v", name, again)
		}
		if again, changed := Merge(s, post(alertOf("a", 0, 10))); changed {
			t.Errorf("%s: %+v", name, again)
		}
		// An earlier start of this firing, as another Prometheus saw it, is none.
		if again, changed := Merge(s, post(alertOf("a", 19, 25))); !changed || look(again) != "a:resolved" {
			t.Errorf("%s: %s", name, look(again))
		}
	}
}

// However many alerts there are, the state is bounded and the count is right.
func TestMergeBounds(t *testing.T) {
	s := State{}
	for round := range 5 {
		var alerts []Alert
		for i := range 150 {
			a := alertOf(fmt.Sprintf("%d-%03d", round, i), round, -1)
			a.Annotations = map[string]string{"description": strings.Repeat("<", 2000)}
			alerts = append(alerts, a)
		}
		s, _ = Merge(s, post(alerts...))
		checkState(t, s)
		for i := range alerts {
			alerts[i].Status, alerts[i].EndsAt = Resolved, at(round+1)
		}
		s, _ = Merge(s, post(alerts...))
		checkState(t, s)
	}
	if len(s.Alerts) != 200 || s.Forgotten != 550 || s.resolved() != 750 || s.Firing() != 0 {
		t.Errorf("%d alerts, %d forgotten, %d resolved, %d firing", len(s.Alerts), s.Forgotten, s.resolved(), s.Firing())
	}
	s = s.Next()
	checkState(t, s)
	if len(s.Ended) != maxEnded {
		t.Errorf("%d are known to have ended", len(s.Ended))
	}
}

// Without silences, the order of posts does not matter, as long as a firing
// begins after the last one's end.
func FuzzMerge(f *testing.F) {
	f.Add(uint64(1), uint64(2), 8)
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64, n int) {
		r := rand.New(rand.NewPCG(seed1, seed2))
		var posts []Payload
		for range min(max(n, 1), 20) {
			p := Payload{GroupKey: "g", Truncated: 1}
			for _, name := range []string{"a", "b", "c"} {
				if r.IntN(3) == 0 {
					continue
				}
				start := 10 * r.IntN(3)
				a := alertOf(name, start, -1)
				if r.IntN(2) == 0 {
					a = alertOf(name, start, start+5)
				}
				p.Alerts = append(p.Alerts, a)
			}
			p = cut(1, post(p.Alerts...))
			posts = append(posts, p)
		}
		merge := func() State {
			s := State{}
			for _, p := range posts {
				s, _ = Merge(s, p)
				if again, changed := Merge(s, p); changed {
					t.Fatalf("the same post again changes the state:\n%+v\n%+v", s, again)
				}
			}
			return s
		}
		want := merge()
		r.Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
		if got := merge(); look(got) != look(want) {
			t.Errorf("%s, and in another order %s", look(want), look(got))
		}
	})
}

// A label that changes at each evaluation makes another alert of the same thing each
// time: it is one incident that goes on, and what is over is forgotten in the end.
func TestLabelsThatChangeAtEachEvaluation(t *testing.T) {
	s := State{}
	for round := range 1000 {
		is := alertOf(fmt.Sprint("value-", round), round, -1)
		p := received(round, post(is))
		if round > 0 {
			p = received(round, post(is, alertOf(fmt.Sprint("value-", round-1), round-1, round)))
		}
		if s, _ = Merge(s, p); s.Firing() != 1 {
			t.Fatalf("%d fire after %d evaluations", s.Firing(), round+1)
		}
	}
	checkState(t, s)
	if s.resolved() != 999 || len(s.Alerts) != maxAlerts {
		t.Errorf("%d are over and %d are known, want 999 and %d", s.resolved(), len(s.Alerts), maxAlerts)
	}
	s, _ = Merge(s, received(1000, post(alertOf("value-999", 999, 1000))))
	if s.Status() != Resolved {
		t.Errorf("%d fire at the end", s.Firing())
	}
}
