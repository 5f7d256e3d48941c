// Package alertmanager reads what an Alertmanager posts to a webhook, keeps the
// state of an incident that is made of such posts, and says what a message
// tells of it when no template does.
//
// A post is a snapshot of a group of alerts, without a sequence: the same one
// comes again and again, two Alertmanagers of a cluster may both send it, and a
// late one may tell of an alert as firing that is known to be over. Merge
// makes one state of them, whatever the order.
//
// It does not keep the state, nor decide when an incident is opened: it is
// pure, without a Kubernetes client, HTTP or a clock.
package alertmanager

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// Status of an alert or a group.
type Status string

// The two states that Alertmanager knows.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// Limits of what is kept of a post. Strings are counted in bytes.
const (
	// MaxPayload is how large a post may be.
	MaxPayload = 1 << 20
	// maxDepth of its JSON. Alertmanager's own is 4.
	maxDepth = 16
	// maxAlerts of a post and of a state; more are counted only.
	maxAlerts = 200
	// maxPairs are labels, or annotations, of one alert.
	maxPairs = 40
	// maxKey of a label or annotation.
	maxKey = 128
	// maxLabel is how long a label's value may be.
	maxLabel = 512
	// maxAnnotation is how long an annotation's value may be.
	maxAnnotation = 2048
	// maxURL is how long an address may be; a cut one leads nowhere, so that a
	// longer one is left out.
	maxURL = 2048
	// maxGroupKey is how long the name of a group may be.
	maxGroupKey = 1024
)

// PayloadError says in one sentence why a post can't be read.
type PayloadError struct{ Reason string }

func (e *PayloadError) Error() string { return e.Reason }

// Payload is one post.
type Payload struct {
	// Receiver is the name of Alertmanager's receiver.
	Receiver string
	// Status of the whole group.
	Status Status
	// GroupKey names the group, the same in each Alertmanager of a cluster.
	GroupKey string
	// GroupLabels are what the group has in common by Alertmanager's group_by.
	GroupLabels map[string]string
	// CommonLabels and CommonAnnotations are what all alerts have in common.
	CommonLabels      map[string]string
	CommonAnnotations map[string]string
	// ExternalURL is the address of the Alertmanager.
	ExternalURL string
	// Truncated is how many alerts were left out, by Alertmanager or here.
	Truncated int
	// Alerts of the group, at most 200.
	Alerts []Alert
	// ReceivedAt may be set by who received it. It tells an alert that fires
	// again with its old start from a late post; see Merge.
	ReceivedAt time.Time
}

