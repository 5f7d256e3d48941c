package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Alerts counts what SlackAlerts look at.
type Alerts struct {
	evaluations *prometheus.CounterVec
	open        func() map[string]int
}

var openDesc = prometheus.NewDesc("slack_notifier_alert_incidents_open",
	"Open incidents of SlackAlerts, by source (objects, events, alertmanager, webhook).", []string{"source"}, nil)

// NewAlerts registers the metrics. open returns the open incidents by source,
// whenever the metrics are collected.
func NewAlerts(reg prometheus.Registerer, open func() map[string]int) *Alerts {
	m := &Alerts{open: open, evaluations: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slack_notifier_alert_evaluations_total",
		Help: "Objects and Events that the expressions of SlackAlerts were evaluated for, by source (objects, events) and result (true, false, null, missing, failed).",
	}, []string{"source", "result"})}
	reg.MustRegister(m.evaluations, m)
	for _, source := range []string{"objects", "events"} {
		for _, result := range []string{"true", "false", "null", "missing", "failed"} {
			m.evaluations.WithLabelValues(source, result) // begins at 0, so that its first increase is seen
		}
	}
	return m
}

// Evaluated counts an evaluation.
func (m *Alerts) Evaluated(source, result string) {
	m.evaluations.WithLabelValues(source, result).Inc()
}

// Describe implements prometheus.Collector.
func (m *Alerts) Describe(ch chan<- *prometheus.Desc) { ch <- openDesc }

// Collect implements prometheus.Collector.
func (m *Alerts) Collect(ch chan<- prometheus.Metric) {
	for source, n := range m.open() {
		ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(n), source)
	}
}
