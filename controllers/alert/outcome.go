package alert

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// outcome of a pass.
type outcome struct {
	conditions.Summary
	// next is when to look again; zero for when something changes.
	next time.Time
	// silent outcomes are not worth a write.
	silent bool
}

func stalled(reason, message string) outcome {
	return outcome{Summary: conditions.Summary{Kind: conditions.KindStalled, Reason: reason, Message: message}}
}

func suspended() outcome {
	return outcome{Summary: conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSuspended,
		Message: "spec.suspend is true: no incident is opened or changed until it is set to false"}}
}

// unavailable tells why what a rule looks at can't be watched.
func unavailable(p *kindwatch.Unavailable, now time.Time) outcome {
	o := outcome{Summary: conditions.Summary{Kind: conditions.KindRetrying, Reason: p.Reason, Message: p.Message}}
	if p.Stalled {
		o.Kind = conditions.KindStalled
	}
	o.silent = p.Asking
	if p.RetryAfter > 0 {
		o.next = now.Add(p.RetryAfter)
	}
	return o
}

// Times of a watch that is being set up.
const (
	startPoll    = 50 * time.Millisecond
	maxStartPoll = 2 * time.Second
	startSilent  = time.Second
)

// starting tells of a watch that is being set up, if that takes long.
func starting(run *activeRule, now time.Time) outcome {
	age := now.Sub(run.since)
	return outcome{
		Summary: conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonWatchStarting,
			Message: fmt.Sprintf("the watch of %s is being set up", run.scope.Kind.Plural())},
		silent: age < startSilent,
		next:   now.Add(min(max(startPoll, age/4), maxStartPoll)),
	}
}

func watching(run *activeRule) outcome {
	return working(v1alpha1.ReasonWatching, fmt.Sprintf("watches %s of %s", run.scope.what, run.scope.where))
}

func working(reason, message string) outcome {
	return outcome{Summary: conditions.Summary{Kind: conditions.KindReady, Reason: reason, Message: message}}
}

// failures has expressions and templates that fail told.
func (o *outcome) failures(run *activeRule, f source.Failures) {
	failing := f.Broken
	if failing == "" && len(run.unrendered) > 0 {
		failing = slices.Min(slices.Collect(maps.Values(run.unrendered)))
	}
	switch {
	case failing != "":
		o.Kind, o.Reason = conditions.KindStalled, v1alpha1.ReasonEvaluationFailed
		o.Message = failing + ": correct the expression or template; the rule goes on with everything else"
	case f.Hint != "":
		o.Message += `; "when" names something that nothing has had so far (` + f.Hint + ")"
	}
}

// unread has posts told of that were too large to be read.
func (o *outcome) unread(sentence string) {
	if sentence == "" || o.Kind != conditions.KindReady {
		return
	}
	o.Kind, o.Reason = conditions.KindStalled, v1alpha1.ReasonPostTooLarge
	o.Message = sentence + "; the rule goes on with all other posts"
}

// refused has messages told of that the API server does not store.
func (o *outcome) refused(words string, now time.Time) {
	if words == "" {
		return
	}
	o.Kind, o.Reason = conditions.KindStalled, v1alpha1.ReasonStoreRefused
	o.Message = "the API server does not store messages of this rule: " + words +
		"; have the quota or policy allow them, they are tried again at least every 5 minutes"
	o.at(now.Add(refusedRarely))
}

// at has the rule looked at again by then.
func (o *outcome) at(t time.Time) { o.next = earlier(o.next, t) }

// wait is how long to wait until then.
func (o *outcome) wait(now time.Time) time.Duration {
	if o.next.IsZero() {
		return 0
	}
	return max(o.next.Sub(now), time.Millisecond)
}
