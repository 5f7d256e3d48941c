package e2e

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// posted is an alert as Alertmanager posts it; end is zero while it fires.
func posted(name string, start, end time.Time, labels ...string) map[string]any {
	set := map[string]any{"alertname": name, "severity": "warning"}
	for i := 0; i < len(labels); i += 2 {
		set[labels[i]] = labels[i+1]
	}
	data, _ := json.Marshal(set)
	out := map[string]any{"status": "firing", "labels": set, "annotations": map[string]any{"summary": name + " <!channel>", "runbook_url": "https://runbooks.example.com/" + name},
		"startsAt": start.UTC().Format(time.RFC3339Nano), "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "https://prometheus.example.com/graph", "fingerprint": string(data)}
	if !end.IsZero() {
		out["status"], out["endsAt"] = "resolved", end.UTC().Format(time.RFC3339Nano)
	}
	return out
}

// group is what Alertmanager posts for a group of alerts.
func posting(t *testing.T, group string, alerts ...map[string]any) string {
	t.Helper()
	status := "resolved"
	for _, a := range alerts {
		if a["status"] == "firing" {
			status = "firing"
		}
	}
	data, err := json.Marshal(map[string]any{"version": "4", "groupKey": "{}:{group=\"" + group + "\"}", "status": status, "receiver": "slack", "externalURL": "https://alertmanager.example.com",
		"groupLabels": map[string]any{"group": group}, "truncatedAlerts": 0, "something": "new", "alerts": alerts})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What an Alertmanager posts is one message for a group, whatever is repeated,
// late, or sent by its twin.
func TestAlertOfAlertmanager(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("alertmanager"))
	rule := w.rule("prometheus", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}}, func(a *v1alpha1.SlackAlert) { own(a) })
	w.becomes(rule, current("", v1alpha1.ReasonListening))
	send := func(body string) {
		t.Helper()
		w.Expect(i.post(rule.Status.Address, token, text(body))).To(code(200))
	}
	start := time.Now().Add(-time.Minute)
	first := posting(t, "load", posted("HighLoad", start, time.Time{}))
	var twins sync.WaitGroup
	for range 6 {
		twins.Go(func() { send(first) })
	}
	twins.Wait()
	w.Eventually(func() []told { return w.incidents(rule) }).Should(gomega.HaveLen(1))
	n := w.made(rule)[0]
	w.Expect(n.Spec.Title).To(gomega.Equal("[FIRING] HighLoad"))
	w.Expect(n.Spec.Severity).To(gomega.Equal(v1alpha1.SeverityWarning))
	w.Expect(n.Spec.Text).To(gomega.ContainSubstring("&lt;!channel&gt;"))
	w.Expect(n.Spec.Link.URL).To(gomega.Equal("https://runbooks.example.com/HighLoad"))
	send(posting(t, "load", posted("HighLoad", start, time.Time{}), posted("HighLoad", start, time.Time{}, "pod", "b")))
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"[FIRING:2] HighLoad"}))
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.Equal(int32(1)))

	end := time.Now()
	send(posting(t, "load", posted("HighLoad", start, end), posted("HighLoad", start, end, "pod", "b")))
	w.Expect(w.incidents(rule)).To(gomega.Equal([]told{{n.Name, false, v1alpha1.SeveritySuccess, "[RESOLVED] HighLoad"}}))
	send(first) // late
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(1))
	w.Expect(w.open(rule)).To(gomega.BeEmpty())
	send(posting(t, "load", posted("HighLoad", end.Add(time.Second), time.Time{})))
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"[FIRING] HighLoad"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(2))

	w.Expect(i.post(rule.Status.Address, token, text(`{"version":"4"}`))).To(code(400))
	w.update(rule, func() { rule.Spec.Suspend = true })
	w.Expect(i.post(rule.Status.Address, token, text(first))).To(code(503))
	w.update(rule, func() {
		rule.Spec.Suspend = false
		rule.Spec.GroupBy = []string{"labels.pod"}
		rule.Spec.Message = &v1alpha1.AlertMessage{Title: "{{ .labels.pod }}: {{ len .alerts }}", Text: "{{ (index .alerts 0).annotations.summary }}", Severity: v1alpha1.SeverityCritical}
	})
	send(posting(t, "pods", posted("Down", end, time.Time{}, "pod", "x"), posted("Down", end, time.Time{}, "pod", "y"), posted("Slow", end, time.Time{}, "pod", "x")))
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"[FIRING] HighLoad", "x: 2", "y: 1"}))
}
