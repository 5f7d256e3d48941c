// Package observability tries the rules and the dashboard by Prometheus itself.
package observability

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// root is the way to the module's directory.
const root = "../.."

// program is a program of bin/.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no bin/%s; make test builds it", name)
	}
	return path
}

// rule is a rule of the PrometheusRule.
type rule struct {
	Alert       string
	Expr        string
	Annotations map[string]string
}

// rules are those of config/prometheus/rules.yaml, and the file as Prometheus has
// it, without the object around it.
func rules(t *testing.T) ([]rule, []byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "config/prometheus/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Spec struct {
			Groups []struct{ Rules []rule }
		}
	}
	if err := yaml.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	var whole struct{ Spec any }
	if err := yaml.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Marshal(whole.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var out []rule
	for _, g := range object.Spec.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) == 0 {
		t.Fatal("config/prometheus/rules.yaml has no rules")
	}
	return out, spec
}

// Prometheus accepts the rules, and each fires for what it is for.
func TestRules(t *testing.T) {
	promtool := program(t, "promtool")
	list, spec := rules(t)
	tests, err := os.ReadFile("rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"rules.yaml": spec, "rules_test.yaml": tests} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		t.Run(args[0], func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), promtool, args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		})
	}
	// A test without an alert that fires would pass for a rule that can't.
	for _, r := range list {
		if strings.Count(string(tests), strings.TrimPrefix(r.Alert, "SlackNotifier")) < 2 {
			t.Errorf("rules_test.yaml does not try %s both ways", r.Alert)
		}
	}
}

var heading = regexp.MustCompile(`(?m)^## (SlackNotifier[A-Za-z]+)$`)

// Each alert leads to a section of docs/runbooks.md, and each section is about an
// alert.
func TestRunbooks(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs/runbooks.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, m := range heading.FindAllSubmatch(data, -1) {
		sections = append(sections, string(m[1]))
	}
	list, _ := rules(t)
	for _, r := range list {
		if !slices.Contains(sections, r.Alert) {
			t.Errorf("docs/runbooks.md has no section %s", r.Alert)
		}
		if want := "/docs/runbooks.md#" + strings.ToLower(r.Alert); !strings.HasSuffix(r.Annotations["runbook_url"], want) {
			t.Errorf("runbook_url of %s is %q, want its end to be %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
	}
	for _, s := range sections {
		if !slices.ContainsFunc(list, func(r rule) bool { return r.Alert == s }) {
			t.Errorf("docs/runbooks.md is about %s, which is no alert", s)
		}
	}
}
