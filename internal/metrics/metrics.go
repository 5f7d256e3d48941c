// Package metrics holds the operator's Prometheus metrics. Labels have few
// values; no name of an object, person or channel is one.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Metrics of the operator.
type Metrics struct {
	deliveries *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	calls      *prometheus.CounterVec
	callTime   *prometheus.HistogramVec
}

// Outcomes of an attempt to deliver.
const (
	OutcomeDelivered = "delivered"
	OutcomeRetried   = "retried"
	OutcomeFailed    = "failed"
	OutcomeEdited    = "edited"
)

// Adapters by which messages reach Slack.
const (
	AdapterWebAPI  = "webapi"
	AdapterWebhook = "webhook"
)

// New registers the metrics.
func New(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_deliveries_total",
			Help: "Attempts to deliver a message to one recipient, by outcome (delivered, edited, retried, failed) and adapter (webapi, webhook).",
		}, []string{"outcome", "adapter"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "slack_notifier_delivery_latency_seconds",
			Help:    "Seconds from the creation of a SlackNotification until Slack took the message, for each recipient.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600},
		}, []string{"adapter"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_slack_calls_total",
			Help: "Calls to Slack, by method and answer (ok, Slack's error code, http_<status>, other, no_answer).",
		}, []string{"method", "answer"}),
		callTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "slack_notifier_slack_call_duration_seconds",
			Help:    "Seconds that calls to Slack took, by method.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 9),
		}, []string{"method"}),
	}
	reg.MustRegister(m.deliveries, m.latency, m.calls, m.callTime)
	m.start()
	return m
}

// refused are the answers to auth.test by which a token is good for nothing.
var refused = []string{"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"}

// start has the series that can be foreseen begin at 0. Prometheus sees no
// increase in a counter that appears with the value 1, so that an alert would miss
// the first failure after each start
// (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics).
// Of Slack's answers these are the ones that every call can have, and those that
// an alert asks for; another error code begins with its first call.
func (m *Metrics) start() {
	for _, adapter := range []string{AdapterWebAPI, AdapterWebhook} {
		for _, outcome := range []string{OutcomeDelivered, OutcomeEdited, OutcomeRetried, OutcomeFailed} {
			m.deliveries.WithLabelValues(outcome, adapter)
		}
		m.latency.WithLabelValues(adapter)
	}
	for _, code := range refused {
		m.calls.WithLabelValues(slack.MethodAuthTest, code)
	}
	for _, method := range slack.Methods {
		for _, answer := range []string{slack.AnswerOK, slack.AnswerRateLimited, slack.AnswerNone, slack.AnswerOther} {
			m.calls.WithLabelValues(method, answer)
		}
	}
}

// Call counts a call to Slack; it is a slack.Observer.
func (m *Metrics) Call(method, answer string, took time.Duration) {
	m.calls.WithLabelValues(method, answer).Inc()
	m.callTime.WithLabelValues(method).Observe(took.Seconds())
}

// Attempt counts an attempt to deliver. sinceCreation counts with
// OutcomeDelivered alone.
func (m *Metrics) Attempt(outcome, adapter string, sinceCreation time.Duration) {
	m.deliveries.WithLabelValues(outcome, adapter).Inc()
	if outcome == OutcomeDelivered {
		m.latency.WithLabelValues(adapter).Observe(max(sinceCreation, 0).Seconds())
	}
}

// Gauges reads the present state of the directory and the queues whenever the
// metrics are collected.
type Gauges struct {
	Directory func() []directory.Stat
	Queues    func() pacing.Stats
	// Waiting counts notifications that are not delivered yet.
	Waiting func() int
	// Posts and Methods tell which part of Slack's limits is taken now.
	Posts, Methods func(now time.Time) pacing.Parts
	Now            func() time.Time
}

var (
	entriesDesc = prometheus.NewDesc("slack_notifier_directory_entries",
		"Users and conversations that are known, by workspace and list.", []string{"workspace", "list"}, nil)
	ageDesc = prometheus.NewDesc("slack_notifier_directory_age_seconds",
		"Age of the last complete list, by workspace and list.", []string{"workspace", "list"}, nil)
	waitingDesc = prometheus.NewDesc("slack_notifier_notifications_waiting",
		"SlackNotifications that this process is still to deliver.", nil, nil)
	queuedDesc = prometheus.NewDesc("slack_notifier_deliveries_queued",
		"Deliveries that wait for their turn within Slack's limits.", nil, nil)
	inFlightDesc = prometheus.NewDesc("slack_notifier_deliveries_in_flight",
		"Messages that are being posted.", nil, nil)
	partDesc = prometheus.NewDesc("slack_notifier_slack_limit_part",
		"Part of Slack's limit for a method that this process takes, 1 for all of it: less when 429s tell that others call for the same app, or by --slack-limits-share. Of several workspaces or conversations the least.",
		[]string{"method", "counted_by"}, nil)
)

type listLabels struct{ workspace, list string }

// byLabel adds up the lists that have the same labels; the oldest tells the age.
func byLabel(stats []directory.Stat) map[listLabels]directory.Stat {
	out := map[listLabels]directory.Stat{}
	for _, s := range stats {
		key := listLabels{s.Workspace.Label(), s.List}
		sum := out[key]
		sum.Entries += s.Entries
		if sum.LoadedAt.IsZero() || !s.LoadedAt.IsZero() && s.LoadedAt.Before(sum.LoadedAt) {
			sum.LoadedAt = s.LoadedAt
		}
		out[key] = sum
	}
	return out
}

// Describe implements prometheus.Collector.
func (g *Gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{entriesDesc, ageDesc, waitingDesc, queuedDesc, inFlightDesc, partDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *Gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for key, s := range byLabel(g.Directory()) {
		gauge(entriesDesc, float64(s.Entries), key.workspace, key.list)
		if !s.LoadedAt.IsZero() {
			gauge(ageDesc, g.Now().Sub(s.LoadedAt).Seconds(), key.workspace, key.list)
		}
	}
	queues := g.Queues()
	gauge(queuedDesc, float64(queues.Queued))
	gauge(inFlightDesc, float64(queues.InFlight))
	gauge(waitingDesc, float64(g.Waiting()))
	posts, methods := g.Posts(g.Now()), g.Methods(g.Now())
	gauge(partDesc, posts.Workspace, slack.MethodPostMessage, "workspace")
	gauge(partDesc, posts.Conversation, slack.MethodPostMessage, "conversation")
	for _, method := range slack.Methods {
		if part, ok := methods.Methods[method]; ok {
			gauge(partDesc, part, method, "workspace")
		}
	}
}
