package alert

import (
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// verdict is how a rule is doing.
type verdict int

const (
	good verdict = iota
	underWay
	retrying
	needsPerson
	paused
)

// outcome of a pass.
type outcome struct {
	verdict         verdict
	reason, message string
	// next is when to look again; zero for when something changes.
	next time.Time
	// silent outcomes are not worth a write.
	silent bool
}

func stalled(reason, message string) outcome {
	return outcome{verdict: needsPerson, reason: reason, message: message}
}

func suspended() outcome {
	return outcome{verdict: paused, reason: v1alpha1.ReasonSuspended,
		message: "spec.suspend is true: no incident is opened or changed until it is set to false"}
}

func (p *problem) outcome(now time.Time) outcome {
	o := outcome{verdict: retrying, reason: p.reason, message: p.message}
	if p.stalled {
		o.verdict = needsPerson
	}
	if p.again > 0 {
		o.next = now.Add(p.again)
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
func starting(run *running, now time.Time) outcome {
	age := now.Sub(run.since)
	return outcome{
		verdict: underWay, reason: v1alpha1.ReasonWatchStarting, silent: age < startSilent,
		message: fmt.Sprintf("the watch of %s is being set up", plural(run.scope.kind.gvk.Kind)),
		next:    now.Add(min(max(startPoll, age/4), maxStartPoll)),
	}
}

func watching(run *running) outcome {
	what := plural(run.scope.kind.gvk.Kind) + " (" + run.scope.kind.gvk.GroupVersion().String() + ")"
	if run.rule.Source == alerting.Events {
		what = "Events"
	}
	return outcome{reason: v1alpha1.ReasonWatching, message: fmt.Sprintf("watches %s of %s", what, run.scope.where)}
}

func (r *Reconciler) listening(alert *v1alpha1.SlackAlert) outcome {
	if !r.Intake {
		return stalled(v1alpha1.ReasonIntakeDisabled,
			"the operator takes nothing from an Alertmanager: have it run with --intake-bind-address")
	}
	return outcome{reason: v1alpha1.ReasonListening, message: "takes what an Alertmanager posts to " + alert.Status.Address}
}

// trouble has expressions and templates that fail told.
func (o *outcome) trouble(run *running) {
	failing, hint := run.follower.trouble()
	for _, text := range run.unrendered {
		if failing == "" || text < failing {
			failing = text
		}
	}
	switch {
	case failing != "":
		o.verdict, o.reason = needsPerson, v1alpha1.ReasonEvaluationFailed
		o.message = failing + ": correct the expression or template; the rule goes on with everything else"
	case hint != "":
		o.message += `; "when" names something that no object has had so far (` + hint + ")"
	}
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

// apply writes the outcome into the conditions.
func (o *outcome) apply(alert *v1alpha1.SlackAlert) {
	alert.Status.ObservedGeneration = alert.Generation
	set := map[verdict]func(conditions.Object, string, string){
		good: conditions.Ready, underWay: conditions.Progressing, retrying: conditions.Retrying,
		needsPerson: conditions.Stalled, paused: conditions.Suspended,
	}[o.verdict]
	set(alert, o.reason, o.message)
}
