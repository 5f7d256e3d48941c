package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// Held are objects of the namespace team-a, two of which the operator holds until it
// has done something in Slack: deleted a message, archived a channel.
const Held = `
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: alerts, namespace: team-a}
spec: {webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: owned, namespace: team-a}
spec: {webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#owned"}, manage: {deletionPolicy: Archive}}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackNotification
metadata: {name: held, namespace: team-a}
spec: {channelRef: {name: alerts}, text: held, deletionPolicy: Delete}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackNotification
metadata: {name: free, namespace: team-a}
spec: {channelRef: {name: alerts}, text: free}
`

// Fences are the code blocks of a language in the section of a Markdown text that
// has this heading of the second level, without what they are indented by.
func Fences(markdown, heading, language string) []string {
	_, section, _ := strings.Cut(markdown, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var out []string
	for _, m := range regexp.MustCompile("(?sm)^( *)```"+language+"\n(.*?)^ *```").FindAllStringSubmatch(section, -1) {
		out = append(out, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")[1:])
	}
	return out
}

// LaterField is a field of a SlackNotification's spec that the next release has.
const LaterField = "laterField"

// NextKinds are manifests as the next release has them: a SlackNotification has
// LaterField.
func NextKinds(manifests []byte) ([]byte, error) {
	objects, err := devcluster.Decode(manifests)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, o := range objects {
		if o.GetKind() == "CustomResourceDefinition" && o.GetName() == "slacknotifications.slack.notify.dev" {
			if err := addLaterField(o); err != nil {
				return nil, err
			}
		}
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.Bytes(), nil
}

func addLaterField(crd *unstructured.Unstructured) error {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return err
	}
	for _, v := range versions {
		field := map[string]any{"type": "string", "description": "new in this version"}
		if err := unstructured.SetNestedMap(v.(map[string]any), field, "schema", "openAPIV3Schema", "properties", "spec", "properties", LaterField); err != nil {
			return err
		}
	}
	return unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")
}

// NextChart makes of the chart in a directory the one of the next release, whose
// versions begin with a 9 more.
func NextChart(dir string) error {
	file := filepath.Join(dir, "Chart.yaml")
	data, err := os.ReadFile(file) //nolint:gosec // a file of the chart
	if err != nil {
		return err
	}
	next := regexp.MustCompile(`(?m)^(version: |appVersion: "?v)`).ReplaceAll(data, []byte("${1}9"))
	if n := len(next) - len(data); n != 2 {
		return fmt.Errorf("%s has %d versions, want 2", file, n)
	}
	if err := os.WriteFile(file, next, 0o600); err != nil {
		return err
	}
	kinds := filepath.Join(dir, "files/crds/slack.notify.dev_slacknotifications.yaml")
	if data, err = os.ReadFile(kinds); err != nil { //nolint:gosec // a file of the chart
		return err
	}
	if data, err = NextKinds(data); err != nil {
		return err
	}
	return os.WriteFile(kinds, data, 0o600)
}

// MonitoringKinds writes the CustomResourceDefinitions ServiceMonitor and
// PrometheusRule into a directory, as the Prometheus operator makes them of its types.
// root is the way to the module's directory; bin/controller-gen is there.
func MonitoringKinds(root, to string) error {
	generator, err := filepath.Abs(filepath.Join(root, "bin/controller-gen"))
	if err != nil {
		return err
	}
	cmd := exec.Command(generator, "crd:allowDangerousTypes=true", "output:crd:dir="+to, //nolint:gosec // a tool that hack/tools pins
		"paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1")
	cmd.Dir = filepath.Join(root, "hack/tools/monitoring")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("controller-gen: %w\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(to, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_servicemonitors.yaml") && !strings.HasSuffix(file, "_prometheusrules.yaml") {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}
