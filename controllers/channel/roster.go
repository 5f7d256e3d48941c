package channel

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// membersNamed in a condition, one by one.
const membersNamed = 10

// membersCondition names the members who could not be invited or removed.
func (r *Reconciler) membersCondition(k *check, unfound []string, general *slack.Error) *metav1.Condition {
	problems, reason := slices.Clone(unfound), v1alpha1.ReasonMembersNotFound
	if general != nil || len(k.managed.refused) > 0 {
		reason = v1alpha1.ReasonInviteFailed
	}
	switch {
	case general != nil && general.Class == slack.ClassMissingScope:
		reason = v1alpha1.ReasonMissingScope
		problems = append(problems, r.missingScope(k, general))
	case general != nil:
		problems = append(problems, general.Error())
	}
	problems = append(problems, k.refusals()...)
	if len(problems) == 0 {
		return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInSync, Message: "all of spec.manage.members are in the channel"}
	}
	message := strings.Join(problems[:min(len(problems), membersNamed)], "; ")
	if more := len(problems) - membersNamed; more > 0 {
		message += fmt.Sprintf("; and %d more", more)
	}
	if k.c.Spec.Manage.PruneMembers && len(unfound) > 0 {
		message += "; nobody is removed until all of spec.manage.members are found"
	}
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// refusals names those who could not be invited, as the spec names them, and
// those who could not be removed, by ID.
func (k *check) refusals() []string {
	var out []string
	named := map[string]bool{}
	for _, m := range k.c.Spec.Manage.Members {
		id := k.managed.found[m]
		if e := k.managed.refused[id]; e != nil && !named[id] {
			named[id] = true
			out = append(out, fmt.Sprintf("%q could not be invited: %v", firstOf(m.User, m.Email), e))
		}
	}
	for id, e := range k.managed.refused {
		if !named[id] {
			out = append(out, fmt.Sprintf("user %s could not be removed: %v", id, e))
		}
	}
	slices.Sort(out[len(named):])
	return out
}
