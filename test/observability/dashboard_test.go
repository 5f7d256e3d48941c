package observability

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// dashboard is the part of Grafana's format that asks Prometheus.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

const story = `
apiVersion: v1
kind: Secret
metadata: {name: slack-bot, namespace: default}
stringData: {token: %s}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: alerts, namespace: default}
spec: {webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackNotification
metadata: {name: hello, namespace: default}
spec: {channelRef: {name: alerts}, recipients: [{user: yueh.liu}], text: Hello}
`

// Prometheus, which has scraped a real operator, answers each query of the
// dashboard, and each half of the rules names metrics that are there.
func TestDashboard(t *testing.T) {
	g := gomega.NewWithT(t)
	g.SetDefaultEventuallyTimeout(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	env, err := harness.Start(ctx, root)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer env.Close()
	port, err := devcluster.FreePort()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	o, err := env.StartOperator(ctx, "scraped", fmt.Sprintf("--intake-bind-address=127.0.0.1:%d", port),
		"--leader-elect", "--leader-election-namespace="+harness.OperatorNamespace)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()
	g.Expect(devcluster.Apply(ctx, env.Cluster.AdminConfig(), fmt.Appendf(nil, story, slacksim.DemoToken))).To(gomega.Succeed())
	g.Eventually(func() string { data, _ := harness.Fetch(o.Metrics); return string(data) }).
		Should(gomega.ContainSubstring(`slack_notifier_deliveries_total{adapter="webapi",outcome="delivered"} 1`))
	ask := prometheus(t, o.Metrics)

	data, err := os.ReadFile(filepath.Join(root, "config/grafana/slack-notifier.json"))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	var d dashboard
	g.Expect(json.Unmarshal(data, &d)).To(gomega.Succeed())
	g.Expect(d.Panels).NotTo(gomega.BeEmpty())
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*").Replace(target.Expr)
			t.Run(p.Title, func(t *testing.T) {
				gomega.NewWithT(t).Eventually(func() (int, error) { return ask(expr) }, time.Minute).
					Should(gomega.BeNumerically(">", 0), "%s has no answer", expr)
			})
		}
	}
	list, _ := rules(t)
	for _, r := range list {
		for _, name := range metricName.FindAllString(r.Expr, -1) {
			t.Run(r.Alert+"/"+name, func(t *testing.T) {
				gomega.NewWithT(t).Eventually(func() (int, error) { return ask(name) }, time.Minute).
					Should(gomega.BeNumerically(">", 0), "there is no %s", name)
			})
		}
	}
}

var metricName = regexp.MustCompile(`slack_notifier_[a-z_]+|leader_election_[a-z_]+|process_[a-z_]+`)

// prometheus scrapes an operator every second, and is asked how many series answer
// a query.
func prometheus(t *testing.T, metrics string) func(expr string) (int, error) {
	t.Helper()
	g, dir := gomega.NewWithT(t), t.TempDir()
	target, err := url.Parse(metrics)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: slack-notifier, static_configs: [{targets: ['%s']}]}]\n", target.Host)
	g.Expect(os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600)).To(gomega.Succeed())
	port, err := devcluster.FreePort()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	log, err := os.Create(filepath.Join(dir, "log"))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	cmd := exec.Command(program(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	cmd.Stdout, cmd.Stderr = log, log
	g.Expect(devcluster.Spawn(cmd)).To(gomega.Succeed())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			data, _ := os.ReadFile(log.Name())
			t.Logf("Prometheus' log ends with:\n%s", data[max(0, len(data)-2000):])
		}
	})
	return func(expr string) (int, error) {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/query?query=%s", port, url.QueryEscape(expr)))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		var answer struct {
			Error string
			Data  struct{ Result []any }
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != "" {
			return 0, fmt.Errorf("%s: %w", answer.Error, err)
		}
		return len(answer.Data.Result), nil
	}
}
