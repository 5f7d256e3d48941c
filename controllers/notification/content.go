package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
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

// stopAnswers stores the decision Expired when the time to answer is over, before
// anything of it is shown: a click that was stored first wins. False means that the
// object has changed, and is to be looked at again.
func (r *Reconciler) stopAnswers(ctx context.Context, n *v1alpha1.SlackNotification, t *ledger.Entry) (bool, error) {
	if !interact.Expire(n, r.Clock.Now()) {
		return true, nil
	}
	setAnswered(n)
	err := r.store(ctx, n, t)
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// answerBy is when the time to answer is over; zero when it is, or never will be.
func answerBy(n *v1alpha1.SlackNotification) time.Time {
	if at, ok := interact.ExpiresAt(n); ok && interact.Open(n) {
		return at
	}
	return time.Time{}
}

// owes reports whether a notification of which all else is done has other buttons
// or answers out than it should.
func (r *Reconciler) owes(ctx context.Context, n *v1alpha1.SlackNotification) (bool, error) {
	if len(n.Spec.Actions) == 0 && len(n.Status.Responses) == 0 {
		return false, nil
	}
	if lacksGroups(n) {
		return true, nil
	}
	c := &v1alpha1.SlackChannel{}
	if !r.Channels.Sees(channelKey(n).Namespace) {
		return false, nil
	}
	if err := r.Client.Get(ctx, channelKey(n), c); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	want := message.HashWith(n.Spec.Content, message.InteractionOf(n, c))
	content, _, _ := strings.Cut(want, "-")
	return slices.ContainsFunc(n.Status.Deliveries, func(d v1alpha1.Delivery) bool {
		have, _, _ := strings.Cut(d.ContentHash, "-")
		return d.Timestamp != "" && d.State == v1alpha1.DeliveryDelivered && have == content && d.ContentHash != want
	}), nil
}

// lacksGroups reports whether somebody may answer only once a user group is found.
func lacksGroups(n *v1alpha1.SlackNotification) bool {
	cond := conditions.Find(n, v1alpha1.ConditionAllowedGroupsFound)
	return cond != nil && cond.Status != metav1.ConditionTrue && interact.Open(n)
}

// answersChanged reports whether somebody has answered, or the time to is over.
func answersChanged(was, is *v1alpha1.SlackNotification) bool {
	last := func(n *v1alpha1.SlackNotification) string {
		if len(n.Status.Responses) == 0 {
			return ""
		}
		return n.Status.Responses[len(n.Status.Responses)-1].ID
	}
	return was.Status.Decision != is.Status.Decision || len(was.Status.Responses) != len(is.Status.Responses) || last(was) != last(is)
}

func setAnswered(n *v1alpha1.SlackNotification) {
	if status, reason, text, ok := interact.Answered(n); ok {
		conditions.Set(n, v1alpha1.ConditionAnswered, status, reason, text)
	} else {
		conditions.Remove(n, v1alpha1.ConditionAnswered)
	}
}

// annotateAnswers sets the conditions about answers.
func (p *pass) annotateAnswers() {
	setAnswered(p.n)
	c := p.channel
	switch {
	case !interact.Open(p.n):
		conditions.Remove(p.n, v1alpha1.ConditionActionsAvailable)
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
	case c.Spec.Webhook != nil:
		conditions.Set(p.n, v1alpha1.ConditionActionsAvailable, metav1.ConditionFalse, v1alpha1.ReasonActionsNotSupported, fmt.Sprintf(
			"spec.actions are not shown: SlackChannel %s is an incoming webhook, whose messages can't be edited when somebody answers; name a SlackChannel with spec.webAPI and spec.interactions in spec.channelRef", channelKey(p.n)))
	case c.Name != "" && c.Spec.Interactions == nil:
		conditions.Set(p.n, v1alpha1.ConditionActionsAvailable, metav1.ConditionFalse, v1alpha1.ReasonInteractionsNotSet, fmt.Sprintf(
			"spec.actions are not shown: SlackChannel %s has no spec.interactions, so that a click would arrive nowhere; set it there, and they are shown by themselves", channelKey(p.n)))
	default:
		conditions.Remove(p.n, v1alpha1.ConditionActionsAvailable)
	}
}

// allowedGroups are the user groups whose members may answer, each once.
func allowedGroups(n *v1alpha1.SlackNotification) []string {
	var out []string
	if n.Spec.Answers != nil {
		out = append(out, n.Spec.Answers.Allowed.Groups...)
	}
	for i := range n.Spec.Actions {
		if a := n.Spec.Actions[i].Allowed; a != nil {
			out = append(out, a.Groups...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// groupsShown in the message of the condition.
const groupsShown = 5

// checkGroups tells of user groups that nobody goes by, before a member presses in
// vain. What can't be told now is looked up again.
func (r *Reconciler) checkGroups(ctx context.Context, p *pass) error {
	groups := allowedGroups(p.n)
	if len(groups) == 0 || !interact.Open(p.n) {
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
		return nil
	}
	if p.way == nil || p.way.webhook() {
		return nil
	}
	var missing []string
	for _, group := range groups {
		_, err := r.Directory.FindGroup(ctx, p.way.workspace, group, OwnerPrefix+p.name.String())
		var none *directory.NotFoundError
		var scope *directory.ScopeError
		switch {
		case errors.As(err, &none):
			missing = append(missing, err.Error())
		case errors.As(err, &scope):
			conditions.Set(p.n, v1alpha1.ConditionAllowedGroupsFound, metav1.ConditionFalse, v1alpha1.ReasonMissingScope, err.Error()+"; until then nobody may answer as the member of a group")
			p.requeueBy(p.now.Add(10 * time.Minute))
			return nil
		case err != nil:
			p.requeueBy(p.now.Add(time.Minute))
			return nil //nolint:nilerr // it is asked again
		}
	}
	if len(missing) == 0 {
		conditions.Remove(p.n, v1alpha1.ConditionAllowedGroupsFound)
		return nil
	}
	text := strings.Join(missing[:min(len(missing), groupsShown)], "; ")
	conditions.Set(p.n, v1alpha1.ConditionAllowedGroupsFound, metav1.ConditionFalse, v1alpha1.ReasonGroupsNotFound, text+"; until then nobody may answer as its member: correct the name in answers.allowed.groups (or actions[].allowed.groups), or create the group in Slack")
	p.requeueBy(p.now.Add(10 * time.Minute))
	return nil
}
