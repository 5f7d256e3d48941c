package release

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

const namespaceA = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n"

// finalizers of all objects.
func (l *lab) finalizers() []string {
	l.t.Helper()
	return strings.Fields(l.kubectl("get", "slc,sln", "-A", "-o", `jsonpath={range .items[*]}{.metadata.finalizers[*]}{"\n"}{end}`))
}

// deliver has an operator deliver, and waits until it holds what it is to hold.
func (l *lab) deliver() (end func()) {
	l.t.Helper()
	l.workspace()
	o, err := l.env.StartOperator(l.t.Context(), "operator")
	l.Expect(err).NotTo(gomega.HaveOccurred())
	l.apply(harness.Held)
	l.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "team-a", "slc/alerts", "slc/owned", "sln/held", "sln/free")
	l.Expect(l.finalizers()).To(gomega.ConsistOf("slack.notify.dev/delete-message", "slack.notify.dev/archive-channel"), "only what asks for it is held")
	return o.Stop
}

// texts of the messages that stand in Slack.
func (l *lab) texts() []string {
	var out []string
	for _, m := range l.inSlack().Messages {
		if m.Subtype == "" {
			out = append(out, m.Text)
		}
	}
	return out
}

func (l *lab) archived(channel string) bool {
	for _, ws := range l.inSlack().Workspaces {
		for _, c := range ws.Rooms {
			if c.Name == channel {
				return c.Archived
			}
		}
	}
	return false
}

// hasty is a kubectl for which each object is gone before it can be changed, as when
// the operator lets it go just then. It is called with an option, as many call theirs.
func (l *lab) hasty() string {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), "kubectl")
	script := "#!/bin/sh\nshift\n[ \"$1\" != patch ] || '" + l.kubectlPath() + "' \"$@\" >/dev/null\nexec '" + l.kubectlPath() + "' \"$@\"\n"
	l.Expect(os.WriteFile(path, []byte(script), 0o700)).To(gomega.Succeed())
	return path + " --first"
}

func TestUndeploy(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		// gone says that the operator has ended before.
		gone  bool
		hasty bool
		// left is what stands in Slack in the end.
		left     []string
		archived bool
	}{
		{name: "the operator runs", left: []string{"free"}, archived: true},
		{name: "the operator is gone", gone: true, left: []string{"free", "held"}},
		{name: "the objects go while they are let go", gone: true, hasty: true, left: []string{"free", "held"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := newLab(t)
			l.kubectl("apply", "--server-side", "-k", "config/default")
			l.apply(namespaceA)
			end := l.deliver()
			if row.gone {
				end()
			} else {
				defer end()
			}

			minute, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			kubectl := l.kubectlPath()
			if row.hasty {
				kubectl = l.hasty()
			}
			out, err := l.try(minute, "", "make", "undeploy", "KUBECTL="+kubectl)
			l.Expect(err).NotTo(gomega.HaveOccurred())
			t.Log(out)
			l.Expect(out).NotTo(gomega.ContainSubstring("NotFound"))
			l.Expect(l.kinds()).To(gomega.BeEmpty())
			l.Expect(l.there("deployment")).To(gomega.BeEmpty())
			l.Expect(l.there("clusterrole")).NotTo(gomega.ContainElement(gomega.ContainSubstring("slack-notifier")))
			l.Expect(l.texts()).To(gomega.ConsistOf(row.left))
			l.Expect(l.archived("owned")).To(gomega.Equal(row.archived))
			l.run("make", "undeploy") // again, which finds nothing
		})
	}
}

// What holds an object beside the operator is not touched, by no way to uninstall.
func TestCleanupLeavesOthersFinalizers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.kubectl("apply", "--server-side", "-k", "config/default")
	l.apply(namespaceA)
	l.apply(`
apiVersion: slack.notify.dev/v1alpha1
kind: SlackNotification
metadata: {name: held, namespace: team-a, finalizers: [example.com/theirs, slack.notify.dev/delete-message]}
spec: {channelRef: {name: alerts}, text: held, deletionPolicy: Delete}
`)
	l.cleanup("--kubeconfig=" + l.kubeconfig)
	l.Expect(l.finalizers()).To(gomega.ConsistOf("example.com/theirs"))
	l.kubectl("patch", "sln", "held", "-n", "team-a", "--type=merge", "-p", `{"metadata":{"finalizers":["slack.notify.dev/delete-message","example.com/theirs"]}}`)
	out, err := l.try(t.Context(), "", "make", "uninstall")
	l.Expect(err).To(gomega.HaveOccurred(), "somebody else holds an object, and so its kind: %s", out)
	l.Expect(l.finalizers()).To(gomega.ConsistOf("example.com/theirs"))
}

// What docs/operating.md has people type when an object hangs, after the kinds that
// could be deleted are gone.
func TestDocumentedWayOutOfAHang(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.kubectl("apply", "--server-side", "-k", "config/default")
	l.apply(namespaceA)
	for name, finalizers := range map[string]string{"ours": "slack.notify.dev/archive-channel", "both": "example.com/theirs, slack.notify.dev/archive-channel, example.com/more"} {
		l.apply(`
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: ` + name + `, namespace: team-a, finalizers: [` + finalizers + `]}
spec: {webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#owned"}}
`)
	}
	l.kubectl("delete", "crd", "slackalerts.slack.notify.dev", "slacknotifications.slack.notify.dev")
	l.kubectl("delete", "--wait=false", "slc", "--all", "-n", "team-a")
	fence := harness.Fences(read(t, "docs/operating.md"), "Uninstalling", "sh")[1]
	l.run("sh", "-c", `PATH="$(dirname "$KUBECTL"):$PATH"`+"\n"+fence)
	l.Expect(strings.Fields(l.kubectl("get", "slc", "-A", "-o", "jsonpath={.items[*].metadata.name} {.items[*].metadata.finalizers[*]}"))).To(
		gomega.Equal([]string{"both", "example.com/theirs", "example.com/more"}), "only what others hold is left")
}

// While another operator leads, cleanup waits for it: it would put back what is
// taken off.
func TestCleanupWaitsForTheLeader(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.kubectl("apply", "--server-side", "-k", "config/default")
	l.apply(namespaceA)
	l.workspace()
	o, err := l.env.StartOperator(t.Context(), "operator", "--leader-elect", "--leader-election-namespace=slack-notifier-system")
	l.Expect(err).NotTo(gomega.HaveOccurred())
	l.apply(harness.Held)
	l.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "team-a", "sln/held")
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.cleanup("--kubeconfig=" + l.kubeconfig)
	}()
	l.Consistently(done, "2s").ShouldNot(gomega.BeClosed())
	l.Expect(l.finalizers()).To(gomega.ContainElement("slack.notify.dev/delete-message"))
	o.Stop()
	l.Eventually(done).Should(gomega.BeClosed())
	l.Expect(l.finalizers()).To(gomega.BeEmpty())
	l.kubectl("delete", "sln,slc", "--all", "-n", "team-a", "--timeout=10s")
	l.Expect(l.texts()).To(gomega.ConsistOf("held", "free"), "what stands in Slack stays there")
}
