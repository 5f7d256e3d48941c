package source

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// decodeAlerts reads a post of an Alertmanager.
func (r *Receiver) decodeAlerts(alert *v1alpha1.SlackAlert, raw posts.Raw) (func(context.Context) (received, error), error) {
	post, err := alertmanager.Decode(raw.Body)
	if err != nil {
		return nil, err
	}
	return r.updatesOf(alert, post), nil
}

// updatesOf makes updates of a post of an Alertmanager.
func (r *Receiver) updatesOf(alert *v1alpha1.SlackAlert, post alertmanager.Payload) func(context.Context) (received, error) {
	return func(ctx context.Context) (got received, err error) {
		post.ReceivedAt, post.Within = r.now(), quietAfter(alert)
		rule := r.ruleOf(alert)
		got.updates, err = r.updates(ctx, alert, rule, post)
		r.spending.charge(alert.Namespace, rule.Spent())
		return got, err
	}
}

// fold merges a post into what is known of its group.
func (r *Receiver) fold(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, current incident.Current, post alertmanager.Payload) incident.Desired {
	before := stateOf(current)
	post.SilencedUntil = current.SilencedUntil
	if current.Known && !current.Open {
		merged, news := alertmanager.Merge(before, post)
		if merged.Status() != alertmanager.Firing { // late, or once more
			if !news {
				return incident.Desired{}
			}
			data, _ := json.Marshal(merged)          // strings, numbers and times alone
			small, _ := json.Marshal(merged.Small()) // the same
			return incident.Desired{Data: data, Over: small}
		}
		before = before.Next()
	}
	state, news := alertmanager.Merge(before, post)
	return r.desired(ctx, alert, rule, current, state, news || !current.Open)
}

// desired is what a state makes of an incident.
func (r *Receiver) desired(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, current incident.Current, state alertmanager.State, news bool) incident.Desired {
	out := incident.Desired{Firing: state.Status() == alertmanager.Firing, Data: current.Data, Count: int64(state.Firing()), Note: quietNote(state)}
	if news {
		out.Data, _ = json.Marshal(state) // strings, numbers and times alone
	}
	if out.Small = out.Data; news {
		out.Small, _ = json.Marshal(state.Small())
	}
	if !out.Firing {
		out.Over = out.Small
	}
	out.Render = func(string) v1alpha1.Content {
		if state.Unread != nil {
			return alertmanager.DefaultContent(state)
		}
		data := state.Data()
		data["count"] = state.Firing()
		return r.render(ctx, alert, rule, string(state.Status()), data, alertmanager.DefaultContent(state))
	}
	return out
}

func stateOf(current incident.Current) (s alertmanager.State) {
	_ = json.Unmarshal(current.Data, &s) // what can't be read is not known
	return s
}

// updates are what a post says of each group: Alertmanager's own, or what groupBy
// says.
func (r *Receiver) updates(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, post alertmanager.Payload) ([]incident.Update, error) {
	var out []incident.Update
	add := func(key alerting.Key, post alertmanager.Payload) {
		out = append(out, incident.Update{Key: key, Next: func(current incident.Current) incident.Desired { return r.fold(ctx, alert, rule, current, post) }})
	}
	if post.Partial && post.GroupKey == "" {
		out = append(out, r.unread(ctx, alert, rule, post))
		if !rule.Grouped() {
			return out, nil // nobody knows what the rest belongs to
		}
	}
	if !rule.Grouped() {
		post.Keep(usedBy(&alert.Spec))
		add(alerting.KeyOf(string(alert.UID), []string{post.GroupKey}), post)
		return out, nil
	}
	keys, alerts := grouped(ctx, alert, rule, post)
	post.Keep(usedBy(&alert.Spec))
	parts := post.Split()
	for _, key := range keys {
		var own []alertmanager.Alert
		for _, i := range alerts[key] {
			own = append(own, post.Alerts[i])
		}
		add(key, parts.Only(own))
	}
	if !post.Complete() {
		return out, nil
	}
	// What a group that is told of in full does not name may be in an incident
	// that none of its alerts belongs to.
	open, err := r.Store.Open(ctx, alert)
	if err != nil {
		return nil, err
	}
	for _, g := range open {
		if _, told := alerts[g.Key]; !told && stateOf(g.Current).ToldBy(post) {
			add(g.Key, parts.Only(nil))
		}
	}
	return out, nil
}

