package source

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// EvaluationError says that an expression of a rule fails on a post, which is
// evidence of nothing. To send it again is of no use before the rule is mended.
type EvaluationError struct {
	// Words name the field and say what went wrong.
	Words string
}

func (e *EvaluationError) Error() string { return e.Words }

// ErrDoesNotCompile means that a rule says nothing that a post could be judged by.
var ErrDoesNotCompile = errors.New("the SlackAlert does not compile")

// maxEvaluation is how long all expressions of a rule may take for one post. Their
// cost is bounded too, so it is met on a machine that is very busy alone.
const maxEvaluation = 5 * time.Second

// decodePost reads a post for source.webhook.
func (r *Receiver) decodePost(alert *v1alpha1.SlackAlert, raw posts.Raw) (func(context.Context) (received, error), error) {
	now := r.now()
	post, err := posts.Decode(alert.Spec.Source.Webhook, raw, now)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (received, error) { return r.judged(ctx, alert, post, now) }, nil
}

// judged is what a post brings by the rule's expressions.
func (r *Receiver) judged(ctx context.Context, alert *v1alpha1.SlackAlert, post posts.Post, now time.Time) (received, error) {
	if post.Ping {
		return received{remark: func() string { return "not counted: a ping tells of nothing" }}, nil
	}
	rule, err := r.Rules.Compile(alert)
	if err != nil {
		return received{}, ErrDoesNotCompile
	}
	p := &posted{receiver: r, alert: alert, rule: rule, post: post, now: now}
	interrupted := func() bool {
		ctx, cancel := context.WithTimeout(ctx, maxEvaluation)
		defer cancel()
		p.judge(ctx)
		return ctx.Err() != nil
	}()
	r.spending.charge(alert.Namespace, rule.Spent())
	if interrupted && p.failed != nil {
		return received{}, ErrOverspent // the post says nothing of that; it may be sent again
	}
	if counted := r.tally.add(alert, p.failed); p.failed != nil {
		r.doubt(ctx, alert, p.failed, counted)
	}
	switch {
	case p.means != posts.Nothing:
		return received{updates: []incident.Update{{Key: p.key, Next: func(current incident.Current) incident.Desired { return p.fold(ctx, current) }}}, remark: p.remark}, nil
	case p.failed != nil && !p.failed.Missing:
		return received{}, &EvaluationError{Words: p.failed.Error()}
	}
	return received{remark: p.remark}, nil
}

// posted is a post and what a rule makes of it.
type posted struct {
	receiver *Receiver
	alert    *v1alpha1.SlackAlert
	rule     *alerting.Rule
	post     posts.Post
	now      time.Time

	key   alerting.Key
	means posts.Meaning
	// failed is the first expression that could not be evaluated.
	failed *alerting.EvalError
	// became is what the post was merged into, and was open before.
	became posts.Merged
	opened bool
}

// judge evaluates the expressions. The end goes first, since a rule without
// "when" would have each post fire.
func (p *posted) judge(ctx context.Context) {
	vars := alerting.Vars(p.post.Vars())
	ended, err := p.rule.Ends(ctx, vars)
	p.note(err)
	if ended {
		p.means = posts.Resolves
	} else {
		holds, err := p.rule.Holds(ctx, vars)
		p.note(err)
		if holds && err == nil {
			p.means = posts.Fires
		}
	}
	if p.means != posts.Nothing {
		p.key = p.group(ctx, vars)
	}
}

// note keeps what goes wrong: what fails before what is missing.
func (p *posted) note(err error) {
	var failed *alerting.EvalError
	if errors.As(err, &failed) && (p.failed == nil || p.failed.Missing && !failed.Missing) {
		p.failed = failed
	}
}

// group is the group of the post: by groupBy, or else one for the rule, and one for
// each post when nothing ends incidents.
func (p *posted) group(ctx context.Context, vars alerting.Vars) alerting.Key {
	uid := string(p.alert.UID)
	if p.rule.Grouped() {
		values, err := p.rule.Group(ctx, vars)
		p.note(err)
		if err == nil {
			return alerting.KeyOf(uid, values)
		}
		// Better in the wrong group than in none.
	}
	if !posts.Told(&p.alert.Spec) {
		return alerting.KeyOf(uid, nil)
	}
	key := alerting.KeyOf(uid, []string{"post", p.post.Identity()})
	key.Text = posts.Summary(&p.alert.Spec, p.alert.Name, p.post)
	return key
}

