package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// alerts tells of what an Alertmanager posts.
func (r *run) alerts() error {
	if err := r.take("firing", r.in.Posts...); err != nil || !r.out.Fires {
		return err
	}
	if len(r.in.Posts) == 1 {
		if err := r.take("changed: another alert joins the group", joined(r.in.Posts[0])); err != nil {
			return err
		}
	}
	if err := r.remind(); err != nil {
		return err
	}
	open, err := r.control.Incidents.Open(r.ctx, r.rule)
	if err != nil || len(open) == 0 {
		return err
	}
	if len(r.in.Posts) > 1 {
		return r.take("resolved", ended(r.in.Posts[0], r.clock.Now()))
	}
	return r.take("resolved", ended(joined(r.in.Posts[0]), r.clock.Now()))
}

// webhook tells of what anybody else posts.
func (r *run) webhook() error {
	if err := r.take("firing", r.in.Posts...); err != nil || !r.out.Fires {
		return err
	}
	if posts.Told(&r.rule.Spec) {
		r.remark("nothing ends what is posted to this rule: each message stays as it is")
		return nil
	}
	if err := r.remind(); err != nil {
		return err
	}
	open, err := r.control.Incidents.Open(r.ctx, r.rule)
	if err != nil || len(open) == 0 {
		return err
	}
	after := posts.EndsAfter(&r.rule.Spec)
	if after <= 0 {
		r.remark("to see the end, give the post that ends it as a second --payload")
		return nil
	}
	// The first look begins to wait for news, as after a restart.
	if _, err := r.pass(apart); err != nil {
		return err
	}
	if _, err := r.pass(2 * after); err != nil {
		return err
	}
	if _, err := r.pass(2 * after); err != nil {
		return err
	}
	return r.observe(fmt.Sprintf("resolved: no news for %s", after))
}

// take has posts taken one after the other, with the title for the first, and
// notes what becomes of each.
func (r *run) take(title string, list ...posts.Raw) error {
	if err := begin(r.ctx, r.control, r.key); err != nil {
		return err
	}
	for i, raw := range list {
		remark, err := r.control.Posts.Receive(r.ctx, r.rule, raw)
		var evaluation *source.EvaluationError
		switch {
		case errors.As(err, &evaluation):
			r.out.Why = evaluation.Words
		case isPayload(err):
			return fmt.Errorf("the post can't be read: %w", err)
		case err != nil:
			return err
		case remark != "" && r.rule.Spec.Source.Webhook != nil:
			r.remark("post %d: %s", len(r.out.Remarks)+1, remark)
		}
		rule, err := r.pass(apart)
		if err != nil {
			return err
		}
		if !r.out.Fires {
			why := r.out.Why
			if err := r.fired(rule); err != nil {
				return err
			}
			if r.out.Why == "" {
				r.out.Why = why
			}
		}
		if i > 0 {
			title = fmt.Sprintf("post %d", i+1)
		}
		if err := r.observe(title); err != nil {
			return err
		}
	}
	return nil
}

func isPayload(err error) bool {
	var a *alertmanager.PayloadError
	var p *posts.PayloadError
	return errors.As(err, &a) || errors.As(err, &p)
}

// edited is a post of an Alertmanager with a change.
func edited(raw posts.Raw, change func(post map[string]any, alerts []any)) posts.Raw {
	post := decoded(raw.Body)
	alerts, _ := post["alerts"].([]any)
	if post == nil || len(alerts) == 0 {
		return raw
	}
	change(post, alerts)
	if body, err := json.Marshal(post); err == nil {
		raw.Body = body
	}
	return raw
}

// joined is a post with one more alert.
func joined(raw posts.Raw) posts.Raw {
	return edited(raw, func(post map[string]any, alerts []any) {
		first, _ := alerts[0].(map[string]any)
		second := copyOf(first)
		labels, _ := second["labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
			second["labels"] = labels
		}
		instance, _ := labels["instance"].(string)
		labels["instance"] = instance + "-2"
		second["fingerprint"] = fmt.Sprint(second["fingerprint"], "-2")
		post["alerts"] = append(alerts, second)
	})
}

// ended is a post in which all alerts are resolved.
func ended(raw posts.Raw, now time.Time) posts.Raw {
	return edited(raw, func(post map[string]any, alerts []any) {
		post["status"] = string(alertmanager.Resolved)
		for _, a := range alerts {
			if alert, ok := a.(map[string]any); ok {
				alert["status"], alert["endsAt"] = string(alertmanager.Resolved), now.UTC().Format(time.RFC3339)
			}
		}
	})
}

// otherGroup is a post about another group.
func otherGroup(raw posts.Raw, number int) posts.Raw {
	suffix := fmt.Sprintf("-%d", number)
	return edited(raw, func(post map[string]any, alerts []any) {
		post["groupKey"] = fmt.Sprint(post["groupKey"], suffix)
		for _, a := range alerts {
			alert, _ := a.(map[string]any)
			labels, _ := alert["labels"].(map[string]any)
			for _, name := range []string{"alertname", "instance"} {
				if value, ok := labels[name].(string); ok && number > 0 {
					labels[name] = value + suffix
				}
			}
		}
	})
}

// copyOf is a deep copy of decoded JSON.
func copyOf(m map[string]any) map[string]any {
	data, _ := json.Marshal(m) // it was decoded from JSON
	return decoded(data)
}

// ByPost reports whether a rule is fed by what is posted.
func ByPost(spec *v1alpha1.SlackAlertSpec) bool {
	return spec.Source.Alertmanager != nil || spec.Source.Webhook != nil
}
