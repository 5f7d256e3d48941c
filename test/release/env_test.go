package release

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// lab is a control plane of a test's own, on which nothing is installed.
type lab struct {
	*gomega.WithT
	t          *testing.T
	env        *harness.Env
	kubeconfig string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	env, err := harness.StartBare(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.Close)
	l := &lab{WithT: gomega.NewWithT(t), t: t, env: env, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	l.SetDefaultEventuallyTimeout(time.Minute)
	l.SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	l.Expect(devcluster.WriteKubeconfig(l.kubeconfig, env.Cluster.AdminConfig())).To(gomega.Succeed())
	return l
}

// kubectl is the one that the control plane was built with.
func (l *lab) kubectlPath() string {
	assets, err := devcluster.Assets()
	l.Expect(err).NotTo(gomega.HaveOccurred())
	path, err := filepath.Abs(filepath.Join(assets, "kubectl"))
	l.Expect(err).NotTo(gomega.HaveOccurred())
	return path
}

// try runs a program in the root of the module, as the cluster's administrator.
func (l *lab) try(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = root, strings.NewReader(stdin)
	home := filepath.Dir(l.kubeconfig)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig, "KUBECTL="+l.kubectlPath(),
		"HELM_CACHE_HOME="+home+"/cache", "HELM_CONFIG_HOME="+home+"/config", "HELM_DATA_HOME="+home+"/data")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := l.try(l.t.Context(), "", name, args...)
	l.Expect(err).NotTo(gomega.HaveOccurred())
	return out
}

func (l *lab) kubectl(args ...string) string {
	l.t.Helper()
	return l.run(l.kubectlPath(), args...)
}

func (l *lab) apply(manifest string) {
	l.t.Helper()
	_, err := l.try(l.t.Context(), manifest, l.kubectlPath(), "apply", "--server-side", "-f", "-")
	l.Expect(err).NotTo(gomega.HaveOccurred())
}

// there are the names of a kind's objects in all namespaces.
func (l *lab) there(kind string) []string {
	l.t.Helper()
	return strings.Fields(l.kubectl("get", kind, "-A", "--ignore-not-found", "-o", "name"))
}

// kinds are the CustomResourceDefinitions of the operator.
func (l *lab) kinds() []string {
	l.t.Helper()
	var ours []string
	for _, name := range l.there("crd") {
		if strings.HasSuffix(name, ".slack.notify.dev") {
			ours = append(ours, name)
		}
	}
	return ours
}

// sim sets something up in the simulated Slack.
func (l *lab) sim(path string, body any) {
	l.t.Helper()
	data, err := json.Marshal(body)
	l.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := http.Post(l.env.Slack+"/_sim/"+path+"?team=T1", "application/json", bytes.NewReader(data))
	l.Expect(err).NotTo(gomega.HaveOccurred())
	_ = resp.Body.Close()
	l.Expect(resp.StatusCode).To(gomega.Equal(http.StatusOK))
}

// workspace makes a workspace of the simulated Slack and the Secret with its token.
func (l *lab) workspace() {
	l.t.Helper()
	l.sim("users", slacksim.User{ID: "U1BOT", Name: "slack-notifier", Bot: true})
	l.sim("channels", slacksim.Channel{ID: "C1ALERTS", Name: "alerts", Members: []string{"U1BOT"}})
	l.sim("tokens", slacksim.Token{Token: token, Team: "T1", BotUser: "U1BOT", BotID: "B1BOT", Scopes: slacksim.AllScopes})
	l.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: slack-bot, namespace: team-a}\nstringData: {token: " + token + "}\n")
}

const token = "xoxb-1-" + harness.Planted

// inSlack is what the simulated Slack has now.
func (l *lab) inSlack() slacksim.State {
	l.t.Helper()
	data, err := harness.Fetch(l.env.Slack + "/_sim/state")
	l.Expect(err).NotTo(gomega.HaveOccurred())
	var state slacksim.State
	l.Expect(json.Unmarshal(data, &state)).To(gomega.Succeed())
	return state
}

// cleanup runs the operator's command of this name.
func (l *lab) cleanup(args ...string) {
	l.t.Helper()
	out, err := l.try(l.t.Context(), "", filepath.Join(l.env.Dir, "slack-notifier"), append([]string{"cleanup", "--leader-election-namespace=slack-notifier-system"}, args...)...)
	if err != nil {
		l.t.Error(err)
	}
	l.Expect(out).NotTo(gomega.ContainSubstring(harness.Planted))
}
