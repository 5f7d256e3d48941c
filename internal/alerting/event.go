package alerting

import (
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Event is a Kubernetes Event in the form of events.k8s.io/v1.
type Event struct {
	// UID of the Event, and its ResourceVersion.
	UID, ResourceVersion string
	// Count of its occurrences.
	Count int64
	// LastSeen is when it occurred last, as its sender tells.
	LastSeen time.Time
	// Created is when the API server has stored it first.
	Created time.Time
	// Type, Reason and Message.
	Type, Reason, Message string
	// Kind, Namespace and Name of the object that it is about.
	Kind, Namespace, Name string
	// Fields are those of a v1 Event, for expressions and templates.
	Fields map[string]any
}

// ReadEvent reads an object of events.k8s.io/v1, which old and new senders
// fill differently: the new ones have a series, the old ones a count.
func ReadEvent(o map[string]any) Event {
	meta := child(o, "metadata")
	series := child(o, "series")
	e := Event{
		UID: text(meta, "uid"), ResourceVersion: text(meta, "resourceVersion"), Created: instant(meta, "creationTimestamp"),
		Type: text(o, "type"), Reason: text(o, "reason"), Message: text(o, "note"),
		Count: max(1, number(o, "deprecatedCount"), number(series, "count")),
	}
	involved := child(o, "regarding")
	e.Kind, e.Namespace, e.Name = text(involved, "kind"), text(involved, "namespace"), text(involved, "name")
	first, last := instant(o, "deprecatedFirstTimestamp"), latest(instant(series, "lastObservedTime"), instant(o, "deprecatedLastTimestamp"))
	at := instant(o, "eventTime")
	if first.IsZero() {
		first = at
	}
	if first.IsZero() {
		first = e.Created
	}
	e.LastSeen = latest(last, at)
	if e.LastSeen.IsZero() {
		e.LastSeen = e.Created
	}
	source := child(o, "deprecatedSource")
	component := text(o, "reportingController")
	if component == "" {
		component = text(source, "component")
	}
	e.Fields = map[string]any{
		"metadata": meta, "type": e.Type, "reason": e.Reason, "message": e.Message, "count": e.Count,
		"involvedObject": filled(involved, "apiVersion", "kind", "namespace", "name", "uid", "fieldPath"),
		"related":        child(o, "related"), "action": text(o, "action"), "series": series,
		"source":             filled(source, "component", "host"),
		"reportingComponent": component, "reportingInstance": text(o, "reportingInstance"),
		"eventTime": stamp(at), "firstTimestamp": stamp(first), "lastTimestamp": stamp(e.LastSeen),
	}
	return e
}

// OfRules reports whether an Event is about a rule or a message. To alert on
// those could go on for ever: a message that fails would make another.
func (e *Event) OfRules() bool {
	api := text(child(e.Fields, "involvedObject"), "apiVersion")
	// Some senders leave the apiVersion out.
	return (api == "" || strings.HasPrefix(api, v1alpha1.GroupVersion.Group+"/")) && (e.Kind == "SlackNotification" || e.Kind == "SlackAlert")
}

// filled has the named fields in any case, so that an expression may name them:
// those that are not there, or null, are empty.
func filled(m map[string]any, names ...string) map[string]any {
	out := make(map[string]any, len(names))
	for key, value := range m {
		out[key] = value
	}
	for _, name := range names {
		if out[name] == nil {
			out[name] = ""
		}
	}
	return out
}

func child(m map[string]any, name string) map[string]any {
	out, ok := m[name].(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return out
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func number(m map[string]any, name string) int64 {
	switch n := m[name].(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

func instant(m map[string]any, name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text(m, name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
