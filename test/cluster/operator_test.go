//go:build linux

package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	dir := t.TempDir()
	rel, err := filepath.Rel(dir, filepath.Join(node.dir, cloneDir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(documented(t, "config/default/kustomization.yaml"), "- ../", "- "+rel+"/") + "\ncomponents:\n- " + rel + "/intake/plain-http\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// install applies config/default with the intake and waits until it is rolled out.
func install(t *testing.T) {
	t.Helper()
	kubectl(t, "apply", "--server-side", "-k", kustomization(t))
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
