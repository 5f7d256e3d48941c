package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// NamespaceLabel is the label by which Prometheus' alerts tell their namespace.
const NamespaceLabel = "namespace"

// Offer returns what says which labels a silence of an incident matches. Rules of
// other namespaces than these match their own namespace in any case: an Alertmanager
// serves all of a cluster, and can't tell who asks.
func Offer(clusterScopeNamespaces []string) func(*v1alpha1.SlackAlert, json.RawMessage) incident.Offer {
	return func(alert *v1alpha1.SlackAlert, data json.RawMessage) incident.Offer {
		var names []string
		if a := alert.Spec.Actions; a != nil && a.Silence != nil {
			names = a.Silence.Labels
		}
		state := stateOf(incident.Current{Data: data})
		if state.Unread != nil {
			return incident.Offer{Refused: "this incident is about a post that could not be read, so that nothing is known of its alerts"}
		}
		labels, refused := state.Selects(names)
		if refused != "" {
			return incident.Offer{Refused: refused}
		}
		if !slices.Contains(clusterScopeNamespaces, alert.Namespace) {
			if of, ok := labels[NamespaceLabel]; ok && of != alert.Namespace {
				return incident.Offer{Refused: fmt.Sprintf("these alerts are of namespace %q, and SlackAlerts of namespace %q may silence their own alone: "+
					"move the SlackAlert there, or start the operator with --cluster-scope-namespaces=%s (beside the namespaces that it names already, in the args of its Deployment)", of, alert.Namespace, alert.Namespace)}
			}
			labels[NamespaceLabel] = alert.Namespace
		}
		var out incident.Offer
		for _, name := range slices.Sorted(maps.Keys(labels)) {
			out.Matchers = append(out.Matchers, incident.Matcher{Name: name, Value: labels[name]})
		}
		return out
	}
}

// Alert is an alert as Alertmanager's API tells of it.
type Alert struct {
	Fingerprint string
	Labels      map[string]string
}

// Among reports whether one of the alerts belongs to an incident, of which data is
// what is stored.
func Among(alert *v1alpha1.SlackAlert, data json.RawMessage, alerts []Alert) bool {
	state := stateOf(incident.Current{Data: data})
	return slices.ContainsFunc(alerts, func(a Alert) bool { return state.Has(a.Fingerprint, a.Labels, len(alert.Spec.GroupBy) > 0) })
}

// vanishedNote says how it is known that an incident is over.
const vanishedNote = "_Alertmanager has no alert of it any more. It was silenced, so that no post has told of that._"

// Vanish ends the incident of a group of which Alertmanager has no alert any more.
func (r *Receiver) Vanish(ctx context.Context, alert *v1alpha1.SlackAlert, group string) error {
	rule := r.ruleOf(alert)
	update := incident.Update{Key: alerting.Key{ID: group}, Next: func(current incident.Current) incident.Desired {
		if !current.Open {
			return incident.Desired{}
		}
		state := alertmanager.Vanish(stateOf(current), r.now())
		out := r.desired(ctx, alert, rule, current, state, true)
		out.Note = vanishedNote
		return out
	}}
	applied, err := r.Store.Apply(ctx, alert, []incident.Update{update}, incident.Options{})
	if err != nil {
		return err
	}
	for _, words := range applied.Refused {
		return &RefusedError{Words: words}
	}
	return nil
}

// later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