// fold merges the post into what is known of its group.
func (p *posted) fold(ctx context.Context, current incident.Current) incident.Desired {
	var before posts.State
	_ = json.Unmarshal(current.Data, &before) // what can't be read is not known
	p.became, p.opened = posts.Merge(before, current.Open, p.post, p.means, p.now), !current.Open
	state, after := p.became.State, posts.EndsAfter(&p.alert.Spec)
	if p.became.Repeated && (posts.Told(&p.alert.Spec) || p.now.Sub(before.NewsAt) < max(after/8, time.Second) || after == 0) {
		state = before // not worth a write
	}
	data, _ := json.Marshal(state) // numbers, texts and times alone
	out := incident.Desired{Firing: p.became.Open, Data: data, Small: data, Over: data, Count: state.Count}
	if !out.Firing {
		return out // it keeps what it said last
	}
	if p.became.News || !current.Open {
		out.Render = func(phase string) v1alpha1.Content {
			own := p.post.Vars()
			own["count"] = state.Count
			return p.receiver.render(ctx, p.alert, p.rule, phase, own, posts.Content(&p.alert.Spec, p.alert.Name, p.post, state.Count))
		}
	}
	return out
}

// remark tells the sender what became of the post.
func (p *posted) remark() string {
	var out string
	switch {
	case p.means == posts.Nothing && p.failed == nil:
		out = "not counted: spec.source.webhook.when is not true for it"
	case p.means == posts.Nothing:
		out = "not counted"
	case p.became.Repeated:
		out = "stored before: the same post changes nothing"
	case !p.became.News && p.means == posts.Resolves && p.opened:
		out = "nothing to end: no incident of its group is open"
	case !p.became.News:
		out = "stored: it is older than what is known, and changes nothing that is shown"
	default:
		out = "stored"
	}
	if p.failed != nil {
		out += "; " + strings.TrimSuffix(p.failed.Error(), ".") + ", which is no evidence of anything"
	}
	return out
}

// Quiet is the rule as its incidents are kept: those of a rule that only tells what
// is posted never end for those who read them.
func Quiet(alert *v1alpha1.SlackAlert) *v1alpha1.SlackAlert {
	if !posts.Told(&alert.Spec) {
		return alert
	}
	out := *alert
	out.Spec.OnResolve, out.Spec.RepeatInterval = v1alpha1.ResolveNone, nil
	out.Spec.Actions, out.Spec.Escalate = nil, nil
	return &out
}

// endSilent ends those open incidents of a rule with source.webhook that have been
// without news for too long.
func (r *Receiver) endSilent(ctx context.Context, alert *v1alpha1.SlackAlert) (Heard, error) {
	now, after := r.Clock.Now(), posts.EndsAfter(&alert.Spec)
	floor := r.deaf.until(alert.UID, now, false).Add(min(after, comeback))
	if after <= 0 {
		return Heard{}, nil
	}
	open, err := r.Store.Open(ctx, alert)
	if err != nil {
		return Heard{}, err
	}
	due := func(current incident.Current) time.Time {
		if due := newsAt(current, now).Add(after); due.After(floor) {
			return due
		}
		return floor
	}
	var out Heard
	var updates []incident.Update
	for _, g := range open {
		if at := due(g.Current); now.Before(at) {
			out.Next = sooner(out.Next, at)
			continue
		}
		updates = append(updates, incident.Update{Key: g.Key, Next: func(current incident.Current) incident.Desired {
			var state posts.State
			_ = json.Unmarshal(current.Data, &state) // what can't be read is not known
			end := incident.Desired{Firing: current.Open && now.Before(due(current)), Data: current.Data, Small: current.Data, Count: state.Count}
			if !end.Firing {
				end.Data, _ = json.Marshal(state.Over()) // numbers, texts and times alone
				end.Over = end.Data
				end.Note = forWantOfNews(after)
			}
			return end
		}})
	}
	if len(updates) > 0 {
		out.Next = now.Add(time.Second)
		_, err = r.Store.Apply(ctx, Quiet(alert), updates, incident.Options{})
	}
	return out, err
}

// newsAt is when the last post of a group came; now when that is not known.
func newsAt(current incident.Current, now time.Time) time.Time {
	var state posts.State
	if json.Unmarshal(current.Data, &state) != nil || state.NewsAt.IsZero() {
		return now
	}
	return state.NewsAt
}
