// Package preview makes of a SlackNotification what the operator would send to
// Slack, with the operator's own code, and what is to be known of it before it is
// sent. It is pure: it asks neither the cluster nor Slack.
package preview

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slack/webhook"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Via is the way by which a message goes to Slack.
type Via string

// The ways, in the words of a SlackChannel's spec.
const (
	WebAPI  Via = "webAPI"
	Webhook Via = "webhook"
)

// Options are what the objects do not say.
type Options struct {
	// Via overrides what the SlackChannel says; empty for what it says, or the Web
	// API where it is not known.
	Via Via
	// ClusterName is the operator's --cluster-name.
	ClusterName string
	// Cluster is interact.ClusterHash of the cluster, which is part of what names the
	// buttons; empty where it is not known.
	Cluster string
	// Mentions are Slack's IDs (U…, S…) for names that a content mentions. What is
	// not in it is shown by its name, in the place of the ID.
	Mentions map[string]string
}

// Post is what goes to one recipient.
type Post struct {
	// Recipient as status.deliveries names it.
	Recipient string `json:"recipient"`
	// Body is the JSON that is posted.
	Body json.RawMessage `json:"body"`
}

// Message is a message as Slack is sent it.
type Message struct {
	// Name of the SlackNotification, as namespace/name.
	Name string `json:"name"`
	// Title says what the message is beside that, as in "resolved"; may be empty.
	Title string `json:"title,omitempty"`
	// Reply is true for a message in the thread of another one.
	Reply bool `json:"reply,omitempty"`
	// Edit is true for what is edited into a message that is out.
	Edit bool `json:"edit,omitempty"`
	Via  Via  `json:"via"`
	// Channel is the SlackChannel, as namespace/name.
	Channel string `json:"channel"`
	// Posts to the recipients, of which there is at least one.
	Posts []Post `json:"posts"`
	// Notes say what was cut or left out, and what is not known yet.
	Notes []string `json:"notes,omitempty"`
	// Measures of Slack's limits.
	Measures []message.Measure `json:"measures,omitempty"`
	// Pages is whom the message pages.
	Pages []string `json:"pages,omitempty"`
	// Answers say what the buttons do, who may press them, and what decides.
	Answers []string `json:"answers,omitempty"`
	// Phone is what the notification on a phone shows, about.
	Phone string `json:"phone"`
	// Refusals say why the API server or Slack would refuse it.
	Refusals []string `json:"refusals,omitempty"`
}

// Of makes the message of a SlackNotification that goes through a SlackChannel,
// which is nil where it is not known.
func Of(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, o Options) Message {
	out := Message{Name: client.ObjectKeyFromObject(n).String(), Via: viaOf(c, o.Via), Channel: reference.Channel(n.Spec.ChannelRef, n.Namespace).String()}
	out.Reply = n.Spec.Thread != nil
	options := message.Options{ClusterName: o.ClusterName, Webhook: out.Via == Webhook}
	content := n.Spec.Content
	if c == nil {
		out.note("SlackChannel %s is not known here, so its own sender and what it allows other namespaces are not seen: give it with -f, or preview from the cluster", out.Channel)
	} else {
		rules, guest := reference.Guest(c, n.Namespace)
		options.DefaultSender, options.Paging = c.Spec.Sender, message.PagingOf(rules, guest)
		var unsent bool
		if content, unsent = message.Allowed(content, rules, guest); unsent {
			out.note("spec.sender is left out, since SlackChannel %s lets other namespaces set none", out.Channel)
		}
	}
	options.Mentions = out.mentions(n.Spec.Content, options, o.Mentions)
	options.Interaction = out.interaction(n, c, o.Cluster)
	rendered := message.Render(content, options)
	out.Notes = append(out.Notes, rendered.Notes...)
	if len(rendered.LeftOut) > 0 {
		out.note("mentions that SlackChannel %s does not allow other namespaces are plain text: %s", out.Channel, strings.Join(rendered.LeftOut, ", "))
	}
	out.lost(n, rendered.Message)
	out.Measures = message.Measures(rendered.Message)
	out.Pages, out.Phone = pages(rendered.Message), phone(rendered.Message)
	hash := message.HashWith(n.Spec.Content, options.Interaction)
	mark := message.Identity{NotificationUID: string(n.UID), ContentHash: hash, Namespace: n.Namespace, IdempotencyKey: n.Spec.IdempotencyKey}
	if len(n.Spec.Actions) > 0 {
		mark.Cluster = o.Cluster
	}
	out.post(n, c, mark, func(recipient string) message.Rendered {
		own := options
		own.Interaction.Button.Render = interact.RenderHash(hash, recipient)
		return message.Render(content, own)
	})
	return out
}

