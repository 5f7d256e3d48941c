package explain

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// channel says whether the SlackChannel can be used.
func (e *explanation) channel() {
	key, c := e.f.ChannelKey, e.f.Channel
	switch {
	case apierrors.IsNotFound(e.f.ChannelErr):
		e.add(Bad, "channel", "create it, or correct spec.channelRef", "SlackChannel %s does not exist", key)
		return
	case apierrors.IsForbidden(e.f.ChannelErr):
		e.add(Unknown, "channel", "ask for the ClusterRole slack-notifier-viewer-role in namespace "+key.Namespace+", or ask its owner", "you may not see SlackChannel %s", key)
		return
	case e.f.ChannelErr != nil:
		e.add(Unknown, "channel", "", "SlackChannel %s can't be read: %s", key, short(e.f.ChannelErr))
		return
	}
	e.allowed()
	if c.Spec.Suspend {
		e.add(Bad, "channel", "set spec.suspend of the SlackChannel to false", "spec.suspend of SlackChannel %s stops all deliveries through it", key)
	}
	e.secrets()
	ready := conditions.Find(c, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		e.add(Bad, "channel", "", "no operator has looked at SlackChannel %s", key)
	case ready.Status == metav1.ConditionTrue:
		e.add(Good, "channel", "", "SlackChannel %s is ready: %s", key, ready.Message)
	default:
		e.add(Bad, "channel", fmt.Sprintf("when it is mended: kubectl slack verify slc/%s -n %s", key.Name, key.Namespace), "SlackChannel %s is not ready (%s): %s", key, ready.Reason, ready.Message)
	}
	if buttons := conditions.Find(c, v1alpha1.ConditionInteractive); buttons != nil && buttons.Status != metav1.ConditionTrue {
		e.add(Bad, "buttons", "", "nobody's click on a button arrives (%s): %s", buttons.Reason, buttons.Message)
	}
	if w := c.Status.Workspace; w != nil {
		e.add(Info, "workspace", "", "%s (%s)", orDefault(w.Name, w.ID), orDefault(w.URL, w.ID))
	}
}

func (e *explanation) allowed() {
	namespace := e.f.Object.GetNamespace()
	switch {
	case e.f.AllowedErr != nil:
		e.add(Unknown, "channel", "", "whether SlackChannel %s lets namespace %s refer to it can't be told: you may not see the labels of the namespace", e.f.ChannelKey, namespace)
	case !e.f.Allowed:
		e.add(Bad, "channel", fmt.Sprintf("ask its owner to allow namespace %s in spec.allowedNamespaces, or name another SlackChannel", namespace), "SlackChannel %s does not let namespace %s refer to it", e.f.ChannelKey, namespace)
	}
}

// secrets says whether the Secrets are there. None of them is read.
func (e *explanation) secrets() {
	ns := e.f.ChannelKey.Namespace
	for _, s := range e.f.Secrets {
		create := fmt.Sprintf("kubectl create secret generic %s -n %s --from-literal=%s=…", s.Name, ns, s.Key)
		switch {
		case apierrors.IsNotFound(s.Err):
			e.add(Bad, "secret", create, "Secret %s/%s does not exist (%s)", ns, s.Name, s.Field)
		case s.Err != nil:
			e.add(Unknown, "secret", "", "whether Secret %s/%s exists can't be told: %s (%s)", ns, s.Name, short(s.Err), s.Field)
		case s.Keys == nil:
			e.add(Good, "secret", "", "Secret %s/%s exists; whether it has the key %q is told by nothing but its content, which is not read", ns, s.Name, s.Key)
		case !slices.Contains(s.Keys, s.Key):
			e.add(Bad, "secret", fmt.Sprintf("add the key, or name the right one in %s.key", s.Field), "Secret %s/%s has no key %q, but %s", ns, s.Name, s.Key, strings.Join(s.Keys, ", "))
		default:
			e.add(Good, "secret", "", "Secret %s/%s exists and has the key %q", ns, s.Name, s.Key)
		}
	}
}

