package alertmanager

import (
	"fmt"
	"testing"
)

// org has another organisation of a Grafana send a post, and to another receiver
// get it.
func org(id string, p Payload) Payload { p.Organisation = id; return p }

func to(receiver string, p Payload) Payload { p.Receiver = receiver; return p }

// A group that is resolved ends the alerts that it names, and those that the same
// sender told of together with them; never another's.
func TestWhoseAlerts(t *testing.T) {
	const east, west, n1, n2 = "https://am.east", "https://am.west", "http://n1:9093", "http://n2:9093"
	e, w := alertOf("e", 0, -1), alertOf("w", 1, -1)
	wOver := alertOf("w", 1, 10)
	for name, test := range map[string]struct {
		posts []Payload
		want  string
	}{
		"two clusters, one is over":                 {[]Payload{by(east, post(e)), by(west, post(w)), by(west, post(wOver))}, "e:firing w:resolved"},
		"two clusters, each is over":                {[]Payload{by(east, post(e)), by(west, post(w)), by(west, post(wOver)), by(east, post(alertOf("e", 0, 12)))}, "e:resolved w:resolved"},
		"two clusters, one names what it silenced":  {[]Payload{by(east, post(e)), by(west, post(w, alertOf("s", 0, -1))), by(west, post(wOver))}, "e:firing s:resolved w:resolved"},
		"two clusters that have one alert alike":    {[]Payload{by(east, post(e, w)), by(west, post(w)), by(west, post(wOver))}, "e:firing w:resolved"},
		"peers, the other tells of the end":         {[]Payload{by(n1, post(e)), by(n2, post(alertOf("e", 0, 10)))}, "e:resolved"},
		"peers, silenced, and both told of it":      {[]Payload{by(n1, post(e, w)), by(n2, post(e, w)), by(n2, post(wOver))}, "e:resolved w:resolved"},
		"peers, silenced, and the other told of it": {[]Payload{by(n1, post(e, w)), by(n2, post(w)), by(n2, post(wOver))}, "e:firing w:resolved"},
		"receivers of one Alertmanager":             {[]Payload{to("a", post(e)), to("b", post(w)), to("b", post(wOver))}, "e:firing w:resolved"},
		"tenants that nothing tells apart":          {[]Payload{post(e), post(w), post(wOver)}, "e:firing w:resolved"},
		"organisations of a Grafana":                {[]Payload{org("1", post(e, w)), org("2", post(w)), org("2", post(wOver))}, "e:firing w:resolved"},
		"an address that changes":                   {[]Payload{by("http://am-1", post(e, w)), by("http://am-2", post(w)), by("http://am-2", post(wOver))}, "e:firing w:resolved"},
		"told of together later":                    {[]Payload{post(e), post(w), post(e, w), post(wOver)}, "e:resolved w:resolved"},
		"an end that comes first":                   {[]Payload{post(wOver), post(e, w)}, "e:firing w:resolved"},
		"a firing post leaves out":                  {[]Payload{post(e, w), post(w)}, "e:firing w:firing"},
		"a new one that began later":                {[]Payload{post(w, alertOf("x", 20, -1)), post(wOver)}, "x:firing w:resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
				checkState(t, s)
				if again, changed := Merge(s, p); changed {
					t.Errorf("the same post again changes the state:\n%+v\n%+v", s, again)
				}
			}
			if got := look(s); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
}

// What a post leaves out may fire, until one of the same sender names all.
func TestCutPosts(t *testing.T) {
	var three, over []Alert
	for _, name := range []string{"a", "b", "c"} {
		three, over = append(three, alertOf(name, 0, -1)), append(over, alertOf(name, 0, 10))
	}
	firing := func(p Payload) Payload { p.Status = Firing; return p }
	for name, test := range map[string]struct {
		posts []Payload
		want  int
	}{
		"all that is named is over":            {[]Payload{post(three...), firing(cut(40, post(over...)))}, 40},
		"it was all at first":                  {[]Payload{firing(cut(40, post(over...)))}, 40},
		"then all is named and over":           {[]Payload{post(three...), firing(cut(40, post(over...))), post(over...)}, 0},
		"then less is left out":                {[]Payload{cut(40, post(three...)), cut(2, post(three...))}, 5},
		"then all is named":                    {[]Payload{cut(40, post(three...)), post(three...)}, 3},
		"then it is over but for what is left": {[]Payload{cut(40, post(three...)), cut(40, post(over...))}, 40},
		"nothing is known to fire":             {[]Payload{post(three...), cut(40, post(over...))}, 0},
		"another cluster's is over":            {[]Payload{by("e", firing(cut(40, post(over...)))), by("w", post(alertOf("w", 0, 10)))}, 40},
		"a late one after the end":             {[]Payload{firing(cut(40, post(over...))), post(alertOf("d", 0, 12)), firing(cut(40, post(over...)))}, 0},
		"two peers leave out the same":         {[]Payload{by("n1", cut(40, post(three...))), by("n2", cut(40, post(three...)))}, 43},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
				checkState(t, s)
			}
			if got := s.Firing(); got != test.want {
				t.Errorf("%d fire, not %d", got, test.want)
			}
			if again, changed := Merge(s, test.posts[len(test.posts)-1]); changed {
				t.Errorf("the same post again changes the state:\n%+v\n%+v", s, again)
			}
		})
	}
}

