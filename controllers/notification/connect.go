package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// way is the way to Slack through one SlackChannel.
type way struct {
	key     types.NamespacedName
	channel *v1alpha1.SlackChannel
	conn    *connection.Connection
	// facts are what Slack itself has told of the credential.
	facts     connection.Facts
	workspace directory.Workspace
	// credential changes with whatever may make another attempt worth while: a new
	// Secret, another spec, a SlackChannel that has become ready.
	credential string
	// own is the SlackChannel's own channel; empty where it has none. ownName is its
	// name for people.
	own, ownName string
}

// reached is what came of looking for a way.
type reached struct {
	way *way
	// block is why there is none now; nil when there is one.
	block *conditions.Summary
}

// useConnection finds the way to Slack through the SlackChannel of the spec.
func (r *Reconciler) useConnection(ctx context.Context, p *pass) error {
	if p.allDone() && !lacksGroups(p.n) {
		return nil
	}
	got, err := r.reach(ctx, p, p.n.Spec.ChannelRef)
	if err != nil {
		return err
	}
	if got.block != nil {
		p.blocked(*got.block)
		if got.block.Kind == conditions.KindStalled {
			// What wakes it may be missed, as when a Secret was replaced meanwhile.
			p.requeueBy(p.now.Add(backoff.Around(10 * time.Minute)))
		}
		return nil
	}
	p.way = got.way
	return nil
}

// thenSent says what follows when what holds a notification is mended.
const thenSent = "; the message is sent as soon as that is done"

// reach finds the way to Slack through a SlackChannel.
func (r *Reconciler) reach(ctx context.Context, p *pass, ref v1alpha1.ChannelReference) (reached, error) {
	key := reference.Channel(ref, p.n.Namespace)
	find := r.Channels.Get
	if key == channelKey(p.n) {
		// The pass has read it.
		find = func(ctx context.Context, ref v1alpha1.ChannelReference, namespace string) (*v1alpha1.SlackChannel, *conditions.Summary, error) {
			return r.Channels.Check(ctx, p.channel, ref, namespace)
		}
	}
	c, block, err := find(ctx, ref, p.n.Namespace)
	if err != nil {
		return reached{}, err
	}
	if block != nil {
		block.Message += thenSent
		return reached{block: block}, nil
	}
	if block := channelBlock(key, c); block != nil {
		return reached{block: block}, nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	var problem *connection.Problem
	if errors.As(err, &problem) {
		return reached{block: &conditions.Summary{Kind: conditions.KindStalled, Reason: problem.Reason, Message: fmt.Sprintf("SlackChannel %s: %s", key, problem.Message+thenSent)}}, nil
	}
	if err != nil {
		return reached{}, err
	}
	facts, ok := r.Health.Facts(c.UID, conn.Credential)
	if !ok && conn.API != nil {
		p.requeueBy(p.now.Add(time.Minute)) // in case that the wake-up gets lost
		return reached{block: notVerified(key)}, nil
	}
	return reached{way: newWay(key, c, conn, facts, p.n.Namespace)}, nil
}

func newWay(key types.NamespacedName, c *v1alpha1.SlackChannel, conn *connection.Connection, facts connection.Facts, namespace string) *way {
	w := &way{key: key, channel: c, conn: conn, facts: facts, credential: conn.Version}
	if cond := conditions.Find(c, v1alpha1.ConditionReady); cond != nil {
		w.credential += "/" + cond.LastTransitionTime.UTC().Format(time.RFC3339)
	}
	w.workspace = directory.Workspace{
		Key: conn.Workspace(facts.Identity), TeamName: facts.Identity.TeamName,
		Credential: conn.Token, API: conn.API, Namespace: namespace,
	}
	stored := c.Status.Workspace
	switch {
	case conn.API == nil:
		w.own, w.ownName = conn.WebhookKey, "the webhook's channel"
	case facts.Channel.ID != "":
		w.own, w.ownName = facts.Channel.ID, "#"+facts.Channel.Name
	case c.Status.Channel != nil && stored != nil && stored.ID == facts.Identity.TeamID && c.Status.BotUserID == facts.Identity.BotUserID:
		// What an earlier process has found holds until this one has looked, so that
		// a restart holds up no message; the token is of the same bot.
		w.own, w.ownName = c.Status.Channel.ID, "#"+c.Status.Channel.Name
	}
	return w
}

// webhook reports whether the way is an incoming webhook.
func (w *way) webhook() bool { return w.conn.API == nil }

func (w *way) adapter() string {
	if w.webhook() {
		return metrics.AdapterWebhook
	}
	return metrics.AdapterWebAPI
}

// place names the SlackChannel's own channel for people.
func (w *way) place() string {
	if w == nil || w.ownName == "" {
		return "the SlackChannel's channel"
	}
	return w.ownName
}

// can says what the way allows for a recipient.
func (r *Reconciler) can(w *way, rcpt *recipient) delivery.Can {
	c := delivery.Can{Read: !w.webhook(), Edit: !w.webhook(), Credential: w.credential}
	if w.webhook() || rcpt.isPerson() {
		return c
	}
	spec := w.channel.Spec.WebAPI
	hidden := rcpt.target != nil && rcpt.target.hidden != "" // nobody joins a private channel by himself
	c.Join = spec != nil && (spec.Join == nil || *spec.Join) && !hidden
	c.PostUnseen = slices.Contains(w.facts.Identity.Scopes, "chat:write.public")
	c.Proven = rcpt.key == defaultKey && apimeta.IsStatusConditionTrue(w.channel.Status.Conditions, v1alpha1.ConditionExactlyOnce)
	return c
}

func channelKey(n *v1alpha1.SlackNotification) types.NamespacedName {
	return reference.Channel(n.Spec.ChannelRef, n.Namespace)
}

func notVerified(key types.NamespacedName) *conditions.Summary {
	return &conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonSlackChannelNotReady,
		Message: fmt.Sprintf("waits for SlackChannel %s to be verified", key)}
}

