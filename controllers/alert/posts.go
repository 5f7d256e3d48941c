package alert

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// address is the path that is posted to for a rule; empty where nothing listens.
func (r *Reconciler) address(alert *v1alpha1.SlackAlert) string {
	if !r.Intake || !source.TakesPosts(alert) {
		return ""
	}
	return "/v1/namespaces/" + alert.Namespace + "/alerts/" + alert.Name
}

// atService leads from the address, which is a path, to the whole URL.
const atService = ", at the Service of the operator's --intake-bind-address"

// listening is how a rule is that waits for posts.
func (r *Reconciler) listening(ctx context.Context, alert *v1alpha1.SlackAlert) (outcome, error) {
	webhook := alert.Spec.Source.Webhook
	switch {
	case !r.Intake:
		return stalled(v1alpha1.ReasonIntakeDisabled, "nothing can be posted to this rule, since the operator listens on no port: start it with --intake-bind-address=:8082 "+
			"(in the args of its Deployment), and give that port a Service; the rule then shows its address in status.address"), nil
	case webhook == nil:
		return working(v1alpha1.ReasonListening, "takes what an Alertmanager posts to "+alert.Status.Address+atService), nil
	case webhook.Signature == nil:
		return working(v1alpha1.ReasonListening, "takes what is posted to "+alert.Status.Address+atService), nil
	}
	_, err := r.Keys.Get(ctx, alert)
	var missing *webhookkey.Problem
	if errors.As(err, &missing) {
		return stalled(missing.Reason, missing.Message), nil
	}
	return working(v1alpha1.ReasonListening, "takes what is posted to "+alert.Status.Address+", signed in the header "+posts.HeaderOf(webhook)+atService), err
}

// ofSecret are the rules whose posts are signed with what is in a Secret.
func ofSecret(alert *v1alpha1.SlackAlert, secret client.Object) bool {
	w := alert.Spec.Source.Webhook
	return w != nil && w.Signature != nil && w.Signature.SecretRef.Name == secret.GetName() && alert.Namespace == secret.GetNamespace()
}

// countOf is the number of open incidents, for the status. What is told alone does
// not fire.
func countOf(alert *v1alpha1.SlackAlert, open int) int32 {
	if posts.Told(&alert.Spec) {
		return 0
	}
	return int32(min(open, 1<<30)) //nolint:gosec // bounded
}

// doubtFor is how long it is told that an expression could not be evaluated on a
// post. A change of the rule ends it at once, and the next such post begins it
// anew.
const doubtFor = 15 * time.Minute

// doubted lets through that a process which takes posts has told in the status of
// an expression that could not be evaluated.
func doubted() predicate.Predicate {
	in := func(o client.Object) bool {
		alert, ok := o.(*v1alpha1.SlackAlert)
		return ok && alert.Spec.Source.Webhook != nil && conditions.Find(alert, v1alpha1.ConditionEvaluating) != nil
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return in(e.ObjectNew) && !in(e.ObjectOld) }}
}

// hear ends what no post tells of any more, and has posts told of that could not
// be read.
func (r *Reconciler) hear(ctx context.Context, alert *v1alpha1.SlackAlert, out *outcome) error {
	if !source.TakesPosts(alert) || r.Posts == nil {
		return nil
	}
	r.undoubt(alert, out)
	if !r.Intake || alert.Spec.Source.Webhook != nil && out.Kind != conditions.KindReady { // nothing can be posted
		r.Posts.Deaf(alert.UID)
		return nil
	}
	heard, err := r.Posts.EndQuiet(ctx, alert)
	if err != nil {
		return err
	}
	if !heard.Next.IsZero() {
		out.at(heard.Next)
	}
	out.unread(heard.Unread)
	return nil
}

// undoubt has it told no longer that a post could not be judged, when that was long
// ago or of another spec.
func (r *Reconciler) undoubt(alert *v1alpha1.SlackAlert, out *outcome) {
	c := conditions.Find(alert, v1alpha1.ConditionEvaluating)
	if c == nil {
		return
	}
	due := c.LastTransitionTime.Add(doubtFor)
	if c.ObservedGeneration != alert.Generation || !r.Clock.Now().Before(due) {
		conditions.Remove(alert, v1alpha1.ConditionEvaluating)
		return
	}
	out.at(due)
}
