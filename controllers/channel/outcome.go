package channel

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// outcome of a check: what to say in the status, and when to look again.
type outcome struct {
	// mark sets the summary conditions; nil leaves the status as it is.
	mark func(*v1alpha1.SlackChannel)
	// facts fills in what Slack said; nil leaves it as it is.
	facts func(*v1alpha1.SlackChannelStatus)
	// exactlyOnce is nil when nothing new is known of it.
	exactlyOnce *metav1.Condition
	// members is nil when nothing new is known of them.
	members *metav1.Condition
	// after is when to look again; 0 with recheck is the usual time.
	after   time.Duration
	recheck bool
}

func (o outcome) apply(c *v1alpha1.SlackChannel) {
	if o.facts != nil {
		o.facts(&c.Status)
	}
	if o.exactlyOnce != nil {
		conditions.Set(c, v1alpha1.ConditionExactlyOnce, o.exactlyOnce.Status, o.exactlyOnce.Reason, o.exactlyOnce.Message)
	}
	if o.members != nil {
		conditions.Set(c, v1alpha1.ConditionMembersInSync, o.members.Status, o.members.Reason, o.members.Message)
	}
	if o.mark != nil {
		o.mark(c)
		c.Status.ObservedGeneration = c.Generation
	}
}

// withoutFacts drops what Slack said before, since it may not hold any more.
func (o outcome) withoutFacts() outcome {
	o.facts = func(s *v1alpha1.SlackChannelStatus) {
		s.Workspace, s.Channel, s.BotUserID, s.Scopes = nil, nil, "", nil
	}
	return o
}

// withoutChannel drops what Slack said of the channel.
func (o outcome) withoutChannel() outcome {
	facts := o.facts
	o.facts = func(s *v1alpha1.SlackChannelStatus) {
		if facts != nil {
			facts(s)
		}
		s.Channel = nil
	}
	return o
}

func ready(reason, message string) outcome {
	return outcome{recheck: true, mark: func(c *v1alpha1.SlackChannel) { conditions.Ready(c, reason, message) }}
}

func stalled(reason, message string) outcome {
	return outcome{recheck: true, mark: func(c *v1alpha1.SlackChannel) { conditions.Stalled(c, reason, message) }}
}

func retrying(reason, message string, after time.Duration) outcome {
	return outcome{after: after, mark: func(c *v1alpha1.SlackChannel) { conditions.Retrying(c, reason, message) }}
}

func suspended() outcome {
	return outcome{mark: func(c *v1alpha1.SlackChannel) {
		conditions.Suspended(c, v1alpha1.ReasonSuspended,
			"spec.suspend is true: nothing is checked or sent through this SlackChannel until it is set to false")
	}}
}

// waiting says what the check waits for, unless an earlier answer about the
// same spec and credential still stands.
func waiting(stands bool, message string, after time.Duration) outcome {
	o := outcome{after: after}
	if !stands {
		o.mark = func(c *v1alpha1.SlackChannel) { conditions.Progressing(c, v1alpha1.ReasonVerifying, message) }
	}
	return o
}
