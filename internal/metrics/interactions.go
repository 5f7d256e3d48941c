package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Interactions counts clicks on buttons.
type Interactions struct {
	total    *prometheus.CounterVec
	duration prometheus.Histogram
}

// NewInteractions registers the metrics.
func NewInteractions(reg prometheus.Registerer) *Interactions {
	m := &Interactions{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_interactions_total",
			Help: "Clicks on buttons in Slack, by outcome: recorded; duplicate, late, denied, gone, misplaced, ignored (acknowledged, and nothing stored); " +
				"unknown_permission, not_yet_delivered, foreign_cluster, unreadable, failed, busy (not acknowledged, so that the person presses again).",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "slack_notifier_interaction_duration_seconds",
			Help:    "Seconds until it was known whether a click on a button may be acknowledged, for which Slack gives three.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3},
		}),
	}
	reg.MustRegister(m.total, m.duration)
	begin(m.total, "recorded", "duplicate", "late", "denied", "gone", "misplaced", "ignored",
		"unknown_permission", "not_yet_delivered", "foreign_cluster", "unreadable", "failed", "busy")
	return m
}

// begin has the counters of the values begin at 0, so that the first increase of each
// is seen.
func begin(c *prometheus.CounterVec, values ...string) {
	for _, value := range values {
		c.WithLabelValues(value)
	}
}

// Interaction counts a click.
func (m *Interactions) Interaction(outcome string, took time.Duration) {
	m.total.WithLabelValues(outcome).Inc()
	m.duration.Observe(took.Seconds())
}
