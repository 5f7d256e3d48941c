package alertmanager

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func sizeOf(t *testing.T, s State) int {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return len(data)
}

// within has a post tell when it came, for a rule with resolveAfter: 1h.
func within(minutes int, p Payload) Payload {
	p.Within = time.Hour
	return received(minutes, p)
}

// An alert that no post has told of for long counts as over, and the message
// says that it is for want of news.
func TestExpire(t *testing.T) {
	a, b := alertOf("a", 0, -1), alertOf("b", 0, -1)
	for name, test := range map[string]struct {
		posts []Payload
		at    int
		want  string
		quiet bool
	}{
		"soon":                              {[]Payload{within(0, post(a))}, 59, "a:firing", false},
		"not before the time":               {[]Payload{within(0, post(a))}, 60, "a:firing", false},
		"after the time":                    {[]Payload{within(0, post(a))}, 66, "a:resolved", true},
		"repeats count":                     {[]Payload{within(0, post(a)), within(30, post(a))}, 90, "a:firing", false},
		"a repeat that is not noted counts": {[]Payload{within(0, post(a)), within(5, post(a))}, 65, "a:firing", false},
		"one of two":                        {[]Payload{within(0, post(a, b)), within(30, post(b))}, 70, "b:firing a:resolved", true},
		"left out by a cut post":            {[]Payload{within(0, post(a, b)), within(30, cut(1, post(b)))}, 70, "a:firing b:firing", false},
		"of a sender that has another name": {[]Payload{within(0, by("am-1", post(a))), within(30, by("am-2", post(b)))}, 70, "b:firing a:resolved", true},
		"told of as over":                   {[]Payload{within(0, post(a)), within(30, post(alertOf("a", 0, 20)))}, 200, "a:resolved", false},
		"no resolveAfter":                   {[]Payload{received(0, post(a))}, 10000, "a:firing", false},
		"resolveAfter is new":               {[]Payload{received(0, post(a)), within(300, post(a))}, 330, "a:firing", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{}
			for _, p := range test.posts {
				s, _ = Merge(s, p)
			}
			due := s.Due()
			s = Expire(s, at(test.at))
			checkState(t, s)
			if got := look(s); got != test.want || s.Quiet() != test.quiet {
				t.Errorf("%s (quiet: %t), not %s", got, s.Quiet(), test.want)
			}
			if test.quiet && due.After(at(test.at)) {
				t.Errorf("due at %s", due)
			}
			if s.Status() == Resolved && strings.Contains(DefaultContent(s).Title, "no news") != test.quiet {
				t.Errorf("the title is %q", DefaultContent(s).Title)
			}
		})
	}
}

// What is left out, or is too many, is over for want of news too.
func TestExpireTheRest(t *testing.T) {
	p := within(0, cut(40, post(alertOf("a", 0, -1))))
	for i := range 300 {
		p.Alerts = append(p.Alerts, alertOf(strings.Repeat("x", i+1), 0, -1))
	}
	s, _ := Merge(State{}, p)
	if s = Expire(s, at(59)); s.Firing() != 341 {
		t.Errorf("%d fire", s.Firing())
	}
	if s = Expire(s, at(66)); s.Firing() != 0 || !s.Quiet() {
		t.Errorf("%d fire", s.Firing())
	}
}

// An alert that is over for want of news fires again when it is told of.
func TestQuietAndBack(t *testing.T) {
	s, _ := Merge(State{}, within(0, post(alertOf("a", 0, -1))))
	s = Expire(s, at(70))
	for name, before := range map[string]State{"in the same incident": s, "in the next one": s.Next()} {
		again, _ := Merge(before, within(80, post(alertOf("a", 0, -1))))
		if look(again) != "a:firing" || again.Quiet() {
			t.Errorf("%s: %s", name, look(again))
		}
	}
}

// Repeats are noted ten times in the time, and else say nothing.
func TestRepeatsAreNotedNowAndThen(t *testing.T) {
	s, changes := State{}, 0
	for minute := range 61 {
		var changed bool
		if s, changed = Merge(s, within(minute, post(alertOf("a", 0, -1)))); changed {
			changes++
		}
	}
	if changes != 11 {
		t.Errorf("%d changes in an hour", changes)
	}
}

func TestUnread(t *testing.T) {
	p := within(0, post(alertOf("a", 0, -1)))
	p.Partial, p.Size = true, 33<<20
	s := UnreadState(p)
	checkState(t, s)
	c := DefaultContent(s)
	if s.Firing() != 1 || !strings.Contains(c.Text, "more than 33 MiB") || !strings.Contains(c.Text, "1 fire, such as `A`") {
		t.Errorf("%d fire: %+v", s.Firing(), c)
	}
	if s = Expire(s, at(59)); s.Firing() != 1 {
		t.Error("it is over before the time")
	}
	if s = Expire(s, at(60)); s.Firing() != 0 || !strings.Contains(DefaultContent(s).Text, "not known") {
		t.Errorf("%+v", DefaultContent(s))
	}
}
