package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/slack-notifier/slack-notifier/internal/version"
)

// Build is slack_notifier_build_info, which is always 1 and whose labels tell
// what runs.
func Build(info version.Info) prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "slack_notifier_build_info",
		Help:        "Always 1; the labels are the version, the commit (revision) and the version of Go.",
		ConstLabels: prometheus.Labels{"version": info.Version, "revision": info.Revision, "goversion": info.Go},
	})
	build.Set(1)
	return build
}
