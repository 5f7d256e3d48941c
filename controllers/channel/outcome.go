package channel

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// outcome of a check: what the status says, and when to look again. A step of
// a check that returns none goes on to the next one.
type outcome struct {
	// summary of Ready, Reconciling and Stalled; nil leaves these as they are.
	summary *conditions.Summary
	// facts that Slack told; nil leaves those of the status as they are.
	facts *facts
	// exactlyOnce and members are nil when nothing new is known of them.
	exactlyOnce, members *metav1.Condition
	// after is when to look again; 0 with recheck is the usual time. Only an
	// outcome with recheck is an answer.
	after   time.Duration
	recheck bool
	// every is the usual time when it is not 0.
	every time.Duration
}

// facts are what the status says that Slack told.
type facts struct {
	workspace *v1alpha1.Workspace
	botUserID string
	scopes    []string
	channel   *v1alpha1.ChannelInfo
	// keepChannel leaves the channel as it is.
	keepChannel bool
}

// factsOf an identity, which leave the channel as it is.
func factsOf(i slack.Identity) *facts {
	return &facts{
		workspace: &v1alpha1.Workspace{ID: i.TeamID, Name: i.TeamName, URL: i.URL}, botUserID: i.BotUserID,
		scopes: slices.Compact(slices.Sorted(slices.Values(i.Scopes))), keepChannel: true,
	}
}

func (f *facts) with(found slack.Conversation) *facts {
	f.channel, f.keepChannel = &v1alpha1.ChannelInfo{ID: found.ID, Name: found.Name, Private: found.Private, Archived: found.Archived}, false
	return f
}

func (f *facts) withoutChannel() *facts {
	f.channel, f.keepChannel = nil, false
	return f
}

// apply writes the outcome into the status.
func (o *outcome) apply(c *v1alpha1.SlackChannel) {
	if f := o.facts; f != nil {
		c.Status.Workspace, c.Status.BotUserID, c.Status.Scopes = f.workspace, f.botUserID, f.scopes
		if !f.keepChannel {
			c.Status.Channel = f.channel
		}
	}
	if o.exactlyOnce != nil {
		conditions.Set(c, v1alpha1.ConditionExactlyOnce, o.exactlyOnce.Status, o.exactlyOnce.Reason, o.exactlyOnce.Message)
	}
	if o.members != nil {
		conditions.Set(c, v1alpha1.ConditionMembersInSync, o.members.Status, o.members.Reason, o.members.Message)
	}
	if o.summary != nil {
		o.summary.Apply(c)
		c.Status.ObservedGeneration = c.Generation
	}
}

func ready(reason, message string) *outcome {
	return &outcome{recheck: true, summary: &conditions.Summary{Kind: conditions.KindReady, Reason: reason, Message: message}}
}

func stalled(reason, message string) *outcome {
	return &outcome{recheck: true, summary: &conditions.Summary{Kind: conditions.KindStalled, Reason: reason, Message: message}}
}

func retrying(reason, message string, after time.Duration) *outcome {
	return &outcome{after: after, summary: &conditions.Summary{Kind: conditions.KindRetrying, Reason: reason, Message: message}}
}

func progressing(message string, after time.Duration) *outcome {
	return &outcome{after: after, summary: &conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonVerifying, Message: message}}
}

func suspended() *outcome {
	return &outcome{summary: &conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSuspended,
		Message: "spec.suspend is true: nothing is checked or sent through this SlackChannel until it is set to false"}}
}

// waiting says what the check waits for, unless an earlier answer holds.
func (k *check) waiting(message string, after time.Duration) *outcome {
	if k.holds {
		return &outcome{after: after}
	}
	return progressing(message, after)
}
