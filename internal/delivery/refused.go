package delivery

import (
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Refused means that the call of a step failed.
type Refused struct {
	Do  Do
	Err *slack.Error
	// Settle is the time after which an answer that got lost shows in the
	// conversation; for posts.
	Settle time.Duration
	// Conversation and Thread are where it was posted to.
	Conversation, Thread string
}

func (e Refused) apply(d *Delivery, w Want, c Can, now time.Time) {
	class := e.Err.Class
	reading := e.Do == Read || e.Do == Check
	switch {
	case e.Do == Post && class == slack.ClassAmbiguous:
		e.lost(d, w, c, now)
		return
	case (e.Do == Edit || e.Do == Delete) && class == slack.ClassMessageNotFound:
		d.Apply(Gone{}, w, c, now)
		return
	case e.Do == Edit && class == slack.ClassMessageClosed:
		d.repost(w, EditClosed)
		return
	case reading && class == slack.ClassMissingScope, reading && class == slack.ClassNotInChannel && c.PostUnseen && !c.Join:
		if e.Do == Check {
			d.Apply(Unconfirmable{}, w, c, now)
			return
		}
		d.Apply(Unreadable{Why: fmt.Sprintf("the conversation can't be read back (%v)", e.Err)}, w, c, now)
		return
	case (e.Do == Post || reading) && class == slack.ClassNotInChannel && c.Join && !d.Retry.Joined:
		d.Retry.MustJoin, d.Retry.NotMember, d.Retry.At = true, true, now
		d.Note = Note{v1alpha1.ReasonNotInChannel, "the bot is not a member of the channel and is joining it", true}
		return
	case e.Do == Join && !class.Transient() && !d.Retry.NotMember:
		// The bot may be allowed to post without being a member: the post will tell.
		d.Apply(JoinOK{}, w, c, now)
		d.Retry.JoinReason, d.Retry.JoinMessage = verdictOf(class).reason, e.prefix()+verdictOf(class).text(e.Err, w)
		return
	case e.Do == Delete && !class.Transient():
		d.remove(e.Err.Error())
		return
	}
	if e.Do == Edit && class == slack.ClassAmbiguous {
		d.Posted.Hash = ""
	}
	d.fail(e, w, now)
}

// lost begins to look for a message whose post got no answer.
func (e Refused) lost(d *Delivery, w Want, c Can, now time.Time) {
	since := d.LastAttemptAt
	if d.Doubt != nil && d.Doubt.Since.Before(since) {
		since = d.Doubt.Since
	}
	d.Doubt = &Doubt{
		Cause: AnswerLost, Since: since, Settles: now.Add(e.Settle), Conversation: e.Conversation, Thread: e.Thread, Via: w.Via, ViaUID: w.ViaUID,
	}
	d.Phase, d.Announced = Verifying, false
	d.failures(now)
	d.Note = Note{v1alpha1.ReasonSlackUnavailable, fmt.Sprintf("%v; %s", e.Err, d.retrying()), false}
	if !c.Read {
		// A webhook can't be asked: with Retry it is sent again after a pause.
		pause := now.Add(pause(d.Retry.Failures, e.Err.RetryAfter))
		d.Apply(Unreadable{Why: fmt.Sprintf("a webhook can't be asked (%v)", e.Err)}, w, c, now)
		if d.Phase == Unsent {
			d.Retry.At = pause
			d.Note = Note{v1alpha1.ReasonSlackUnavailable, fmt.Sprintf("%v; %s", e.Err, d.retrying()), false}
		}
	}
}

func (d *Delivery) failures(now time.Time) {
	d.Retry.Failures++
	d.Retry.Limited = false
	if d.Retry.Since.IsZero() {
		d.Retry.Since = now
	}
}

// fail notes a failed call, and when to try again.
func (d *Delivery) fail(e Refused, w Want, now time.Time) {
	v := verdictOf(e.Err.Class)
	d.Announced = false
	d.failures(now)
	switch {
	case e.Err.Class == slack.ClassRateLimited:
		// Slack works; there is nothing to back off from.
		d.Retry.Failures, d.Retry.Limited = 0, true
		d.Retry.At = now.Add(max(e.Err.RetryAfter, 0))
		d.Note = Note{v.reason, fmt.Sprintf("%s%v; it is sent by itself when the time that Slack asked for has passed", e.prefix(), e.Err), false}
	case !v.halt:
		d.Retry.At = now.Add(pause(d.Retry.Failures, e.Err.RetryAfter))
		d.Note = Note{v.reason, fmt.Sprintf("%s%v; %s", e.prefix(), e.Err, d.retrying()), false}
	default:
		if e.Err.Class == slack.ClassNotInChannel && d.Retry.JoinReason != "" {
			d.Halt = &Halt{Reason: d.Retry.JoinReason, Message: d.Retry.JoinMessage + "; or invite the bot to the channel with /invite"}
			d.Retry.At = now.Add(recheck(d.Retry.Failures))
			return
		}
		d.Halt = &Halt{Reason: v.reason, Message: e.prefix() + v.text(e.Err, w), Final: v.final && e.Do != Read && e.Do != Check}
		d.Retry.At = now.Add(recheck(d.Retry.Failures))
	}
}

// prefix says what is at stake besides a message that is not sent.
func (e Refused) prefix() string {
	switch e.Do {
	case Read:
		return "it may be in Slack already, and is not sent before the conversation could be read: "
	case Edit, Check:
		return "the message is out with an older content, and could not be edited: "
	case Delete:
		return "the message is to be deleted: "
	case Join:
		return "the bot is not a member of the channel and could not join it: "
	default:
		return ""
	}
}

// NeedsPerson means that the step can't be made before a person has acted, as
// when nobody goes by the recipient's name. It is tried again whenever it is
// looked at: what has changed by then wakes it.
type NeedsPerson struct{ Reason, Message string }

func (e NeedsPerson) apply(d *Delivery, _ Want, _ Can, _ time.Time) {
	d.Halt = &Halt{Reason: e.Reason, Message: e.Message}
	d.Retry.At = time.Time{}
}

// retrying says that nothing needs to be done, and since when it is so. The
// figures change with each attempt only, which is written anyway.
func (d *Delivery) retrying() string {
	if d.Attempts < 2 {
		return "it is tried again by itself"
	}
	return fmt.Sprintf("it is tried again by itself (%d attempts, the first failure at %s)", d.Attempts, d.Retry.Since.UTC().Format("15:04 MST on 2006-01-02"))
}

// pause before the next attempt after failures in a row that pass.
func pause(failures int, atLeast time.Duration) time.Duration {
	return max(backoff.Full(failures, time.Second, 5*time.Minute), atLeast)
}

// recheck is the time after which something that needs a person is tried once
// more, in case the person acted where the cluster does not see it.
func recheck(failures int) time.Duration {
	return backoff.Around(min(time.Hour, 10*time.Minute<<min(max(failures-1, 0), 4)))
}
