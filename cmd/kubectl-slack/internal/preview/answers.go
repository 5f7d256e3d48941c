package preview

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// interaction is what stands below the content, and notes what of it is not shown.
func (m *Message) interaction(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, cluster string) message.Interaction {
	known := v1alpha1.SlackChannel{} // one that is not known may have spec.interactions
	if c != nil {
		known = *c
	}
	out := message.InteractionOf(n, &known)
	out.Button.Cluster = cluster
	switch {
	case !interact.Open(n):
	case m.Via == Webhook:
		m.note("spec.actions are not shown: a message of an incoming webhook can't be edited when somebody answers; name a SlackChannel with spec.webAPI and spec.interactions")
	case len(out.Actions) == 0:
		m.note("spec.actions are not shown: SlackChannel %s has no spec.interactions, so that a click would arrive nowhere; set it there", m.Channel)
	default:
		m.answers(n)
		if n.UID == "" || cluster == "" {
			m.note("the block_id of the buttons names the object and the cluster, which are not known here: it has other letters when it is sent")
		}
	}
	return out
}

// answers says what people can't see of the buttons before they press.
func (m *Message) answers(n *v1alpha1.SlackNotification) {
	say := func(format string, args ...any) { m.Answers = append(m.Answers, fmt.Sprintf(format, args...)) }
	if slices.ContainsFunc(n.Spec.Actions, func(a v1alpha1.Action) bool { return a.Allowed == nil }) {
		say("%s may press", who(n.Spec.Answers.Allowed))
	}
	for i := range n.Spec.Actions {
		a := &n.Spec.Actions[i]
		if a.Allowed != nil {
			say("%s may press %s", who(*a.Allowed), a.Text)
		}
		if a.Confirm != "" {
			say("%s asks first: %s", a.Text, a.Confirm)
		}
		if len(a.Options) > 0 {
			var lines []string
			for _, o := range a.Options {
				lines = append(lines, o.Text)
			}
			say("%s is a menu: %s", a.Text, strings.Join(lines, ", "))
		}
	}
	switch n.Spec.Answers.DecidedBy {
	case v1alpha1.DecidedByEach:
		say("each person has one answer, and the buttons stay")
	case v1alpha1.DecidedByNone:
		say("every answer is kept, nothing is decided, and the buttons stay")
	default:
		say("the first answer decides, and the buttons go")
	}
	if d := n.Spec.Answers.ExpiresAfter; d != nil {
		say("the time to answer is over %s after it was delivered", duration.HumanDuration(d.Duration))
	}
}

// who are those who may press, in plain text.
func who(list v1alpha1.AllowedPeople) string { return plain(interact.Who(list)) }
