package notification

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// OwnerPrefix marks this controller's names in the directory.
const OwnerPrefix = "SlackNotification/"

// target is where a recipient's message goes.
type target struct {
	// conversation to post to: C…, D…, a webhook's key, or a user's ID (U…) for a
	// direct message that is not known to be open.
	conversation string
	// user is the ID of a person; empty for a channel.
	user string
	// hidden is the name of a private channel, which Slack calls not found when the
	// bot is not a member of it any more; else empty.
	hidden string
	// thread is the ts to reply to; empty when it is no reply.
	thread string
}

// lane is what Slack counts messages of: the person, or the conversation.
func (t *target) lane() string {
	if t.user != "" {
		return t.user
	}
	return t.conversation
}

// locate finds where the recipient's message goes; false when that is not known
// now, which the delivery has been told.
func (r *Reconciler) locate(ctx context.Context, p *pass, rcpt *recipient) bool {
	if rcpt.target != nil {
		return true
	}
	t, event := r.resolve(ctx, p, rcpt)
	if event == nil {
		event = p.threadOf(t)
	}
	if event == nil {
		event = p.shared(r, rcpt, t)
	}
	if event != nil {
		p.apply(r, rcpt, event)
		return false
	}
	rcpt.target = t
	rcpt.UserID = t.user
	if !isUserID(t.conversation) && !p.way.webhook() {
		rcpt.Conversation = t.conversation
	}
	return true
}

// apply tells a delivery what happened.
func (p *pass) apply(r *Reconciler, rcpt *recipient, e delivery.Event) {
	var c delivery.Can
	if p.way != nil {
		c = r.can(p.way, rcpt)
	}
	rcpt.Apply(e, p.want, c, r.Clock.Now())
	if held, ok := e.(delivery.Held); ok {
		p.requeueBy(held.Until)
	}
}

func isUserID(s string) bool { return strings.HasPrefix(s, "U") || strings.HasPrefix(s, "W") }

// resolve turns a recipient into a conversation.
func (r *Reconciler) resolve(ctx context.Context, p *pass, rcpt *recipient) (*target, delivery.Event) {
	switch {
	case rcpt.key == defaultKey:
		return p.ownChannel()
	case p.way.webhook():
		return nil, p.blockedBy(conditions.Summary{Kind: conditions.KindStalled, Reason: v1alpha1.ReasonRecipientsNotSupported, Message: fmt.Sprintf(
			"SlackChannel %s uses an incoming webhook, which posts to its own channel alone: refer to a SlackChannel that has spec.webAPI, or remove spec.recipients (the message then goes to that channel, for all in it to see)"+thenSent, p.way.key)})
	case !p.mayReach(rcpt):
		return nil, p.notAllowed()
	case p.confined():
		// It names the SlackChannel's own channel.
		return p.ownChannel()
	case rcpt.Channel != "":
		return r.channelOf(ctx, p, rcpt)
	default:
		return r.personOf(ctx, p, rcpt)
	}
}

// ownChannel is the SlackChannel's own.
func (p *pass) ownChannel() (*target, delivery.Event) {
	if p.way.own == "" {
		return nil, p.blockedBy(p.withoutChannel())
	}
	return &target{conversation: p.way.own}, nil
}

// blockedBy notes why nothing can be sent at all.
func (p *pass) blockedBy(why conditions.Summary) delivery.Event {
	p.blocked(why)
	return delivery.Held{Note: delivery.Note{Reason: p.block.Reason, Message: p.block.Message}}
}

func (r *Reconciler) channelOf(ctx context.Context, p *pass, rcpt *recipient) (*target, delivery.Event) {
	found, err := r.Directory.FindConversation(ctx, p.way.workspace, rcpt.Channel, OwnerPrefix+p.name.String())
	if err != nil {
		return nil, r.unresolved(p, rcpt, err)
	}
	if !found.Member && !found.DM && !found.Private {
		p.apply(r, rcpt, delivery.NotMember{})
	}
	t := &target{conversation: found.ID}
	if found.Private && !found.DM && !found.Unseen {
		t.hidden = found.Name
	}
	return t, nil
}

