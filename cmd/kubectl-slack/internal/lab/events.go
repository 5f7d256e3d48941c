package lab

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Event returns a Kubernetes Event in the form in which rules watch it
// (events.k8s.io/v1), whichever of the two forms it has.
func Event(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	if o.GroupVersionKind().Group == eventsKind.Group {
		return out
	}
	// kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1
	for was, is := range map[string]string{
		"involvedObject": "regarding", "message": "note", "source": "deprecatedSource", "count": "deprecatedCount",
		"firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
		"reportingComponent": "reportingController",
	} {
		if v, ok := out.Object[was]; ok {
			delete(out.Object, was)
			if v != nil {
				out.Object[is] = v
			}
		}
	}
	out.SetGroupVersionKind(eventsKind)
	return out
}

// defaultQuiet is after what time without news the incident of an Event is over
// (spec.resolveAfter).
const defaultQuiet = 10 * time.Minute

// events tells of Events.
func (r *run) events() error {
	if err := begin(r.ctx, r.control, r.key); err != nil {
		return err
	}
	for _, o := range r.in.Objects {
		if err := r.cluster.add(r.ctx, o); err != nil {
			return err
		}
	}
	rule, err := r.pass(apart)
	if err != nil {
		return err
	}
	if err := r.fired(rule); err != nil {
		return err
	}
	if err := r.observe("firing"); err != nil || !r.out.Fires {
		return err
	}
	return r.eventsGoOn()
}

// eventsGoOn tells of an Event that occurs once more, and of the end.
func (r *run) eventsGoOn() error {
	again := r.in.Then
	if again == nil {
		again = recurred(r.in.Objects[0])
	}
	if err := r.cluster.change(r.ctx, again); err != nil {
		return err
	}
	if _, err := r.pass(apart); err != nil {
		return err
	}
	if err := r.observe("changed: it occurs once more"); err != nil {
		return err
	}
	quiet := defaultQuiet
	if after := r.rule.Spec.ResolveAfter; after != nil {
		quiet = after.Duration
	}
	if every := r.rule.Spec.RepeatInterval; every != nil && every.Duration >= quiet {
		r.remark("no reminder: without news the incident is over after %s, before spec.repeatInterval", quiet)
	} else if err := r.remind(); err != nil {
		return err
	}
	if _, err := r.pass(quiet + apart); err != nil {
		return err
	}
	return r.observe(fmt.Sprintf("resolved: no news for %s", quiet))
}

// recurred is an Event that has occurred once more.
func recurred(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	series, _, _ := unstructured.NestedMap(o.Object, "series")
	count := max(1, number(o.Object["deprecatedCount"]), number(series["count"]))
	out.Object["deprecatedCount"] = count + 1
	return out
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return 0
}
