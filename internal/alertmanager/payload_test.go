package alertmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// example is the post that Alertmanager's documentation shows.
const example = `{
  "version": "4", "groupKey": "{}:{alertname=\"HighLoad\"}", "truncatedAlerts": 2, "status": "firing", "receiver": "slack",
  "groupLabels": {"alertname": "HighLoad"}, "commonLabels": {"alertname": "HighLoad", "severity": "critical"},
  "commonAnnotations": {"runbook_url": "https://example.com/runbook"}, "externalURL": "http://alertmanager:9093", "new": {"in": ["version", 5]},
  "alerts": [
    {"status": "firing", "labels": {"alertname": "HighLoad", "severity": "critical", "pod": "web-0"}, "annotations": {"summary": "Load is high"},
     "startsAt": "2026-11-24T08:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph?g0.expr=up", "fingerprint": "aaaa"},
    {"status": "resolved", "labels": {"alertname": "HighLoad", "severity": "critical", "pod": "web-1"},
     "startsAt": "2026-11-24T08:00:00Z", "endsAt": "2026-11-24T08:05:00Z", "fingerprint": "bbbb"}
  ]}`

func TestDecode(t *testing.T) {
	p, err := Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if p.GroupKey != `{}:{alertname="HighLoad"}` || p.Truncated != 2 || p.Status != Firing || p.Receiver != "slack" ||
		p.ExternalURL != "http://alertmanager:9093" || p.CommonLabels["severity"] != "critical" || len(p.Alerts) != 2 {
		t.Errorf("%+v", p)
	}
	a := p.Alerts[0]
	if a.Fingerprint != "aaaa" || a.Status != Firing || !a.StartsAt.Equal(time.Date(2026, 11, 24, 8, 0, 0, 123e6, time.UTC)) ||
		!a.EndsAt.IsZero() || a.Labels["pod"] != "web-0" || a.Annotations["summary"] != "Load is high" || a.GeneratorURL == "" {
		t.Errorf("%+v", a)
	}
	if b := p.Alerts[1]; b.Status != Resolved || b.EndsAt.Sub(b.StartsAt) != 5*time.Minute {
		t.Errorf("%+v", b)
	}
}

// What is missing or odd is no reason to lose an alert.
func TestDecodeTolerates(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want func(Payload) bool
	}{
		"one bare alert": {`{"alerts":[{}]}`, func(p Payload) bool {
			return p.Alerts[0].Status == Firing && p.Alerts[0].Fingerprint != "" && p.GroupKey != ""
		}},
		"null everywhere":         {`{"alerts":[{"labels":null,"startsAt":null,"status":null}],"groupLabels":null,"status":null,"truncatedAlerts":null}`, func(p Payload) bool { return p.Status == Firing }},
		"numbers as labels":       {`{"alerts":[{"labels":{"port":80,"on":true,"x":{"y":1}}}]}`, func(p Payload) bool { return p.Alerts[0].Labels["port"] == "80" && p.Alerts[0].Labels["on"] == "true" }},
		"labels of another type":  {`{"alerts":[{"labels":[1,2],"annotations":"x","generatorURL":[]}]}`, func(p Payload) bool { return len(p.Alerts[0].Labels) == 0 }},
		"a time that is none":     {`{"alerts":[{"startsAt":"yesterday","endsAt":12}]}`, func(p Payload) bool { return p.Alerts[0].StartsAt.IsZero() }},
		"the group's status":      {`{"status":"resolved","alerts":[{}]}`, func(p Payload) bool { return p.Alerts[0].Status == Resolved && p.Status == Resolved }},
		"another status":          {`{"alerts":[{"status":"Suppressed"}]}`, func(p Payload) bool { return p.Alerts[0].Status == Firing }},
		"an end before the start": {`{"alerts":[{"status":"resolved","startsAt":"2026-11-24T08:00:00Z"}]}`, func(p Payload) bool { return p.Alerts[0].EndsAt.Equal(p.Alerts[0].StartsAt) }},
		"Grafana's version":       {`{"version":"1","orgId":1,"alerts":[{"values":{"A":1.5}}]}`, func(p Payload) bool { return len(p.Alerts) == 1 }},
		"an absurd count":         {`{"truncatedAlerts":-3,"alerts":[{}]}`, func(p Payload) bool { return p.Truncated == 0 }},
		"no safe addresses":       {`{"externalURL":"javascript:alert(1)","alerts":[{"generatorURL":"http://u:p@x/"}]}`, func(p Payload) bool { return p.ExternalURL == "" && p.Alerts[0].GeneratorURL == "" }},
		"control characters":      {`{"alerts":[{"labels":{"a\u0000b":"\u0007c\nd"}}]}`, func(p Payload) bool { return p.Alerts[0].Labels["ab"] == "c\nd" }},
		"a long group key":        {`{"groupKey":"` + strings.Repeat("k", 5000) + `","alerts":[{}]}`, func(p Payload) bool { return len(p.GroupKey) < 100 }},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Decode([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(p) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:                                    "no JSON object",
		`[]`:                                  "no JSON object",
		`{"alerts":{}}`:                       "no JSON object",
		`{}`:                                  "no alerts",
		`{"alerts":[]}`:                       "no alerts",
		`{"alerts":[1]}`:                      "no object",
		`{"version":"5","alerts":[{}]}`:       "version 5",
		strings.Repeat(`{"a":`, 20) + `1`:     "nested too deep",
		strings.Repeat(" ", MaxPayload) + ` `: "larger than 1 MiB",
	} {
		_, err := Decode([]byte(body))
		var refused *PayloadError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, not %q", body, err, want)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	var alerts []string
	for i := range 300 {
		alerts = append(alerts, fmt.Sprintf(`{"fingerprint":"f%d","labels":{"a":%q}}`, i, strings.Repeat("ä", 1000)))
	}
	p, err := Decode([]byte(`{"truncatedAlerts":5,"alerts":[` + strings.Join(alerts, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	value := p.Alerts[0].Labels["a"]
	if len(p.Alerts) != 300 || p.Truncated != 5 || len(value) > 512 || !utf8.ValidString(value) || !strings.HasSuffix(value, "…") {
		t.Errorf("%d alerts, %d truncated, %q", len(p.Alerts), p.Truncated, value)
	}
}

// Whatever is posted, the state fits into an annotation, and the message into
// a SlackNotification.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"alerts":[{"labels":{"a":"<!here>","alertname":"<@U1>"},"annotations":{"summary":"*","description":"|>"},"generatorURL":"http://x/|>"}]}`))
	f.Add([]byte(`{"alerts":[{"status":"resolved","endsAt":"9999-12-31T23:59:59Z"},{"startsAt":"2026-11-24T08:00:00+14:00"}],"externalURL":"https://[::1]/#/x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			var refused *PayloadError
			if !errors.As(err, &refused) || refused.Reason == "" || strings.Contains(refused.Reason, "\n") {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		s, _ := Merge(State{}, p)
		checkState(t, s)
		if again, changed := Merge(s, p); changed {
			t.Errorf("the same post again changes the state:\n%+v\n%+v", s, again)
		}
	})
}

func checkState(t *testing.T, s State) {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 180<<10 {
		t.Errorf("a state of %d bytes", len(data))
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	checkContent(t, DefaultContent(s))
	if a, b := DefaultContent(s), DefaultContent(back); a.Title != b.Title || a.Text != b.Text {
		t.Errorf("the stored state says %q, not %q", b.Text, a.Text)
	}
	if _, err := json.Marshal(s.Data()); err != nil {
		t.Error(err)
	}
}
