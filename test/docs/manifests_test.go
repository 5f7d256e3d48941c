package docs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// pageOf is the kind that a page is about, by which its fragments are completed.
var pageOf = map[string]string{
	"docs/slackchannel.md": "SlackChannel", "docs/slacknotification.md": "SlackNotification", "docs/slackalert.md": "SlackAlert",
	"docs/intake.md": "SlackAlert", "docs/interactions.md": "SlackNotification",
}

// minimal is what the API server asks for beside what a fragment shows.
var minimal = map[string]map[string]any{
	"SlackChannel":      {"webAPI": map[string]any{"tokenSecretRef": map[string]any{"name": "slack-bot"}}},
	"SlackNotification": {"channelRef": map[string]any{"name": "alerts"}, "text": "x"},
	"SlackAlert":        {"channelRef": map[string]any{"name": "alerts"}, "source": map[string]any{"alertmanager": map[string]any{}}},
}

// foreign are the first keys of what other programs read, and foreignGroups the
// groups of kinds that this control plane does not have.
var (
	foreign = []string{
		"display_information", "settings", // the manifest of a Slack app
		"receivers",                                   // Alertmanager
		"replacements",                                // kustomize
		"volumes", "serviceAccountName", "containers", // a part of a Pod
		"service.webhook.slack-notifier", // Argo CD
	}
	foreignGroups = []string{
		"kustomize.toolkit.fluxcd.io", "notification.toolkit.fluxcd.io", "external-secrets.io", "kustomize.config.k8s.io",
		"cert-manager.io", "monitoring.coreos.com",
	}
)

// specOf are the fields of a kind's spec, and of the source of a SlackAlert.
func specOf(t *testing.T, kind string) (spec, source []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "config/crd/bases/slack.notify.dev_"+strings.ToLower(kind)+"s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &crd.Object); err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	fields, _, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec", "properties")
	below, _, _ := unstructured.NestedMap(fields, "source", "properties")
	return slices.Collect(maps.Keys(fields)), slices.Collect(maps.Keys(below))
}

// complete makes a fragment a whole object, by what its keys are fields of. It is
// nil for what other programs read.
func complete(t *testing.T, path string, fragment map[string]any) (map[string]any, error) {
	t.Helper()
	for key := range fragment {
		if slices.Contains(foreign, key) {
			return nil, nil
		}
	}
	kind := pageOf[path]
	if kind == "" {
		return nil, errors.New("it has no kind, and the page is about none: give apiVersion and kind")
	}
	all := func(of []string) bool {
		for key := range fragment {
			if !slices.Contains(of, key) {
				return false
			}
		}
		return true
	}
	fields, below := specOf(t, kind)
	spec := maps.Clone(minimal[kind])
	out := map[string]any{"apiVersion": "slack.notify.dev/v1alpha1", "kind": kind, "metadata": map[string]any{"name": "fragment"}, "spec": spec}
	if status, ok := fragment["status"]; ok && len(fragment) == 1 {
		out["status"] = status
		return out, nil
	}
	switch shown, isSpec := fragment["spec"].(map[string]any); {
	case isSpec && len(fragment) == 1:
		maps.Copy(spec, shown)
	case all(fields):
		maps.Copy(spec, fragment)
	case all(below):
		spec["source"] = fragment
	default:
		return nil, fmt.Errorf("its keys are no fields of %s: give apiVersion and kind", kind)
	}
	out["spec"] = spec
	return out, nil
}

// Every manifest of the documentation is accepted by an API server, which is asked
// without storing it, and with unknown fields refused.
func TestManifestsOfDocs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cluster, err := devcluster.Start(ctx, devcluster.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	if err := cluster.InstallCRDs(ctx, filepath.Join(root, "config/crd/bases")); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cluster.AdminConfig(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	strict := client.WithFieldValidation(c, metav1.FieldValidationStrict)
	asked := 0
	for _, path := range slices.Sorted(maps.Keys(pages(t))) {
		for _, f := range pages(t)[path].fences {
			if f.language != "yaml" && f.language != "yml" {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", path, f.line), func(t *testing.T) {
				objects, err := devcluster.Decode([]byte(f.code))
				if err != nil {
					t.Fatalf("it can't be read: %v", err)
				}
				for _, o := range objects {
					if o.GetKind() == "" || o.GetAPIVersion() == "" {
						if o.Object, err = complete(t, path, o.Object); err != nil {
							t.Fatal(err)
						}
					}
					if o.Object == nil || slices.Contains(foreignGroups, o.GroupVersionKind().Group) {
						continue
					}
					asked++
					if err := ask(ctx, c, strict, o); err != nil {
						t.Errorf("the API server refuses it: %v", err)
					}
				}
			})
		}
	}
	if asked < 20 {
		t.Errorf("the API server was asked about %d manifests, want at least 20", asked)
	}
}

// ask has the API server say what it thinks of an object, in a namespace that is
// there.
func ask(ctx context.Context, c, strict client.Client, o *unstructured.Unstructured) error {
	mapping, err := c.RESTMapper().RESTMapping(o.GroupVersionKind().GroupKind())
	if err != nil {
		return err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if o.GetNamespace() == "" {
			o.SetNamespace("default")
		}
		ns := &unstructured.Unstructured{}
		ns.SetAPIVersion("v1")
		ns.SetKind("Namespace")
		ns.SetName(o.GetNamespace())
		if err := client.IgnoreAlreadyExists(c.Create(ctx, ns)); err != nil {
			return err
		}
	}
	return strict.Create(ctx, o, client.DryRunAll)
}
