package alert

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// evaluatingPace is the time between two changes of the message alone of the
// condition Evaluating.
const evaluatingPace = 10 * time.Second

// noteEvaluating sets the condition Evaluating.
func (r *Reconciler) noteEvaluating(alert *v1alpha1.SlackAlert, run *activeRule, f source.Failures, out *outcome) {
	out.at(f.Next)
	status, reason, message := metav1.ConditionTrue, v1alpha1.ReasonEvaluated, "the expressions can be evaluated"
	if f.Failing > 0 {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonFieldMissing
		what := f.Lacking
		if f.Broken != "" {
			// What a person has to mend is in Ready and Stalled already.
			reason, what = v1alpha1.ReasonEvaluationFailed, "Ready says which it is"
		}
		message = fmt.Sprintf("an expression can't be evaluated for %s, which is no evidence: what has fired for them goes on firing, and nothing new is opened; %s",
			run.watched.Share(f.Failing, run.sub), what)
		if f.Missing > 0 {
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