func (r *Reconciler) personOf(ctx context.Context, p *pass, rcpt *recipient) (*target, delivery.Event) {
	user, err := r.Directory.FindUser(ctx, p.way.workspace, directory.Query{User: rcpt.User, Email: rcpt.Email}, OwnerPrefix+p.name.String())
	if err != nil {
		return nil, r.unresolved(p, rcpt, err)
	}
	t := &target{conversation: user.ID, user: user.ID}
	if dm, ok := r.Directory.KnownDirectMessage(p.way.workspace, user.ID); ok {
		t.conversation = dm
	}
	return t, nil
}

// withoutChannel says why the SlackChannel's own channel is not known.
func (p *pass) withoutChannel() conditions.Summary {
	if spec := p.way.channel.Spec.WebAPI; spec != nil && spec.Channel != "" {
		return *notVerified(p.way.key)
	}
	return conditions.Summary{Kind: conditions.KindStalled, Reason: v1alpha1.ReasonChannelRequired, Message: fmt.Sprintf(
		"SlackChannel %s has no channel of its own: name spec.recipients, or set spec.webAPI.channel in the SlackChannel; the message is sent as soon as one of these has changed", p.way.key)}
}

// shared looks whether another recipient is the same person or channel. The one
// who has the message, else the first, gets it for both.
func (p *pass) shared(r *Reconciler, rcpt *recipient, t *target) delivery.Event {
	if rcpt.Posted != nil || rcpt.inDoubt() {
		return nil // the message may be there under this very name
	}
	before := true
	for _, other := range p.recipients {
		if other == rcpt {
			before = false
			continue
		}
		if before && t.user != "" && other.isPerson() && p.mayBeFound(r, other) {
			// Who of the two is whom shows in a moment.
			return delivery.Held{Note: delivery.Note{Reason: other.Note.Reason, Message: other.Note.Message, Quiet: true}, Until: p.now.Add(time.Second)}
		}
		if other.SameAs != "" || !other.goesTo(t) || other.Posted == nil && !before && !other.inDoubt() {
			continue
		}
		return other.shareWith(t)
	}
	return nil
}

// shareWith says what becomes of another recipient at the same target.
func (r *recipient) shareWith(t *target) delivery.Event {
	switch {
	case r.Posted != nil:
		return delivery.SameAs{Recipient: r.key, Conversation: r.Posted.Conversation, UserID: t.user}
	case r.Halt != nil:
		return delivery.NeedsPerson{Reason: r.Halt.Reason, Message: fmt.Sprintf("the same person or channel as %s: %s", r.key, r.Halt.Message)}
	default:
		return delivery.Held{Note: delivery.Note{Reason: r.Note.Reason, Message: fmt.Sprintf("the same person or channel as %s, whose message is on its way", r.key), Quiet: r.Note.Quiet}}
	}
}

// inDoubt reports whether a message of this recipient's own may be in Slack.
func (r *recipient) inDoubt() bool {
	return r.Phase == delivery.Verifying && r.Doubt.Cause != delivery.KeyLookup
}

// sharedPatience is how long a person waits for those named before, whose names are
// being looked up, to turn out to be somebody else.
const sharedPatience = 5 * time.Second

func (p *pass) mayBeFound(r *Reconciler, other *recipient) bool {
	return other.Open() && other.target == nil && other.Posted == nil && other.UserID == "" &&
		other.Note.Reason == v1alpha1.ReasonDirectoryLoading && r.Clock.Now().Before(p.tracked.FirstSeen.Add(sharedPatience))
}

// goesTo reports whether a recipient is known to be at a target.
func (r *recipient) goesTo(t *target) bool {
	if r.target != nil {
		return r.target.lane() == t.lane() || r.target.conversation == t.conversation
	}
	if r.Posted != nil && r.Posted.Conversation == t.conversation {
		return true
	}
	return r.UserID != "" && r.UserID == t.user
}

