package alertmanager

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// crowdOfAlerts are alerts that fire since a time, or are over.
func crowdOfAlerts(n, from, to int) []Alert {
	out := make([]Alert, n)
	for i := range out {
		out[i] = alertOf(fmt.Sprintf("pod-%04d", i), from, to)
	}
	return out
}

// A late post opens nothing again, of however many alerts the group has had: not in
// the incident, and not after it. What then fires anew does.
func TestLatePostsOfManyAlerts(t *testing.T) {
	for _, n := range []int{1, 199, 201, 250, 900, 1600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			firing, over := crowdOfAlerts(n, 0, -1), crowdOfAlerts(n, 0, 10)
			beside := alertOf("beside", 0, -1)
			open, _ := Merge(State{}, received(0, post(append([]Alert{beside}, firing...)...)))
			if open.Firing() != n+1 {
				t.Fatalf("%d fire, want %d", open.Firing(), n+1)
			}
			open, _ = Merge(open, received(10, post(append([]Alert{beside}, over...)...)))
			if open.Firing() != 1 {
				t.Fatalf("%d fire, want one", open.Firing())
			}
			if late, _ := Merge(open, received(12, post(append([]Alert{beside}, firing...)...))); late.Firing() != 1 {
				t.Errorf("%d fire by a late post while another one does", late.Firing())
			}
			beside = alertOf("beside", 0, 20)
			done, _ := Merge(open, received(20, post(append([]Alert{beside}, over...)...)))
			if done.Status() != Resolved {
				t.Fatalf("%d fire at the end", done.Firing())
			}
			late := received(25, post(firing...))
			if got, _ := Merge(done, late); got.Firing() != 0 {
				t.Errorf("%d of %d fire by a late post", got.Firing(), n)
			}
			next := stored(t, done.Next())
			if got, _ := Merge(next, late); got.Firing() != 0 {
				t.Errorf("%d of %d are a new incident by a late post", got.Firing(), n)
			}
			if got, _ := Merge(next, received(40, post(crowdOfAlerts(n, 30, -1)...))); got.Firing() != n {
				t.Errorf("%d of %d fire that begin anew", got.Firing(), n)
			}
		})
	}
}

// stored is a state as it comes back.
func stored(t *testing.T, s State) (out State) {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil || json.Unmarshal(data, &out) != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return out
}

// The old start for an hour is a new firing, of an alert without a name as well.
func TestForgottenAlertsFireAgain(t *testing.T) {
	done, _ := Merge(State{}, received(10, post(crowdOfAlerts(400, 0, 10)...)))
	if done.Past.IsZero() {
		t.Fatal("none is known by hash alone")
	}
	again := post(crowdOfAlerts(400, 0, -1)...)
	s := stored(t, done.Next())
	for _, step := range []struct{ minutes, fire int }{{12, 0}, {40, 0}, {71, 0}} {
		s, _ = Merge(s, received(step.minutes, again))
		if s = stored(t, s); s.Firing() != step.fire {
			t.Fatalf("after %d minutes %d fire, want %d", step.minutes, s.Firing(), step.fire)
		}
		again.Alerts = again.Alerts[:399] // the last is told of late, and no more
	}
	if s, _ = Merge(s, received(72, again)); s.Firing() != 399 {
		t.Errorf("%d fire, want 399", s.Firing())
	}
}

// What was silenced while it fired is told of as firing when the silence is over: all
// of it, however many there are.
func TestSilencedCrowdsComeBack(t *testing.T) {
	const n = 190 // more than Ended takes
	firing := crowdOfAlerts(n, 0, -1)
	s, _ := Merge(State{}, received(0, post(firing...)))
	s, _ = Merge(s, received(10, post(alertOf("pod-0000", 0, 9))))
	if s.Status() != Resolved {
		t.Fatalf("%d fire though the group is over", s.Firing())
	}
	if got, _ := Merge(stored(t, s.Next()), received(20, post(firing[1:]...))); got.Firing() != n-1 {
		t.Errorf("%d fire after the silence, want %d", got.Firing(), n-1)
	}
}

// The end of an earlier firing, told again, does not end what fires by now, known by
// hash alone.
func TestEarlierEndOfACrowd(t *testing.T) {
	ended := crowdOfAlerts(400, 0, 10)
	done, _ := Merge(State{}, received(10, post(ended...)))
	s, _ := Merge(done.Next(), received(30, post(crowdOfAlerts(400, 20, -1)...)))
	if s.Firing() != 400 || s.Rest.Len() == 0 {
		t.Fatalf("%d fire, %d of them by hash alone", s.Firing(), s.Rest.Len())
	}
	if got, _ := Merge(s, received(31, post(ended...))); got.Firing() != 400 {
		t.Errorf("%d fire, want 400", got.Firing())
	}
	if got, _ := Merge(s, received(50, post(crowdOfAlerts(400, 20, 40)...))); got.Firing() != 0 {
		t.Errorf("%d fire after their end", got.Firing())
	}
}

func TestPastIsBounded(t *testing.T) {
	var p Past
	for i := 0; i < 2*maxPast; i += 500 {
		var over []Known
		for n := i; n < i+500; n++ {
			over = append(over, Known{Alert: alertOf(fmt.Sprint(n), n, n+1)})
		}
		p = p.with(over...)
	}
	data, err := json.Marshal(p)
	if err != nil || len(data) > 33<<10 {
		t.Errorf("%d bytes: %v", len(data), err)
	}
	if !p.began("0").IsZero() || !p.began(fmt.Sprint(2*maxPast-1)).Equal(at(2*maxPast-1)) {
		t.Error("those that came last are not the ones that are known")
	}
}

func FuzzPast(f *testing.F) {
	f.Add([]byte(`""`))
	f.Add([]byte(`"AAAAAQAAAAIAAAADAAA"`))
	f.Add([]byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again Past
		if json.Unmarshal(data, &p) != nil {
			return
		}
		out, err := json.Marshal(p)
		if err != nil || json.Unmarshal(out, &again) != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("%s comes back as %s: %v", data, out, err)
		}
		_ = p.has(Known{Alert: alertOf("a", 1, -1)}, time.Unix(5000, 0))
	})
}

// A state has its bound with all that it can hold.
func TestLargestState(t *testing.T) {
	long := func(a Alert) Alert {
		a.Fingerprint = fmt.Sprintf("%-*s", maxFingerprint, a.Fingerprint)
		a.GeneratorURL = "https://prometheus.example.com/" + strings.Repeat("g", 1000)
		for i := range 30 {
			a.Labels[fmt.Sprint("label_", i)] = strings.Repeat("v", 200)
		}
		return a
	}
	many := func(prefix string, n, from, to int) (out []Alert) {
		for i := range n {
			out = append(out, long(alertOf(fmt.Sprint(prefix, i), from, to)))
		}
		return out
	}
	s := State{}
	for round := range 3 {
		prefix := fmt.Sprint(round, "-")
		for sender := range 3 {
			url := fmt.Sprint("http://am-", sender)
			s, _ = Merge(s, by(url, received(round*100, post(many(prefix, 300, round*100, -1)...))))
		}
		s, _ = Merge(s, received(round*100+1, post(many(prefix, 2500, round*100, round*100+1)...)))
		s = s.Next()
	}
	s, _ = Merge(s, received(400, post(many("last-", 2500, 400, -1)...)))
	checkState(t, s)
	data, _ := json.Marshal(s)
	t.Logf("%d KiB", len(data)>>10)
}