// However many alerts fire, their end is seen, whoever tells of it.
func TestCrowds(t *testing.T) {
	many := func(from, to, end int) []Alert {
		var out []Alert
		for i := from; i < to; i++ {
			out = append(out, alertOf(fmt.Sprintf("a%05d", i), 0, end))
		}
		return out
	}
	for name, test := range map[string]struct {
		posts []Payload
		want  int
	}{
		"2000 fire":                      {[]Payload{post(many(0, 2000, -1)...)}, 2000},
		"half of them is over":           {[]Payload{post(many(0, 2000, -1)...), post(append(many(0, 1000, 10), many(1000, 2000, -1)...)...)}, 1000},
		"all are over":                   {[]Payload{post(many(0, 2000, -1)...), post(many(0, 2000, 10)...)}, 0},
		"all are over, a peer says":      {[]Payload{by("n1", post(many(0, 2000, -1)...)), by("n2", post(many(0, 2000, 10)...))}, 0},
		"another 2000 are over":          {[]Payload{by("e", post(many(0, 2000, -1)...)), by("w", post(many(2000, 4000, 10)...))}, 2000},
		"more than are known":            {[]Payload{post(many(0, 4000, -1)...)}, 4000},
		"more than are known, and over":  {[]Payload{post(many(0, 4000, -1)...), post(many(0, 4000, 10)...)}, 0},
		"201 resolved first, then 50":    {[]Payload{post(append(many(0, 201, 10), many(201, 251, -1)...)...)}, 50},
		"300 resolved, of which 1 fired": {[]Payload{post(many(0, 1, -1)...), post(many(0, 300, 10)...)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
				checkState(t, s)
			}
			if got := s.Firing(); got != test.want {
				t.Errorf("%d fire, not %d", got, test.want)
			}
			if again, changed := Merge(s, test.posts[len(test.posts)-1]); changed {
				t.Errorf("the same post again changes the state: %d and %d alerts, %d and %d forgotten", len(s.Alerts), len(again.Alerts), s.Forgotten, again.Forgotten)
			}
		})
	}
}

// A value in a label makes a new alert at each evaluation. That stays one
// incident, and what is over is forgotten.
func TestLabelThatChanges(t *testing.T) {
	s := State{}
	for i := range 400 {
		alerts := []Alert{alertOf(fmt.Sprint("v", i), i, -1)}
		if i > 0 {
			alerts = append(alerts, alertOf(fmt.Sprint("v", i-1), i-1, i))
		}
		s, _ = Merge(s, received(i, post(alerts...)))
		if got := s.Firing(); got != 1 {
			t.Fatalf("after %d posts %d fire", i+1, got)
		}
	}
	checkState(t, s)
	if len(s.Alerts) != maxAlerts || s.resolved() != 399 || len(s.Senders) != 1 || len(s.Senders[0].Circles) != 1 {
		t.Errorf("%d alerts, %d over, %+v", len(s.Alerts), s.resolved(), s.Senders)
	}
}

// What is kept of an incident without a message of its own is small, and its end
// is seen.
func TestSmall(t *testing.T) {
	for _, n := range []int{1, 5, 50, 500, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var on, off []Alert
			for i := range n {
				on, off = append(on, alertOf(fmt.Sprint("fingerprint-", i), 0, -1)), append(off, alertOf(fmt.Sprint("fingerprint-", i), 0, 9))
			}
			s, _ := Merge(State{}, post(on...))
			small := s.Small()
			if size := sizeOf(t, small); size > 2000 {
				t.Errorf("%d bytes", size)
			}
			if small.Firing() < 1 {
				t.Error("nothing fires")
			}
			if other, _ := Merge(small, by("other", post(alertOf("x", 0, 9)))); other.Firing() < 1 {
				t.Error("another's end ends it")
			}
			over, _ := Merge(small, post(off...))
			if over.Firing() != 0 {
				t.Errorf("%d fire after the end", over.Firing())
			}
			end := over.Small()
			if size := sizeOf(t, end); size > 2000 {
				t.Errorf("%d bytes after the end", size)
			}
			if late, _ := Merge(end, post(on[:min(n, 50)]...)); n <= 50 && late.Firing() != 0 {
				t.Errorf("%d fire by a late post", late.Firing())
			}
			if again, _ := Merge(end, post(alertOf("fingerprint-0", 10, -1))); again.Firing() != 1 {
				t.Errorf("%d fire anew", again.Firing())
			}
		})
	}
}
