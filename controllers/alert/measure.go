package alert

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// evaluated counts an evaluation.
func (r *Reconciler) evaluated(source alerting.Source) func(string) {
	return func(result string) {
		if r.Observe != nil {
			r.Observe(string(source), result)
		}
	}
}

// firing is how many incidents of a rule are open.
type firing struct {
	source alerting.Source
	open   int
}

func (r *Reconciler) noteFiring(alert *v1alpha1.SlackAlert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firing == nil {
		r.firing = map[types.NamespacedName]firing{}
	}
	r.firing[client.ObjectKeyFromObject(alert)] = firing{alerting.SourceOf(&alert.Spec), int(alert.Status.Firing)}
}

// OpenIncidents are those of all rules that this process works on, by the source of
// the rules.
func (r *Reconciler) OpenIncidents() map[string]int {
	out := map[string]int{}
	for _, source := range []alerting.Source{alerting.Objects, alerting.Events, alerting.Alertmanager, alerting.Webhook} {
		out[string(source)] = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.firing {
		out[string(f.source)] += f.open
	}
	return out
}
