package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Intake counts what is posted to the operator.
type Intake struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewIntake registers the metrics.
func NewIntake(reg prometheus.Registerer) *Intake {
	m := &Intake{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_intake_requests_total",
			Help: "Requests to the intake, by endpoint (alive, message, messages, alerts, interactions, other) and status code.",
		}, []string{"endpoint", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "slack_notifier_intake_request_duration_seconds",
			Help:    "Seconds until a request to the intake was answered, by endpoint.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"endpoint"}),
	}
	reg.MustRegister(m.requests, m.duration)
	return m
}

// Answered counts an answer.
func (m *Intake) Answered(endpoint string, code int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(took.Seconds())
}