// grouped are the places of a post's alerts by what groupBy says of them, and
// the keys in their order.
func grouped(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, post alertmanager.Payload) ([]alerting.Key, map[alerting.Key][]int) {
	var order []alerting.Key
	alerts := map[alerting.Key][]int{}
	for i, a := range post.Alerts {
		values, err := rule.Group(ctx, alerting.AlertVars(a.Data()))
		if err != nil {
			values = []string{post.GroupKey} // better in the wrong group than in none
		}
		key := alerting.KeyOf(string(alert.UID), values)
		if _, known := alerts[key]; !known {
			order = append(order, key)
		}
		alerts[key] = append(alerts[key], i)
	}
	return order, alerts
}

// usedBy tells which labels and annotations a rule names in its expressions and
// templates.
func usedBy(spec *v1alpha1.SlackAlertSpec) func(name string) bool {
	words := strings.Join(spec.GroupBy, "\n")
	if spec.Actions != nil && spec.Actions.Silence != nil {
		words += "\n" + strings.Join(spec.Actions.Silence.Labels, "\n")
	}
	if m := spec.Message; m != nil {
		words += "\n" + m.Title + "\n" + m.Text
		for _, f := range m.Fields {
			words += "\n" + f.Title + "\n" + f.Value
		}
		if m.Link != nil {
			words += "\n" + m.Link.Text + "\n" + m.Link.URL
		}
	}
	return func(name string) bool { return name != "" && strings.Contains(words, name) }
}

// unreadKey is the group of the posts that were not read to their end. No
// group key of an Alertmanager has a control character.
const unreadKey = "\x00unread"

// unread is the update by a post whose group is not known.
func (r *Receiver) unread(ctx context.Context, alert *v1alpha1.SlackAlert, rule *alerting.Rule, post alertmanager.Payload) incident.Update {
	key := alerting.KeyOf(string(alert.UID), []string{unreadKey})
	key.Text = "a post that was too large"
	return incident.Update{Key: key, Next: func(current incident.Current) incident.Desired {
		return r.desired(ctx, alert, rule, current, alertmanager.UnreadState(post), true)
	}}
}

// quietAfter is after what time without news an alert counts as over.
func quietAfter(alert *v1alpha1.SlackAlert) time.Duration {
	if d := alert.Spec.ResolveAfter; d != nil {
		return d.Duration
	}
	return 0
}

// endUntold ends those open incidents of a rule with source.alertmanager whose alerts
// no post has told of for too long.
func (r *Receiver) endUntold(ctx context.Context, alert *v1alpha1.SlackAlert) (Heard, error) {
	var out Heard
	now, after := r.Clock.Now(), quietAfter(alert)
	floor := r.deaf.until(alert.UID, now, false).Add(min(after, comeback))
	open, err := r.Store.Open(ctx, alert)
	if err != nil {
		return out, err
	}
	rule := r.ruleOf(alert)
	var updates []incident.Update
	for _, g := range open {
		state := stateOf(g.Current)
		if state.Unread != nil {
			out.Unread = state.Unread.Sentence()
		}
		due := state.Due()
		switch {
		case state.Within != after:
			due = time.Time{}
		case due.IsZero():
			continue
		case due.Before(floor):
			due = floor
		}
		if until := g.Current.SilencedUntil; !until.IsZero() { // nothing is posted of what is silenced
			due = later(due, until.Add(min(after, comeback)))
		}
		if now.Before(due) {
			out.Next = sooner(out.Next, due)
			continue
		}
		updates = append(updates, incident.Update{Key: g.Key, Next: func(current incident.Current) incident.Desired {
			if !current.Open {
				return incident.Desired{}
			}
			before := stateOf(current)
			if before.Within != after {
				return listening(before, after, now)
			}
			if due := before.Due(); due.IsZero() || now.Before(due) || now.Before(current.SilencedUntil) {
				return incident.Desired{Firing: true, Data: current.Data, Small: current.Data, Count: int64(before.Firing())}
			}
			return r.desired(ctx, alert, rule, current, alertmanager.Expire(before, now.UTC().Truncate(time.Second)), true)
		}})
	}
	if len(updates) > 0 {
		out.Next = now.Add(time.Second)
		_, err = r.Store.Apply(ctx, alert, updates, incident.Options{})
	}
	return out, err
}

// listening is what is to be of an incident whose alerts are to be over after
// another time.
func listening(before alertmanager.State, after time.Duration, now time.Time) incident.Desired {
	state := alertmanager.Listen(before, after, now.UTC().Truncate(time.Second))
	out := incident.Desired{Firing: true, Count: int64(state.Firing())}
	out.Data, _ = json.Marshal(state) // strings, numbers and times alone
	out.Small, _ = json.Marshal(state.Small())
	return out
}

// quietNote says that an incident is over for want of news.
func quietNote(s alertmanager.State) string {
	if !s.Quiet() || s.Unread != nil {
		return ""
	}
	return forWantOfNews(s.Within)
}
