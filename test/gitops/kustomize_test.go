package gitops

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// build is what `kubectl kustomize` prints, by kind and name.
func build(t *testing.T, dir string) []*unstructured.Unstructured {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for _, r := range made.Resources() {
		content, err := r.Map()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &unstructured.Unstructured{Object: content})
	}
	return out
}

// find is the object of a kind whose name begins with prefix.
func find(t *testing.T, objects []*unstructured.Unstructured, kind, prefix string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == kind && strings.HasPrefix(o.GetName(), prefix) {
			return o
		}
	}
	t.Fatalf("the build has no %s whose name begins with %q", kind, prefix)
	return nil
}

func field(t *testing.T, o *unstructured.Unstructured, path string) string {
	t.Helper()
	value, _, err := unstructured.NestedString(o.Object, strings.Split(path, ".")...)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// With config/kustomize the references follow prefixes, hashes and namespaces,
// and what is not part of the build stays as it is written.
func TestKustomizeFollowsReferences(t *testing.T) {
	objects := build(t, "testdata/shop")
	bot, hook := find(t, objects, "Secret", "prod-slack-bot-eu-").GetName(), find(t, objects, "Secret", "prod-github-hook-eu-").GetName()
	for _, row := range []struct{ name, kind, object, path, want string }{
		{"token", "SlackChannel", "prod-alerts-eu", "spec.webAPI.tokenSecretRef.name", bot},
		{"token has no namespace", "SlackChannel", "prod-alerts-eu", "spec.webAPI.tokenSecretRef.namespace", ""},
		{"proxy", "SlackChannel", "prod-alerts-eu", "spec.connection.proxySecretRef.name", bot},
		{"Secret that is not in the build", "SlackChannel", "prod-alerts-eu", "spec.connection.caSecretRef.name", "not-in-this-build"},
		{"webhook", "SlackChannel", "prod-hook-eu", "spec.webhook.urlSecretRef.name", bot},
		{"key of the webhook's Secret", "SlackChannel", "prod-hook-eu", "spec.webhook.urlSecretRef.key", "token"},
		{"SlackChannel of another namespace, by a replacement", "SlackNotification", "prod-started-eu", "spec.channelRef.name", "prod-alerts-eu"},
		{"its namespace", "SlackNotification", "prod-started-eu", "spec.channelRef.namespace", "messages"},
		{"SlackChannel of the same namespace", "SlackNotification", "prod-reply-eu", "spec.channelRef.name", "prod-own-eu"},
		{"parent of a thread", "SlackNotification", "prod-reply-eu", "spec.thread.notificationRef.name", "prod-started-eu"},
		{"SlackChannel that is not in the build", "SlackNotification", "prod-elsewhere-eu", "spec.channelRef.name", "theirs"},
		{"its namespace stays", "SlackNotification", "prod-elsewhere-eu", "spec.channelRef.namespace", "not-in-this-build"},
		{"SlackChannel of another namespace, by nothing", "SlackAlert", "prod-github-eu", "spec.channelRef.name", "alerts"},
		{"SlackChannel of a rule", "SlackAlert", "prod-deployments-eu", "spec.channelRef.name", "prod-own-eu"},
		{"key of a signature", "SlackAlert", "prod-github-eu", "spec.source.webhook.signature.secretRef.name", hook},
		{"variable", "SlackNotification", "prod-started-eu", "spec.text", "Deploying 42"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := field(t, find(t, objects, row.kind, row.object), row.path); got != row.want {
				t.Errorf("%s of %s %s is %q, want %q", row.path, row.kind, row.object, got, row.want)
			}
		})
	}
}

// One namespace for all moves the references to what moves along, too.
func TestKustomizeMovesNamespaces(t *testing.T) {
	objects := build(t, "testdata/moved")
	for object, want := range map[string]string{"with-namespace": "staging", "without": "staging", "elsewhere": "not-in-this-build"} {
		t.Run(object, func(t *testing.T) {
			if got := field(t, find(t, objects, "SlackNotification", object), "spec.channelRef.namespace"); got != want {
				t.Errorf("spec.channelRef.namespace is %q, want %q", got, want)
			}
		})
	}
}

// Whatever reference a CustomResourceDefinition has stands in the configuration.
func TestKustomizeKnowsEveryReference(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "config/kustomize/kustomizeconfig.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		NameReference []struct {
			FieldSpecs []struct{ Kind, Path string }
		}
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, r := range config.NameReference {
		for _, f := range r.FieldSpecs {
			known = append(known, f.Kind+"."+strings.TrimSuffix(strings.ReplaceAll(f.Path, "/", "."), ".name"))
		}
	}
	found := 0
	for _, crd := range crds(t) {
		walkSchema(crd.kind, crd.schema, func(path string) {
			if !strings.HasSuffix(path, "Ref") || strings.Contains(path, ".status.") {
				return
			}
			found++
			if !slices.Contains(known, path) {
				t.Errorf("config/kustomize/kustomizeconfig.yaml does not know the reference %s", path)
			}
		})
	}
	if found < 8 {
		t.Errorf("the CustomResourceDefinitions have %d references, want at least 8: are they still named …Ref?", found)
	}
}
