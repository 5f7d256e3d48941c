package lab

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

func sameContent(a, b v1alpha1.Content) bool { return equality.Semantic.DeepEqual(a, b) }

// hold is how long the rule waits before it tells of an object.
func (r *run) hold() time.Duration {
	if o := r.rule.Spec.Source.Objects; o != nil && o.For != nil {
		return o.For.Duration
	}
	return 0
}

// objects tells of objects.
func (r *run) objects() error {
	first := r.in.Objects
	if r.in.Old != nil {
		first = append([]*unstructured.Unstructured{r.in.Old}, r.in.Objects[1:]...)
	}
	if err := r.cluster.put(r.ctx, first...); err != nil {
		return err
	}
	if err := begin(r.ctx, r.control, r.key); err != nil {
		return err
	}
	if r.in.Old != nil {
		if err := r.cluster.change(r.ctx, r.in.Objects[0]); err != nil {
			return err
		}
	}
	rule, err := r.pass(r.hold() + apart)
	if err != nil {
		return err
	}
	if err := r.fired(rule); err != nil {
		return err
	}
	if err := r.observe("firing"); err != nil || !r.out.Fires {
		return err
	}
	if err := r.objectsChange(); err != nil {
		return err
	}
	if err := r.remind(); err != nil {
		return err
	}
	return r.objectsEnd()
}

// objectsChange is what happens to a message while it is out: the object is changed,
// or another one begins to fire.
func (r *run) objectsChange() error {
	if r.in.Then != nil {
		if err := r.cluster.change(r.ctx, r.in.Then); err != nil {
			return err
		}
		if _, err := r.pass(r.hold() + apart); err != nil {
			return err
		}
		return r.observe("changed")
	}
	second := twin(r.in.Objects[0], 2)
	if err := r.cluster.add(r.ctx, second); err != nil {
		return err
	}
	if _, err := r.pass(r.hold() + apart); err != nil {
		return err
	}
	list, err := r.store.notifications(r.ctx)
	if err != nil {
		return err
	}
	if len(list) > r.out.Groups {
		// It is an incident of its own, which is no change of the first one.
		for i := range list {
			if _, known := r.known[list[i].Name]; !known {
				r.known[list[i].Name] = list[i].Spec.Content
			}
		}
		r.remark("a second object makes a message of its own; to see a change of this one, give the object as it becomes with --then")
		return nil
	}
	return r.observe("changed: a second object")
}

// objectsEnd has the condition of all objects be over.
func (r *run) objectsEnd() error {
	last := r.in.Objects
	if r.in.Then != nil {
		last = append([]*unstructured.Unstructured{r.in.Then}, last[1:]...)
	} else {
		last = append(last[:len(last):len(last)], twin(r.in.Objects[0], 2))
	}
	fires, err := r.members()
	if err != nil {
		return err
	}
	for _, o := range last {
		o = o.DeepCopy()
		if !fires[r.cluster.uidOf(o)] {
			continue // the rule does not look at the end of what does not fire
		}
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[over] = ""
		o.SetLabels(labels)
		if err := r.cluster.change(r.ctx, o); err != nil {
			return err
		}
	}
	keep := time.Duration(0)
	if k := r.rule.Spec.KeepFiringFor; k != nil {
		keep = k.Duration
	}
	// The twin's own message is none of the story.
	if _, err := r.pass(keep + apart); err != nil {
		return err
	}
	return r.observeFirst("resolved")
}

// members are the UIDs of the objects that fire, as they are stored with the open
// incidents.
func (r *run) members() (map[types.UID]bool, error) {
	open, err := r.control.Incidents.Open(r.ctx, r.rule)
	if err != nil {
		return nil, err
	}
	out := map[types.UID]bool{}
	for _, g := range open {
		var data struct {
			Members []types.UID `json:"members"`
		}
		if err := json.Unmarshal(g.Current.Data, &data); err != nil {
			return nil, fmt.Errorf("reading what fires: %w", err)
		}
		for _, uid := range data.Members {
			out[uid] = true
		}
	}
	return out, nil
}

// observeFirst is observe, for the messages that have been shown alone.
func (r *run) observeFirst(title string) error {
	before := len(r.out.Steps)
	shown := map[string]bool{}
	for _, step := range r.out.Steps {
		shown[step.Notification.Name] = true
	}
	if err := r.observe(title); err != nil {
		return err
	}
	kept := r.out.Steps[:before]
	for _, step := range r.out.Steps[before:] {
		thread := step.Notification.Spec.Thread
		if shown[step.Notification.Name] || thread != nil && thread.NotificationRef != nil && shown[thread.NotificationRef.Name] {
			kept = append(kept, step)
		}
	}
	r.out.Steps = kept
	return nil
}

// burst has n fire: as many as have messages of their own, and the rest right after
// them, so that it is the same ones each time.
func (r *run) burst(n, limit int) error {
	first, rest := r.in.Objects, []*unstructured.Unstructured(nil)
	if len(first) > limit {
		first, rest = first[:limit], first[limit:]
	}
	if r.source == alerting.Objects {
		if err := r.cluster.put(r.ctx, first...); err != nil {
			return err
		}
		first = nil
	}
	if err := begin(r.ctx, r.control, r.key); err != nil {
		return err
	}
	switch r.source {
	case alerting.Alertmanager:
		for i := range n {
			if _, err := r.control.Posts.Receive(r.ctx, r.rule, otherGroup(r.in.Posts[0], i)); err != nil {
				return err
			}
		}
	case alerting.Objects, alerting.Events:
		for _, list := range [][]*unstructured.Unstructured{first, rest} {
			for _, o := range list {
				if err := r.cluster.add(r.ctx, o); err != nil {
					return err
				}
			}
			if _, err := r.pass(r.hold() + apart); err != nil {
				return err
			}
		}
	case alerting.Webhook: // what makes groups of its posts is not known
	}
	_, err := r.pass(r.hold() + apart)
	return err
}

// many are n objects like the first one.
func many(objects []*unstructured.Unstructured, n int) []*unstructured.Unstructured {
	if len(objects) == 0 {
		return nil
	}
	var out []*unstructured.Unstructured
	for i := range n {
		out = append(out, twin(objects[0], i+1))
	}
	return out
}

// twin is an object like another one, of another name; the first is itself. Of an
// Event it is one about another object.
func twin(o *unstructured.Unstructured, number int) *unstructured.Unstructured {
	out := o.DeepCopy()
	if number == 1 {
		return out
	}
	suffix := fmt.Sprintf("-%d", number)
	out.SetName(o.GetName() + suffix)
	if o.GetUID() != "" {
		out.SetUID(types.UID(string(o.GetUID()) + suffix))
	}
	if about, ok, _ := unstructured.NestedMap(out.Object, "regarding"); ok {
		name, _ := about["name"].(string)
		about["name"] = name + suffix
		_ = unstructured.SetNestedMap(out.Object, about, "regarding") // a map of its own
	}
	return out
}

// decoded is JSON as maps; nil for what is none.
func decoded(data []byte) map[string]any {
	var out map[string]any
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}
