package delivery

import (
	"fmt"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func refuse(do Do, class slack.Class) Refused {
	return Refused{Do: do, Err: &slack.Error{Class: class, Method: "m", Code: "code"}}
}

// choices collects what may happen in a state.
type choices struct {
	w   *world
	out []*world
}

// may adds what happens at most as often as is left of it.
func (c *choices) may(left func(*budget) *int, step string, change func(n *world)) {
	if *left(&c.w.left) == 0 {
		return
	}
	n := c.w.clone(step)
	*left(&n.left)--
	change(n)
	c.out = append(c.out, n)
}

// people returns what people may do.
func (w *world) people() []*world {
	if w.remove {
		return nil
	}
	c := &choices{w: w}
	w.spec(c)
	c.may(func(b *budget) *int { return &b.channels }, "the SlackChannel gets another channel", func(n *world) { n.conversation += "'"; n.gap() })
	c.may(func(b *budget) *int { return &b.scopes }, "the app gets or loses the scope to read", func(n *world) {
		n.readable = !n.readable
		n.unseen()
	})
	c.may(func(b *budget) *int { return &b.requests }, "a person asks to try again", func(n *world) { n.d.Request(noon) })
	c.may(func(b *budget) *int { return &b.deadlines }, "the deadline passes", func(n *world) { n.late = true })
	c.may(func(b *budget) *int { return &b.removals }, "a person deletes the object", func(n *world) { n.remove = true })
	c.may(func(b *budget) *int { return &b.remakes }, "the object is pruned and made again", (*world).remade)
	c.may(func(b *budget) *int { return &b.forgeries }, "somebody forges the status", (*world).forge)
	if p := w.d.Posted; p != nil && w.at(p.Timestamp) != nil && w.at(p.Timestamp).owner != alien {
		c.may(func(b *budget) *int { return &b.gone }, "a person deletes the message from Slack", func(n *world) {
			n.at(n.d.Posted.Timestamp).gone = true
			n.allowed++
		})
		c.may(func(b *budget) *int { return &b.gone }, "Slack closes the message to edits", func(n *world) {
			n.at(n.d.Posted.Timestamp).closed = true
			n.allowed++
		})
	}
	return c.out
}

// spec adds the changes of the spec.
func (w *world) spec(c *choices) {
	content := func(by int) func(n *world) {
		return func(n *world) {
			n.content += by
			if n.update == v1alpha1.UpdateRepost {
				n.allowed++
			}
			n.changed()
		}
	}
	contents := func(b *budget) *int { return &b.contents }
	policies := func(b *budget) *int { return &b.policies }
	c.may(contents, "a person changes the content", content(1))
	if w.content > 0 {
		c.may(contents, "a person changes the content back", content(-1))
	}
	// An answer changes the status alone: no generation, and no policy keeps it from
	// being shown.
	c.may(func(b *budget) *int { return &b.answers }, "somebody answers", func(n *world) { n.answers++; n.d.Want(n.want(), noon) })
	for _, policy := range []v1alpha1.UpdatePolicy{v1alpha1.UpdateEdit, v1alpha1.UpdateRepost, v1alpha1.UpdateIgnore} {
		if policy == w.update {
			continue
		}
		c.may(policies, "a person sets updatePolicy "+string(policy), func(n *world) {
			n.update = policy
			n.unseen()
			if m := n.newest(); policy == v1alpha1.UpdateRepost && m != nil && m.hash%100 != n.content {
				n.allowed++
			}
			n.changed()
		})
	}
	other := v1alpha1.UnknownOutcomeRetry
	if w.onUnknown == other {
		other = v1alpha1.UnknownOutcomeGiveUp
	}
	c.may(policies, "a person sets onUnknownOutcome "+string(other), func(n *world) {
		n.onUnknown = other
		n.unseen()
		n.changed()
	})
	c.may(func(b *budget) *int { return &b.channels }, "a person names another SlackChannel", func(n *world) { n.via += "'"; n.allowed++; n.changed() })
}

// unseen allows for a repost beside an edit of which nobody can see whether it
// arrived.
func (w *world) unseen() {
	if !w.readable && w.onUnknown == v1alpha1.UnknownOutcomeRetry && w.update == v1alpha1.UpdateRepost {
		w.allowed++
	}
}

// remade is another object with the same name, and the same idempotency key where
// there is one.
func (w *world) remade() {
	for i := range w.count {
		if w.messages[i].owner == mine {
			w.messages[i].owner = alike
		}
	}
	if !w.keyed || !w.readable {
		w.allowed++
	}
	w.stored, w.storedOf, w.generation = nil, 0, 1
	w.begin(Ownership{Made: true, Observed: true, Intends: !w.own})
}

// forge makes the stored status name another object's message, as who may write
// statuses can. A process that knows better does not care, so another one begins.
func (w *world) forge() {
	w.forged = true
	at := w.put(message{hash: 9, conversation: w.conversation, owner: alien})
	w.stored = &v1alpha1.Delivery{
		Recipient: "default", State: v1alpha1.DeliveryDelivered, ConversationID: w.conversation, Timestamp: at, ContentHash: hashOf(9), DeliveredAt: &noonStamp, Via: w.via,
	}
	w.storedOf = w.generation
	w.crash()
}

// system returns what the operator, its process and Slack may do.
func (w *world) system(t *testing.T) []*world {
	c := &choices{w: w}
	c.may(func(b *budget) *int { return &b.crashes }, "the process ends", (*world).crash)
	// An object that is being deleted has only its conditions written.
	if s := w.shown(); !w.remove && (w.stored == nil || w.storedOf != w.generation || s != *w.stored) {
		n := w.clone("the status is written")
		n.write()
		c.out = append(c.out, n)
	}
	n := w.clone("")
	step := n.d.Next(n.want(), n.can(), noon)
	return append(c.out, n.outcomes(t, step)...)
}

// on adds an outcome of a step: the event that the controller reports of it.
func (c *choices) on(what string, act func(n *world) Event) {
	n := c.w.clone(what)
	if e := act(n); e != nil {
		n.d.Apply(e, n.want(), n.can(), noon)
	}
	c.out = append(c.out, n)
}

func (c *choices) loses(what string, act func(n *world) Event) {
	if c.w.left.lost > 0 {
		c.on(what, func(n *world) Event { n.left.lost--; n.doubtful = true; return act(n) })
	}
}

func (c *choices) fails(do Do, classes ...slack.Class) {
	for _, class := range classes {
		if c.w.left.refusals > 0 {
			c.on(fmt.Sprintf("step %d is refused, class %d", do, class), func(n *world) Event { n.left.refusals--; return refuse(do, class) })
		}
	}
}

func (c *choices) held(reason string) {
	if c.w.left.holds > 0 {
		c.on("it has to wait: "+reason, func(n *world) Event { n.left.holds--; return Held{Note: Note{Reason: reason}} })
	}
}

// outcomes of a step.
func (w *world) outcomes(t *testing.T, step Step) []*world {
	c := &choices{w: w}
	switch step.Do {
	case Nothing, Wait:
		n := w.clone("it looks what to do, which is nothing now")
		c.out = append(c.out, n)
	case Post:
		w.posting(t, c, step.Announce)
	case Read, Check:
		w.looking(c, step.Do)
	case Edit:
		w.editing(t, c)
	case Delete:
		w.mayTouch(t, "delete")
		c.on("deleted", func(n *world) Event {
			if m := n.at(n.d.Posted.Timestamp); m != nil {
				m.gone = true
				return DeleteOK{}
			}
			return refuse(Delete, slack.ClassMessageNotFound)
		})
		c.fails(Delete, slack.ClassUnavailable)
	default:
		t.Fatalf("step %d is not in the model%s", step.Do, w.path)
	}
	return c.out
}

func (w *world) posting(t *testing.T, c *choices, announce bool) {
	c.held(v1alpha1.ReasonWaitingForTurn)
	if announce {
		w.d.Apply(Announced{}, w.want(), w.can(), noon)
		w.write()
		c.held(v1alpha1.ReasonRateLimited)
	}
	w.d.Apply(Attempting{}, w.want(), w.can(), noon)
	w.mayPost(t)
	lost := func(n *world) Event {
		e := refuse(Post, slack.ClassAmbiguous)
		e.Conversation = n.conversation
		return e
	}
	c.on("posted", func(n *world) Event {
		at := n.post()
		n.messages[n.count-1].told = true
		if n.webhook {
			return PostOK{}
		}
		return PostOK{Conversation: n.conversation, Timestamp: at}
	})
	c.loses("posted, and the answer is lost", func(n *world) Event { n.post(); return lost(n) })
	c.loses("not posted, and nobody knows", lost)
	c.may(func(b *budget) *int { return &b.crashes }, "posted, and the process ends", func(n *world) { n.post(); n.crash() })
	c.fails(Post, slack.ClassUnavailable, slack.ClassInvalidCredentials, slack.ClassMessageRejected)
}

func (w *world) looking(c *choices, do Do) {
	c.held(v1alpha1.ReasonVerifyingOutcome)
	c.fails(do, slack.ClassUnavailable, slack.ClassInvalidCredentials, slack.ClassChannelNotFound)
	switch {
	case !w.readable:
		c.on("reading is refused for good", func(n *world) Event {
			n.accepted = n.accepted || n.onUnknown == v1alpha1.UnknownOutcomeRetry && n.unknown() > 0
			return refuse(do, slack.ClassMissingScope)
		})
	case do == Read:
		c.on("the conversation is read", (*world).read)
	default:
		c.on("the message is looked at", (*world).look)
	}
}

func (w *world) editing(t *testing.T, c *choices) {
	w.mayTouch(t, "edit")
	w.mayEdit(t)
	c.held(v1alpha1.ReasonWaitingForTurn)
	w.d.Apply(Attempting{}, w.want(), w.can(), noon)
	switch m := w.at(w.d.Posted.Timestamp); {
	case m == nil:
		c.on("edit: it is gone", func(n *world) Event { n.miss(); return refuse(Edit, slack.ClassMessageNotFound) })
		return
	case m.closed:
		c.on("edit: it is closed", func(*world) Event { return refuse(Edit, slack.ClassMessageClosed) })
		return
	}
	set := func(n *world) { n.at(n.d.Posted.Timestamp).hash = n.show() }
	c.on("edited", func(n *world) Event { set(n); return EditOK{} })
	c.loses("edited, and the answer is lost", func(n *world) Event { set(n); return refuse(Edit, slack.ClassAmbiguous) })
	c.loses("not edited, and nobody knows", func(*world) Event { return refuse(Edit, slack.ClassAmbiguous) })
	c.may(func(b *budget) *int { return &b.crashes }, "edited, and the process ends", func(n *world) { set(n); n.crash() })
	c.fails(Edit, slack.ClassUnavailable, slack.ClassMessageRejected)
}
