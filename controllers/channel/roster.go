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

// verdict says in a condition who is not in the channel, or still is.
func (v *visit) verdict(unfound []string, general *slack.Error) *metav1.Condition {
	problems, reason := slices.Clone(unfound), v1alpha1.ReasonMembersNotFound
	if general != nil || len(v.own.refused) > 0 {
		reason = v1alpha1.ReasonInviteFailed
	}
	switch {
	case general != nil && general.Class == slack.ClassMissingScope:
		reason = v1alpha1.ReasonMissingScope
		problems = append(problems, missingScope(general))
	case general != nil:
		problems = append(problems, general.Error())
	}
	problems = append(problems, v.refusals()...)
	if len(problems) == 0 {
		return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInSync, Message: "all of spec.manage.members are in the channel"}
	}
	message := strings.Join(problems[:min(len(problems), membersNamed)], "; ")
	if more := len(problems) - membersNamed; more > 0 {
		message += fmt.Sprintf("; and %d more", more)
	}
	if v.c.Spec.Manage.PruneMembers && len(unfound) > 0 {
		message += "; nobody is removed until all of spec.manage.members are found"
	}
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// refusals names those who could not be invited, as the spec names them, and
// those who could not be removed, by ID.
func (v *visit) refusals() []string {
	var out []string
	named := map[string]bool{}
	for _, m := range v.c.Spec.Manage.Members {
		id := v.own.found[m]
		if e := v.own.refused[id]; e != nil && !named[id] {
			named[id] = true
			out = append(out, fmt.Sprintf("%q could not be invited: %v", firstOf(m.User, m.Email), e))
		}
	}
	for id, e := range v.own.refused {
		if !named[id] {
			out = append(out, fmt.Sprintf("user %s could not be removed: %v", id, e))
		}
	}
	slices.Sort(out[len(named):])
	return out
}
