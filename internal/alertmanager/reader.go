package alertmanager

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// Memory that a post may take beside its bytes, counted as the bytes of labels
// and annotations.
const (
	roomFiring   = 3 << 20
	roomResolved = 512 << 10
	// maxAnnotated alerts that fire have their annotations.
	maxAnnotated = 2 * maxDetailed
)

// Reader reads a post that comes in pieces, however large, in some 5 MiB.
type Reader struct {
	text  boundedjson.Decoder
	parts splitter
	size  int64

	fields map[string][]byte
	// alerts of which nothing says that they are over, and those that are.
	firing, resolved []Alert
	// rest are the alerts that found no place.
	rest struct{ firing, resolved, unread int }
	room struct{ firing, resolved int }
	// odd is true when the list holds something else than objects, and noList
	// when there is something else in its place.
	odd, noList bool
}

// NewReader returns a Reader of one post.
func NewReader() *Reader { return newReader() }

// fieldsOf a post that are looked at.
var fieldsOf = []string{
	"version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "orgId",
}

func newReader() *Reader {
	r := &Reader{fields: map[string][]byte{}}
	r.room.firing, r.room.resolved = roomFiring, roomResolved
	r.parts.field = func(key string, value []byte) {
		at := slices.IndexFunc(fieldsOf, func(name string) bool { return strings.EqualFold(name, key) })
		switch {
		case at >= 0:
			r.fields[fieldsOf[at]] = slices.Clone(value)
		case strings.EqualFold(key, "alerts") && string(value) != "null":
			r.noList = true
		}
	}
	r.parts.alert = r.alert
	return r
}

// Write takes the next piece. It never fails.
func (r *Reader) Write(piece []byte) (int, error) {
	r.size += int64(len(piece))
	r.parts.write(r.text.Decode(piece))
	return len(piece), nil
}

// Payload is the post when nothing more comes. It is Partial if its end is
// missing. The error is a *PayloadError.
func (r *Reader) Payload() (Payload, error) {
	r.parts.write(r.text.Close())
	return r.payload(r.size)
}

// alert takes an alert of the list; nil is one that is too large.
func (r *Reader) alert(raw []byte) {
	if raw == nil {
		r.rest.unread++
		return
	}
	if raw[0] != '{' {
		r.odd = true
		return
	}
	a, ok := decodeAlert(raw)
	switch {
	case !ok:
		r.rest.unread++
	case a.Status == Resolved && len(r.resolved) == maxKnown:
		r.rest.resolved++
	case a.Status == Resolved:
		r.resolved = append(r.resolved, afford(a, &r.room.resolved, false))
	case len(r.firing) == maxKnown:
		r.rest.firing++
	default:
		r.firing = append(r.firing, afford(a, &r.room.firing, len(r.firing) >= maxAnnotated))
	}
}

// afford drops what there is no room for: the annotations first, then labels that
// do not say what the alert is, then all.
func afford(a Alert, room *int, brief bool) Alert {
	steps := []func(){
		func() { a.Annotations, a.Values, a.ValueString = nil, nil, "" },
		func() {
			maps.DeleteFunc(a.Labels, func(name, _ string) bool { return !slices.Contains(deciding, name) })
			a.Shortened = true
		},
		func() { a = a.strip() },
	}
	if brief {
		steps[0]()
	}
	for a.size() > *room && len(steps) > 0 {
		steps[0]()
		steps = steps[1:]
	}
	*room -= a.size()
	return a
}

// size is about how many bytes the labels and what else is optional take.
func (a Alert) size() int {
	n := len(a.GeneratorURL) + len(a.SilenceURL) + len(a.DashboardURL) + len(a.PanelURL) + len(a.ValueString)
	for _, m := range []map[string]string{a.Labels, a.Annotations, a.Values} {
		for key, value := range m {
			n += len(key) + len(value) + 32
		}
	}
	return n
}

func (r *Reader) payload(size int64) (Payload, error) {
	if err := r.wrong(); err != nil {
		return Payload{}, err
	}
	p := Payload{
		Receiver:     clean(r.field("receiver"), maxLabel),
		GroupKey:     r.field("groupKey"),
		ExternalURL:  address(r.field("externalURL")),
		Organisation: clean(r.field("orgId"), maxFingerprint),
		Truncated:    count(json.RawMessage(r.fields["truncatedAlerts"])) + r.rest.unread,
		More:         r.rest.firing, MoreResolved: r.rest.resolved,
		Size: size, Partial: !r.parts.complete(),
	}
	p.GroupLabels, _ = pairsOf(r.fields["groupLabels"]).bounded(maxLabel)
	p.CommonLabels, _ = pairsOf(r.fields["commonLabels"]).bounded(maxLabel)
	p.CommonAnnotations, _ = pairsOf(r.fields["commonAnnotations"]).bounded(maxAnnotation)
	r.settle(&p)
	if len(p.Alerts) == 0 && p.Truncated == 0 && !p.Partial {
		return Payload{}, &PayloadError{`the body has no alerts: "alerts" is missing or empty`}
	}
	p.Grafana = r.field("version") == "1" || p.Organisation != "" || slices.ContainsFunc(p.Alerts, Alert.ofGrafana)
	if p.GroupKey == "" && !p.Partial {
		p.GroupKey = p.ownGroupKey()
	}
	if len(p.GroupKey) > maxGroupKey {
		p.GroupKey = "sha256:" + digest(p.GroupKey)
	}
	p.GroupKey = clean(p.GroupKey, maxGroupKey)
	return p, nil
}

// wrong says why what was read is no post of an Alertmanager.
func (r *Reader) wrong() error {
	switch {
	case r.parts.where == broken || r.parts.where == beforeObject || r.noList:
		return noObject()
	case r.odd:
		return &PayloadError{`the body is no Alertmanager webhook: "alerts" holds something that is no object`}
	case r.parts.deepest >= maxDepth:
		return tooDeep()
	}
	// Grafana posts the same as version 1.
	if version := r.field("version"); version != "" && version != "4" && version != "1" {
		return &PayloadError{"the body is version " + oneLine(clean(version, 20)) + " of Alertmanager's webhook; version 4 is known here"}
	}
	return nil
}

func (a Alert) ofGrafana() bool {
	return a.SilenceURL != "" || a.DashboardURL != "" || a.PanelURL != ""
}

// settle gives each alert its status, which may be the group's, and the group
// its own: an alert that fires has it fire.
func (r *Reader) settle(p *Payload) {
	said := status(r.field("status"), "")
	p.Status = said
	firing := r.rest.firing > 0
	for _, list := range [][]Alert{r.firing, r.resolved} {
		for _, a := range list {
			if a.Status == "" {
				a.Status = status(string(said), Firing)
			}
			if a.Status == Firing {
				firing, a.EndsAt = true, time.Time{}
			} else if a.EndsAt.Before(a.StartsAt) {
				a.EndsAt = a.StartsAt
			}
			if a.Status == Resolved && a.EndsAt.After(p.Over) {
				p.Over = a.EndsAt
			}
			p.Alerts = append(p.Alerts, a)
		}
	}
	switch {
	case firing:
		p.Status = Firing
	case said == "":
		p.Status = Resolved
		if len(p.Alerts) == 0 {
			p.Status = Firing
		}
	}
}

// field is a text of the top level.
func (r *Reader) field(name string) string {
	if raw, ok := r.fields[name]; ok {
		return string(unquoted(raw))
	}
	return ""
}