// Alert is one alert, as Alertmanager tells of it.
type Alert struct {
	// Fingerprint names the alert by its labels.
	Fingerprint string `json:"fingerprint"`
	// Status of the alert.
	Status Status `json:"status"`
	// StartsAt is when it began to fire.
	StartsAt time.Time `json:"startsAt,omitzero"`
	// EndsAt is when it was over; zero while it fires.
	EndsAt time.Time `json:"endsAt,omitzero"`
	// Labels, Annotations and GeneratorURL are missing in a state that would
	// be too large with them.
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// The JSON of a post; what is not named here is ignored.
type (
	wirePayload struct {
		Version           text              `json:"version"`
		GroupKey          text              `json:"groupKey"`
		Truncated         json.RawMessage   `json:"truncatedAlerts"`
		Status            text              `json:"status"`
		Receiver          text              `json:"receiver"`
		GroupLabels       pairs             `json:"groupLabels"`
		CommonLabels      pairs             `json:"commonLabels"`
		CommonAnnotations pairs             `json:"commonAnnotations"`
		ExternalURL       text              `json:"externalURL"`
		Alerts            []json.RawMessage `json:"alerts"`
	}
	wireAlert struct {
		Status       text  `json:"status"`
		Labels       pairs `json:"labels"`
		Annotations  pairs `json:"annotations"`
		StartsAt     text  `json:"startsAt"`
		EndsAt       text  `json:"endsAt"`
		GeneratorURL text  `json:"generatorURL"`
		Fingerprint  text  `json:"fingerprint"`
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

// Decode reads a post of version 4 of Alertmanager's webhook. Unknown fields
// and missing ones are tolerated; what is too long is shortened. The error is a
// *PayloadError.
func Decode(data []byte) (Payload, error) {
	if len(data) > MaxPayload {
		return Payload{}, &PayloadError{"the body is larger than 1 MiB; set max_alerts in Alertmanager's webhook_config"}
	}
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return Payload{}, &PayloadError{"the body's JSON is nested too deep for an Alertmanager webhook"}
	}
	var w wirePayload
	if err := json.Unmarshal(data, &w); err != nil {
		return Payload{}, &PayloadError{"the body is no JSON object of an Alertmanager webhook"}
	}
	// Grafana posts the same as version 1.
	if w.Version != "" && w.Version != "4" && w.Version != "1" {
		return Payload{}, &PayloadError{"the body is version " + clean(string(w.Version), 20) + " of Alertmanager's webhook; version 4 is known here"}
	}
	if len(w.Alerts) == 0 {
		return Payload{}, &PayloadError{`the body has no alerts: "alerts" is missing or empty`}
	}
	return w.payload()
}

func (w wirePayload) payload() (Payload, error) {
	p := Payload{
		Receiver:          clean(string(w.Receiver), maxLabel),
		GroupKey:          string(w.GroupKey),
		GroupLabels:       w.GroupLabels.bounded(maxLabel),
		CommonLabels:      w.CommonLabels.bounded(maxLabel),
		CommonAnnotations: w.CommonAnnotations.bounded(maxAnnotation),
		ExternalURL:       address(string(w.ExternalURL)),
		Truncated:         count(w.Truncated),
	}
	for i, raw := range w.Alerts {
		if i == maxAlerts {
			p.Truncated += len(w.Alerts) - i
			break
		}
		var a wireAlert
		if err := json.Unmarshal(raw, &a); err != nil {
			return Payload{}, &PayloadError{`the body is no Alertmanager webhook: "alerts" holds something that is no object`}
		}
		p.Alerts = append(p.Alerts, a.alert(status(string(w.Status), Firing)))
	}
	p.Status = statusOf(p.Alerts)
	if p.GroupKey == "" {
		p.GroupKey = p.ownGroupKey()
	}
	if len(p.GroupKey) > maxGroupKey {
		p.GroupKey = "sha256:" + digest(p.GroupKey)
	}
	p.GroupKey = clean(p.GroupKey, maxGroupKey)
	return p, nil
}

func (w wireAlert) alert(fallback Status) Alert {
	a := Alert{
		Fingerprint:  clean(string(w.Fingerprint), 64),
		Status:       status(string(w.Status), fallback),
		StartsAt:     moment(string(w.StartsAt)),
		Labels:       w.Labels.bounded(maxLabel),
		Annotations:  w.Annotations.bounded(maxAnnotation),
		GeneratorURL: address(string(w.GeneratorURL)),
	}
	if a.Status == Resolved {
		if a.EndsAt = moment(string(w.EndsAt)); a.EndsAt.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt
		}
	}
	if a.Fingerprint == "" {
		a.Fingerprint = fingerprint(a.Labels)
	}
	return a
}

// fingerprint is what Alertmanager makes of the labels, so that a post without
// it tells of the same alert.
func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(flat(labels))) // never fails
	return fmt.Sprintf("%016x", h.Sum64())
}

// Only returns the post with a part of its alerts, for a rule that groups them
// by itself.
func (p Payload) Only(alerts []Alert) Payload {
	p.Alerts, p.Status = alerts, statusOf(alerts)
	p.CommonLabels = common(alerts, func(a Alert) map[string]string { return a.Labels })
	p.CommonAnnotations = common(alerts, func(a Alert) map[string]string { return a.Annotations })
	return p
}

// ownGroupKey names a group that comes without a name, which Alertmanager's
// does not.
func (p Payload) ownGroupKey() string {
	switch {
	case len(p.GroupLabels) > 0:
		return p.Receiver + ":" + flat(p.GroupLabels)
	case len(p.CommonLabels) > 0:
		return p.Receiver + ":" + flat(p.CommonLabels)
	}
	var all []string
	for _, a := range p.Alerts {
		all = append(all, a.Fingerprint)
	}
	slices.Sort(all)
	return p.Receiver + ":" + strings.Join(all, ",")
}

func status(s string, fallback Status) Status {
	switch Status(strings.ToLower(s)) {
	case Firing:
		return Firing
	case Resolved:
		return Resolved
	}
	return fallback
}

func statusOf(alerts []Alert) Status {
	for _, a := range alerts {
		if a.Status == Firing {
			return Firing
		}
	}
	return Resolved
}

func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
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

// bounded keeps the first pairs in the order of their names.
func (p pairs) bounded(maxValue int) map[string]string {
	if len(p) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if len(out) == maxPairs {
			break
		}
		out[clean(key, maxKey)] = clean(string(p[key]), maxValue)
	}
	return out
}
