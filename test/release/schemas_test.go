package release

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// schemas are directories of JSON schemas as kubeconform looks for them.
type schemas struct {
	*lab
	dir string
}

// newSchemas has those of the kinds of others. The operator's own are in docs/schemas.
func newSchemas(l *lab) schemas {
	l.t.Helper()
	s := schemas{lab: l, dir: l.t.TempDir()}
	kinds := l.t.TempDir()
	l.Expect(harness.MonitoringKinds(root, kinds)).To(gomega.Succeed())
	certificates := filepath.Join(module(l.t, "crds", "github.com/cert-manager/cert-manager"), "deploy/crds")
	for _, from := range []string{kinds, certificates} {
		l.run("go", "run", "./hack/schemas", from, s.dir)
	}
	return s
}

// module is where the files are of a module that hack/tools pins.
func module(t *testing.T, tool, path string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", path)
	cmd.Dir = filepath.Join(root, "hack/tools", tool)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Dir
}

// builtin writes the schemas of Kubernetes' own kinds that stand in manifests, of what
// the API server publishes. No field more is allowed.
func (s schemas) builtin(manifests ...string) {
	s.t.Helper()
	var published struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	s.Expect(json.Unmarshal([]byte(s.kubectl("get", "--raw", "/openapi/v2")), &published)).To(gomega.Succeed())
	for name, d := range published.Definitions {
		tighten(name, d)
	}
	wanted := map[schema.GroupVersionKind]bool{}
	for _, manifest := range manifests {
		objects, err := devcluster.Decode([]byte(manifest))
		s.Expect(err).NotTo(gomega.HaveOccurred())
		for _, o := range objects {
			wanted[o.GroupVersionKind()] = true
		}
	}
	for name, d := range published.Definitions {
		of, _ := d["x-kubernetes-group-version-kind"].([]any)
		for _, one := range of {
			gvk := one.(map[string]any)
			kind := schema.GroupVersionKind{Group: gvk["group"].(string), Version: gvk["version"].(string), Kind: gvk["kind"].(string)}
			if len(of) == 1 && wanted[kind] {
				s.write(kind, name, published.Definitions)
			}
		}
	}
}

// tighten makes of a published definition one that refuses unknown fields, and takes
// both forms of what has two.
func tighten(name string, d map[string]any) {
	if d["properties"] != nil {
		d["additionalProperties"] = false
	}
	if d["format"] == "int-or-string" || strings.HasSuffix(name, ".api.resource.Quantity") {
		delete(d, "format")
		d["type"] = []string{"string", "number"}
	}
}

func (s schemas) write(kind schema.GroupVersionKind, name string, all map[string]map[string]any) {
	s.t.Helper()
	used := map[string]any{}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				collect(e)
			}
		case map[string]any:
			if ref, is := v["$ref"].(string); is {
				to := strings.TrimPrefix(ref, "#/definitions/")
				if used[to] == nil {
					used[to] = all[to]
					collect(all[to])
				}
			}
			for e := range maps.Values(v) {
				collect(e)
			}
		}
	}
	first := map[string]any{"$ref": "#/definitions/" + name}
	collect(first)
	first["definitions"] = used
	data, err := json.Marshal(first)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	group := kind.Group
	if group == "" {
		group = kind.Version // as kubeconform cuts apiVersion
	}
	dir := filepath.Join(s.dir, group)
	s.Expect(os.MkdirAll(dir, 0o755)).To(gomega.Succeed())
	s.Expect(os.WriteFile(filepath.Join(dir, strings.ToLower(kind.Kind)+"_"+kind.Version+".json"), data, 0o600)).To(gomega.Succeed())
}

// conform runs kubeconform, which knows no other schemas and looks nowhere else.
func (s schemas) conform(manifest string) (string, error) {
	const layout = "/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
	kubeconform, err := filepath.Abs(filepath.Join(root, "bin/kubeconform"))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	ours, err := filepath.Abs(filepath.Join(root, "docs/schemas"))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return s.try(s.t.Context(), manifest, kubeconform, "-strict", "-schema-location", ours+layout, "-schema-location", s.dir+layout, "-")
}

// samples are all of config/samples, by their files.
func samples(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, "config/samples"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || d.Name() == "kustomization.yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, root+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("%d samples, want at least 10", len(out))
	}
	return out
}

// All that a release has for a cluster keeps to the schemas strictly: no field is
// misspelt, of whatever kind.
func TestSchemas(t *testing.T) {
	manifests := samples(t)
	everything := "intake.enabled=true,metrics.tls.enabled=true,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true," +
		"policies.enabled=true,networkPolicy.egress=true,rbac.aggregateToDefaultRoles=true"
	for name, helm := range helms(t) {
		manifests["the chart by "+name] = output(t, helm, "template", "slack-notifier", chart, "-n", "slack-notifier-system")
		manifests["the whole chart by "+name] = output(t, helm, "template", "slack-notifier", chart, "-n", "slack-notifier-system", "--set", everything)
	}
	l := newLab(t)
	l.run("make", "build-installer")
	for _, file := range []string{"install.yaml", "crds.yaml", "hello.yaml"} {
		manifests[file] = read(t, "dist/"+file)
	}
	manifests["config/prometheus"] = l.kubectl("kustomize", "config/prometheus")
	s := newSchemas(l)
	s.builtin(strings.Join([]string{manifests["install.yaml"], manifests["the whole chart by Helm 3"], strings.Join(slices.Collect(maps.Values(samples(t))), "\n---\n")}, "\n---\n"))
	for name, manifest := range manifests {
		t.Run(name, func(t *testing.T) {
			if _, err := s.conform(manifest); err != nil {
				t.Error(err)
			}
		})
	}
	for _, row := range []struct{ name, of, from, to string }{
		{"a Deployment", "install.yaml", "\n  replicas: ", "\n  replcas: "},
		{"a container", "install.yaml", "imagePullPolicy:", "imagePullPolcy:"},
		{"a definition", "crds.yaml", "\n  scope: ", "\n  scpe: "},
		{"a kind of ours", "hello.yaml", "\n  severity: ", "\n  severty: "},
		{"a ServiceMonitor", "config/prometheus", "authorization:", "authorisation:"},
		{"a Certificate", "the whole chart by Helm 3", "\n  dnsNames:", "\n  dnsName:"},
	} {
		t.Run("misspelt "+row.name, func(t *testing.T) {
			wrong := strings.Replace(manifests[row.of], row.from, row.to, 1)
			if wrong == manifests[row.of] {
				t.Fatalf("%s has no %q", row.of, row.from)
			}
			if out, err := s.conform(wrong); err == nil {
				t.Errorf("accepted: %s", out)
			}
		})
	}
}
