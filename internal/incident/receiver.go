package incident

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// ErrSuspended means that a rule takes nothing now. What is told of it must be
// told again, or its incidents would miss their end.
var ErrSuspended = errors.New("the SlackAlert is suspended")

// Receiver takes what is posted for a rule with source.alertmanager or
// source.webhook, and has it stored.
type Receiver struct {
	Store *Store
	Clock clock.PassiveClock
	// ClusterName is what templates see as .cluster.
	ClusterName string

	// Rules compiles rules, once for each generation.
	Rules *alerting.Cache
	// Refused, if not nil, is told of a rule whose messages are not stored.
	Refused func(types.NamespacedName)

	spending spending
}

// maxRendering is how long the templates of one message may take.
const maxRendering = time.Second

// Receive stores what a post makes of the incidents of a rule. When it returns
// nil, all is stored, and remark is what the sender should know beside, if it is
// not empty. An *alertmanager.PayloadError or a *posts.PayloadError says that the
// post can't be read, a *RefusedError that the API server does not store a part
// of it, an *EvaluationError that an expression fails on it.
func (r *Receiver) Receive(ctx context.Context, alert *v1alpha1.SlackAlert, raw posts.Raw) (remark string, err error) {
	decode := r.decodeAlerts
	if alert.Spec.Source.Webhook != nil {
		decode = r.decodePost
	}
	read, err := decode(alert, raw)
	if err != nil {
		return "", err
	}
	if alert.Spec.Suspend {
		return "", ErrSuspended
	}
	if ready := meta.FindStatusCondition(alert.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonTooManyAlerts {
		return "", ErrTooManyAlerts
	}
	if !r.spending.allow(alert.Namespace, r.Clock.Now()) {
		return "", ErrOverspent
	}
	got, err := read(ctx)
	if err != nil || len(got.news) == 0 {
		return got.answer(), err
	}
	applied, err := r.Store.Apply(ctx, Quiet(alert), got.news, Options{})
	if err != nil {
		return "", err
	}
	for _, words := range applied.Refused {
		if r.Refused != nil {
			r.Refused(types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name})
		}
		return "", &RefusedError{Words: words}
	}
	return got.answer(), nil
}

// received is what a post brings.
type received struct {
	news []News
	// remark, if not nil, is asked for what to tell the sender, when all is stored.
	remark func() string
}

func (r received) answer() string {
	if r.remark == nil {
		return ""
	}
	return r.remark()
}

// decodeAlerts reads a post of an Alertmanager.
func (r *Receiver) decodeAlerts(alert *v1alpha1.SlackAlert, raw posts.Raw) (func(context.Context) (received, error), error) {
	post, err := alertmanager.Decode(raw.Body)
	if err != nil {
		return nil, err
	}
	post.ReceivedAt = r.now()
	return func(ctx context.Context) (got received, err error) {
		rule := r.ruleOf(alert)
		for _, part := range parts(ctx, alert, rule, post) {
			got.news = append(got.news, News{Key: part.key, Fold: func(past Past) Outlook { return r.fold(ctx, alert, rule, past, part.post) }})
		}
		r.spending.charge(alert.Namespace, rule.Spent())
		return got, nil
	}, nil
}

// now in seconds, as it is stored.
func (r *Receiver) now() time.Time { return r.Clock.Now().UTC().Truncate(time.Second) }

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
		data := state.Data()
		data["count"] = state.Firing()
		return r.render(ctx, alert, rule, string(state.Status()), data, alertmanager.DefaultContent(state))
	}
	return out
}

// render makes a message of what the source knows. A template that fails is told
// of in the message itself.
func (r *Receiver) render(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, state string, own map[string]any, instead v1alpha1.Content) v1alpha1.Content {
	data := alerting.Data(alert, r.ClusterName, state)
	maps.Copy(data, own)
	ctx, cancel := context.WithTimeout(ctx, maxRendering)
	defer cancel()
	content, _ := rule.Render(ctx, data, instead)
	return content
}
