package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sockets counts the connections to Slack apps by Socket Mode, and what comes over
// them.
type Sockets struct {
	frames       *prometheus.CounterVec
	connections  prometheus.Gauge
	disconnected *prometheus.CounterVec
}

// NewSockets registers the metrics.
func NewSockets(reg prometheus.Registerer) *Sockets {
	m := &Sockets{
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_socket_frames_total",
			Help: "What Slack sent over sockets, by outcome (acked: taken and acknowledged; not_taken, late, ack_failed, overload: not acknowledged, so that the person sees a warning; ignored: no press, acknowledged; odd, too_large: nothing that Slack documents).",
		}, []string{"outcome"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "slack_notifier_socket_connections",
			Help: "Connections to Slack apps by Socket Mode that this process has open; one for each app, and two for a moment while one is replaced.",
		}),
		disconnected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slack_notifier_socket_disconnects_total",
			Help: "Connections by Socket Mode that ended, and attempts that came to nothing, by reason (Slack's: warning, refresh_requested, link_disabled, too_many_websockets, other; else refused, unreachable, no_hello, silent, closed, cut, renewed, stopped).",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.frames, m.connections, m.disconnected)
	begin(m.frames, "acked", "not_taken", "late", "ack_failed", "overload", "ignored", "odd", "too_large")
	begin(m.disconnected, "warning", "refresh_requested", "link_disabled", "too_many_websockets", "other",
		"refused", "unreachable", "no_hello", "silent", "closed", "cut", "renewed", "stopped")
	return m
}

// Frame counts what Slack sent over a socket.
func (m *Sockets) Frame(outcome string, _ time.Duration) { m.frames.WithLabelValues(outcome).Inc() }

// Connections adds to the number of open connections.
func (m *Sockets) Connections(change int) { m.connections.Add(float64(change)) }

// Disconnected counts the end of a connection.
func (m *Sockets) Disconnected(reason string) { m.disconnected.WithLabelValues(reason).Inc() }
