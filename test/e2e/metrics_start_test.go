package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// scrape reads the operator's own metrics.
func (w *world) scrape(url string) map[string]*dto.MetricFamily {
	w.t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(fetch(w.t, url)))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for name := range families {
		if !strings.HasPrefix(name, "slack_notifier_") {
			delete(families, name)
		}
	}
	return families
}

// valuesOf are those of a label in a family.
func valuesOf(f *dto.MetricFamily, label string) []string {
	var out []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label && !slices.Contains(out, l.GetValue()) {
				out = append(out, l.GetValue())
			}
		}
	}
	slices.Sort(out)
	return out
}

// A counter that appears with the value 1 has no increase, so the first failure
// after a start would go unseen: all are there before anything has happened. The
// documentation has the same names, labels and values.
func TestMetricsFromTheStart(t *testing.T) {
	w := newWorld(t)
	port, err := devcluster.FreePort()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	o, err := env.StartOperator(w.ctx, "fresh-metrics", "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns,
		fmt.Sprintf("--intake-bind-address=127.0.0.1:%d", port))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()
	fresh := w.scrape(o.Metrics)
	for _, row := range []struct {
		family, label string
		values        []string
	}{
		{"slack_notifier_deliveries_total", "outcome", []string{"delivered", "edited", "failed", "retried"}},
		{"slack_notifier_deliveries_total", "adapter", []string{"webapi", "webhook"}},
		{"slack_notifier_alert_evaluations_total", "result", []string{"failed", "false", "missing", "null", "true"}},
		{"slack_notifier_alert_evaluations_total", "source", []string{"events", "objects"}},
		{"slack_notifier_slack_calls_total", "answer", []string{"no_answer", "ok", "other", "ratelimited"}},
		{"slack_notifier_slack_calls_total", "method", []string{"auth.test", "chat.postMessage", "webhook"}},
		{"slack_notifier_intake_requests_total", "endpoint", []string{"alerts", "alive", "message", "messages", "other"}},
		{"slack_notifier_intake_requests_total", "code", []string{"200", "201", "500", "503"}},
	} {
		t.Run(row.family+"/"+row.label, func(t *testing.T) {
			gomega.NewWithT(t).Expect(valuesOf(fresh[row.family], row.label)).To(gomega.ContainElements(row.values))
		})
	}
	for name, f := range fresh {
		if f.GetType() == dto.MetricType_COUNTER && len(f.GetMetric()) == 0 {
			t.Errorf("%s has no series at the start", name)
		}
	}

	// What tells of a workspace, or how long a call took, begins with the first one.
	w.ready(w.webAPI("c", "#alerts"))
	for name, f := range w.scrape(env.shared.Metrics) {
		if fresh[name] == nil {
			fresh[name] = f
		}
	}
	documented(t, fresh)
}

var (
	metricsRow  = regexp.MustCompile("(?m)^\\| (`slack_notifier_[^|]*) \\| (.*) \\|$")
	metricNamed = regexp.MustCompile("`(slack_notifier_[a-z_]+)(?:\\{([a-z_,]+)\\})?`")
	wordQuoted  = regexp.MustCompile("`([a-z_]+)`")
)

// documented compares docs/operating.md with what was scraped.
func documented(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	data, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range metricsRow.FindAllStringSubmatch(string(data), -1) {
		for _, m := range metricNamed.FindAllStringSubmatch(row[1], -1) {
			name, labels := m[1], strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
			seen[name] = true
			f := families[name]
			if f == nil {
				t.Errorf("docs/operating.md names %s, which the operator does not have", name)
				continue
			}
			var has []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				has = append(has, l.GetName())
			}
			slices.Sort(labels)
			if slices.Sort(has); !slices.Equal(has, labels) {
				t.Errorf("%s has the labels %v, and in docs/operating.md %v", name, has, labels)
			}
			documentedValues(t, f, row[2])
		}
	}
	for name := range families {
		if !seen[name] {
			t.Errorf("docs/operating.md does not name %s", name)
		}
	}
}

// documentedValues compares the values that a row names with those of the labels
// whose values are few.
func documentedValues(t *testing.T, f *dto.MetricFamily, meaning string) {
	t.Helper()
	var named, known []string
	for _, m := range wordQuoted.FindAllStringSubmatch(meaning, -1) {
		named = append(named, m[1])
	}
	for _, label := range []string{"outcome", "source", "result", "endpoint", "reason", "call"} {
		for _, value := range valuesOf(f, label) {
			known = append(known, value)
			if !slices.Contains(named, value) && len(named) > 0 {
				t.Errorf("docs/operating.md does not say that %s of %s may be %s", label, f.GetName(), value)
			}
		}
	}
	for _, label := range []string{"adapter", "answer", "counted_by"} {
		known = append(append(known, valuesOf(f, label)...), label)
	}
	for _, value := range named {
		if !slices.Contains(known, value) {
			t.Errorf("docs/operating.md names the value %q of %s, which it does not have", value, f.GetName())
		}
	}
}
