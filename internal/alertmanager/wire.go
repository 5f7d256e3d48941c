package alertmanager

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// The JSON of a post; what is not named here is ignored.
type (
	wireAlert struct {
		Status       text            `json:"status"`
		Labels       pairs           `json:"labels"`
		Annotations  pairs           `json:"annotations"`
		StartsAt     text            `json:"startsAt"`
		EndsAt       text            `json:"endsAt"`
		GeneratorURL text            `json:"generatorURL"`
		Fingerprint  text            `json:"fingerprint"`
		SilenceURL   text            `json:"silenceURL"`
		DashboardURL text            `json:"dashboardURL"`
		PanelURL     text            `json:"panelURL"`
		Values       json.RawMessage `json:"values"`
		ValueString  text            `json:"valueString"`
	}
	// text takes numbers and the like as they are written, because a post that
	// is refused is an alert that nobody sees.
	text string
	// pairs are labels or annotations.
	pairs map[string]text
)

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	switch {
	case string(data) == "null":
		return nil
	case json.Unmarshal(data, &s) == nil:
		*t = text(s)
	default:
		*t = text(data)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *pairs) UnmarshalJSON(data []byte) error {
	var m map[string]text
	if json.Unmarshal(data, &m) == nil {
		*p = m
	}
	return nil
}

func unquoted(data []byte) text {
	var t text
	_ = t.UnmarshalJSON(data) // takes anything
	return t
}

func pairsOf(data []byte) pairs {
	var p pairs
	_ = p.UnmarshalJSON(data) // takes anything
	return p
}

// maxValues of an alert; more are too large to be read.
const maxValues = 20_000

// decodeAlert reads one alert. Its status may be missing.
func decodeAlert(raw []byte) (a Alert, ok bool) {
	var w wireAlert
	if boundedjson.Values(raw, maxValues) > maxValues || json.Unmarshal(raw, &w) != nil {
		return Alert{}, false
	}
	a = Alert{
		Fingerprint:  identifier(string(w.Fingerprint)),
		Status:       status(string(w.Status), ""),
		StartsAt:     moment(string(w.StartsAt)),
		GeneratorURL: address(string(w.GeneratorURL)),
		SilenceURL:   address(string(w.SilenceURL)),
		DashboardURL: address(string(w.DashboardURL)),
		PanelURL:     address(string(w.PanelURL)),
		Values:       values(w.Values),
		ValueString:  clean(string(w.ValueString), maxLabel),
		EndsAt:       moment(string(w.EndsAt)),
	}
	if a.Fingerprint == "" {
		a.Fingerprint = fingerprint(w.Labels)
	}
	a.Labels, a.Shortened = w.Labels.bounded(maxLabel)
	a.Worst = severity(first(a.Labels, severityLabels...))
	a.Annotations, _ = w.Annotations.bounded(maxAnnotation)
	return a, true
}

// identifier is a name that is told apart by all of its bytes, however long.
func identifier(s string) string {
	if len(s) > maxFingerprint {
		return digest(s)[:maxFingerprint]
	}
	return clean(s, maxFingerprint)
}

// values are the numbers that Grafana's expressions had.
func values(raw []byte) map[string]string {
	p := pairsOf(raw)
	if len(p) > maxGrafanaValues {
		return nil
	}
	out, _ := p.bounded(maxKey)
	return out
}

func status(s string, fallback Status) Status {
	switch Status(strings.ToLower(strings.TrimSpace(s))) {
	case Firing:
		return Firing
	case Resolved:
		return Resolved
	case "":
		return fallback
	}
	if fallback == "" {
		return Firing // a word that is not known is no end
	}
	return fallback
}

func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(s))
	if err != nil || t.Year() < 1970 || t.Year() > 9998 { // Alertmanager's zero is the year 1
		return time.Time{}
	}
	return t.UTC()
}

func count(raw json.RawMessage) int {
	var n int
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return min(max(n, 0), 1_000_000)
}

// bounded keeps at most maxTaken pairs, those that matter first, and reports
// whether anything was dropped, shortened or changed by that.
func (p pairs) bounded(maxValue int) (out map[string]string, changed bool) {
	if len(p) == 0 {
		return nil, false
	}
	out = map[string]string{}
	for _, key := range ordered(maps.Keys(p), nil) {
		if len(out) == maxTaken {
			return out, true
		}
		value := string(p[key])
		k, v := clean(key, maxKey), clean(value, maxValue)
		changed = changed || k != key || v != value
		out[k] = v
	}
	return out, changed
}
