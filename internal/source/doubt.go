package source

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// doubt tells in the rule's status of an expression that can't be evaluated on a
// post. It is written here and not by the controller, because each replica takes
// posts; once, until the controller takes it out again.
func (r *Receiver) doubt(ctx context.Context, alert *v1alpha1.SlackAlert, trouble *alerting.EvalError) {
	told := metav1.Condition{
		Type: v1alpha1.ConditionEvaluating, Status: metav1.ConditionFalse, ObservedGeneration: alert.Generation, Reason: v1alpha1.ReasonEvaluationFailed,
		Message: trouble.Error() + ": correct the expression; a post that it fails for counts for nothing",
	}
	if trouble.Missing {
		told.Reason = v1alpha1.ReasonFieldMissing
		told.Message = trouble.Error() + " in a post, which is no evidence: it neither opens an incident nor ends one by that; say what a missing field means, as body.?state.orValue('')"
	}
	for range 3 {
		c := meta.FindStatusCondition(alert.Status.Conditions, v1alpha1.ConditionEvaluating)
		if alert.Generation != told.ObservedGeneration || c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == told.ObservedGeneration && (c.Reason == told.Reason || trouble.Missing) {
			return
		}
		alert = alert.DeepCopy()
		meta.SetStatusCondition(&alert.Status.Conditions, told)
		err := r.Store.Client.Status().Update(ctx, alert)
		if apierrors.IsConflict(err) {
			err = r.Store.Live.Get(ctx, client.ObjectKeyFromObject(alert), alert)
			if err == nil {
				continue
			}
		}
		if err != nil && !apierrors.IsNotFound(err) {
			log.FromContext(ctx).Error(err, "Could not tell in the status that an expression can't be evaluated", "slackalert", client.ObjectKeyFromObject(alert))
		}
		return
	}
}
