package alertmanager

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// filterOf is the filter of the page for a new silence.
func filterOf(t *testing.T, page string) string {
	t.Helper()
	_, query, _ := strings.Cut(page, "?filter=")
	filter, err := url.PathUnescape(query)
	if err != nil {
		t.Fatal(err)
	}
	return filter
}

// grafanaAlert is an alert as Grafana posts it.
func grafanaAlert(name, more string) string {
	return `{"status":"firing","labels":{"alertname":"Slow","host":"` + name + `"},"startsAt":"2025-01-10T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"` + name + `",
		"silenceURL":"https://grafana.example.com/alerting/silence/new?alertmanager=grafana&matcher=host%3D` + name + `","dashboardURL":"https://grafana.example.com/d/x",
		"panelURL":"https://grafana.example.com/d/x?viewPanel=2","values":{"A":1.5,"B":2},"valueString":"[ var='A' value=1.5 ]"` + more + `}`
}

// Grafana names its own pages, and has none of Alertmanager's.
func TestGrafana(t *testing.T) {
	for name, test := range map[string]struct {
		alerts        string
		want, without []string
	}{
		"one alert": {grafanaAlert("a", `,"generatorURL":"https://grafana.example.com/alerting/grafana/abc/view"`), []string{
			"<https://grafana.example.com/alerting/silence/new?alertmanager=grafana&amp;matcher=host%3Da|Silence>", "<https://grafana.example.com/d/x|Dashboard>",
			"<https://grafana.example.com/d/x?viewPanel=2|Panel>", "<https://grafana.example.com/alerting/grafana/abc/view|Source>"}, nil},
		"two alerts":                  {grafanaAlert("a", "") + "," + grafanaAlert("b", ""), []string{"|Dashboard>", "|Panel>"}, []string{"Silence"}},
		"a source that is no address": {grafanaAlert("a", `,"generatorURL":"?orgId=1"`), []string{"|Silence>"}, []string{"Source", "orgId"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Decode([]byte(`{"version":"1","orgId":1,"groupKey":"{}/{}:{alertname=\"Slow\"}","status":"firing","externalURL":"https://grafana.example.com/","alerts":[` + test.alerts + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			s, _ := Merge(State{}, p)
			checkState(t, s)
			text := DefaultContent(s).Text
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s is missing in %s", want, text)
				}
			}
			for _, without := range append(test.without, "/#/", "Alertmanager") {
				if strings.Contains(text, without) {
					t.Errorf("%s is in %s", without, text)
				}
			}
			a := s.Data()["alerts"].([]any)[0].(map[string]any)
			if a["valueString"] != "[ var='A' value=1.5 ]" || a["values"].(map[string]any)["A"] != "1.5" || s.Data()["panelURL"] == "" {
				t.Errorf("templates see %v", a)
			}
		})
	}
}

func TestMoments(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2025-01-10T18:00:00+08:00":            time.Date(2025, 1, 10, 10, 0, 0, 0, time.UTC),
		"2025-01-10T10:00:00.123456789Z":       time.Date(2025, 1, 10, 10, 0, 0, 123456789, time.UTC),
		"2025-01-10T05:30:00.5-04:30":          time.Date(2025, 1, 10, 10, 0, 0, 5e8, time.UTC),
		" 2025-01-10T10:00:00Z ":               time.Date(2025, 1, 10, 10, 0, 0, 0, time.UTC),
		"0001-01-01T00:00:00Z":                 {},
		"9999-12-31T23:59:59Z":                 {},
		"2025-01-10 10:00:00 +0000 UTC m=+0.1": {},
		"":                                     {},
	} {
		if got := moment(text); !got.Equal(want) {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
	p, err := Decode([]byte(`{"alerts":[{"status":"firing","startsAt":"2025-01-10T18:00:00+08:00","endsAt":"0001-01-01T00:00:00Z"},{"status":"firing","startsAt":"2025-01-10T18:00:00.000000001+08:00","endsAt":"2025-01-10T18:05:00+08:00","labels":{"a":"b"}}]}`))
	if err != nil || p.Status != Firing || !p.Alerts[0].EndsAt.IsZero() || !p.Alerts[1].EndsAt.IsZero() {
		t.Errorf("%v: %+v", err, p)
	}
}
