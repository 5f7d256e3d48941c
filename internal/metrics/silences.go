package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Silences counts what is asked of Alertmanagers.
type Silences struct {
	calls *prometheus.CounterVec
}

// NewSilences registers the metrics.
func NewSilences(reg prometheus.Registerer) *Silences {
	m := &Silences{calls: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "slack_notifier_alertmanager_calls_total",
		Help: "Calls to Alertmanagers about silences, by call (put, get, find, expire, alerts, status) and outcome (ok, refused, failed).",
	}, []string{"call", "outcome"})}
	reg.MustRegister(m.calls)
	for _, call := range []string{"put", "get", "find", "expire", "alerts", "status"} {
		for _, outcome := range []string{"ok", "refused", "failed"} {
			m.calls.WithLabelValues(call, outcome)
		}
	}
	return m
}

// Called counts a call.
func (m *Silences) Called(call, outcome string) { m.calls.WithLabelValues(call, outcome).Inc() }
