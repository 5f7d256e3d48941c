package notification

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/ledger"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// pass is one pass over one notification.
type pass struct {
	n *v1alpha1.SlackNotification
	// now is when the pass began.
	now     time.Time
	name    types.NamespacedName
	tracked *ledger.Entry
	// recipients in the order of the spec.
	recipients []*recipient
	want       delivery.Want
	// block is why nothing can be sent at all; nil when something can.
	block *conditions.Summary
	// mustWrite: an attempt was made, which is always worth a write.
	mustWrite bool
	// requeueAt is when to look again at the latest; zero when nothing waits for a time.
	requeueAt time.Time
	// turnBy is when the last of the turns that are waited for should have come.
	turnBy time.Time

	parent parent
	// channel is the SlackChannel that the spec names, as the cache has it; empty
	// when there is none.
	channel *v1alpha1.SlackChannel
	// way is the way to Slack through the SlackChannel that the spec names; nil when
	// there is none now.
	way *way
	// others are the ways through other SlackChannels that something went through.
	others  map[string]reached
	content *content
	// cluster names this cluster in the buttons; empty when there are none.
	cluster string
}

// recipient is one of the spec's, with its delivery.
type recipient struct {
	v1alpha1.Recipient
	key string
	*delivery.Delivery
	// target is where it goes, once that is known in this pass.
	target *target
}

// defaultKey stands for the SlackChannel's own channel.
const defaultKey = message.DefaultRecipient

// recipientOf is the inverse of message.RecipientKey.
func recipientOf(key string) v1alpha1.Recipient {
	kind, name, _ := strings.Cut(key, ":")
	switch kind {
	case "user":
		return v1alpha1.Recipient{User: name}
	case "email":
		return v1alpha1.Recipient{Email: name}
	case "channel":
		return v1alpha1.Recipient{Channel: name}
	default:
		return v1alpha1.Recipient{}
	}
}

// isPerson reports whether the recipient is a person, and no channel.
func (r *recipient) isPerson() bool { return r.User != "" || r.Email != "" }

// begin brings together what the object says and what this process knows.
func (r *Reconciler) begin(n *v1alpha1.SlackNotification, up parent, c *v1alpha1.SlackChannel) *pass {
	p := &pass{n: n, now: r.Clock.Now(), name: client.ObjectKeyFromObject(n), parent: up, channel: c, others: map[string]reached{}}
	t, fresh := r.ledger.Find(n, p.now)
	p.tracked = t
	stored := map[string]*v1alpha1.Delivery{}
	for i := range n.Status.Deliveries {
		stored[n.Status.Deliveries[i].Recipient] = &n.Status.Deliveries[i]
	}
	p.want = r.wanted(n, c, t, p.now)
	p.want.Changed = !fresh && t.Generation != n.Generation || fresh && n.Status.ObservedGeneration != n.Generation
	t.Generation = n.Generation

	keep := map[string]*delivery.Delivery{}
	for _, one := range p.wantedRecipients(stored) {
		key := message.RecipientKey(one)
		d := t.Deliveries[key]
		if d == nil || takenOver(d, stored[key], t, n) {
			o := r.ownership(n, c, key, t)
			if s := stored[key]; s != nil && s.DeliveredAt != nil {
				o.Mine = r.ledger.Posted.Has(n.UID, s.ConversationID, s.Timestamp)
			}
			restored := delivery.Restore(key, stored[key], p.want, o, p.now)
			d = &restored
		}
		keep[key] = d
		p.recipients = append(p.recipients, &recipient{Recipient: one, key: key, Delivery: d})
	}
	r.loseSight(t, keep, stored)
	r.mendShared(p, t, stored)
	r.Lanes.Keep(p.now, p.name.String(), p.tickets())
	t.Deliveries = keep
	for _, rcpt := range p.recipients {
		rcpt.Want(p.want, p.now)
	}
	p.handleRequest(fresh)
	return p
}

// loseSight has a recipient who was taken out of the spec, and to whom something is, or
// may be, out, be looked for before anything is sent, if he comes back.
func (r *Reconciler) loseSight(t *ledger.Entry, keep map[string]*delivery.Delivery, stored map[string]*v1alpha1.Delivery) {
	for key, d := range t.Deliveries {
		if keep[key] == nil && d.MayBeOut() {
			r.ledger.LoseSight(t)
			return
		}
	}
	for key, s := range stored {
		if keep[key] == nil && mayBeOut(s) {
			r.ledger.LoseSight(t)
			return
		}
	}
}