func viaOf(c *v1alpha1.SlackChannel, asked Via) Via {
	switch {
	case asked != "":
		return asked
	case c != nil && c.Spec.Webhook != nil:
		return Webhook
	}
	return WebAPI
}

func (m *Message) note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}

// mentions are the tokens for the names that a content mentions.
func (m *Message) mentions(c v1alpha1.Content, o message.Options, ids map[string]string) map[string]string {
	names := message.MentionedNames(c)
	if len(names) == 0 || o.Paging == message.PageNobody {
		return nil
	}
	if o.Webhook {
		m.note("an incoming webhook can't look people up, so these are plain text: @%s", strings.Join(names, ", @"))
		return nil
	}
	tokens := map[string]string{}
	var unknown []string
	for _, name := range names {
		switch id := ids[name]; {
		case strings.HasPrefix(id, "S"):
			tokens[name] = "<!subteam^" + id + ">"
		case id != "":
			tokens[name] = "<@" + id + ">"
		default:
			tokens[name] = "<@" + name + ">"
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		m.note("the operator looks up the IDs of whom it mentions, and sends them in the place of these names (plain text, if there is nobody of the name): @%s", strings.Join(unknown, ", @"))
	}
	return tokens
}

// lost notes what a webhook does not carry.
func (m *Message) lost(n *v1alpha1.SlackNotification, sent slack.Message) {
	if m.Via != Webhook {
		return
	}
	if len(n.Spec.Recipients) > 0 {
		m.refuse("spec.recipients can't be reached through an incoming webhook, which has one channel: remove them, or name a SlackChannel that has spec.webAPI")
	}
	if sent.Username != "" || sent.IconURL != "" || sent.IconEmoji != "" {
		m.note("an incoming webhook of a Slack app shows the app's own name and picture, whatever spec.sender says")
	}
	m.note("an incoming webhook gives no timestamp, so this message can't be edited, deleted or replied to later")
}

func (m *Message) refuse(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(m.Refusals, text) {
		m.Refusals = append(m.Refusals, text)
	}
}

// post makes what is posted to each recipient, and has Slack's rules look at it. The
// buttons of each recipient have names of their own.
func (m *Message) post(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, mark message.Identity, render func(recipient string) message.Rendered) {
	recipients := n.Spec.Recipients
	if len(recipients) == 0 || m.Via == Webhook {
		recipients = []v1alpha1.Recipient{{}}
	}
	for _, recipient := range recipients {
		key := message.RecipientKey(recipient)
		r := render(key)
		sent := r.Message
		sent.ThreadTS, sent.Broadcast = thread(n, key)
		var body []byte
		var err error
		if m.Via == Webhook {
			body, err = webhook.Body(sent)
		} else {
			mark.Recipient = key
			sent.Metadata = message.Metadata(mark)
			body, err = webapi.PostBody(conversation(n, c, recipient, key), sent)
		}
		if err != nil {
			m.refuse("the message can't be written as JSON: correct its blocks and attachments")
			continue
		}
		m.Posts = append(m.Posts, Post{Recipient: key, Body: body})
		m.judge(body, r)
	}
}

// judge notes why Slack would refuse a message.
func (m *Message) judge(body []byte, r message.Rendered) {
	code, details := slacksim.Check(body, m.Via == Webhook)
	if code == "" {
		return
	}
	method := slack.MethodPostMessage
	if m.Via == Webhook {
		method = slack.MethodWebhook
	}
	e := r.Name(&slack.Error{Class: slack.ClassMessageRejected, Method: method, Code: code, Details: details})
	m.refuse("Slack would refuse it: %s; %s", e.Error(), e.Advice())
}

// thread is the message to reply to, as far as it is known.
func thread(n *v1alpha1.SlackNotification, key string) (ts string, broadcast bool) {
	if n.Spec.Thread == nil {
		return "", false
	}
	if n.Spec.Thread.Timestamp != "" {
		return n.Spec.Thread.Timestamp, n.Spec.Thread.Broadcast
	}
	for _, d := range n.Status.Deliveries {
		if d.Recipient == key && d.ThreadTimestamp != "" {
			return d.ThreadTimestamp, n.Spec.Thread.Broadcast
		}
	}
	return "", false
}

// conversation is what Slack is told to post to: an ID that a status has, or else
// what the spec says.
func conversation(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, r v1alpha1.Recipient, key string) string {
	for _, d := range n.Status.Deliveries {
		switch {
		case d.Recipient != key:
		case d.UserID != "":
			return d.UserID
		case d.ConversationID != "":
			return d.ConversationID
		}
	}
	switch {
	case key != message.DefaultRecipient:
		return r.User + r.Email + r.Channel
	case c == nil:
		return ""
	case c.Status.Channel != nil:
		return c.Status.Channel.ID
	case c.Spec.WebAPI != nil:
		return c.Spec.WebAPI.Channel
	}
	return ""
}
