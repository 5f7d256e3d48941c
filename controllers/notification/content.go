package notification

import (
	"context"
	"errors"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// mentionPatience is how long a message waits for somebody whom it mentions to be
// found, when something keeps the operator from looking, or when it is urgent.
const mentionPatience = 30 * time.Second

// content is the message as it is shown.
type content struct {
	rendered message.Rendered
	// unmentioned are the names that were looked up in vain, and notes why.
	unmentioned []string
	notes       []string
	// unsent: the content's sender was left out.
	unsent bool
	// each renders it for one recipient, whose buttons have names of their own; nil
	// when all are sent the same.
	each func(recipient string) message.Rendered
}

// prepare makes the message once all whom it mentions have been looked up; false
// when that has to be waited for, which the deliveries in due are told.
func (r *Reconciler) prepare(ctx context.Context, p *pass, due []*recipient) bool {
	if p.content != nil {
		return true
	}
	c := &content{}
	tokens, ok := r.mentions(ctx, p, c, due)
	if !ok {
		return false
	}
	allowed, unsent := p.allowedContent()
	c.unsent = unsent
	options := message.Options{
		DefaultSender: p.way.channel.Spec.Sender, ClusterName: r.ClusterName, Webhook: p.way.webhook(), Mentions: tokens, Paging: p.paging(),
		Interaction: message.InteractionOf(p.n, p.channel),
	}
	options.Interaction.Button.Cluster = p.cluster
	c.rendered = message.Render(allowed, options)
	if hash := p.want.Hash; len(options.Interaction.Actions) > 0 {
		c.each = func(recipient string) message.Rendered {
			own := options
			own.Interaction.Button.Render = interact.RenderHash(hash, recipient)
			return message.Render(allowed, own)
		}
	}
	p.content = c
	return true
}

// mentions looks up whom the content mentions.
func (r *Reconciler) mentions(ctx context.Context, p *pass, c *content, due []*recipient) (tokens map[string]string, ok bool) {
	names := message.MentionedNames(p.n.Spec.Content)
	if len(names) == 0 || p.paging() == message.PageNobody {
		return nil, true
	}
	if p.way.webhook() {
		c.unmentioned = names
		c.notes = []string{"an incoming webhook can't look people up: give their IDs (<@U…>), or use a SlackChannel that has spec.webAPI"}
		return nil, true
	}
	tokens = map[string]string{}
	for _, name := range names {
		token, err := r.mention(ctx, p, name)
		switch {
		case token != "":
			tokens[name] = token
		case err != nil && r.awaitsMention(p, due, err):
			return nil, false
		default:
			c.unmentioned = append(c.unmentioned, name)
			c.note(err)
		}
	}
	p.tracked.Mentioning = time.Time{}
	return tokens, true
}

// note records why names can't be looked up, each reason once.
func (c *content) note(err error) {
	e := slack.AsError(err)
	if err == nil || e.Class != slack.ClassMissingScope {
		return
	}
	text := e.Advice()
	for _, have := range c.notes {
		if have == text {
			return
		}
	}
	c.notes = append(c.notes, text)
}

// mention returns what Slack writes for a name: a user, or a user group. It is
// empty without an error when there is neither.
func (r *Reconciler) mention(ctx context.Context, p *pass, name string) (string, error) {
	owner := OwnerPrefix + p.name.String()
	query := directory.Query{User: name}
	if strings.Contains(strings.TrimPrefix(name, "@"), "@") {
		query = directory.Query{Email: name}
	}
	user, err := r.Directory.FindUser(ctx, p.way.workspace, query, owner)
	var bot *directory.NotMessageableError
	switch {
	case err == nil:
		return "<@" + user.ID + ">", nil
	case errors.As(err, &bot):
		return "<@" + bot.User.ID + ">", nil // a bot can be mentioned all the same
	}
	if query.Email == "" {
		// A handle is unique among users and groups, so that a list of users
		// that is still being read need not be waited for
		// (docs.slack.dev/reference/methods/usergroups.create).
		group, groupErr := r.Directory.FindGroup(ctx, p.way.workspace, name, owner)
		var wait *directory.WaitError
		switch {
		case groupErr == nil:
			return "<!subteam^" + group.ID + ">", nil
		case errors.As(groupErr, &wait), isCall(groupErr) && slack.ClassOf(groupErr).Transient():
			return "", groupErr
		case errors.As(groupErr, new(*directory.ScopeError)) && isRefusal(err):
			// It is no user; whether it is a group can't be told.
			return "", groupErr
		}
	}
	if isRefusal(err) {
		return "", nil
	}
	return "", err
}

func isRefusal(err error) bool {
	_, _, refused := refusal(err)
	return refused
}

// isCall reports whether it was a call that failed.
func isCall(err error) bool {
	var e *slack.Error
	return errors.As(err, &e)
}

// awaitsMention notes the wait for a mention; false when it is not worth it.
func (r *Reconciler) awaitsMention(p *pass, due []*recipient, err error) bool {
	now := r.Clock.Now()
	if p.tracked.Mentioning.IsZero() {
		p.tracked.Mentioning = now
	}
	spent := now.Sub(p.tracked.Mentioning)
	var loading *directory.LoadingError
	var wait *directory.WaitError
	first := errors.As(err, &loading) && loading.Cause == nil && !loading.Again
	at := now.Add(5 * time.Second)
	switch {
	case isCall(err) && !slack.ClassOf(err).Transient():
		return false
	case first && priorities[p.n.Spec.Severity] < priorities[v1alpha1.SeverityError]:
		// The list is being read for the first time; the page that has the name wakes it.
		at = now.Add(time.Minute)
	case spent > mentionPatience:
		return false
	case errors.As(err, &wait):
		at = wait.At
	}
	for _, rcpt := range due {
		p.apply(r, rcpt, delivery.Held{Note: delivery.Note{
			Reason: v1alpha1.ReasonDirectoryLoading, Message: "looks up whom the message mentions: " + err.Error(), Quiet: true,
		}})
	}
	p.requeueBy(at)
	return true
}

// messageTo is what Slack is sent for a recipient.
func (p *pass) messageTo(rcpt *recipient) slack.Message {
	m := p.content.rendered.Message
	if p.content.each != nil {
		m = p.content.each(rcpt.key).Message
	}
	if !p.way.webhook() {
		m.Metadata = message.Metadata(message.Identity{
			NotificationUID: string(p.n.UID), Recipient: rcpt.key, ContentHash: p.want.Hash,
			Namespace: p.n.Namespace, IdempotencyKey: p.n.Spec.IdempotencyKey, Cluster: p.cluster,
		})
	}
	if rcpt.target != nil && rcpt.target.thread != "" {
		m.ThreadTS = rcpt.target.thread
		m.Broadcast = p.n.Spec.Thread != nil && p.n.Spec.Thread.Broadcast
	}
	return m
}

// annotate sets the conditions beside Ready, and adds to it what is of no use.
func (p *pass) annotate() {
	if ready := conditions.Find(p.n, v1alpha1.ConditionReady); p.n.Spec.IdempotencyKey != "" && p.channel.Spec.Webhook != nil && ready != nil && ready.Status == metav1.ConditionTrue {
		conditions.Ready(p.n, ready.Reason, ready.Message+"; spec.idempotencyKey is of no use here, since an incoming webhook can't be asked what it has taken")
	}
	if p.content != nil {
		p.annotateContent()
	}
	stale := ""
	for _, rcpt := range p.recipients {
		if rcpt.Stale != "" {
			stale = rcpt.Stale
		}
	}
	if text, ok := staleTexts[stale]; ok {
		conditions.Set(p.n, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, stale, text)
	} else {
		conditions.Remove(p.n, v1alpha1.ConditionUpToDate)
	}
	p.annotateAnswers()
	conditions.Remove(p.n, v1alpha1.ConditionExpired)
}

var staleTexts = map[string]string{
	v1alpha1.ReasonEditNotSupported: "the content has changed since it was sent by an incoming webhook, which can't edit: the first message stays; set spec.updatePolicy to Repost to send the new content, or use a SlackChannel that has spec.webAPI",
	v1alpha1.ReasonUpdateIgnored:    "the content has changed since it was sent, and spec.updatePolicy is Ignore: the first message stays",
	v1alpha1.ReasonChannelChanged:   "spec.channelRef has changed since it was sent, and spec.updatePolicy is Ignore: the first message stays where it is",
}

func (p *pass) annotateContent() {
	c := p.content
	p.annotateMentions()
	p.annotateSender()
	if len(c.rendered.Notes) == 0 {
		conditions.Remove(p.n, v1alpha1.ConditionShortened)
	} else {
		conditions.Set(p.n, v1alpha1.ConditionShortened, metav1.ConditionTrue, v1alpha1.ReasonContentTooLong, strings.Join(c.rendered.Notes, "; "))
	}
}
