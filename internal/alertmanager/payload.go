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
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
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
	// MaxPayload is how large a post may be that is decoded at once.
	MaxPayload = 1 << 20
	// maxDepth of its JSON. Alertmanager's own is 4.
	maxDepth = 16
	// maxKnown alerts of a post that fire, and as many that are over, are known
	// one by one; more are counted only.
	maxKnown = 5000
	// maxAlerts of a state; more that fire are known by a hash, or counted.
	maxAlerts = 200
	// maxFingerprint of an alert. Alertmanager's own has 16.
	maxFingerprint = 32
	// maxTaken are the labels, or annotations, that are read of an alert.
	maxTaken = 2000
	// maxPairs are those that are kept of it.
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
	// maxGrafanaValues of an alert.
	maxGrafanaValues = 20
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
	// Grafana is true for what a Grafana has posted.
	Grafana bool
	// Organisation of a Grafana, by its ID.
	Organisation string
	// Truncated is how many alerts the sender left out, or were too large to be
	// read: nothing is known of them.
	Truncated int
	// More is how many alerts are in the post that fire and are not in Alerts,
	// and MoreResolved how many that are over.
	More, MoreResolved int
	// Alerts of the group, at most 5000 that fire and 5000 that are over. Their
	// labels and annotations are missing where they would take too much memory.
	Alerts []Alert
	// fellows are hashes of all alerts of the post, in their order; see Only.
	fellows []uint32
	// Over is when the last of the alerts ended that the post names as over.
	Over time.Time
	// Size of the post in bytes, and whether it was read to its end.
	Size    int64
	Partial bool
	// ReceivedAt may be set by who received it. It tells how old news are.
	ReceivedAt time.Time
	// Within may be set to have the state know when an alert was last told of,
	// to a tenth of it: the time after which it counts as over; see Expire.
	Within time.Duration
	// SilencedUntil may be set to the time until which alerts of the group may have been
	// silenced. What a post from before that leaves out is no evidence.
	SilencedUntil time.Time
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
	// Worst is the severity, which is known for longer than the labels.
	Worst v1alpha1.Severity `json:"severity,omitempty"`
	// Labels, and all that follows, are missing in a state that would be too
	// large with them.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Shortened is true when not all labels are here as they were sent.
	Shortened    bool   `json:"shortened,omitempty"`
	GeneratorURL string `json:"generatorURL,omitempty"`
	// Pages of Grafana, and the numbers that its expressions had.
	SilenceURL   string            `json:"silenceURL,omitempty"`
	DashboardURL string            `json:"dashboardURL,omitempty"`
	PanelURL     string            `json:"panelURL,omitempty"`
	Values       map[string]string `json:"values,omitempty"`
	ValueString  string            `json:"valueString,omitempty"`
}

// strip leaves what tells an alert from others.
func (a Alert) strip() Alert {
	return Alert{Fingerprint: a.Fingerprint, Status: a.Status, StartsAt: a.StartsAt, EndsAt: a.EndsAt, Worst: a.Worst}
}

// Decode reads a post of version 4 of Alertmanager's webhook. Unknown fields
// and missing ones are tolerated; what is too long is shortened. The error is a
// *PayloadError.
func Decode(data []byte) (Payload, error) {
	if len(data) > MaxPayload {
		return Payload{}, &PayloadError{"the body is larger than 1 MiB; set max_alerts in Alertmanager's webhook_config"}
	}
	data = boundedjson.Text(data)
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return Payload{}, tooDeep()
	}
	if !json.Valid(data) {
		return Payload{}, noObject()
	}
	r := newReader()
	r.parts.write(data)
	return r.payload(int64(len(data)))
}

func tooDeep() error {
	return &PayloadError{"the body's JSON is nested too deep for an Alertmanager webhook"}
}

func noObject() error {
	return &PayloadError{"the body is no JSON object of an Alertmanager webhook"}
}

// Split has parts of the post know which alerts it names in all; see Only.
func (p Payload) Split() Payload {
	p.fellows = nil
	for _, a := range p.Alerts {
		p.fellows = append(p.fellows, hashOf(a.Fingerprint))
	}
	slices.Sort(p.fellows)
	return p
}

// Only returns the post with a part of its alerts, for a rule that groups them
// by itself. What is known of the whole post stays.
func (p Payload) Only(alerts []Alert) Payload {
	p.Alerts = alerts
	p.CommonLabels = common(alerts, func(a Alert) map[string]string { return a.Labels })
	p.CommonAnnotations = common(alerts, func(a Alert) map[string]string { return a.Annotations })
	return p
}

// Complete reports whether the post names each alert of its group, so that one
// that it does not name is not in the group.
func (p Payload) Complete() bool {
	return !p.Partial && p.Truncated == 0 && p.More == 0 && p.MoreResolved == 0
}

// sender names who posts: one receiver of one Alertmanager, or of one
// organisation of a Grafana, for one group.
func (p Payload) sender() string {
	parts := []string{p.Receiver, p.ExternalURL, p.Organisation, p.GroupKey}
	return digest(strings.Join(parts, "\x00"))[:12]
}

// fingerprint is what Alertmanager makes of the labels, so that a post without
// it tells of the same alert.
func fingerprint(labels pairs) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(flat(labels))) // never fails
	return fmt.Sprintf("%016x", h.Sum64())
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