// unresolved turns what the directory has answered into an event.
func (r *Reconciler) unresolved(p *pass, rcpt *recipient, err error) delivery.Event {
	now := r.Clock.Now()
	var loading *directory.LoadingError
	var wait *directory.WaitError
	switch {
	case errors.As(err, &loading) && loading.Cause != nil:
		p.requeueBy(now.Add(time.Minute)) // in case that the wake-up gets lost
		return delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonSlackUnavailable, Message: loading.Error() + "; it is tried again by itself"}}
	case errors.As(err, &loading):
		p.requeueBy(now.Add(time.Minute))
		return delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonDirectoryLoading, Message: loading.Error(), Quiet: true}}
	case errors.As(err, &wait):
		p.requeueBy(wait.At)
		return delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForTurn, Message: wait.Error(), Quiet: wait.At.Sub(now) < quietFor}}
	}
	reason, message, ok := refusal(err)
	if !ok {
		e := slack.AsError(err)
		r.learn(p.way, rcpt, e)
		return delivery.Refused{Do: delivery.Nothing, Err: e}
	}
	if rcpt.isPerson() {
		message += delivery.Public
	}
	return delivery.NeedsPerson{Reason: reason, Message: message + "; it is tried again when this SlackNotification changes, and else every 10 minutes"}
}

// refusal tells of the directory's answers that need a person.
func refusal(err error) (reason, message string, ok bool) {
	var missing *directory.NotFoundError
	var ambiguous *directory.AmbiguousError
	var deactivated *directory.DeactivatedError
	var mute *directory.NotMessageableError
	var archived *directory.ArchivedError
	switch {
	case errors.As(err, &missing) && missing.What == "channel":
		return v1alpha1.ReasonChannelNotFound, missing.Error(), true
	case errors.As(err, &missing):
		return v1alpha1.ReasonUserNotFound, missing.Error(), true
	case errors.As(err, &ambiguous):
		return v1alpha1.ReasonUserAmbiguous, ambiguous.Error(), true
	case errors.As(err, &deactivated):
		return v1alpha1.ReasonUserDeactivated, deactivated.Error(), true
	case errors.As(err, &mute):
		return v1alpha1.ReasonUserNotMessageable, mute.Error(), true
	case errors.As(err, &archived):
		return v1alpha1.ReasonChannelArchived, archived.Error(), true
	}
	return "", "", false
}

// parent is what is known of the SlackNotification that another one replies to.
type parent struct {
	// n is nil when there is none to wait for.
	n *v1alpha1.SlackNotification
	// block is why no reply can be sent now; nil when one can.
	block *conditions.Summary
	// recipients are the parent's, for a reply that names none of its own and whose
	// parent did not go to the SlackChannel's channel; else nil.
	recipients []v1alpha1.Recipient
}

// parentOf looks at the SlackNotification that n replies to.
func (r *Reconciler) parentOf(ctx context.Context, n *v1alpha1.SlackNotification) (parent, error) {
	if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
		return parent{}, nil
	}
	name := n.Spec.Thread.NotificationRef.Name
	if name == n.Name {
		return parent{block: threadNotFound("spec.thread.notificationRef names this SlackNotification itself: name the one to reply to")}, nil
	}
	up := &v1alpha1.SlackNotification{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: name}, up)
	if err == nil {
		err = r.whole(ctx, up)
	}
	if apierrors.IsNotFound(err) {
		return parent{block: threadNotFound(fmt.Sprintf(
			"SlackNotification %q, which this one replies to, does not exist in namespace %q: create it, or correct spec.thread.notificationRef; this one is sent as soon as that one has been delivered", name, n.Namespace))}, nil
	}
	if err != nil {
		return parent{}, err
	}
	out := parent{n: up}
	if len(n.Spec.Recipients) > 0 {
		return out, nil
	}
	out.recipients, err = r.inherited(ctx, n, up)
	return out, err
}

func threadNotFound(message string) *conditions.Summary {
	return &conditions.Summary{Kind: conditions.KindStalled, Reason: v1alpha1.ReasonThreadNotFound, Message: message}
}

