package release

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

const chart = "charts/slack-notifier"

// helms are what the chart is tried with; make test-chart builds them.
func helms(t *testing.T) map[string]string {
	t.Helper()
	if os.Getenv("TEST_CHART") == "" {
		t.Skip("needs bin/helm3 and bin/helm4: make test-chart builds them and runs this test")
	}
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"Helm 3": bin + "/helm3", "Helm 4": bin + "/helm4"}
}

// output of a program that is run in the root of the module.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if failed, is := err.(*exec.ExitError); is { //nolint:errorlint // as exec.Cmd.Output documents it
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, failed.Stderr)
	}
	return string(out), err
}

// edit is a change of a file below config, as its comments ask for.
type edit struct{ file, from, to string }

func component(name string) edit {
	return edit{"default/kustomization.yaml", "# components:\n", "components:\n- ../" + name + "\n"}
}

// kustomized is what kubectl kustomize makes of folders of config.
func kustomized(t *testing.T, edits []edit, folders ...string) string {
	t.Helper()
	dir := configured(t, edits)
	var all []string
	for _, folder := range folders {
		all = append(all, kustomize(t, filepath.Join(dir, folder)))
	}
	return strings.Join(all, "\n---\n")
}

func kustomize(t *testing.T, folder string) string {
	t.Helper()
	assets, err := devcluster.Assets()
	if err != nil {
		t.Fatal(err)
	}
	kubectl, err := filepath.Abs(filepath.Join(assets, "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	return output(t, kubectl, "kustomize", folder)
}

// configured is a copy of config with edits.
func configured(t *testing.T, edits []edit) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		path := filepath.Join(dir, e.file)
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), e.from) {
			t.Fatalf("%s does not hold %q (%v)", e.file, e.from, err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(data), e.from, e.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ours are labels and annotations that one of the two sets, and nobody reads.
var ours = regexp.MustCompile(`^(helm\.sh/(chart|resource-policy)|app\.kubernetes\.io/(name|instance|version|managed-by))$`)

// normalized is by kind and name what a manifest installs, as YAML. Helm makes the
// namespace itself, and hooks install nothing.
func normalized(t *testing.T, manifest string) map[string]string {
	t.Helper()
	objects, err := devcluster.Decode([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, u := range objects {
		if u.GetKind() == "Namespace" || u.GetAnnotations()["helm.sh/hook"] != "" {
			continue
		}
		strip(u.Object)
		if u.GetKind() == "Deployment" {
			containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
			slices.SortFunc(containers[0].(map[string]any)["args"].([]any), func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			_ = unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers")
		}
		data, err := yaml.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
		if out[key] != "" {
			t.Errorf("%s is there twice", key)
		}
		out[key] = string(data)
	}
	return out
}

// strip takes out what is ours, and what is empty then.
func strip(m map[string]any) {
	for k, v := range m {
		if ours.MatchString(k) {
			delete(m, k)
			continue
		}
		for _, inner := range nested(v) {
			strip(inner)
		}
		if inner, is := v.(map[string]any); is && len(inner) == 0 && (k == "labels" || k == "annotations") {
			delete(m, k)
		}
	}
}

func nested(v any) (out []map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		for _, e := range v {
			out = append(out, nested(e)...)
		}
	}
	return out
}

// The chart installs what config/ installs, by both ways of every choice that both
// have.
func TestChartEqualsKustomize(t *testing.T) {
	for name, helm := range helms(t) {
		for _, row := range []struct {
			name    string
			edits   []edit
			folders []string
			set     string
		}{
			{"default", nil, []string{"default"}, ""},
			{"intake", []edit{component("intake")}, []string{"default"}, "intake.enabled=true"},
			{"intake without TLS", []edit{component("intake/plain-http")}, []string{"default"}, "intake.enabled=true,intake.tls.enabled=false"},
			{"aggregated roles", []edit{component("rbac/aggregate")}, []string{"default"}, "rbac.aggregateToDefaultRoles=true"},
			{"egress", []edit{component("network-policy/egress")}, []string{"default"}, "networkPolicy.egress=true"},
			{"metrics with a certificate", []edit{component("manager/metrics-tls")}, []string{"default", "prometheus"},
				"metrics.tls.enabled=true,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"},
			{"metrics without a certificate", []edit{{"prometheus/kustomization.yaml", "# components:\n# - unverified", "components:\n- unverified"}}, []string{"default", "prometheus"},
				"metrics.serviceMonitor.insecureSkipVerify=true,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"},
			{"policies", nil, []string{"default", "policies"}, "policies.enabled=true"},
			{"namespaced", nil, []string{"namespaced"}, "rbac.namespaced=true,operator.watchNamespaces={team-a},operator.alerts=false"},
			{"namespaced with all", []edit{
				{"namespaced/operator/kustomization.yaml", "- ../without-alerts # leave it out for SlackAlerts\n# - ../intake", "- ../intake"},
				{"namespaced/team-a/kustomization.yaml", "# components:\n# - ../namespace/alerts\n# - ../namespace/intake", "components:\n- ../namespace/alerts\n- ../namespace/intake"},
			}, []string{"namespaced"}, "rbac.namespaced=true,operator.watchNamespaces={team-a},intake.enabled=true"},
		} {
			t.Run(name+" "+row.name, func(t *testing.T) {
				want := normalized(t, kustomized(t, row.edits, row.folders...))
				got := normalized(t, output(t, helm, "template", "slack-notifier", chart, "-n", "slack-notifier-system", "--set", row.set))
				for key := range want {
					if got[key] == "" {
						t.Errorf("the chart has no %s, which config/ has", key)
					} else if got[key] != want[key] {
						t.Errorf("%s differs; the chart has\n%s\nconfig/ has\n%s", key, got[key], want[key])
					}
				}
				for key := range got {
					if want[key] == "" {
						t.Errorf("the chart has %s, which config/ has not", key)
					}
				}
			})
		}
	}
}

// Each flag of the operator is a value, or set by the chart itself.
func TestChartReachesEveryFlag(t *testing.T) {
	helm := helms(t)["Helm 3"]
	set := map[string]bool{ // and why it is no value
		"leader-elect": true, "metrics-bind-address": true, "health-probe-bind-address": true, // the chart's own
		"intake-bind-address": true, "intake-tls-cert-dir": true, "metrics-tls-cert-dir": true, // intake.enabled, intake.tls, metrics.tls
		"kubeconfig": true, "version": true, "help": true, // nothing in a Pod
	}
	help, _ := exec.CommandContext(t.Context(), operator(t), "--help").CombinedOutput()
	flags := regexp.MustCompile(`(?m)^ +--([a-z][a-z0-9-]*)`).FindAllStringSubmatch(string(help), -1)
	if len(flags) < 25 {
		t.Fatalf("--help names %d flags, want at least 25:\n%s", len(flags), help)
	}
	var schema struct {
		Properties struct {
			Operator struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(read(t, chart+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	known := schema.Properties.Operator.Properties
	values := map[string]any{}
	for _, m := range flags {
		if set[m[1]] {
			continue
		}
		key := regexp.MustCompile(`-(.)`).ReplaceAllStringFunc(m[1], func(s string) string { return strings.ToUpper(s[1:]) })
		definition, there := known[key]
		if !there {
			t.Errorf("--%s is no value of the chart: add operator.%s to values.schema.json", m[1], key)
			continue
		}
		delete(known, key)
		switch {
		case strings.Contains(string(definition), `"array"`):
			values[key] = []string{"a", "b"}
		case strings.Contains(string(definition), `"boolean"`):
			values[key] = false
		case strings.Contains(string(definition), `"integer"`) && !strings.Contains(string(definition), `"string"`):
			values[key] = 2000000
		case strings.Contains(string(definition), "100)%"):
			values[key] = "50%"
		case strings.Contains(string(definition), "ns|us"):
			values[key] = "5s"
		case strings.Contains(string(definition), "json"):
			values[key] = "json"
		default:
			values[key] = "x"
		}
	}
	for key := range known {
		t.Errorf("operator.%s is a value of the chart, and no flag of the operator", key)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	data, err := yaml.Marshal(map[string]any{"operator": values})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	manifest := output(t, helm, "template", "slack-notifier", chart, "-f", file)
	for _, m := range flags {
		if set[m[1]] {
			continue
		}
		if !regexp.MustCompile(`"--` + m[1] + `=(a,b|false|2000000|5s|50%|json|x)"`).MatchString(manifest) {
			t.Errorf("--%s is not among the arguments", m[1])
		}
	}
}

// What the schema does not know is refused, with its name.
func TestChartRefuses(t *testing.T) {
	for name, helm := range helms(t) {
		for _, row := range []struct{ name, set, want string }{
			{"a misspelt value", "replcas=3", "replcas"},
			{"a misspelt flag", "operator.clustername=x", "clustername"},
			{"another type", "replicas=two", "replicas"},
			{"a namespace that is none", "operator.watchNamespaces={Team_A}", "watchNamespaces"},
			{"all namespaces by a name", "operator.watchNamespaces={*}", "watchNamespaces"},
			{"a right to write what is watched", "rbac.watchRules[0].apiGroups={apps},rbac.watchRules[0].resources={deployments},rbac.watchRules[0].verbs={delete}", "verbs"},
			{"Roles of no namespace", "rbac.namespaced=true", "operator.watchNamespaces"},
			{"TLS without a certificate", "intake.enabled=true,intake.tls.certManager.enabled=false", "intake.tls.secretName"},
			{"metrics without a certificate", "metrics.tls.enabled=true,metrics.tls.certManager.enabled=false", "metrics.tls.secretName"},
			{"a ServiceMonitor that verifies nothing", "metrics.serviceMonitor.enabled=true", "metrics.tls.enabled"},
			{"no ServiceAccount", "serviceAccount.create=false", "serviceAccount.name"},
		} {
			t.Run(name+" "+row.name, func(t *testing.T) {
				out, err := try(t, helm, "template", "slack-notifier", chart, "--set", row.set)
				gomega.NewWithT(t).Expect(err).To(gomega.MatchError(gomega.ContainSubstring(row.want)), out)
			})
		}
	}
}
