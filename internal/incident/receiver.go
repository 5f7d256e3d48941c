package incident

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
)

// ErrSuspended means that a rule takes nothing now. What is told of it must be
// told again, or its incidents would miss their end.
var ErrSuspended = errors.New("the SlackAlert is suspended")

// Receiver takes what an Alertmanager posts, and has it stored.
type Receiver struct {
	Store *Store
	Clock clock.PassiveClock
	// ClusterName is what templates see as .cluster.
	ClusterName string

	// Rules compiles rules, once for each generation.
	Rules *alerting.Cache
	// Refused, if not nil, is told of a rule whose messages are not stored.
	Refused func(types.NamespacedName)
}

// maxRendering is how long the templates of one message may take.
const maxRendering = time.Second

// Receive stores what a post makes of the incidents of a rule. When it returns
// nil, all is stored. A *alertmanager.PayloadError says that the post can't be
// read, a *RefusedError that the API server does not store a part of it.
func (r *Receiver) Receive(ctx context.Context, alert *v1alpha1.SlackAlert, payload []byte) error {
	post, err := alertmanager.Decode(payload)
	if err != nil {
		return err
	}
	if alert.Spec.Suspend {
		return ErrSuspended
	}
	if ready := meta.FindStatusCondition(alert.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonTooManyAlerts {
		return ErrTooManyAlerts
	}
	post.ReceivedAt = r.Clock.Now().UTC().Truncate(time.Second)
	rule := r.ruleOf(alert)
	var news []News
	for _, part := range parts(ctx, alert, rule, post) {
		news = append(news, News{Key: part.key, Fold: func(past Past) Outlook { return r.fold(ctx, alert, rule, past, part.post) }})
	}
	applied, err := r.Store.Apply(ctx, alert, news, Options{})
	if err != nil {
		return err
	}
	for _, words := range applied.Refused {
		if r.Refused != nil {
			r.Refused(types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name})
		}
		return &RefusedError{Words: words}
	}
	return nil
}

// ruleOf returns the compiled rule. One that does not compile is told of in its
// status; alerts that come meanwhile have the default message rather than none.
func (r *Receiver) ruleOf(alert *v1alpha1.SlackAlert) *alerting.Rule {
	rule, err := r.Rules.Compile(alert)
	if err != nil {
		return &alerting.Rule{Source: alerting.Alertmanager}
	}
	return rule
}

// part of a post that belongs to one incident.
type part struct {
	key  alerting.Key
	post alertmanager.Payload
}

// parts are the groups of a post: Alertmanager's own, or what groupBy says.
func parts(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, post alertmanager.Payload) []part {
	if !rule.Grouped() {
		return []part{{alerting.KeyOf(string(alert.UID), []string{post.GroupKey}), post}}
	}
	var order []alerting.Key
	alerts := map[alerting.Key][]alertmanager.Alert{}
	for _, a := range post.Alerts {
		values, err := rule.Group(ctx, alerting.AlertVars(a.Data()))
		if err != nil {
			values = []string{post.GroupKey} // better in the wrong group than in none
		}
		key := alerting.KeyOf(string(alert.UID), values)
		if _, known := alerts[key]; !known {
			order = append(order, key)
		}
		alerts[key] = append(alerts[key], a)
	}
	var out []part
	for _, key := range order {
		out = append(out, part{key, post.Only(alerts[key])})
	}
	return out
}

// fold merges a post into what is known of its group.
func (r *Receiver) fold(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, past Past, post alertmanager.Payload) Outlook {
	var before alertmanager.State
	_ = json.Unmarshal(past.Data, &before) // what can't be read is not known
	if past.Known && !past.Open {
		if merged, _ := alertmanager.Merge(before, post); merged.Status() != alertmanager.Firing {
			return Outlook{} // late, or once more
		}
		before = before.Next()
	}
	state, news := alertmanager.Merge(before, post)
	out := Outlook{Firing: state.Status() == alertmanager.Firing, Data: past.Data, Count: int64(state.Firing())}
	if news || !past.Open {
		out.Data, _ = json.Marshal(state) // strings, numbers and times alone
	}
	out.Small = out.Data
	out.Render = func(string) v1alpha1.Content {
		data := alerting.Data(alert, r.ClusterName, string(state.Status()))
		for key, value := range state.Data() {
			data[key] = value
		}
		data["count"] = state.Firing()
		ctx, cancel := context.WithTimeout(ctx, maxRendering)
		defer cancel()
		// What fails is told in the message itself.
		content, _ := rule.Render(ctx, data, alertmanager.DefaultContent(state))
		return content
	}
	return out
}
