package release

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// next is the chart of a later version, whose SlackNotification has a field more.
func (l *lab) next() string {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), "slack-notifier")
	l.Expect(os.CopyFS(dir, os.DirFS(filepath.Join(root, chart)))).To(gomega.Succeed())
	l.Expect(harness.NextChart(dir)).To(gomega.Succeed())
	return dir
}

func (l *lab) hasLaterField() bool {
	l.t.Helper()
	return strings.Contains(l.kubectl("get", "crd", "slacknotifications.slack.notify.dev", "-o", "json"), harness.LaterField)
}

// uninstall runs helm uninstall, and is kubelet and Job controller for the Job that
// it makes: it runs what the Job asks for, with the rights of its ServiceAccount.
func (l *lab) uninstall(helm string) {
	l.t.Helper()
	minute, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := l.try(minute, "", helm, "uninstall", "slack-notifier", "-n", "slack-notifier-system")
		done <- err
	}()
	var job struct {
		Spec struct {
			Template struct {
				Spec struct {
					ServiceAccountName string
					Containers         []struct{ Args []string }
				}
			}
		}
	}
	const system = "slack-notifier-system"
	l.Eventually(func() error {
		out, err := l.try(minute, "", l.kubectlPath(), "get", "job", "slack-notifier-cleanup", "-n", system, "-o", "json")
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(out), &job)
	}).Should(gomega.Succeed())
	l.Expect(l.there("deployment")).To(gomega.BeEmpty(), "the operator goes before its finalizers do")
	user, err := l.env.Cluster.UserConfig("system:serviceaccount:"+system+":"+job.Spec.Template.Spec.ServiceAccountName, "system:serviceaccounts", "system:serviceaccounts:"+system, "system:authenticated")
	l.Expect(err).NotTo(gomega.HaveOccurred())
	kubeconfig := filepath.Join(l.t.TempDir(), "job")
	l.Expect(devcluster.WriteKubeconfig(kubeconfig, user)).To(gomega.Succeed())
	args := job.Spec.Template.Spec.Containers[0].Args
	l.Expect(args[0]).To(gomega.Equal("cleanup"))
	l.cleanup(append(args[1:], "--kubeconfig="+kubeconfig)...)
	now := time.Now().UTC().Format(time.RFC3339)
	status, err := json.Marshal(map[string]any{"status": map[string]any{"succeeded": 1, "startTime": now, "completionTime": now, "conditions": []any{
		map[string]any{"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": now},
		map[string]any{"type": "Complete", "status": "True", "lastTransitionTime": now},
	}}})
	l.Expect(err).NotTo(gomega.HaveOccurred())
	l.kubectl("patch", "job", "slack-notifier-cleanup", "-n", system, "--subresource=status", "--type=merge", "-p", string(status))
	l.Expect(<-done).NotTo(gomega.HaveOccurred())
}

// A release from its installation to its end. The objects stay through all of it,
// and can be deleted when the operator is gone.
func TestHelm(t *testing.T) {
	for name, helm := range helms(t) {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			release := func(verb string, more ...string) {
				t.Helper()
				l.run(helm, append([]string{verb, "slack-notifier", "-n", "slack-notifier-system"}, more...)...)
			}
			release("install", chart, "--create-namespace")
			l.Expect(l.kinds()).To(gomega.HaveLen(3))
			l.apply(namespaceA)
			end := l.deliver()

			release("upgrade", l.next())
			l.Expect(l.hasLaterField()).To(gomega.BeTrue(), "an upgrade brings the fields of its version")
			// The API server publishes the new schema a moment later.
			l.Eventually(func() (string, error) {
				return l.try(t.Context(), "", l.kubectlPath(), "explain", "sln.spec."+harness.LaterField)
			}).Should(gomega.ContainSubstring("new in this version"))
			release("rollback", "1")
			l.Expect(l.hasLaterField()).To(gomega.BeFalse())
			release("upgrade", chart, "--set", "replicas=3")
			l.Expect(l.there("sln")).To(gomega.HaveLen(2))

			end()
			l.uninstall(helm)
			l.Expect(l.kinds()).To(gomega.HaveLen(3), "crds.keep")
			l.Expect(l.there("sln")).To(gomega.HaveLen(2))
			l.Expect(l.finalizers()).To(gomega.BeEmpty())
			for _, kind := range []string{"clusterrole", "clusterrolebinding", "serviceaccount", "role", "rolebinding", "job", "deployment", "service"} {
				l.Expect(l.there(kind)).NotTo(gomega.ContainElement(gomega.ContainSubstring("slack-notifier")), "what is left of the release")
			}
			l.kubectl("delete", "sln,slc", "--all", "-n", "team-a", "--timeout=10s")

			// Again, over the kinds that were kept; this time they go too.
			release("install", chart, "--set", "crds.keep=false")
			l.apply(`
apiVersion: slack.notify.dev/v1alpha1
kind: SlackNotification
metadata: {name: held, namespace: team-a, finalizers: [slack.notify.dev/delete-message]}
spec: {channelRef: {name: alerts}, text: held, deletionPolicy: Delete}
`)
			l.uninstall(helm)
			l.Eventually(l.kinds).Should(gomega.BeEmpty())
		})
	}
}
