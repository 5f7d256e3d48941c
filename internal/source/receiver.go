package source

import (
	"context"
	"errors"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// ErrSuspended means that a rule takes nothing now. What is told of it must be
// told again, or its incidents would miss their end.
var ErrSuspended = errors.New("the SlackAlert is suspended")

// RefusedError says that the API server does not store a part of what a post brings.
type RefusedError = incident.RefusedError

// ErrTooManyAlerts means that a rule is beyond those that are at work in its
// namespace.
var ErrTooManyAlerts = errors.New("the namespace has too many SlackAlerts, and this one is not at work")

// Receiver takes what is posted for a rule with source.alertmanager or
// source.webhook, and has it stored.
type Receiver struct {
	Store *incident.Store
	Clock clock.PassiveClock
	// ClusterName is what templates see as .cluster.
	ClusterName string

	// Rules compiles rules, once for each generation.
	Rules *alerting.Cache
	// Refused, if not nil, is told of a rule whose messages are not stored.
	Refused func(types.NamespacedName)

	spending spending
	deaf     deaf
	tally    tally
}

// postedSource is what the Receiver has to know of a source.
type postedSource struct {
	// decode reads a post. What it returns makes updates of it, once it is known that
	// the rule is at work.
	decode func(r *Receiver, alert *v1alpha1.SlackAlert, raw posts.Raw) (func(context.Context) (received, error), error)
	// endQuiet is EndQuiet.
	endQuiet func(r *Receiver, ctx context.Context, alert *v1alpha1.SlackAlert) (Heard, error)
}

// postedSources are those that are posted. All others are watched.
var postedSources = map[alerting.Source]postedSource{
	alerting.Alertmanager: {(*Receiver).decodeAlerts, (*Receiver).endUntold},
	alerting.Webhook:      {(*Receiver).decodePost, (*Receiver).endSilent},
}

// TakesPosts reports whether a rule waits for what is posted to its address.
func TakesPosts(alert *v1alpha1.SlackAlert) bool {
	_, posted := postedSources[alerting.SourceOf(&alert.Spec)]
	return posted
}

// maxRendering is how long the templates of one message may take.
const maxRendering = time.Second

// Receive stores what a post makes of the incidents of a rule. When it returns
// nil, all is stored, and remark is what the sender should know beside, if it is
// not empty. An *alertmanager.PayloadError or a *posts.PayloadError says that the
// post can't be read, an *incident.RefusedError that the API server does not store a part
// of it, an *EvaluationError that an expression fails on it.
func (r *Receiver) Receive(ctx context.Context, alert *v1alpha1.SlackAlert, raw posts.Raw) (remark string, err error) {
	read, err := postedSources[alerting.SourceOf(&alert.Spec)].decode(r, alert, raw)
	if err != nil {
		return "", err
	}
	return r.take(ctx, alert, read)
}

// ReceivePost is Receive for a post of an Alertmanager that was read already. What
// was not read to its end is told of by itself when nobody knows what group it is
// about.
func (r *Receiver) ReceivePost(ctx context.Context, alert *v1alpha1.SlackAlert, post alertmanager.Payload) error {
	_, err := r.take(ctx, alert, r.updatesOf(alert, post))
	return err
}

// take stores what a post brings, if the rule is at work.
func (r *Receiver) take(ctx context.Context, alert *v1alpha1.SlackAlert, read func(context.Context) (received, error)) (remark string, err error) {
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
	if err != nil || len(got.updates) == 0 {
		return got.answer(), err
	}
	// What a post does not change is answered as stored, so it must not be the cache that
	// is behind: the post before it may have come to another replica. An Alertmanager
	// says again what fires, and what is over but a few times.
	confirm := func(d incident.Desired) bool { return alert.Spec.Source.Webhook != nil || !d.Firing }
	applied, err := r.Store.Apply(ctx, Quiet(alert), got.updates, incident.Options{Confirm: confirm})
	if err != nil {
		return "", err
	}
	for _, words := range applied.Refused {
		if r.Refused != nil {
			r.Refused(types.NamespacedName{Namespace: alert.Namespace, Name: alert.Name})
		}
		return "", &incident.RefusedError{Words: words}
	}
	return got.answer(), nil
}

// received is what a post brings.
type received struct {
	updates []incident.Update
	// remark, if not nil, is asked for what to tell the sender, when all is stored.
	remark func() string
}

func (r received) answer() string {
	if r.remark == nil {
		return ""
	}
	return r.remark()
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
