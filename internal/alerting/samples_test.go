package alerting

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// sample is what is expected of a rule in config/samples/alerts.
type sample struct {
	Fires, Well map[string]any
	// Between are objects of which nobody knows whether they are well.
	Between     []map[string]any
	Group       string
	Title, Text string
	Fields      []string
}

// Every sample compiles, fires for what it is meant for and says it well, and
// does not fire for what is well.
func TestSamples(t *testing.T) {
	data, err := os.ReadFile("testdata/samples/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sample{}
	if err := yaml.UnmarshalStrict(data, &want); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, rule := range samples(t) {
		seen[rule.Name] = true
		compiled, err := Compile(&rule.Spec)
		if err != nil {
			t.Errorf("%s: %v", rule.Name, err)
			continue
		}
		if expected, ok := want[rule.Name]; ok {
			checkSample(t, &rule, compiled, expected)
		} else if compiled.Source == Objects {
			t.Errorf("%s has no objects in testdata/samples", rule.Name)
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s is no sample", name)
		}
	}
}

func checkSample(t *testing.T, rule *v1alpha1.SlackAlert, compiled *Rule, want sample) {
	t.Helper()
	if holds, err := compiled.Holds(t.Context(), ObjectVars(want.Well, nil)); holds || err != nil {
		t.Errorf("%s fires for what is well: %v", rule.Name, err)
	}
	for i, o := range want.Between {
		var undecided *EvalError
		if _, err := compiled.Holds(t.Context(), ObjectVars(o, nil)); !errors.As(err, &undecided) || !undecided.Undecided {
			t.Errorf("%s takes object %d for one that is told of or well: %v", rule.Name, i, err)
		}
	}
	vars := ObjectVars(want.Fires, nil)
	if holds, err := compiled.Holds(t.Context(), vars); !holds || err != nil {
		t.Errorf("%s does not fire: %v", rule.Name, err)
	}
	if group, err := compiled.Group(t.Context(), vars, ""); err != nil || group[0] != want.Group {
		t.Errorf("%s groups by %q: %v", rule.Name, group, err)
	}
	meta := child(want.Fires, "metadata")
	thing := Thing{Kind: rule.Spec.Source.Objects.Kind, Namespace: text(meta, "namespace"), Name: text(meta, "name"), Object: want.Fires}
	data := Data(rule, "", Firing)
	data["object"], data["count"] = want.Fires, 1
	got, err := compiled.Render(t.Context(), data, ObjectsContent(rule.Name, []Thing{thing}, 1, Firing))
	if err != nil || got.Title != want.Title || strings.TrimSpace(got.Text) != want.Text {
		t.Errorf("%s says %q\n%q: %v", rule.Name, got.Title, got.Text, err)
	}
	for i, value := range want.Fields {
		if len(got.Fields) != len(want.Fields) || got.Fields[i].Value != value {
			t.Errorf("%s has the fields %+v", rule.Name, got.Fields)
			break
		}
	}
}

// samples are the SlackAlerts of config/samples/alerts.
func samples(t *testing.T) []v1alpha1.SlackAlert {
	t.Helper()
	files, err := filepath.Glob("../../config/samples/alerts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var out []v1alpha1.SlackAlert
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			if !bytes.Contains(doc, []byte("kind: SlackAlert")) {
				continue
			}
			var rule v1alpha1.SlackAlert
			if err := yaml.UnmarshalStrict(doc, &rule); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			out = append(out, rule)
		}
	}
	return out
}
