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
	// Bot and User are who has posted; empty where nobody knows.
	Bot, User string
}

func (e Refused) apply(d *Delivery, w Want, c Can, now time.Time) {
	told := false
	switch e.Do {
	case Post:
		told = e.post(d, w, c, now)
	case Read, Check:
		told = e.reading(d, w, c, now)
	case Edit, Delete:
		told = e.change(d, w, c, now)
	case Join:
		if told = (!e.Err.Class.Transient() || e.Err.Unserved) && (!d.Retry.NotMember || c.PostUnseen); told {
			// The bot may be allowed to post without being a member: the post will tell.
			d.Apply(JoinOK{}, w, c, now)
			v := verdictOf(e.Err.Class)
			d.Retry.JoinReason, d.Retry.JoinMessage = v.reason, e.prefix()+v.text(e.Err, w)
		}
	case Nothing, Wait:
	}
	if !told {
		d.fail(e, w, now)
	}
}

// post reports whether the refusal of a post tells what to do next.
func (e Refused) post(d *Delivery, w Want, c Can, now time.Time) bool {
	if e.Err.Class == slack.ClassAmbiguous {
		e.lost(d, w, c, now)
		return true
	}
	return e.mustJoin(d, c, now)
}

// reading reports whether the refusal to read tells what to do next. What passes,
// and what keeps from posting as well, tells nothing.
func (e Refused) reading(d *Delivery, w Want, c Can, now time.Time) bool {
	unseen := e.Err.Class == slack.ClassNotInChannel && c.PostUnseen && (!c.Join || d.Retry.Joined && d.Retry.JoinReason != "")
	never := unseen || e.Err.Unserved || e.Err.Class == slack.ClassMissingScope
	switch {
	case never && e.Do == Check:
		d.Apply(Unconfirmable{}, w, c, now)
	case never:
		d.Apply(Unreadable{Why: fmt.Sprintf("the conversation can't be read back (%v)", e.Err)}, w, c, now)
	default:
		return e.mustJoin(d, c, now)
	}
	return true
}

// mustJoin has the bot join the channel, where it may and has not tried.
func (e Refused) mustJoin(d *Delivery, c Can, now time.Time) bool {
	if e.Err.Class != slack.ClassNotInChannel || !c.Join || d.Retry.Joined {
		return false
	}
	d.Retry.MustJoin, d.Retry.NotMember, d.Retry.At = true, true, now
	d.Note = Note{v1alpha1.ReasonNotInChannel, "the bot is not a member of the channel and is joining it", true}
	return true
}

// change reports whether the refusal of an edit or a deletion tells what to do
// next.
func (e Refused) change(d *Delivery, w Want, c Can, now time.Time) bool {
	switch {
	case e.Err.Class == slack.ClassMessageNotFound:
		d.Apply(Gone{}, w, c, now)
	case e.Do == Edit && e.Err.Class == slack.ClassMessageClosed:
		d.repost(w, EditClosed)
	case e.Do == Delete && !e.Err.Class.Transient():
		d.remove(e.Err.Error())
	default:
		if e.Do == Edit && e.Err.Class == slack.ClassAmbiguous {
			d.Posted.Hash = ""
		}
		return false
	}
	return true
}

// lost begins to look for a message whose post got no answer.
func (e Refused) lost(d *Delivery, w Want, c Can, now time.Time) {
	since := d.LastAttemptAt
	if d.Doubt != nil && d.Doubt.Since.Before(since) {
		since = d.Doubt.Since
	}
	d.failures(now)
	d.Doubt = &Doubt{
		Cause: AnswerLost, Since: since, Settles: now.Add(max(e.Settle, e.Err.RetryAfter)), Conversation: e.Conversation, Thread: e.Thread, Bot: e.Bot, User: e.User, Via: w.Via, ViaUID: w.ViaUID,
		Again: now.Add(pause(d.Retry.Failures, e.Err.RetryAfter)), Lost: e.Err.Error(),
	}
	d.Phase = Verifying
	d.Note = Note{v1alpha1.ReasonSlackUnavailable, fmt.Sprintf("%v; %s", e.Err, d.retrying()), false}
	if !c.Read {
		// A webhook can't be asked: with Retry it is sent again after a pause.
		again := d.Doubt.Again
		d.Apply(Unreadable{Why: fmt.Sprintf("a webhook can't be asked (%v)", e.Err)}, w, c, now)
		if d.Phase == Unsent {
			d.Retry.At = again
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
	d.failures(now)
	switch {
	case e.Err.Class == slack.ClassRateLimited:
		// Slack works; there is nothing to back off from.
		d.Retry.Failures, d.Retry.Limited = 0, true
		d.Retry.At = now.Add(max(e.Err.RetryAfter, 0))
		d.Note = Note{v.reason, fmt.Sprintf("%s%v; it is sent by itself when the time that Slack asked for has passed", e.prefix(), e.Err), false}
		if e.Err.Busy {
			d.Note.Message = e.prefix() + e.Err.Error()
		}
	case !v.halt:
		d.Retry.At = now.Add(pause(d.Retry.Failures, e.Err.RetryAfter))
		d.Note = Note{v.reason, fmt.Sprintf("%s%v; %s", e.prefix(), e.Err, d.retrying()), false}
	default:
		d.Note = Note{}
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
	d.Halt, d.Note = &Halt{Reason: e.Reason, Message: e.Message}, Note{}
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
