package source

import (
	"slices"
	"testing"
	"time"
)

// What is committed is all stored, however it comes: nothing that is pending is
// behind it, and it never goes back.
func TestCheckpointCommitsWhatIsStored(t *testing.T) {
	type step struct {
		see     string
		pending []string
		want    string
	}
	for name, steps := range map[string][]step{
		"nothing seen":                   {{want: "10"}},
		"all stored":                     {{see: "12", want: "12"}, {see: "15", want: "15"}},
		"one is pending":                 {{see: "12", pending: []string{"12"}, want: "10"}, {see: "15", pending: []string{"15"}, want: "12"}, {want: "15"}},
		"what is seen later waits":       {{see: "12", pending: []string{"11"}, want: "10"}, {see: "20", pending: []string{"20"}, want: "12"}, {want: "20"}},
		"pending ones beyond do no harm": {{see: "12", pending: []string{"13"}, want: "12"}},
		"late ones do not take it back":  {{see: "12", want: "12"}, {see: "11", want: "12"}},
		"versions are numbers":           {{see: "9", want: "10"}, {see: "100", want: "100"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckpoint(position{version: "10", at: start})
			for i, s := range steps {
				if s.see != "" {
					c.see(s.see, start, start)
				}
				if got := c.commit(slices.Values(s.pending)).version; got != s.want {
					t.Errorf("step %d commits %s, want %s", i+1, got, s.want)
				}
			}
		})
	}
}

// An Event that an earlier process has looked at is not fresh, by its version, or by
// its time where no version is known.
func TestCheckpointKnowsWhatIsFresh(t *testing.T) {
	late, old := start.Add(time.Minute), start.Add(-time.Minute)
	for name, c := range map[string]struct {
		start           position
		version         string
		created, lasted time.Time
		want            bool
	}{
		"a newer version":             {position{"10", start}, "11", old, old, true},
		"the same version":            {position{"10", start}, "10", late, late, false},
		"an older version":            {position{"10", start}, "9", late, late, false},
		"by time, made since":         {position{"", start}, "9", late, late, true},
		"by time, recurred since":     {position{"", start}, "9", old, late, true},
		"by time, in the same second": {position{"", start.Add(time.Second / 2)}, "9", start, start, true},
		"by time, over before":        {position{"", start}, "9", old, old, false},
	} {
		t.Run(name, func(t *testing.T) {
			point := newCheckpoint(c.start)
			if got := point.fresh(c.version, c.created, c.lasted); got != c.want {
				t.Errorf("fresh is %t, want %t", got, c.want)
			}
		})
	}
}

// A cluster that was restored counts its versions from before: Events are known by
// their time from then on.
func TestCheckpointAfterARestore(t *testing.T) {
	for name, c := range map[string]struct {
		current string
		want    bool
	}{
		"the cluster is ahead":     {"20", false},
		"nothing has happened":     {"10", false},
		"the cluster is older":     {"5", true},
		"its version is not known": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			point := newCheckpoint(position{"10", start})
			if got := point.restart(c.current); got != c.want {
				t.Fatalf("begins anew is %t, want %t", got, c.want)
			}
			if fresh := point.fresh("4", start.Add(time.Minute), start); fresh != c.want {
				t.Errorf("an Event of now with a low version is fresh: %t, want %t", fresh, c.want)
			}
			point.see("6", start, start)
			want := "10"
			if c.want {
				want = "6"
			}
			if got := point.commit(slices.Values[[]string](nil)).version; got != want {
				t.Errorf("commits %s, want %s", got, want)
			}
		})
	}
}

// A sender's clock that is ahead does not move the checkpoint into the future.
func TestCheckpointIsNeverAhead(t *testing.T) {
	c := newCheckpoint(position{"10", start})
	c.see("11", start.Add(time.Hour), start.Add(time.Second))
	if got := c.commit(slices.Values[[]string](nil)).at; !got.Equal(start.Add(time.Second)) {
		t.Errorf("commits %s, want the operator's time", got)
	}
	c.see("12", start.Add(-time.Hour), start.Add(time.Minute))
	if got := c.commit(slices.Values[[]string](nil)).at; !got.Equal(start.Add(time.Second)) {
		t.Errorf("goes back to %s", got)
	}
}
