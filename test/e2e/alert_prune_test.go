package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// Who applies a rule with kubectl's --prune does not prune its incidents.
func TestApplySetLeavesIncidentsAlone(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	dir := t.TempDir()
	kubeconfig, manifest := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "rules.yaml")
	w.Expect(devcluster.WriteKubeconfig(kubeconfig, env.Cluster.AdminConfig())).To(gomega.Succeed())
	rule := func(name string) string {
		return fmt.Sprintf(`---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackAlert
metadata: {name: %s, labels: {team: a}}
spec:
  channelRef: {name: c}
  source: {objects: {apiVersion: apps/v1, kind: Deployment, when: "object.status.?conditions.orValue([]).exists(c, c.type == 'Available' && c.status == 'False')"}}
`, name)
	}
	apply := func(manifests string) {
		t.Helper()
		w.Expect(os.WriteFile(manifest, []byte(manifests), 0o600)).To(gomega.Succeed())
		cmd := exec.CommandContext(w.ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "--kubeconfig", kubeconfig,
			"-n", w.ns, "apply", "--prune", "--applyset=rules", "-f", manifest)
		cmd.Env = append(os.Environ(), "KUBECTL_APPLYSET=true")
		out, err := cmd.CombinedOutput()
		w.Expect(err).NotTo(gomega.HaveOccurred(), string(out))
	}
	apply(rule("stays") + rule("goes"))
	stays, goes := &v1alpha1.SlackAlert{}, &v1alpha1.SlackAlert{}
	for name, rule := range map[string]*v1alpha1.SlackAlert{"stays": stays, "goes": goes} {
		w.Expect(env.client.Get(w.ctx, client.ObjectKey{Namespace: w.ns, Name: name}, rule)).To(gomega.Succeed())
		w.becomes(rule, watchingLook())
		w.Expect(rule.Labels).To(gomega.HaveKey("applyset.kubernetes.io/part-of"))
	}
	w.available(w.deployment("web", nil), corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return append(w.open(stays), w.open(goes)...) }).Should(gomega.HaveLen(2))
	w.Eventually(w.alerts).Should(gomega.HaveLen(2))
	before := w.made(stays)[0]
	w.Expect(before.Labels).To(gomega.HaveKeyWithValue("team", "a"))

	for range 2 {
		apply(rule("stays"))
	}
	// The set does prune: the rule that is not in it any more is gone.
	w.Eventually(w.gone(goes)).Should(gomega.BeTrue())
	w.Consistently(func() []v1alpha1.SlackNotification { return w.made(stays) }, "1s").Should(gomega.ConsistOf(gomega.HaveField("UID", before.UID)))
}
