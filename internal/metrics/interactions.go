package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Interactions counts what people press, and the sockets that it comes over.
type Interactions struct {
	total        *prometheus.CounterVec
	duration     prometheus.Histogram
	connections  prometheus.Gauge
	disconnected *prometheus.CounterVec
}

// NewInteractions registers the metrics.
func NewInteractions(reg prometheus.Registerer) *Interactions {
	m := &Interactions{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_interactions_total",
			Help: "What Slack sent over sockets, by outcome (acked: taken and acknowledged; not_taken, late, ack_failed, overload: not acknowledged, so that the person sees a warning; ignored: no press; odd, too_large: nothing that Slack documents).",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "slack_notifier_interaction_duration_seconds",
			Help:    "Seconds from when a press was read until it was acknowledged, or was not. Slack waits for 3.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3},
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "slack_notifier_socket_connections",
			Help: "Connections to Slack apps by Socket Mode that this process has open; one for each app, and two for a moment while one is replaced.",
		}),
		disconnected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_socket_disconnects_total",
			Help: "Connections by Socket Mode that ended, and attempts that came to nothing, by reason (Slack's: warning, refresh_requested, link_disabled, too_many_websockets, other; else refused, unreachable, no_hello, silent, closed, cut, renewed, stopped).",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.total, m.duration, m.connections, m.disconnected)
	return m
}

// Interaction counts what Slack sent. Only what may be a press has a duration.
func (m *Interactions) Interaction(outcome string, took time.Duration) {
	m.total.WithLabelValues(outcome).Inc()
	switch outcome {
	case "ignored", "odd", "too_large":
	default:
		m.duration.Observe(took.Seconds())
	}
}

// Connections adds to the number of open connections.
func (m *Interactions) Connections(change int) { m.connections.Add(float64(change)) }

// Disconnected counts the end of a connection.
func (m *Interactions) Disconnected(reason string) { m.disconnected.WithLabelValues(reason).Inc() }