// inherited are the recipients of a reply that names none: nil for the
// SlackChannel's own channel, unless the parent has gone elsewhere.
func (r *Reconciler) inherited(ctx context.Context, n, up *v1alpha1.SlackNotification) ([]v1alpha1.Recipient, error) {
	if len(up.Spec.Recipients) == 0 {
		return nil, nil
	}
	c := &v1alpha1.SlackChannel{}
	if !r.Channels.Sees(channelKey(n).Namespace) {
		return nil, nil // which the SlackChannel's own check tells
	}
	if err := r.Client.Get(ctx, channelKey(n), c); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	for i := range up.Status.Deliveries {
		if c.Status.Channel != nil && up.Status.Deliveries[i].ConversationID == c.Status.Channel.ID {
			return nil, nil
		}
	}
	return up.Spec.Recipients, nil
}

// awaitParent holds what is to be posted until its parent has something to reply
// to; what is out needs no parent to be edited. The parent's status wakes it.
func (r *Reconciler) awaitParent(_ context.Context, p *pass) error {
	if !p.posts() {
		return nil
	}
	if b := p.parent.block; b != nil {
		p.blocked(*b)
		return nil
	}
	up := p.parent.n
	if up == nil || up.Status.FinishedAt != nil {
		return nil
	}
	for i := range up.Status.Deliveries {
		if up.Status.Deliveries[i].Timestamp != "" {
			return nil // some can be replied to
		}
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonWaitingForThread, Message: p.waitsForParent("")})
	return nil
}

func (p *pass) waitsForParent(where string) string {
	return fmt.Sprintf("waits for SlackNotification %q, which this one replies to, to be delivered%s", p.parent.n.Name, where)
}

// posts reports whether anything may have to be posted, and nothing be edited.
func (p *pass) posts() bool {
	posts := false
	for _, rcpt := range p.recipients {
		if rcpt.Phase == delivery.Editing {
			return false
		}
		// What this process has sent into a thread is looked for there, parent or none.
		posts = posts || rcpt.Phase == delivery.Unsent || rcpt.Phase == delivery.Verifying && rcpt.Doubt.Cause != delivery.AnswerLost
	}
	return posts
}

// threadOf finds the message in a recipient's conversation to reply to.
func (p *pass) threadOf(t *target) delivery.Event {
	thread := p.n.Spec.Thread
	switch {
	case thread == nil:
		return nil
	case thread.NotificationRef == nil:
		t.thread = thread.Timestamp
		return nil
	case p.parent.block != nil:
		return delivery.Held{Note: delivery.Note{Reason: p.parent.block.Reason, Message: p.parent.block.Message}}
	}
	up := p.parent.n
	for i := range up.Status.Deliveries {
		d := &up.Status.Deliveries[i]
		if d.Timestamp == "" || d.ConversationID != t.conversation && (t.user == "" || d.UserID != t.user) {
			continue
		}
		t.conversation = d.ConversationID
		// A reply to a reply goes to where the thread begins.
		if t.thread = d.ThreadTimestamp; t.thread == "" {
			t.thread = d.Timestamp
		}
		return nil
	}
	if up.Status.FinishedAt == nil || up.Status.ObservedGeneration != up.Generation {
		return delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonWaitingForThread, Message: p.waitsForParent(" here")}}
	}
	return delivery.NeedsPerson{Reason: v1alpha1.ReasonThreadFailed, Message: p.noThreadReason(up)}
}

// noThreadReason says why a parent has no message that can be replied to.
func (p *pass) noThreadReason(up *v1alpha1.SlackNotification) string {
	switch {
	case p.way != nil && p.way.webhook() || up.Status.Phase == v1alpha1.PhaseDelivered && up.Status.Deliveries[0].Timestamp == "":
		return fmt.Sprintf("SlackNotification %q, which this one replies to, was sent by an incoming webhook, or this one would be, and a webhook tells no message to reply to: use SlackChannels that have spec.webAPI", up.Name)
	case up.Status.Phase == v1alpha1.PhaseDelivered:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, did not go to this conversation: name recipients that it went to", up.Name)
	default:
		return fmt.Sprintf("SlackNotification %q, which this one replies to, has not been delivered here: see its status; this one is sent as soon as that one has been", up.Name)
	}
}
