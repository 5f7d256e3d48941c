package alertmanager

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/NAME.json holds posts; NAME.golden.json is the message after
// each of them. To change them: go test ./internal/alertmanager -update.
func TestDefaultContentGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var posts []json.RawMessage
			if err := json.Unmarshal(data, &posts); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			s := State{}
			for _, post := range posts {
				p, err := Decode(post)
				if err != nil {
					t.Fatal(err)
				}
				s, _ = Merge(s, p)
				checkState(t, s)
				if err := e.Encode(DefaultContent(s)); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; got\n%s", golden, got.String())
			}
		})
	}
}

var linkPattern = regexp.MustCompile(`<https?://[^<>|\s]+\|(Source|Dashboard|Panel|Silence|Alertmanager)>`)

// checkContent holds a content against the schema of SlackNotification, and
// finds what could mention somebody.
func checkContent(t *testing.T, c v1alpha1.Content) {
	t.Helper()
	chars := utf8.RuneCountInString
	if c.Title == "" || chars(c.Title) > 150 || strings.ContainsAny(c.Title, "\n") {
		t.Errorf("title %q", c.Title)
	}
	if chars(c.Text) > 40000 || strings.ContainsAny(linkPattern.ReplaceAllString(c.Text, ""), "<>") {
		t.Errorf("text %q", c.Text)
	}
	if len(c.Fields) > 10 {
		t.Errorf("%d fields", len(c.Fields))
	}
	for _, f := range c.Fields {
		if f.Title == "" || chars(f.Title) > 300 || chars(f.Value) > 2000 || strings.ContainsAny(f.Value, "<>") {
			t.Errorf("field %q: %q", f.Title, f.Value)
		}
	}
	if l := c.Link; l != nil && (len(l.URL) > 3000 || !regexp.MustCompile(`^https?://\S+$`).MatchString(l.URL)) {
		t.Errorf("link %q", l.URL)
	}
	for _, s := range []string{c.Title, c.Text} {
		if !utf8.ValidString(s) {
			t.Errorf("%q is not valid", s)
		}
	}
}

func TestSeverity(t *testing.T) {
	for label, want := range map[string]v1alpha1.Severity{
		"critical": v1alpha1.SeverityCritical, "Page": v1alpha1.SeverityCritical, "P0": v1alpha1.SeverityCritical, "p1": v1alpha1.SeverityCritical, "sev0": v1alpha1.SeverityCritical,
		"SEV-0": v1alpha1.SeverityCritical, "Sev 1": v1alpha1.SeverityCritical, "urgent": v1alpha1.SeverityCritical, "BLOCKER": v1alpha1.SeverityCritical, " fatal ": v1alpha1.SeverityCritical,
		"Disaster": v1alpha1.SeverityCritical, "0": v1alpha1.SeverityCritical, "1": v1alpha1.SeverityCritical, "priority:1": v1alpha1.SeverityCritical,
		"error": v1alpha1.SeverityError, "": v1alpha1.SeverityError, "whatever": v1alpha1.SeverityError, "high": v1alpha1.SeverityError, "P2": v1alpha1.SeverityError, "sev_2": v1alpha1.SeverityError,
		"major": v1alpha1.SeverityError, "2": v1alpha1.SeverityError, "17": v1alpha1.SeverityError,
		"warning": v1alpha1.SeverityWarning, "P3": v1alpha1.SeverityWarning, "ticket": v1alpha1.SeverityWarning, "minor": v1alpha1.SeverityWarning, "3": v1alpha1.SeverityWarning,
		"info": v1alpha1.SeverityInfo, "none": v1alpha1.SeverityInfo, "P5": v1alpha1.SeverityInfo, "Not classified": v1alpha1.SeverityInfo, "notice": v1alpha1.SeverityInfo, "debug": v1alpha1.SeverityInfo,
		"OK":           v1alpha1.SeveritySuccess,
		"1 - Critical": v1alpha1.SeverityCritical, "Critical (P1)": v1alpha1.SeverityCritical, "critical!": v1alpha1.SeverityCritical, "error,page": v1alpha1.SeverityCritical,
		"2 - High": v1alpha1.SeverityError, "3 - Low": v1alpha1.SeverityInfo, "warning/info": v1alpha1.SeverityWarning, "[P3]": v1alpha1.SeverityWarning, "(3)": v1alpha1.SeverityWarning,
		"non-critical": v1alpha1.SeverityError, "not urgent": v1alpha1.SeverityError, "!?": v1alpha1.SeverityError,
	} {
		t.Run(label, func(t *testing.T) {
			if got := severity(label); got != want {
				t.Errorf("%s, not %s", got, want)
			}
		})
	}
}

