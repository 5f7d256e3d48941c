package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// stopAnswers stores the decision Expired when the time to answer is over, before
// anything of it is shown: a click that was stored first wins. False means that the
// object has changed, and is to be looked at again.
func (r *Reconciler) stopAnswers(ctx context.Context, n *v1alpha1.SlackNotification, t *ledger.Entry) (bool, error) {
	if !interact.Expire(n, r.Clock.Now()) {
		return true, nil
	}
	setAnswered(n)
	err := r.store(ctx, n, t)
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// answerBy is when the time to answer is over; zero when it is, or never will be.
func answerBy(n *v1alpha1.SlackNotification) time.Time {
	if at, ok := interact.ExpiresAt(n); ok && interact.Open(n) {
		return at
	}
	return time.Time{}
}

// owes reports whether a notification of which all else is done has other buttons
// or answers out than it should.
func (r *Reconciler) owes(ctx context.Context, n *v1alpha1.SlackNotification) (bool, error) {
	if len(n.Spec.Actions) == 0 && len(n.Status.Responses) == 0 {
		return false, nil
	}
	if lacksGroups(n) {
		return true, nil
	}
	c := &v1alpha1.SlackChannel{}
	if !r.Channels.Sees(channelKey(n).Namespace) {
		return false, nil
	}
	if err := r.Client.Get(ctx, channelKey(n), c); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	want := message.HashWith(n.Spec.Content, message.InteractionOf(n, c))
	content, _, _ := strings.Cut(want, "-")
	return slices.ContainsFunc(n.Status.Deliveries, func(d v1alpha1.Delivery) bool {
		have, _, _ := strings.Cut(d.ContentHash, "-")
		return d.Timestamp != "" && d.State == v1alpha1.DeliveryDelivered && have == content && d.ContentHash != want
	}), nil
}

// lacksGroups reports whether somebody may answer only once a user group is found.
func lacksGroups(n *v1alpha1.SlackNotification) bool {
	cond := conditions.Find(n, v1alpha1.ConditionAllowedGroupsFound)
	return cond != nil && cond.Status != metav1.ConditionTrue && interact.Open(n)
}

// answersChanged reports whether somebody has answered, or the time to is over.
func answersChanged(was, is *v1alpha1.SlackNotification) bool {
	last := func(n *v1alpha1.SlackNotification) string {
		if len(n.Status.Responses) == 0 {
			return ""
		}
		return n.Status.Responses[len(n.Status.Responses)-1].ID
	}
	return was.Status.Decision != is.Status.Decision || len(was.Status.Responses) != len(is.Status.Responses) || last(was) != last(is)
}

func setAnswered(n *v1alpha1.SlackNotification) {
	if status, reason, text, ok := interact.Answered(n); ok {
		conditions.Set(n, v1alpha1.ConditionAnswered, status, reason, text)
	} else {
		conditions.Remove(n, v1alpha1.ConditionAnswered)
	}
}

// annotateAnswers sets the conditions about answers.
func (p *pass) annotateAnswers() {
	setAnswered(p.n)
	c := p.channel
	switch {
	case !interact.Open(p.n):
		conditions.Remove(p.n, v1alpha1.ConditionActionsAvailable)
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
	case c.Spec.Webhook != nil:
		conditions.Set(p.n, v1alpha1.ConditionActionsAvailable, metav1.ConditionFalse, v1alpha1.ReasonActionsNotSupported, fmt.Sprintf(
			"spec.actions are not shown: SlackChannel %s is an incoming webhook, whose messages can't be edited when somebody answers; name a SlackChannel with spec.webAPI and spec.interactions in spec.channelRef", channelKey(p.n)))
	case c.Name != "" && c.Spec.Interactions == nil:
		conditions.Set(p.n, v1alpha1.ConditionActionsAvailable, metav1.ConditionFalse, v1alpha1.ReasonInteractionsNotSet, fmt.Sprintf(
			"spec.actions are not shown: SlackChannel %s has no spec.interactions, so that a click would arrive nowhere; set it there, and they are shown by themselves", channelKey(p.n)))
	default:
		conditions.Remove(p.n, v1alpha1.ConditionActionsAvailable)
	}
}

// allowedGroups are the user groups whose members may answer, each once.
func allowedGroups(n *v1alpha1.SlackNotification) []string {
	var out []string
	if n.Spec.Answers != nil {
		out = append(out, n.Spec.Answers.Allowed.Groups...)
	}
	for i := range n.Spec.Actions {
		if a := n.Spec.Actions[i].Allowed; a != nil {
			out = append(out, a.Groups...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// groupsShown in the message of the condition.
const groupsShown = 5

// checkGroups tells of user groups that nobody goes by, before a member presses in
// vain. What can't be told now is looked up again.
func (r *Reconciler) checkGroups(ctx context.Context, p *pass) error {
	groups := allowedGroups(p.n)
	if len(groups) == 0 || !interact.Open(p.n) {
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
		return nil
	}
	if p.way == nil || p.way.webhook() {
		return nil
	}
	var missing []string
	for _, group := range groups {
		_, err := r.Directory.FindGroup(ctx, p.way.workspace, group, OwnerPrefix+p.name.String())
		var none *directory.NotFoundError
		var scope *directory.ScopeError
		switch {
		case errors.As(err, &none):
			missing = append(missing, err.Error())
		case errors.As(err, &scope):
			conditions.Set(p.n, v1alpha1.ConditionAllowedGroupsFound, metav1.ConditionFalse, v1alpha1.ReasonMissingScope, err.Error()+"; until then nobody may answer as the member of a group")
			p.requeueBy(p.now.Add(10 * time.Minute))
			return nil
		case err != nil:
			p.requeueBy(p.now.Add(time.Minute))
			return nil //nolint:nilerr // it is asked again
		}
	}
	if len(missing) == 0 {
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
		return nil
	}
	text := strings.Join(missing[:min(len(missing), groupsShown)], "; ")
	conditions.Set(p.n, v1alpha1.ConditionAllowedGroupsFound, metav1.ConditionFalse, v1alpha1.ReasonGroupsNotFound, text+"; until then nobody may answer as its member: correct the name in answers.allowed.groups (or actions[].allowed.groups), or create the group in Slack")
	p.requeueBy(p.now.Add(10 * time.Minute))
	return nil
}
