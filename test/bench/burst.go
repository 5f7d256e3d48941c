package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// burst tells an Alertmanager and the operator of as many alerts at once, each alert a
// message by an incoming webhook of its own.
func (b *bench) burst() error {
	n := min(b.n(500), 1000)
	var costs [2]cost
	for i, tell := range []func(slack string, n int) (cost, error){b.burstOfOperator, b.burstOfAlertmanager} {
		slack, cmd, err := b.env.SpawnSlack("--no-limits")
		if err != nil {
			return err
		}
		costs[i], err = tell(slack, n)
		end(cmd)
		if err != nil {
			return err
		}
	}
	ours, theirs := costs[0], costs[1]
	b.say("## A burst of alerts\n\n%d alerts at once, each a message by an incoming webhook; Slack's limits lifted. Alertmanager is told by its API and keeps them in memory; the operator's intake makes a\nSlackNotification of each, which is stored before it answers. It takes 200 posts of one sender at once and 50 a second, and had this one wait and post again %d times.\n", n, ours.waits)
	b.say("| | operator | Alertmanager | ratio |\n| --- | ---: | ---: | ---: |")
	row := func(name, format string, x, y float64) {
		b.say("| %s | "+format+" | "+format+" | %.2f |", name, x, y, x/y)
	}
	row("s until the last message", "%.2f", ours.took.Seconds(), theirs.took.Seconds())
	row("CPU seconds for 1,000", "%.2f", ours.per1000(), theirs.per1000())
	row("messages", "%.0f", float64(ours.calls), float64(theirs.calls))
	b.say("")
	return nil
}

func (b *bench) burstOfAlertmanager(slack string, n int) (cost, error) {
	port, err := devcluster.FreePort()
	if err != nil {
		return cost{}, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	config := fmt.Sprintf("route: {receiver: slack, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}\n"+
		"receivers: [{name: slack, slack_configs: [{api_url: '%s', channel: burst, send_resolved: true}]}]\n", slack+slacksim.DemoWebhookPath)
	cmd, err := b.alertmanager(address, config)
	if err != nil {
		return cost{}, err
	}
	defer end(cmd)
	url := "http://" + address
	if err := b.until(func() (bool, error) {
		_, err := harness.Fetch(url + "/-/ready")
		return err == nil, nil
	}); err != nil {
		return cost{}, err
	}
	alerts := []any{}
	for i := range n {
		alerts = append(alerts, map[string]any{
			"labels":      map[string]string{"alertname": fmt.Sprint("Down-", i), "severity": "critical"},
			"annotations": map[string]string{"summary": "it is down"},
			"startsAt":    time.Now().UTC().Format(time.RFC3339Nano),
		})
	}
	data, err := json.Marshal(alerts)
	if err != nil {
		return cost{}, err
	}
	return b.burstOf(slack, n, cmd, func() error {
		resp, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(data)) //nolint:noctx // loopback
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("alertmanager does not take the alerts: %s", resp.Status)
		}
		return errors.Join(err, resp.Body.Close())
	})
}

func (b *bench) burstOfOperator(slack string, n int) (cost, error) {
	const ns = "burst"
	if err := b.prepare(ns); err != nil {
		return cost{}, err
	}
	if err := b.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "hook"}, StringData: map[string]string{"url": slack + slacksim.DemoWebhookPath}}, &v1alpha1.SlackChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "hook"},
		Spec:       v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}},
	}); err != nil {
		return cost{}, err
	}
	port, err := devcluster.FreePort()
	if err != nil {
		return cost{}, err
	}
	intake := fmt.Sprintf("127.0.0.1:%d", port)
	o, err := b.operator(ns, "--slack-limits=false", "--intake-bind-address="+intake,
		"--slack-api-url="+slack+"/api/", "--allowed-hosts="+strings.TrimPrefix(slack, "http://"))
	if err != nil {
		return cost{}, err
	}
	defer o.Stop()
	rule := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "posts"}}
	rule.Spec.ChannelRef.Name, rule.Spec.Source, rule.Spec.MaxIncidents = "hook", v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, 1000
	if err := b.rule(rule); err != nil {
		return cost{}, err
	}
	posts, err := b.newPoster(ns, rule.Name, intake)
	if err != nil {
		return cost{}, err
	}
	var waits atomic.Int64
	c, err := b.burstOf(slack, n, o.Cmd, func() error {
		return b.each(n, func(i int) error {
			times, err := posts.postUntilTaken(b, i)
			waits.Add(int64(times))
			return err
		})
	})
	c.waits = int(waits.Load())
	return c, err
}

// burstOf measures from what tells of the alerts to the last message at Slack.
func (b *bench) burstOf(slack string, n int, cmd *exec.Cmd, tell func() error) (cost, error) {
	cpu, begin := cpuOf(cmd.Process.Pid), time.Now()
	if err := tell(); err != nil {
		return cost{}, err
	}
	var list []slacksim.Message
	err := b.until(func() (_ bool, err error) {
		list, err = messagesOf(slack)
		return len(list) >= n, err
	})
	c := cost{n: n, calls: len(list), cpu: cpuOf(cmd.Process.Pid) - cpu}
	for i := range list {
		c.took = max(c.took, list[i].ReceivedAt.Sub(begin))
	}
	return c, err
}