// Of several alerts the worst counts, and of an alert the first of the labels
// that there is.
func TestWorstSeverity(t *testing.T) {
	for name, test := range map[string]struct {
		labels []map[string]string
		want   v1alpha1.Severity
	}{
		"P0 and P1":              {[]map[string]string{{"severity": "P1"}, {"severity": "P0"}}, v1alpha1.SeverityCritical},
		"low and high":           {[]map[string]string{{"severity": "low"}, {"severity": "high"}}, v1alpha1.SeverityError},
		"priority":               {[]map[string]string{{"priority": "P1"}}, v1alpha1.SeverityCritical},
		"level":                  {[]map[string]string{{"level": "warn"}}, v1alpha1.SeverityWarning},
		"severity before others": {[]map[string]string{{"level": "fatal", "priority": "P1", "severity": "info"}}, v1alpha1.SeverityInfo},
		"an empty severity":      {[]map[string]string{{"severity": "", "level": "fatal"}}, v1alpha1.SeverityCritical},
		"one without":            {[]map[string]string{{"severity": "info"}, {"pod": "a"}}, v1alpha1.SeverityError},
		"ok":                     {[]map[string]string{{"severity": "ok"}}, v1alpha1.SeveritySuccess},
	} {
		t.Run(name, func(t *testing.T) {
			var alerts []Alert
			for i, labels := range test.labels {
				alerts = append(alerts, Alert{Fingerprint: fmt.Sprint(i), Status: Firing, Labels: labels})
			}
			s, _ := Merge(State{}, post(alerts...))
			if got := s.Severity(); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
}

// The worst counts where its labels are no longer kept.
func TestWorstOfMany(t *testing.T) {
	var alerts []string
	for i := range 150 {
		severity := "info"
		if i == 149 {
			severity = "critical"
		}
		alerts = append(alerts, fmt.Sprintf(`{"labels":{"alertname":"A","severity":%q,"pod":"%03d"},"fingerprint":"%03d"}`, severity, i, i))
	}
	p, err := Decode([]byte(`{"groupKey":"g","alerts":[` + strings.Join(alerts, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := Merge(State{}, p); s.Severity() != v1alpha1.SeverityCritical {
		t.Errorf("it is %s, not Critical", s.Severity())
	}
}

// docs/intake.md has the words that the code knows, and no others.
func TestSeveritiesOfTheDocs(t *testing.T) {
	data, err := os.ReadFile("../../docs/intake.md")
	if err != nil {
		t.Fatal(err)
	}
	for severity, known := range words {
		_, row, _ := strings.Cut(string(data), "| `"+string(severity)+"` | ")
		row, _, _ = strings.Cut(row, " |\n")
		if want := "`" + strings.Join(known, "`, `") + "`"; row != want {
			t.Errorf("the docs have for %s:\n%s\nthe code:\n%s", severity, row, want)
		}
	}
}

func TestSilenceURL(t *testing.T) {
	for name, test := range map[string]struct {
		external, labels, want string
	}{
		"labels":              {"http://am:9093/", `{"alertname":"A b","x":"1"}`, `http://am:9093/#/silences/new?filter=%7Balertname%3D%22A%20b%22%2C%20x%3D%221%22%7D`},
		"below a path":        {"https://example.com/am#/alerts", `{"a":"b"}`, `https://example.com/am/#/silences/new?filter=%7Ba%3D%22b%22%7D`},
		"quotation marks":     {"http://am", `{"a":"b\"}\\ <x|y>"}`, `http://am/#/silences/new?filter=%7Ba%3D%22b%5C%22%7D%5C%5C%20%3Cx%7Cy%3E%22%7D`},
		"no labels":           {"http://am", `{}`, ""},
		"no address":          {"", `{"a":"b"}`, ""},
		"no address to go to": {"javascript:alert(1)", `{"a":"b"}`, ""},
		"more than fits":      {"http://am", `{"a":"` + strings.Repeat("<", 400) + `","b":"` + strings.Repeat("<", 400) + `"}`, ""},
		"a shortened label":   {"http://am", `{"a":"` + strings.Repeat("a", 600) + `"}`, ""},
	} {
		p, err := Decode([]byte(`{"externalURL":"` + test.external + `","alerts":[{"labels":` + test.labels + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		s, _ := Merge(State{}, p)
		if got := s.SilenceURL(); got != test.want {
			t.Errorf("%s: %s, not %s", name, got, test.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 59 * time.Second: "59s", 90 * time.Second: "2m", time.Hour: "1h", 70 * time.Minute: "1h10m",
		25 * time.Hour: "25h", 49 * time.Hour: "2d", 59*time.Minute + 50*time.Second: "1h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: %s, not %s", d, got, want)
		}
	}
}