// mayBeOut is Delivery.MayBeOut of what a status tells.
func mayBeOut(s *v1alpha1.Delivery) bool {
	return s.DeliveredAt != nil || s.Unverified || s.Attempts > 0 || s.Reason == v1alpha1.ReasonDelivering
}

// wanted is what the spec asks for.
func (r *Reconciler) wanted(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, t *ledger.Entry, now time.Time) delivery.Want {
	since := r.ledger.Leadership().At
	if since.IsZero() {
		since = now
	}
	if t.HandedOver {
		// Another shard may be posting it at this moment.
		timeout := egress.DefaultTimeout
		if spec := c.Spec.Connection; spec != nil && spec.Timeout != nil {
			timeout = spec.Timeout.Duration
		}
		if at := t.FirstSeen.Add(timeout); at.After(since) {
			since = at
		}
	}
	want := delivery.Want{
		Hash: message.HashWith(n.Spec.Content, message.InteractionOf(n, c)), Update: n.Spec.UpdatePolicy, OnUnknown: ptr.Deref(n.Spec.OnUnknownOutcome, v1alpha1.UnknownOutcomeRetry), Via: channelKey(n).String(), ViaUID: c.UID,
		Remove: !n.DeletionTimestamp.IsZero(), Settled: since.Add(r.settleTime()), Settle: r.settleTime(), Created: n.CreationTimestamp.Time,
		Keyed: n.Spec.IdempotencyKey != "",
	}
	if at, ok := deadline(n); ok {
		want.Deadline, want.DeadlineSeconds = at, *n.Spec.ActiveDeadlineSeconds
	}
	return want
}

func (r *Reconciler) ownership(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, key string, t *ledger.Entry) delivery.Ownership {
	observed := n.Status.ObservedGeneration
	o := delivery.Ownership{
		Made: t.Made, Observed: observed == n.Generation || n.Generation == 1, Skipped: observed > 0 && n.Generation-observed > 1,
		Intends: key != defaultKey || c.Spec.Webhook != nil || neverProven(n, c),
	}
	if n.Spec.NotBefore != nil && n.Generation == 1 {
		o.NotBefore = n.Spec.NotBefore.Time
	}
	return o
}

// neverProven reports whether the SlackChannel has said for longer than the object
// lives that its channel can't be read back, so that each post was announced.
func neverProven(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel) bool {
	cond := conditions.Find(c, v1alpha1.ConditionExactlyOnce)
	return cond != nil && cond.Status != metav1.ConditionTrue && cond.LastTransitionTime.Time.Before(n.CreationTimestamp.Time)
}

// takenOver reports whether another process has recorded a delivery that this one
// does not know of, as when an object has come from another shard.
func takenOver(d *delivery.Delivery, stored *v1alpha1.Delivery, t *ledger.Entry, n *v1alpha1.SlackNotification) bool {
	return stored != nil && stored.DeliveredAt != nil && d.Posted == nil && d.SameAs == "" && t.Stored(n) == &n.Status
}

// wantedRecipients are the spec's. A reply that names none inherits its parent's,
// and keeps those that it has begun with.
func (p *pass) wantedRecipients(stored map[string]*v1alpha1.Delivery) []v1alpha1.Recipient {
	if len(p.n.Spec.Recipients) > 0 {
		return p.n.Spec.Recipients
	}
	if p.n.Spec.Thread != nil && p.n.Spec.Thread.NotificationRef != nil {
		if begun := p.begun(stored); len(begun) > 0 {
			return begun
		}
		if len(p.parent.recipients) > 0 {
			return p.parent.recipients
		}
	}
	return []v1alpha1.Recipient{{}}
}

