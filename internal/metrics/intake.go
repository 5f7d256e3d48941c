package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Intake counts what is posted to the operator.
type Intake struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// intakeCodes are what the intake answers.
var intakeCodes = []int{
	http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// NewIntake registers the metrics. The series of endpoints begin at 0, so that the
// first request of each is seen.
func NewIntake(reg prometheus.Registerer, endpoints []string) *Intake {
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
	for _, endpoint := range endpoints {
		for _, code := range intakeCodes {
			m.requests.WithLabelValues(endpoint, strconv.Itoa(code))
		}
		m.duration.WithLabelValues(endpoint)
	}
	return m
}

// Answered counts an answer.
func (m *Intake) Answered(endpoint string, code int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(took.Seconds())
}
