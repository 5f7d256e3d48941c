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

	deaf deaf
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
	return r.ReceivePost(ctx, alert, post)
}

// ReceivePost is Receive for a post that was read already. What was not read to
// its end is told of by itself when nobody knows what group it is about.
func (r *Receiver) ReceivePost(ctx context.Context, alert *v1alpha1.SlackAlert, post alertmanager.Payload) error {
	if alert.Spec.Suspend {
		return ErrSuspended
	}
	if ready := meta.FindStatusCondition(alert.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonTooManyAlerts {
		return ErrTooManyAlerts
	}
	post.ReceivedAt = r.Clock.Now().UTC().Truncate(time.Second)
	post.Within = quietAfter(alert)
	rule := r.ruleOf(alert)
	news, err := r.news(ctx, alert, rule, post)
	if err != nil {
		return err
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

// fold merges a post into what is known of its group.
func (r *Receiver) fold(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, past Past, post alertmanager.Payload) Outlook {
	before := stateOf(past)
	if past.Known && !past.Open {
		merged, news := alertmanager.Merge(before, post)
		if merged.Status() != alertmanager.Firing { // late, or once more
			if !news {
				return Outlook{}
			}
			data, _ := json.Marshal(merged) // strings, numbers and times alone
			return Outlook{Data: data}
		}
		before = before.Next()
	}
	state, news := alertmanager.Merge(before, post)
	return r.outlook(ctx, alert, rule, past, state, news || !past.Open)
}

// outlook is what a state makes of an incident.
func (r *Receiver) outlook(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, past Past, state alertmanager.State, news bool) Outlook {
	out := Outlook{Firing: state.Status() == alertmanager.Firing, Data: past.Data, Count: int64(state.Firing()), Note: quietNote(state)}
	if news {
		out.Data, _ = json.Marshal(state) // strings, numbers and times alone
	}
	if out.Small = out.Data; news {
		out.Small, _ = json.Marshal(state.Small())
	}
	out.Render = func(string) v1alpha1.Content {
		if state.Unread != nil {
			return alertmanager.DefaultContent(state)
		}
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

func stateOf(past Past) (s alertmanager.State) {
	_ = json.Unmarshal(past.Data, &s) // what can't be read is not known
	return s
}