// begun are the recipients of a reply to whom something is, or may be, out.
func (p *pass) begun(stored map[string]*v1alpha1.Delivery) []v1alpha1.Recipient {
	out := false
	var all []string
	for key, d := range p.tracked.Deliveries {
		out = out || d.MayBeOut()
		all = append(all, key)
	}
	for key, s := range stored {
		out = out || mayBeOut(s)
		if !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	if !out {
		return nil
	}
	slices.Sort(all)
	recipients := make([]v1alpha1.Recipient, len(all))
	for i, key := range all {
		recipients[i] = recipientOf(key)
	}
	return recipients
}

// mendShared names, after a restart, whose message a recipient shares, and hands
// the message over when that one is not a recipient any more.
func (r *Reconciler) mendShared(p *pass, t *ledger.Entry, stored map[string]*v1alpha1.Delivery) {
	byKey := map[string]*recipient{}
	for _, rcpt := range p.recipients {
		byKey[rcpt.key] = rcpt
	}
	for _, rcpt := range p.recipients {
		if rcpt.SameAs == "" || byKey[rcpt.SameAs] != nil {
			continue
		}
		if first := p.sharer(rcpt, stored); first != nil {
			rcpt.SameAs = first.key
			continue
		}
		was := rcpt.SameAs
		rcpt.SameAs = ""
		if d := t.Deliveries[was]; d != nil && d.Posted != nil {
			taken := *d.Posted
			rcpt.Posted, rcpt.After = &taken, d.After
		} else if s := recordOf(rcpt, stored); s != nil {
			o := r.ownership(p.n, p.channel, rcpt.key, t)
			o.Mine = r.ledger.Posted.Has(p.n.UID, s.ConversationID, s.Timestamp)
			*rcpt.Delivery = delivery.Restore(rcpt.key, s, p.want, o, p.now)
		} else {
			rcpt.Phase = delivery.Unsent
		}
	}
}

// recordOf finds, of the recipients that there were, the one whose message another
// one shares.
func recordOf(rcpt *recipient, stored map[string]*v1alpha1.Delivery) *v1alpha1.Delivery {
	for key, s := range stored {
		if key != rcpt.key && s.DeliveredAt != nil && (s.ConversationID != "" && s.ConversationID == rcpt.Conversation || s.UserID != "" && s.UserID == rcpt.UserID) {
			return s
		}
	}
	return nil
}

// sharer finds the recipient whose message another one shares, by where it went.
func (p *pass) sharer(rcpt *recipient, stored map[string]*v1alpha1.Delivery) *recipient {
	for _, other := range p.recipients {
		s := stored[other.key]
		if other == rcpt || other.SameAs != "" || s == nil || s.State != v1alpha1.DeliveryDelivered && s.DeliveredAt == nil {
			continue
		}
		if s.ConversationID != "" && s.ConversationID == rcpt.Conversation || s.UserID != "" && s.UserID == rcpt.UserID {
			return other
		}
	}
	return nil
}

// handleRequest starts at once what waits, when a person asks for it.
func (p *pass) handleRequest(fresh bool) {
	asked := p.n.Annotations[v1alpha1.AnnotationRequestedAt]
	if fresh {
		p.tracked.Request = p.n.Status.LastHandledRequest
	}
	if asked == "" || asked == p.tracked.Request {
		return
	}
	p.tracked.Request = asked
	for _, rcpt := range p.recipients {
		rcpt.Request(p.now)
	}
}

// requeueBy has the notification looked at again at a time at the latest.
func (p *pass) requeueBy(at time.Time) {
	if !at.IsZero() && (p.requeueAt.IsZero() || at.Before(p.requeueAt)) {
		p.requeueAt = at
	}
}

// blocked records a reason that holds for the whole notification.
func (p *pass) blocked(s conditions.Summary) {
	p.block = &s
	for _, rcpt := range p.recipients {
		if rcpt.Open() {
			rcpt.Note = delivery.Note{Reason: s.Reason, Message: s.Message}
		}
	}
}

// allDone reports whether nothing is left to send.
func (p *pass) allDone() bool {
	return !slices.ContainsFunc(p.recipients, func(r *recipient) bool { return r.Phase != delivery.Delivered })
}

// place names a recipient as people do.
func (p *pass) place(rcpt *recipient) string {
	if rcpt.key != defaultKey {
		_, name, _ := strings.Cut(rcpt.key, ":")
		return name
	}
	return p.way.place()
}

func (p *pass) ticket(rcpt *recipient) string { return string(p.n.UID) + "/" + rcpt.key }

func (p *pass) tickets() []string {
	out := make([]string, len(p.recipients))
	for i, rcpt := range p.recipients {
		out[i] = p.ticket(rcpt)
	}
	return out
}

// deliveries of all recipients, as the status shows them.
func (p *pass) deliveries() []v1alpha1.Delivery {
	out := make([]v1alpha1.Delivery, len(p.recipients))
	for i, rcpt := range p.recipients {
		out[i] = rcpt.Status()
	}
	return out
}
