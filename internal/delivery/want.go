package delivery

import (
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Want tells the delivery what the spec asks for now. A doubt stays a doubt,
// whatever is asked for.
func (d *Delivery) Want(w Want, now time.Time) {
	if w.Changed {
		d.Halt, d.Retry = nil, Retry{Credential: d.Retry.Credential}
	}
	d.Stale = ""
	switch {
	case d.Phase == Unknown && !w.GiveUp() && !d.late(w, now):
		d.reopen(now)
	case d.Phase == Verifying, d.Phase == Unknown, d.Phase == Removed, d.Posted == nil:
	default:
		d.compare(w)
	}
}

// Request starts at once what waits for its back-off, or for a person: somebody
// says that it is worth a try.
func (d *Delivery) Request(now time.Time) {
	d.Halt, d.Retry = nil, Retry{Credential: d.Retry.Credential}
	if d.Phase == Unknown {
		d.reopen(now)
	}
}

// reopen begins to look for a message of unknown outcome.
func (d *Delivery) reopen(now time.Time) {
	d.Phase, d.Halt, d.Retry = Verifying, nil, Retry{Credential: d.Retry.Credential}
	d.Doubt.Settles, d.Doubt.Unannounced = now, false
}

// compare decides what becomes of a message that is out.
func (d *Delivery) compare(w Want) {
	switch {
	case d.Phase == Unsent && d.Replaces == MessageGone:
		// There is nothing to compare with.
	case d.moved(w):
		d.replaceUnlessIgnored(w, ChannelChanged)
	case d.Posted.Hash == w.Hash:
		if d.Phase != Delivered {
			d.Replaces = ""
		}
		d.deliver()
	case w.Update == v1alpha1.UpdateIgnore && !d.answered(w):
		d.keep(v1alpha1.ReasonUpdateIgnored)
	case d.Phase == Unsent && d.Replaces == EditClosed:
		// To edit it would be refused again.
	default:
		d.change(w)
	}
}

// change decides how a message that is out gets another content.
func (d *Delivery) change(w Want) {
	switch {
	case d.Posted.Timestamp != "" && (d.Posted.Hash == "" || d.Posted.Hash == unreadHash && w.GiveUp()):
		// What is there is not known. To edit it is never too much.
		d.edit()
	case w.Update == v1alpha1.UpdateRepost && !d.answered(w):
		d.replace(w, Reposted)
	case d.Posted.Timestamp == "":
		d.keep(v1alpha1.ReasonEditNotSupported)
	default:
		d.edit()
	}
}

// answered reports whether only what stands below the content is another one, as
// when somebody has answered: the policy is about the content, and buttons that
// nobody may press any more must go.
func (d *Delivery) answered(w Want) bool {
	have, _, _ := strings.Cut(d.Posted.Hash, "-")
	want, _, _ := strings.Cut(w.Hash, "-")
	return have != "" && have == want
}

// moved reports whether the message went through another SlackChannel than the
// one that the spec names. One that was deleted and made again is another one,
// which matters when there is something to change.
func (d *Delivery) moved(w Want) bool {
	p := d.Posted
	if p.Via == "" {
		return false
	}
	again := p.ViaUID != "" && w.ViaUID != "" && p.ViaUID != w.ViaUID
	return p.Via != w.Via || again && p.Hash != w.Hash
}

func (d *Delivery) replaceUnlessIgnored(w Want, why Replacement) {
	if w.Update == v1alpha1.UpdateIgnore {
		d.keep(v1alpha1.ReasonChannelChanged)
		return
	}
	d.replace(w, why)
}

// replace begins to post anew, which another process may have done before.
func (d *Delivery) replace(w Want, why Replacement) {
	if d.Phase == Unsent && d.Replaces == why {
		return
	}
	if d.Phase == Delivered {
		d.renew()
	}
	d.repost(w, why)
}

// repost begins to look for what another process may have posted in place of the
// message that is out, before this one does.
func (d *Delivery) repost(w Want, why Replacement) {
	d.Replaces = why
	d.Doubt = &Doubt{Cause: Replacing, Since: d.Posted.At, Settles: w.Settled, Unannounced: d.Posted.Last}
	if why != ChannelChanged {
		d.Doubt.Conversation, d.Doubt.Thread = d.Posted.Conversation, d.Posted.Thread
	}
	d.Phase = Verifying
}

// edit begins to edit what is out.
func (d *Delivery) edit() {
	if d.Phase == Delivered {
		d.renew()
	}
	d.Phase, d.Replaces, d.Doubt = Editing, "", nil
}

// renew forgets what became of an earlier content.
func (d *Delivery) renew() {
	d.Halt, d.Retry, d.Replaces = nil, Retry{Credential: d.Retry.Credential}, ""
	d.Note = Note{v1alpha1.ReasonEditPending, "the message is out with an older content, which is about to be replaced", true}
}

// keep leaves another content than the wanted one in Slack, for a reason.
func (d *Delivery) keep(reason string) {
	if d.Phase != Delivered {
		d.Replaces = ""
	}
	d.deliver()
	d.Stale = reason
}

// deliver ends the delivery well.
func (d *Delivery) deliver() {
	if d.Phase != Delivered {
		d.Halt, d.Retry, d.Note = nil, Retry{Credential: d.Retry.Credential}, Note{}
	}
	d.Phase, d.Doubt = Delivered, nil
}
