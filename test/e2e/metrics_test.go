package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	w.ready(w.webAPI("d", "#alerts"))
	w.becomes(w.notify("n", "c", to(user("ada"))), delivered())
	w.hooked("hook", w.hook)
	w.becomes(w.notify("h", "hook"), delivered())
	w.notify("waits", "nothere")
	data := fetch(t, env.shared.Metrics)
	for _, want := range []string{
		`slack_notifier_deliveries_total{adapter="webapi",outcome="delivered"}`,
		`slack_notifier_deliveries_total{adapter="webhook",outcome="delivered"}`,
		`slack_notifier_delivery_latency_seconds_bucket{adapter="webapi",le="1"}`,
		`slack_notifier_slack_calls_total{answer="ok",method="chat.postMessage"}`,
		`slack_notifier_slack_calls_total{answer="ok",method="users.list"}`,
		`slack_notifier_slack_call_duration_seconds_count{method="chat.postMessage"}`,
		`slack_notifier_directory_entries{list="users",workspace="` + w.team + `"} 8`,
		`slack_notifier_directory_age_seconds{list="users",workspace="` + w.team + `"}`,
		`slack_notifier_notifications_waiting`,
	} {
		w.Expect(string(data)).To(gomega.ContainSubstring(want))
	}
	problems, err := promlint.New(bytes.NewReader(data)).Lint()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "slack_notifier_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
