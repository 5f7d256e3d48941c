package alert

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// trouble tells of expressions of a rule that can't be evaluated.
type trouble struct {
	// failing is how many objects or Events they can't be evaluated for; missing
	// is how many of those lack a field.
	failing, missing int
	// broken is one where an expression fails by itself, and lacking one that
	// lacks a field; empty if there is none.
	broken, lacking string
	// next is when that is told which has only just begun to fail.
	next time.Time
	// hint is what "when" names and nothing has had so far.
	hint string
}

// Times of the condition Evaluating.
const (
	// evaluatingGrace is how long an object may lack a field before that is told:
	// many have no status when they are new.
	evaluatingGrace = 2 * time.Second
	// evaluatingPace is the time between two changes of its message alone.
	evaluatingPace = 10 * time.Second
)

// noteEvaluating sets the condition Evaluating.
func (r *Reconciler) noteEvaluating(alert *v1alpha1.SlackAlert, run *activeRule, t trouble, out *outcome) {
	out.at(t.next)
	status, reason, message := metav1.ConditionTrue, v1alpha1.ReasonEvaluated, "the expressions can be evaluated"
	if t.failing > 0 {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonFieldMissing
		what := t.lacking
		if t.broken != "" {
			reason, what = v1alpha1.ReasonEvaluationFailed, t.broken
		}
		message = fmt.Sprintf("an expression can't be evaluated for %s, which is no evidence: what has fired for them goes on firing, and nothing new is opened; %s",
			run.share(t.failing), what)
		if t.missing > 0 {
			message += `; say what a missing field means, as in object.status.?readyReplicas.orValue(0)`
		}
	}
	was := conditions.Find(alert, v1alpha1.ConditionEvaluating)
	now := r.Clock.Now()
	if was != nil && was.Status == status && was.Reason == reason && was.Message != message {
		if due := run.evaluatingAt.Add(evaluatingPace); now.Before(due) {
			out.at(due)
			message = was.Message
		}
	}
	if was == nil || was.Message != message {
		run.evaluatingAt = now
	}
	conditions.Set(alert, v1alpha1.ConditionEvaluating, status, reason, message)
}

// share tells how many of how many.
func (run *activeRule) share(failing int) string {
	if run.rule.Source == alerting.Events {
		return fmt.Sprintf("%d Events", kindwatch.About(failing))
	}
	return fmt.Sprintf("%d of %d %s", kindwatch.About(failing), kindwatch.About(max(failing, run.sub.Count(run.scope.watches))), run.scope.Kind.Plural())
}

// trouble implements follower.
func (o *objects) trouble() trouble {
	o.mu.Lock()
	defer o.mu.Unlock()
	var t trouble
	now := o.schedule.clock.Now()
	for _, f := range o.failing {
		if f.undecided {
			continue
		}
		if due := f.at.Add(evaluatingGrace); f.missing && now.Before(due) {
			t.next = earlier(t.next, due)
			continue
		}
		t.failing++
		words := &t.broken
		if f.missing {
			t.missing++
			words = &t.lacking
		}
		if text := f.thing.Kind + " " + strings.TrimPrefix(f.thing.Namespace+"/"+f.thing.Name, "/") + ": " + f.text; *words == "" || text < *words {
			*words = text
		}
	}
	if o.evaluated > 0 && o.missing == o.evaluated {
		t.hint = o.missed
	}
	return t
}

// trouble implements follower.
func (e *events) trouble() trouble {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := trouble{broken: e.failing}
	if e.failing != "" {
		t.failing++
	}
	if e.evaluated > 0 && e.missing == e.evaluated {
		t.failing, t.missing, t.lacking, t.hint = t.failing+e.missing, e.missing, e.missed, e.missed
	}
	return t
}