// channelBlock says why a SlackChannel can't be used now, or nil.
func channelBlock(key types.NamespacedName, c *v1alpha1.SlackChannel) *conditions.Summary {
	if c.Spec.Suspend {
		return &conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSlackChannelSuspended,
			Message: fmt.Sprintf("SlackChannel %s is suspended: its notifications are held, and are sent as soon as its spec.suspend is set to false", key)}
	}
	ready := conditions.Find(c, v1alpha1.ConditionReady)
	switch {
	case ready == nil || c.Status.ObservedGeneration != c.Generation || ready.Status == metav1.ConditionUnknown,
		ready.Reason == v1alpha1.ReasonSuspended:
		return notVerified(key)
	case ready.Status == metav1.ConditionTrue:
		return nil
	}
	kind, then := conditions.KindRetrying, "the message is sent by itself when that has passed"
	if conditions.Find(c, v1alpha1.ConditionStalled) != nil {
		kind, then = conditions.KindStalled, "the message is sent as soon as the SlackChannel is ready"
	}
	return &conditions.Summary{Kind: kind, Reason: ready.Reason, Message: fmt.Sprintf("SlackChannel %s is not ready: %s; %s", key, ready.Message, then)}
}

// wayOf finds the way to Slack for a delivery's next step. What went through one
// SlackChannel is read and deleted through that one alone.
func (r *Reconciler) wayOf(ctx context.Context, p *pass, rcpt *recipient) (*way, bool) {
	via, uid := p.viaOf(rcpt)
	switch {
	case p.want.Remove && !rcpt.MayBeOut():
		rcpt.Next(p.want, delivery.Can{}, p.now)
		return nil, false
	case via == p.want.Via && !p.want.Remove:
		return p.way, p.way != nil
	}
	got, why, err := r.reachVia(ctx, p, via, uid)
	switch {
	case err != nil:
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonSlackChannelNotReady, Message: "the SlackChannel can't be read: " + err.Error()}})
		p.requeueBy(p.now.Add(backoff.Full(3, time.Second, time.Minute)))
		return nil, false
	case why != "" && p.want.Remove:
		rcpt.Leave(why)
		return nil, false
	case why != "":
		p.apply(r, rcpt, delivery.Unreadable{Why: "it can't be looked for: " + why})
		return nil, false
	case got.block != nil:
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: got.block.Reason, Message: got.block.Message}})
		p.requeueBy(p.now.Add(backoff.Full(3, time.Second, time.Minute)))
		return nil, false
	}
	if p.want.Remove {
		p.way = got.way
	}
	return got.way, true
}

