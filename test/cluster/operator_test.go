//go:build linux

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

const (
	operatorNamespace = "slack-notifier-system"
	deployment        = "slack-notifier-controller-manager"
	leaseName         = "slack-notifier.slack.notify.dev"
)

// kubectl runs it as a user does.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "kubectl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// apply applies manifests from standard input.
func apply(t *testing.T, manifests string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", "apply", "--server-side", "-f", "-")
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

func await(t *testing.T, what string, ok func(context.Context) (bool, error)) {
	t.Helper()
	if err := node.await(t.Context(), what, ok); err != nil {
		t.Fatal(err)
	}
}

// kustomization is a directory with config/default and the intake, as its own
// comments say how to add it.
func kustomization(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(root + "/config/default/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, err := filepath.Abs(root + "/config")
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "- ../", "- "+rel+"/") + "\ncomponents:\n- " + rel + "/intake/plain-http\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manifests are config/default and the intake with the image that the node has and the address of
// the simulated Slack; nothing else differs from what users apply.
func manifests(t *testing.T, flags ...string) string {
	t.Helper()
	objects, err := devcluster.Decode([]byte(kubectl(t, "kustomize", kustomization(t))))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, o := range objects {
		if o.GetKind() == "Deployment" {
			d := &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, d); err != nil {
				t.Fatal(err)
			}
			c := &d.Spec.Template.Spec.Containers[0]
			c.Image = image
			c.Args = append(append(c.Args, "--slack-api-url=http://"+slackAt+"/api/", "--allowed-hosts="+slackAt), flags...)
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
			if err != nil {
				t.Fatal(err)
			}
			o = &unstructured.Unstructured{Object: content}
			unstructured.RemoveNestedField(o.Object, "status")
		}
		data, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.String()
}

// install applies the operator and waits until it is rolled out, as a user does.
func install(t *testing.T, flags ...string) {
	t.Helper()
	apply(t, manifests(t, flags...))
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
}

// furnishNamespace makes a namespace with a SlackChannel that works.
func furnishNamespace(t *testing.T, namespace string) {
	t.Helper()
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: Secret
metadata: {name: slack-bot, namespace: %[1]s}
stringData: {token: %[2]s}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: alerts, namespace: %[1]s}
spec:
  webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}
`, namespace, slacksim.DemoToken))
}

// notification is the manifest of a message.
func notification(namespace, name string) string {
	return fmt.Sprintf("---\napiVersion: slack.notify.dev/v1alpha1\nkind: SlackNotification\nmetadata: {name: %s, namespace: %s}\nspec: {channelRef: {name: alerts}, text: text of %s/%s}\n", name, namespace, namespace, name)
}

// delivered waits for a message as a user does.
func delivered(t *testing.T, namespace string, names ...string) {
	t.Helper()
	args := []string{"wait", "-n", namespace, "--for=condition=Ready", "--timeout=2m"}
	for _, name := range names {
		args = append(args, "sln/"+name)
	}
	kubectl(t, args...)
}

// inSlack counts the messages of a namespace by their text.
func inSlack(t *testing.T, namespace string) map[string]int {
	t.Helper()
	resp, err := http.Get("http://" + slackAt + "/_sim/messages?channel=C0ALERTS0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []slacksim.Message
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, m := range list {
		if name, ok := strings.CutPrefix(m.Text, "text of "+namespace+"/"); ok {
			out[name]++
		}
	}
	return out
}

// leader is the Pod that leads.
func leader(t *testing.T) string {
	t.Helper()
	l := &coordinationv1.Lease{}
	if err := node.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: leaseName}, l); err != nil {
		t.Fatal(err)
	}
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	name, _, _ := strings.Cut(*l.Spec.HolderIdentity, "_")
	return name
}

// successor waits until another Pod leads.
func successor(t *testing.T, of string) string {
	t.Helper()
	var now string
	await(t, "another Pod than "+of+" leads", func(context.Context) (bool, error) {
		now = leader(t)
		return now != "" && now != of, nil
	})
	return now
}

// kubectlLater runs it when a test is over.
func kubectlLater(args ...string) {
	_ = exec.Command("kubectl", args...).Run()
}
