package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slack/webhook"
)

// Whatever a server answers, and whatever workspaces it claims to be, the operator
// has few time series of it.
func TestFewSeriesOfAHostileServer(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := n.Add(1)
		if strings.HasPrefix(r.URL.Path, "/services/") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "code_%d", i)
			return
		}
		w.WriteHeader(http.StatusOK)
		_, _ = fmt.Fprintf(w, `{"ok":false,"error":"code_%d"}`, i)
	}))
	defer server.Close()
	allow, err := egress.NewAllowList([]string{strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	client, err := egress.NewClient(egress.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	meter := New(registry)
	atStart := count(t, registry)
	api, err := webapi.New(webapi.Options{Token: "xoxb-1", APIURL: server.URL + "/api/", Client: client, Observe: meter.Call})
	if err != nil {
		t.Fatal(err)
	}
	url, err := webhook.ParseURL(server.URL+"/services/T0/B0/x", allow)
	if err != nil {
		t.Fatal(err)
	}
	hook := webhook.New(webhook.Options{URL: url, Client: client, Observe: meter.Call})
	lanes, limiter := pacing.NewLanes(time.Unix(0, 0), pacing.LaneOptions{}), pacing.NewLimiter(pacing.LimiterOptions{})
	var stats []directory.Stat
	for i := range 1000 {
		_, _ = api.AuthTest(t.Context())
		_, _ = hook.Post(t.Context(), "", slack.Message{Text: "x"})
		claimed := slack.PrivateDomain(fmt.Sprint("ns", i)).Workspace(fmt.Sprint("T", i), "U1")
		lanes.PenalizePost(time.Unix(900, 0), pacing.Lane{Workspace: claimed, Conversation: "C1"}, time.Second)
		limiter.Penalize(time.Unix(900, 0), claimed, slack.MethodUpdate, time.Second)
		limiter.Penalize(time.Unix(900, 0), claimed, fmt.Sprint("method.", i), time.Second)
		stats = append(stats,
			directory.Stat{Workspace: slack.PrivateDomain(fmt.Sprint("ns", i)).Workspace(fmt.Sprint("T", i), ""), List: "users", Entries: 1, LoadedAt: time.Unix(int64(i), 0)},
			directory.Stat{Workspace: slack.SharedDomain().Workspace(fmt.Sprint("no ID ", i), ""), List: "users", Entries: 1})
	}
	stats = append(stats, directory.Stat{Workspace: slack.SharedDomain().Workspace("T0123", ""), List: "users", Entries: 7, LoadedAt: time.Unix(5, 0)})
	registry.MustRegister(&Gauges{
		Directory: func() []directory.Stat { return stats }, Queues: func() pacing.Stats { return pacing.Stats{} },
		Waiting: func() int { return 0 }, Posts: lanes.Parts, Methods: limiter.Parts, Now: func() time.Time { return time.Unix(1000, 0) },
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series, entries := -atStart, map[string]float64{}
	for _, f := range families {
		series += len(f.GetMetric())
		for _, m := range f.GetMetric() {
			if f.GetName() == "slack_notifier_directory_entries" {
				entries[m.GetLabel()[1].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	t.Logf("%d series more than the %d at the start", series, atStart)
	if series >= 60 {
		t.Errorf("%d series more than at the start, want fewer than 60", series)
	}
	if entries["T0123"] != 7 || entries[slack.LabelPrivate] != 1000 || entries[slack.LabelOther] != 1000 {
		t.Errorf("entries by workspace %v, want 7 of Slack's own and 1000 of each of the others together", entries)
	}
}

// count is how many series a registry has.
func count(t *testing.T, registry *prometheus.Registry) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}
