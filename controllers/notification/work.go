package notification

import (
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// work is one pass over one notification.
type work struct {
	n *v1alpha1.SlackNotification
	// now is when the pass began.
	now    time.Time
	name   types.NamespacedName
	record *record
	// recipients in the order of the spec.
	recipients []recipient
	// stop ends the pass after the present phase.
	stop bool
	// block is why nothing can be sent at all; nil when something can.
	block *block
	// news: an attempt was made, which is always worth a write.
	news bool
	// next is when to look again at the latest; zero when nothing waits for time.
	next time.Time

	// hash of the content that the spec asks for.
	hash string
	// reply is what the message is a reply to.
	reply reply
	// stale is why a content that is not the spec's stays in Slack; empty when
	// none does.
	stale string

	channel   *v1alpha1.SlackChannel
	conn      *connection.Connection
	workspace directory.Workspace
	stamp     string
	rendered  *message.Rendered
	// unmentioned are the names that were looked up in vain, and why.
	unmentioned     []string
	unmentionedNote string
}

// block is a reason that holds for the whole notification.
type block struct {
	kind            blockKind
	reason, message string
}

type blockKind int

const (
	// blockProgress: nothing is wrong; it goes on by itself.
	blockProgress blockKind = iota
	// blockRetry: something is wrong that is expected to pass.
	blockRetry
	// blockStall: a person must act.
	blockStall
	// blockHold: a person has asked for it.
	blockHold
)

// recipient is one of the spec's, with what is known of its delivery.
type recipient struct {
	v1alpha1.Recipient
	key string
	*entry
	// conversation to post to, once resolved.
	conversation string
	// thread is the ts to reply to; empty when it is no reply.
	thread string
}

// defaultKey stands for the SlackChannel's own channel.
const defaultKey = "default"

func keyOf(r v1alpha1.Recipient) string {
	switch {
	case r.User != "":
		return "user:" + r.User
	case r.Email != "":
		return "email:" + r.Email
	case r.Channel != "":
		return "channel:" + r.Channel
	default:
		return defaultKey
	}
}

// done reports whether the recipient has been reached.
func (r *recipient) done() bool { return r.delivery.State == v1alpha1.DeliveryDelivered }

// begin brings together what the object says and what this process knows.
func (r *Reconciler) begin(n *v1alpha1.SlackNotification, reply reply) *work {
	w := &work{n: n, now: r.Clock.Now(), name: client.ObjectKeyFromObject(n), hash: message.Hash(n.Spec.Content), reply: reply}
	rec, fresh, leader := r.ledger.find(w.name, n.UID)
	w.record = rec
	known := map[string]*v1alpha1.Delivery{}
	for i := range n.Status.Deliveries {
		known[n.Status.Deliveries[i].Recipient] = &n.Status.Deliveries[i]
	}
	changed := !fresh && rec.generation != n.Generation || fresh && n.Status.ObservedGeneration != n.Generation
	rec.generation = n.Generation

	wanted := reply.recipients
	if len(wanted) == 0 {
		wanted = n.Spec.Recipients
	}
	if len(wanted) == 0 {
		wanted = []v1alpha1.Recipient{{}}
	}
	keep := make(map[string]*entry, len(wanted))
	for _, want := range wanted {
		key := keyOf(want)
		e := rec.entries[key]
		if e == nil {
			e = r.load(n, key, known[key], leader)
		}
		if e.delivery.State == v1alpha1.DeliveryUnknown && !w.givesUp() {
			r.reopen(e)
		}
		w.supersede(e, fresh)
		if changed && e.delivery.State != v1alpha1.DeliveryDelivered {
			e.failures, e.notBefore, e.dormant, e.joined, e.final = 0, time.Time{}, false, false, false
			if e.delivery.State == v1alpha1.DeliveryFailed {
				e.delivery.State = v1alpha1.DeliveryPending
			}
		}
		keep[key] = e
		w.recipients = append(w.recipients, recipient{Recipient: want, key: key, entry: e})
	}
	rec.entries = keep
	return w
}

// load makes the entry of a recipient that this process does not know yet.
func (r *Reconciler) load(n *v1alpha1.SlackNotification, key string, known *v1alpha1.Delivery, leader leadership) *entry {
	e := &entry{delivery: v1alpha1.Delivery{Recipient: key, State: v1alpha1.DeliveryPending}}
	if known != nil {
		e.delivery = *known.DeepCopy()
	}
	if e.delivery.State == v1alpha1.DeliveryFailed {
		e.dormant = true
		e.final = e.delivery.Reason == v1alpha1.ReasonMessageRejected || e.delivery.Reason == v1alpha1.ReasonDeadlineExceeded
		e.notBefore = r.Clock.Now().Add(recheck(0))
	}
	e.intended = e.delivery.Reason == v1alpha1.ReasonDelivering
	// An edit that is repeated changes nothing; what is posted anew is looked
	// for when it comes to that.
	if e.out() || e.delivery.State == v1alpha1.DeliveryUnknown {
		return e
	}
	// Another process may have sent it and died before it could say so; with an
	// intent in the status it certainly was about to.
	if e.intended || !leader.after(n) {
		since := leader.at
		if since.IsZero() {
			since = r.Clock.Now()
		}
		e.doubt, e.settled, e.restarted = n.CreationTimestamp.Time, since.Add(r.settleTime()), true
		if e.delivery.LastAttemptAt != nil {
			e.doubt = e.delivery.LastAttemptAt.Time
		}
	}
	return e
}

// reopen has a message of unknown outcome sent again, because a person asks for
// it; where Slack can be asked, it is asked first.
func (r *Reconciler) reopen(e *entry) {
	e.delivery.State = v1alpha1.DeliveryPending
	e.failures, e.notBefore, e.final = 0, time.Time{}, false
	if e.delivery.LastAttemptAt != nil {
		e.doubt, e.settled = e.delivery.LastAttemptAt.Time, r.Clock.Now()
	}
}

// wait notes that the pass is to be repeated at a time.
func (w *work) wait(at time.Time) {
	if w.next.IsZero() || at.Before(w.next) {
		w.next = at
	}
}

// blocked ends the pass for a reason that holds for all recipients.
func (w *work) blocked(kind blockKind, reason, message string) {
	w.block = &block{kind: kind, reason: reason, message: message}
	w.stop = true
	for i := range w.recipients {
		rcpt := &w.recipients[i]
		if rcpt.delivery.State == v1alpha1.DeliveryPending || rcpt.delivery.State == v1alpha1.DeliveryRetrying {
			rcpt.delivery.Reason, rcpt.delivery.Message = reason, message
		}
	}
}

// Back-off of attempts that failed in a way that passes: full jitter between
// half and all of a doubling time.
func backoff(failures int) time.Duration {
	limit := min(5*time.Minute, time.Second<<min(max(failures-1, 0), 12))
	return limit/2 + rand.N(limit/2+1)
}

// recheck is the time after which something that needs a person is tried once
// more, in case the person acted where the cluster does not see it.
func recheck(failures int) time.Duration {
	limit := min(time.Hour, 10*time.Minute<<min(failures, 4))
	return limit - limit/10 + rand.N(limit/5+1)
}
