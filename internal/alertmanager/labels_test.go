package alertmanager

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// crowded is a post of an alert with more labels than are kept.
func crowded(t *testing.T, more map[string]string) Payload {
	t.Helper()
	labels := map[string]string{}
	for i := range 300 {
		labels[fmt.Sprintf("label_app_%03d", i)] = "x"
	}
	for key, value := range more {
		labels[key] = value
	}
	data, err := json.Marshal(map[string]any{"groupKey": "g", "groupLabels": map[string]string{"zone": "z1"}, "externalURL": "http://am", "alerts": []any{map[string]any{"labels": labels}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// However many labels there are, those stay that say what an alert is and where,
// and those that a rule names.
func TestLabelsThatDecide(t *testing.T) {
	more := map[string]string{"zone": "z1", "zz_team": "blue"}
	for _, name := range deciding[:13] {
		more[name] = "critical"
	}
	p := crowded(t, more)
	p.Keep(func(name string) bool { return strings.Contains("{{ .labels.label_app_149 }}", name) })
	s, _ := Merge(State{}, p)
	delete(more, "zz_team")
	more["label_app_149"] = "x"
	for name, want := range more {
		if got := s.Alerts[0].Labels[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if n := len(s.Alerts[0].Labels); n != maxPairs {
		t.Errorf("%d labels", n)
	}
	if got := s.Severity(); got != v1alpha1.SeverityCritical {
		t.Errorf("the severity is %s", got)
	}
	if got := s.SilenceURL(); got != "" {
		t.Errorf("with labels left out there is a silence: %s", got)
	}
}

func TestSilenceOfWhatIsWhole(t *testing.T) {
	for name, test := range map[string]struct {
		labels string
		want   string
	}{
		"names of UTF-8":             {`{"my.label":"a","ä \"b\"":"c"}`, `{"my.label"="a", "ä \"b\""="c"}`},
		"classic names":              {`{"a_b":"c","job:x":"d"}`, `{a_b="c", job:x="d"}`},
		"a control character":        {`{"a":"b\u0007"}`, ""},
		"a value that is shortened":  {`{"a":"` + strings.Repeat("x", 513) + `"}`, ""},
		"a name that is shortened":   {`{"` + strings.Repeat("x", 129) + `":"a"}`, ""},
		"a value that ends with an…": {`{"a":"and so on…"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Decode([]byte(`{"externalURL":"http://am","alerts":[{"labels":` + test.labels + `}]}`))
			if err != nil {
				t.Fatal(err)
			}
			s, _ := Merge(State{}, p)
			got := s.SilenceURL()
			if test.want == "" && got != "" || test.want != "" && filterOf(t, got) != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// The fingerprint is of all labels as they were sent, so that alerts that differ
// in what is dropped are not taken for one.
func TestFingerprintOfAllLabels(t *testing.T) {
	one, two := crowded(t, map[string]string{"zzz": "1"}), crowded(t, map[string]string{"zzz": "2"})
	if one.Alerts[0].Fingerprint == two.Alerts[0].Fingerprint {
		t.Error("two alerts have one fingerprint")
	}
}

// What would colour or turn a reader's text is no part of a label.
func TestLabelsAreText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a terminal's colour", "\x1b[31mred\x1b[0m", "red"},
		{"a turned text", "a\u202eb", "ab"},
		{"a line end", "a\r\nb\tc", "a\nb\tc"},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
		{"too long", "abcdefghij", "abcde…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := clean(c.in, 8); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