// deliveries says what became of the message for each recipient.
func (e *explanation) deliveries(n *v1alpha1.SlackNotification) {
	if len(n.Status.Deliveries) == 0 {
		if c := conditions.Find(n, v1alpha1.ConditionReady); c != nil && c.Status != metav1.ConditionTrue {
			e.add(held(c), "message", "", "%s: %s", c.Reason, c.Message)
		}
	}
	for _, d := range n.Status.Deliveries {
		switch d.State {
		case v1alpha1.DeliveryDelivered:
			e.add(Good, d.Recipient, "", "delivered%s%s", spaced(d.Permalink), told(d))
		case v1alpha1.DeliveryFailed:
			e.add(Bad, d.Recipient, fmt.Sprintf("when it is mended: kubectl slack resend sln/%s -n %s", n.Name, n.Namespace), "failed after %d attempts (%s): %s", d.Attempts, d.Reason, d.Message)
		case v1alpha1.DeliveryUnknown:
			e.add(Bad, d.Recipient, fmt.Sprintf("look into Slack; if it is not there: kubectl slack resend sln/%s -n %s --again --recipient %s", n.Name, n.Namespace, d.Recipient), "nobody knows whether Slack has taken it (%s): %s", d.Reason, d.Message)
		default:
			e.add(waits(d.Reason), d.Recipient, "", "%s, %d attempts so far (%s): %s", strings.ToLower(string(d.State)), d.Attempts, d.Reason, d.Message)
		}
	}
	e.content(n)
	e.queue(n)
}

// content says what of the message is not as it was meant.
func (e *explanation) content(n *v1alpha1.SlackNotification) {
	for _, kind := range []string{v1alpha1.ConditionMentionsResolved, v1alpha1.ConditionUpToDate, v1alpha1.ConditionSenderApplied} {
		if c := conditions.Find(n, kind); c != nil && c.Status == metav1.ConditionFalse {
			e.add(Unknown, "message", "", "%s", c.Message)
		}
	}
	for _, kind := range []string{v1alpha1.ConditionActionsAvailable, v1alpha1.ConditionAllowedGroupsFound} {
		if c := conditions.Find(n, kind); c != nil && c.Status == metav1.ConditionFalse {
			e.add(Bad, "buttons", "", "%s", c.Message)
		}
	}
	if c := conditions.Find(n, v1alpha1.ConditionAnswered); c != nil {
		e.add(Info, "answer", "", "%s: %s", c.Reason, c.Message)
	}
	if c := conditions.Find(n, v1alpha1.ConditionShortened); c != nil && c.Status == metav1.ConditionTrue {
		e.add(Info, "message", "", "%s", c.Message)
	}
}

// held is the mark of a message that is not sent: some wait for a time that was set.
func held(c *metav1.Condition) Mark {
	if c.Reason == v1alpha1.ReasonScheduled {
		return Info
	}
	return Bad
}

// waits is the mark of a delivery that goes on by itself.
func waits(reason string) Mark {
	switch reason {
	case v1alpha1.ReasonWaitingForTurn, v1alpha1.ReasonDirectoryLoading, v1alpha1.ReasonVerifyingOutcome, v1alpha1.ReasonScheduled, "":
		return Info
	}
	return Bad
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func told(d v1alpha1.Delivery) string {
	if d.Message == "" {
		return ""
	}
	return " (" + d.Message + ")"
}

// queue says how many wait before it.
func (e *explanation) queue(n *v1alpha1.SlackNotification) {
	if n.Status.FinishedAt != nil {
		return
	}
	switch {
	case e.f.AheadErr != nil:
		e.add(Unknown, "queue", "", "you may not see the messages of other namespaces, so its place is not known")
	case e.f.Ahead > 0:
		older := "older messages"
		if e.f.Ahead == 1 {
			older = "older message"
		}
		e.add(Info, "queue", "", "%d %s to SlackChannel %s not done yet; one a second goes to each conversation, Critical before Error before Warning", e.f.Ahead, older, e.f.ChannelKey)
	}
}
