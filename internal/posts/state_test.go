package posts

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// step is a post and what is expected of it.
type step struct {
	id    string
	firm  bool
	at    int // the sender's time in minutes; none when 0
	means Meaning
	// open and count afterwards, and whether what is shown changes.
	open  bool
	count int64
	news  bool
}

// A post counts once, and a late one changes nothing that is known better.
func TestMerge(t *testing.T) {
	for name, steps := range map[string][]step{
		"fires, again, over": {
			{"a", true, 0, Fires, true, 1, true}, {"b", true, 0, Fires, true, 2, true}, {"c", true, 0, Resolves, false, 2, true},
		},
		"the same post": {
			{"a", true, 0, Fires, true, 1, true}, {"a", true, 0, Fires, true, 1, false}, {"a", true, 0, Fires, true, 1, false},
		},
		"the same body in turn with another": {
			{"a", false, 0, Fires, true, 1, true}, {"b", false, 0, Fires, true, 2, true}, {"a", false, 0, Fires, true, 2, false},
		},
		"what was signed or has an ID does not fire again": {
			{"a", true, 0, Fires, true, 1, true}, {"b", true, 0, Resolves, false, 1, true}, {"a", true, 0, Fires, false, 1, false},
		},
		"a body without an ID fires again": {
			{"a", false, 0, Fires, true, 1, true}, {"b", false, 0, Resolves, false, 1, true}, {"b", false, 0, Resolves, false, 1, false},
			{"a", false, 0, Fires, true, 1, true}, {"b", false, 0, Resolves, false, 1, true},
		},
		"a late post does not fire again": {
			{"a", true, 1, Fires, true, 1, true}, {"c", true, 3, Resolves, false, 1, true}, {"b", true, 2, Fires, false, 1, false}, {"d", true, 4, Fires, true, 1, true},
		},
		"a late end does not end": {
			{"a", true, 1, Fires, true, 1, true}, {"c", true, 3, Fires, true, 2, true}, {"b", true, 2, Resolves, true, 2, false},
		},
		"a late post counts, and shows nothing": {
			{"b", true, 2, Fires, true, 1, true}, {"a", true, 1, Fires, true, 2, false},
		},
		"two of one second": {
			{"a", true, 1, Fires, true, 1, true}, {"b", true, 1, Resolves, false, 1, true},
		},
		"an end without a beginning": {{"a", true, 0, Resolves, false, 0, false}},
		"nothing":                    {{"a", true, 0, Nothing, false, 0, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var state State
			open := false
			for i, s := range steps {
				p := Post{identity: s.id, firm: s.firm}
				if s.at > 0 {
					p.At = start.Add(time.Duration(s.at) * time.Minute)
				}
				got := Merge(state, open, p, s.means, start.Add(time.Hour))
				if got.Open != s.open || got.State.Count != s.count || got.News != s.news {
					t.Fatalf("step %d: open %v, count %d, news %v; want %v, %d, %v", i, got.Open, got.State.Count, got.News, s.open, s.count, s.news)
				}
				// As it is stored.
				data, err := json.Marshal(got.State)
				if err != nil || json.Unmarshal(data, &state) != nil {
					t.Fatal(err)
				}
				open = got.Open
			}
		})
	}
}

// What is remembered of a group fits beside thousands of others.
func TestStateIsSmall(t *testing.T) {
	var state State
	open := false
	for i := range 10_000 {
		p := Post{identity: digest("x", fmt.Sprint(i)), firm: i%3 > 0, At: start.Add(time.Duration(i) * time.Second)}
		m := Merge(state, open, p, Fires, p.At)
		state, open = m.State, m.Open
	}
	data, err := json.Marshal(state)
	if err != nil || len(data) > 2<<10 {
		t.Errorf("%d bytes: %v", len(data), err)
	}
	if state.Count != 10_000 {
		t.Errorf("counts %d, want 10000", state.Count)
	}
	again := Merge(state, open, Post{identity: digest("x", "9999"), firm: false}, Fires, start)
	if !again.Repeated {
		t.Error("the last post is not known any more")
	}
}

// A rule without an end tells, and one with an end has one.
func TestTold(t *testing.T) {
	for name, row := range map[string]struct {
		source v1alpha1.WebhookSource
		told   bool
		groups string
	}{
		"nothing is said":                 {v1alpha1.WebhookSource{}, true, ""},
		"when alone":                      {v1alpha1.WebhookSource{When: "body.a"}, true, ""},
		"resolvedWhen":                    {v1alpha1.WebhookSource{ResolvedWhen: "body.a"}, false, ""},
		"a preset with an end":            {v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux}, false, "involvedObject"},
		"a preset without one":            {v1alpha1.WebhookSource{Preset: v1alpha1.PresetFalco}, true, "body.?rule"},
		"CloudEvents":                     {v1alpha1.WebhookSource{Preset: v1alpha1.PresetCloudEvents}, true, ""},
		"CloudEvents with an end":         {v1alpha1.WebhookSource{Preset: v1alpha1.PresetCloudEvents, ResolvedWhen: "body.a"}, false, "body.source"},
		"a preset with its own when":      {v1alpha1.WebhookSource{Preset: v1alpha1.PresetGitHub, When: "body.a"}, false, "repository"},
		"a preset whose end is taken out": {v1alpha1.WebhookSource{Preset: v1alpha1.PresetGitHub, When: "body.a", ResolvedWhen: " false"}, true, ""},
		"an end that never comes":         {v1alpha1.WebhookSource{ResolvedWhen: "false"}, true, ""},
		"a preset that nobody knows yet":  {v1alpha1.WebhookSource{Preset: "Other"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &row.source}}
			if Told(spec) != row.told {
				t.Errorf("told is %v, want %v", !row.told, row.told)
			}
			if got := strings.Join(Effective(spec).GroupBy, " "); !strings.Contains(got, row.groups) || row.groups == "" && got != "" {
				t.Errorf("groups by %q, want %q", got, row.groups)
			}
		})
	}
}
