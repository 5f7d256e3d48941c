package notification

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// guest are the rules for a notification of another namespace than its
// SlackChannel's; ok is false for the SlackChannel's own. Rules that are left out
// are the strict ones.
func (p *pass) guest() (rules v1alpha1.AllowedNamespaces, ok bool) {
	if p.way == nil || p.way.key.Namespace == p.n.Namespace {
		return rules, false
	}
	if spec := p.way.channel.Spec.AllowedNamespaces; spec != nil {
		rules = *spec
	}
	return rules, true
}

// confined reports whether the notification may reach the SlackChannel's own
// channel alone, and so no thread of another conversation either.
func (p *pass) confined() bool {
	rules, guest := p.guest()
	return guest && rules.Recipients != v1alpha1.GuestsReachAny
}

// mayReach reports whether the notification may be sent to a recipient. Nobody is
// looked up for it, so that a refusal is the same for whoever exists and for
// whoever does not.
func (p *pass) mayReach(rcpt *recipient) bool {
	return rcpt.key == defaultKey || !p.confined() || p.namesOwn(rcpt)
}

func (p *pass) notAllowed() delivery.Event {
	return delivery.NeedsPerson{Reason: v1alpha1.ReasonNotAllowed, Message: fmt.Sprintf(
		"SlackChannel %s lets other namespaces reach its own channel alone: leave out spec.recipients (for a reply, name a message of that channel), or ask its owner for spec.allowedNamespaces.recipients: Any%s", p.way.key, thenSent)}
}

// namesOwn reports whether a recipient is the SlackChannel's own channel, by its
// ID, by its name, or by what the SlackChannel calls it.
func (p *pass) namesOwn(rcpt *recipient) bool {
	name := strings.TrimPrefix(rcpt.Channel, "#")
	if name == "" {
		return false
	}
	spec := p.way.channel.Spec.WebAPI
	return rcpt.Channel == p.way.own || strings.EqualFold(name, strings.TrimPrefix(p.way.ownName, "#")) ||
		spec != nil && strings.EqualFold(name, strings.TrimPrefix(spec.Channel, "#"))
}

// paging is whom the message may page.
func (p *pass) paging() message.Paging {
	rules, guest := p.guest()
	switch {
	case !guest || rules.Mentions == v1alpha1.GuestsMentionAll:
		return message.PageAll
	case rules.Mentions == v1alpha1.GuestsMentionNobody:
		return message.PageNobody
	default:
		return message.PageUsers
	}
}

// allowedContent is the content without a sender that a guest may not set; unsent
// reports whether there was one.
func (p *pass) allowedContent() (c v1alpha1.Content, unsent bool) {
	c = p.n.Spec.Content
	if rules, guest := p.guest(); !guest || rules.Sender || c.Sender == nil || *c.Sender == (v1alpha1.Sender{}) {
		return c, false
	}
	c.Sender = nil
	return c, true
}

// annotateSender tells of a sender that was left out.
func (p *pass) annotateSender() {
	if !p.content.unsent {
		conditions.Remove(p.n, v1alpha1.ConditionSenderApplied)
		return
	}
	conditions.Set(p.n, v1alpha1.ConditionSenderApplied, metav1.ConditionFalse, v1alpha1.ReasonNotAllowed, fmt.Sprintf(
		"spec.sender was left out, since SlackChannel %s lets other namespaces set none: remove it, or ask the SlackChannel's owner for spec.allowedNamespaces.sender: true", p.way.key))
}

// annotateMentions tells of whom the message mentions in vain.
func (p *pass) annotateMentions() {
	c := p.content
	var sentences []string
	reason := ""
	if len(c.unmentioned) > 0 {
		note := strings.Join(c.notes, "; ")
		reason = v1alpha1.ReasonMentionsNotFound
		if p.way.webhook() {
			reason = v1alpha1.ReasonMentionsNotSupported
		}
		if note == "" {
			note = "nobody, and no user group, in the workspace goes by it: give the handle, the e-mail address or the ID"
		}
		sentences = append(sentences, fmt.Sprintf("not found, and shown as plain text: %s; %s", strings.Join(c.unmentioned, ", "), note))
	}
	if left := c.rendered.LeftOut; len(left) > 0 {
		reason = v1alpha1.ReasonNotAllowed
		whom := "people and user groups alone"
		if p.paging() == message.PageNobody {
			whom = "nobody"
		}
		sentences = append(sentences, fmt.Sprintf("not paged, and shown as plain text: %s; SlackChannel %s lets other namespaces page %s: ask its owner for another spec.allowedNamespaces.mentions",
			strings.Join(left, ", "), p.way.key, whom))
	}
	if reason == "" {
		conditions.Remove(p.n, v1alpha1.ConditionMentionsResolved)
		return
	}
	conditions.Set(p.n, v1alpha1.ConditionMentionsResolved, metav1.ConditionFalse, reason, strings.Join(sentences, "; "))
}