// viaOf is the SlackChannel that a delivery's next step goes through.
func (p *pass) viaOf(rcpt *recipient) (via string, uid types.UID) {
	switch {
	case rcpt.Phase == delivery.Verifying && rcpt.Doubt.Via != "":
		return rcpt.Doubt.Via, rcpt.Doubt.ViaUID
	case p.want.Remove && rcpt.Phase != delivery.Verifying && rcpt.Posted != nil && rcpt.Posted.Via != "":
		return rcpt.Posted.Via, rcpt.Posted.ViaUID
	}
	return p.want.Via, ""
}

// reachVia finds the way through a SlackChannel that something went through; why
// is not empty when there never will be one again.
func (r *Reconciler) reachVia(ctx context.Context, p *pass, via string, uid types.UID) (got reached, why string, err error) {
	got, ok := p.others[via]
	if !ok {
		namespace, name, _ := strings.Cut(via, "/")
		got, err = r.reach(ctx, p, v1alpha1.ChannelReference{Namespace: namespace, Name: name})
		if err != nil {
			return got, "", err
		}
		p.others[via] = got
	}
	b := got.block
	switch {
	case b != nil && (b.Reason == v1alpha1.ReasonSlackChannelNotFound || b.Reason == v1alpha1.ReasonNamespaceNotAllowed),
		b != nil && b.Kind == conditions.KindStalled && p.want.Remove:
		return got, b.Message, nil
	case got.way != nil && uid != "" && got.way.channel.UID != uid:
		return got, fmt.Sprintf("SlackChannel %s, which it went through, was deleted and made again since", via), nil
	}
	return got, "", nil
}

// guest are the rules for a notification of another namespace than its
// SlackChannel's; ok is false for the SlackChannel's own. Rules that are left out
// are the strict ones.
func (p *pass) guest() (rules v1alpha1.AllowedNamespaces, ok bool) {
	if p.way == nil {
		return rules, false
	}
	return reference.Guest(p.way.channel, p.n.Namespace)
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
		"SlackChannel %s lets other namespaces reach its own channel alone: leave out spec.recipients, and the message goes to that channel, for all in it to see (for a reply, name a message of that channel), or ask its owner for spec.allowedNamespaces.recipients: Any%s", p.way.key, thenSent)}
}

// namesOwn reports whether a recipient is the SlackChannel's own channel, by its
// ID, by its name, or by what the SlackChannel calls it.
func (p *pass) namesOwn(rcpt *recipient) bool {
	if id, ok := directory.ConversationID(rcpt.Channel); ok && id == p.way.own {
		return true
	}
	name := directory.ChannelName(rcpt.Channel)
	if name == "" {
		return false
	}
	spec := p.way.channel.Spec.WebAPI
	return name == directory.ChannelName(p.way.ownName) || spec != nil && name == directory.ChannelName(spec.Channel)
}

// paging is whom the message may page.
func (p *pass) paging() message.Paging { return message.PagingOf(p.guest()) }

// allowedContent is the content without a sender that a guest may not set; unsent
// reports whether there was one.
func (p *pass) allowedContent() (c v1alpha1.Content, unsent bool) {
	rules, guest := p.guest()
	return message.Allowed(p.n.Spec.Content, rules, guest)
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
