package notification

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	// parallelPosts of one notification.
	parallelPosts = 8
	// maxSteps of one delivery, and maxRounds of all, in one pass. What is beyond is
	// done in another pass, so that no mistake can keep a worker.
	maxSteps, maxRounds = 8, 4
)

// priorities of the severities.
var priorities = map[v1alpha1.Severity]int{
	v1alpha1.SeverityCritical: 3, v1alpha1.SeverityError: 2, v1alpha1.SeverityWarning: 1,
}

// act makes one step after the other, until all that is open waits.
func (r *Reconciler) act(ctx context.Context, p *pass) error {
	for range maxRounds {
		var posts, edits []*recipient
		for _, rcpt := range p.recipients {
			switch r.advance(ctx, p, rcpt) {
			case delivery.Post:
				posts = append(posts, rcpt)
			case delivery.Edit:
				edits = append(edits, rcpt)
			default: // it waits, or is done
			}
			if p.block != nil {
				return nil
			}
		}
		if !r.send(ctx, p, posts, edits) {
			return nil
		}
	}
	p.requeueBy(p.now)
	return nil
}

// advance makes the steps of one delivery up to one that sends something, which
// it returns.
func (r *Reconciler) advance(ctx context.Context, p *pass, rcpt *recipient) delivery.Do {
	for range maxSteps {
		w, ok := r.wayOf(ctx, p, rcpt)
		if !ok {
			return delivery.Nothing
		}
		step := rcpt.Next(p.want, r.can(w, rcpt), r.Clock.Now())
		again := false
		switch step.Do {
		case delivery.Wait:
			if rcpt.Phase == delivery.Verifying && rcpt.Doubt.Settles.Equal(step.Until) {
				r.expect(p, w, rcpt)
			}
			p.requeueBy(step.Until)
		case delivery.Read:
			again = r.read(ctx, p, w, rcpt)
		case delivery.Check:
			again = r.check(ctx, p, w, rcpt)
		case delivery.Join:
			again = r.join(ctx, p, w, rcpt)
		case delivery.Delete:
			again = r.remove(ctx, p, w, rcpt)
		case delivery.Post:
			if r.locate(ctx, p, rcpt) {
				if rcpt.Retry.MustJoin {
					again = true
					break
				}
				return step.Do
			}
			again = rcpt.Phase == delivery.Delivered
		case delivery.Edit:
			return step.Do
		default: // there is nothing to do
		}
		if !again {
			r.requeueHalted(p, rcpt)
			return delivery.Nothing
		}
	}
	p.requeueBy(p.now)
	return delivery.Nothing
}

// requeueHalted looks again at what needs a person, in case that what wakes it was
// missed.
func (r *Reconciler) requeueHalted(p *pass, rcpt *recipient) {
	if h := rcpt.Halt; h == nil || h.Final {
		return
	}
	if rcpt.Retry.At.IsZero() {
		p.requeueBy(p.now.Add(10 * time.Minute))
		return
	}
	p.requeueBy(rcpt.Retry.At)
}

// send edits and posts what is due; true when something came of it.
func (r *Reconciler) send(ctx context.Context, p *pass, posts, edits []*recipient) bool {
	due := append(append([]*recipient(nil), posts...), edits...)
	if len(due) == 0 || !r.prepare(ctx, p, due) {
		return false
	}
	sent := false
	for _, rcpt := range edits {
		sent = r.edit(ctx, p, rcpt) || sent
	}
	var turn []*recipient
	for _, rcpt := range posts {
		// What was in doubt before may have turned out to be shared.
		if event := p.shared(r, rcpt, rcpt.target); event != nil {
			p.apply(r, rcpt, event)
			continue
		}
		if r.addressed(ctx, p, rcpt) && r.granted(p, rcpt) {
			turn = append(turn, rcpt)
		}
	}
	if turn = r.announce(ctx, p, turn); len(turn) == 0 {
		return sent
	}
	r.postAll(ctx, p, turn)
	return true
}

// addressed finds the conversation with a person where the message has a sender
// of its own: sent to the person's ID it would land in the person's own
// conversation with Slackbot (docs.slack.dev/reference/methods/chat.postMessage).
func (r *Reconciler) addressed(ctx context.Context, p *pass, rcpt *recipient) bool {
	m := &p.content.rendered.Message
	if !isUserID(rcpt.target.conversation) || p.way.webhook() || m.Username == "" && m.IconURL == "" && m.IconEmoji == "" {
		return true
	}
	dm, ok := r.openDirectMessage(ctx, p, p.way, rcpt, rcpt.target.conversation)
	if ok {
		rcpt.target.conversation, rcpt.Conversation = dm, dm
	}
	return ok
}

func (p *pass) lane(rcpt *recipient) pacing.Lane {
	return pacing.Lane{Workspace: p.way.workspace.Key, Conversation: rcpt.target.lane()}
}

// announce writes into the status who is about to be posted to, where nothing else
// would tell after a crash that a message was sent. It returns who may be posted
// to now.
func (r *Reconciler) announce(ctx context.Context, p *pass, turn []*recipient) []*recipient {
	before := map[*recipient]delivery.Delivery{}
	for _, rcpt := range turn {
		if rcpt.Next(p.want, r.can(p.way, rcpt), r.Clock.Now()).Announce {
			before[rcpt] = *rcpt.Delivery
			p.apply(r, rcpt, delivery.Announced{})
		}
	}
	if len(before) == 0 {
		return turn
	}
	object := p.n.DeepCopy()
	compose(object, p.deliveries(), nil, "", r.Clock.Now())
	object.Status.LastHandledRequest = p.tracked.Request
	err := r.store(ctx, object, p.tracked)
	if err == nil {
		p.n.ResourceVersion, p.n.Status = object.ResourceVersion, object.Status
		return turn
	}
	// The object has changed, or can't be written now: nothing is sent.
	ctrl.LoggerFrom(ctx).V(1).Info("Could not write the announcement", "error", err.Error())
	var rest []*recipient
	for _, rcpt := range turn {
		if was, ok := before[rcpt]; ok {
			*rcpt.Delivery = was
			r.Lanes.Forget(r.Clock.Now(), p.ticket(rcpt))
			continue
		}
		rest = append(rest, rcpt)
	}
	p.requeueBy(r.Clock.Now().Add(time.Second))
	return rest
}

// postAll makes one attempt for each, some at once.
func (r *Reconciler) postAll(ctx context.Context, p *pass, turn []*recipient) {
	type result struct {
		begun  bool
		posted slack.Posted
		err    error
	}
	results := make([]result, len(turn))
	var group sync.WaitGroup
	slots := make(chan struct{}, parallelPosts)
	for i, rcpt := range turn {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if results[i].begun = r.Lanes.Begin(r.Clock.Now(), p.ticket(rcpt)); !results[i].begun {
				return
			}
			p.apply(r, rcpt, delivery.Attempting{})
			// It is not broken off when the process is asked to end, since then nobody
			// would know what became of it.
			results[i].posted, results[i].err = p.way.conn.Poster.Post(context.WithoutCancel(ctx), rcpt.target.conversation, p.messageTo(rcpt))
			r.Lanes.Done(r.Clock.Now(), p.ticket(rcpt), written(results[i].err))
		})
	}
	group.Wait()
	for i, rcpt := range turn {
		switch got := results[i]; {
		case !got.begun:
			// Slack has asked to wait meanwhile; the queue wakes it.
			p.apply(r, rcpt, delivery.Held{Note: delivery.Note{Reason: v1alpha1.ReasonRateLimited, Message: "Slack asked to wait; it is sent by itself when that time has passed"}})
			p.requeueBy(r.Clock.Now().Add(time.Minute))
		case got.err != nil:
			p.mustWrite = true
			r.notPosted(ctx, p, rcpt, slack.AsError(got.err))
		default:
			p.mustWrite = true
			r.posted(ctx, p, rcpt, got.posted)
		}
	}
}

// written reports whether a request may have reached Slack.
func written(err error) bool {
	e := slack.AsError(err)
	return e == nil || !e.Busy && (e.Class != slack.ClassUnavailable || e.Code != "")
}

// posted notes a success.
func (r *Reconciler) posted(ctx context.Context, p *pass, rcpt *recipient, got slack.Posted) {
	conversation := rcpt.target.conversation
	if got.Conversation != "" {
		conversation = got.Conversation
	}
	if rcpt.target.user != "" {
		r.Directory.RememberDirectMessage(p.way.workspace, rcpt.target.user, conversation)
	}
	if p.way.webhook() {
		conversation = ""
	}
	outside := rcpt.target.thread != "" && !p.way.webhook() && got.ThreadTS == ""
	thread := rcpt.target.thread
	if outside {
		thread = ""
	}
	p.finishAnew()
	p.apply(r, rcpt, delivery.PostOK{
		Conversation: conversation, Timestamp: got.Timestamp, Thread: thread, Outside: outside,
		Permalink: permalink(p.way, conversation, got.Timestamp, thread),
	})
	r.ledger.Posted.Add(p.n.UID, conversation, got.Timestamp)
	r.learn(p.way, rcpt, nil)
	r.delivered(p, p.way, rcpt)
	ctrl.LoggerFrom(ctx).Info("Delivered message", "recipient", rcpt.key, "conversation", conversation, "timestamp", got.Timestamp, "attempts", rcpt.Attempts)
}

// delivered counts a message that is known to be in Slack.
func (r *Reconciler) delivered(p *pass, w *way, rcpt *recipient) {
	now := r.Clock.Now()
	r.Metrics.Attempt(metrics.OutcomeDelivered, w.adapter(), now.Sub(p.n.CreationTimestamp.Time))
	switch {
	case w.webhook():
		r.Health.Report(w.key, w.conn.Credential, nil, now)
	case rcpt.key == defaultKey && rcpt.Posted != nil:
		r.Health.Posted(w.key, connection.Post{
			Credential: w.conn.Credential, Conversation: rcpt.Posted.Conversation, Timestamp: rcpt.Posted.Timestamp, At: now,
		})
	}
}

// finishAnew has finishedAt tell of this success, and not of an earlier one.
func (p *pass) finishAnew() { p.n.Status.FinishedAt = nil }

// permalink builds the address of a message. chat.getPermalink would cost another
// call for what can be had from auth.test's URL.
func permalink(w *way, conversation, timestamp, thread string) string {
	if url := w.facts.Identity.URL; url != "" && timestamp != "" {
		link := fmt.Sprintf("%s/archives/%s/p%s", strings.TrimSuffix(url, "/"), conversation, strings.ReplaceAll(timestamp, ".", ""))
		if thread != "" {
			link += "?thread_ts=" + thread + "&cid=" + conversation
		}
		return link
	}
	return ""
}

// notPosted notes a failed attempt.
func (r *Reconciler) notPosted(ctx context.Context, p *pass, rcpt *recipient, e *slack.Error) {
	now := r.Clock.Now()
	e = rcpt.target.explain(p.content.rendered.Name(e))
	if e.Class == slack.ClassRateLimited && !e.Busy {
		penalize := r.Lanes.PenalizePost
		if p.way.webhook() {
			penalize = r.Lanes.Penalize
		}
		penalize(now, p.lane(rcpt), e.RetryAfter)
	}
	where, thread := rcpt.target.conversation, rcpt.target.thread
	rcpt.Apply(delivery.Refused{Do: delivery.Post, Err: e, Settle: r.settleTime(), Conversation: where, Thread: thread, Bot: p.way.facts.Identity.BotID, User: p.way.facts.Identity.BotUserID}, p.want, r.can(p.way, rcpt), now)
	r.learn(p.way, rcpt, e)
	if e.Class != slack.ClassUnavailable && e.Class != slack.ClassAmbiguous && !e.Busy {
		r.Lanes.Answered(p.way.workspace.Key)
	}
	r.afterFailure(ctx, p, rcpt)
}

// explain tells what Slack hides: that a private channel is there, and the bot no
// member of it.
func (t *target) explain(e *slack.Error) *slack.Error {
	if t.hidden == "" || e.Class != slack.ClassChannelNotFound {
		return e
	}
	out := *e
	out.Class = slack.ClassNotInChannel
	out.Reason = fmt.Sprintf("the bot is not a member of the private channel %q any more, or the channel was deleted", t.hidden)
	out.Remedy = "have a member of it type /invite, @ and the name of the app's bot there"
	return &out
}

// afterFailure sets when to look again, and tells of what was given up.
func (r *Reconciler) afterFailure(ctx context.Context, p *pass, rcpt *recipient) {
	p.requeueBy(rcpt.Retry.At)
	outcome := metrics.OutcomeRetried
	if rcpt.Halt != nil {
		outcome = metrics.OutcomeFailed
		ctrl.LoggerFrom(ctx).Info("Gave up on message", "recipient", rcpt.key, "reason", rcpt.Halt.Reason, "conversation", rcpt.Conversation,
			"attempts", rcpt.Attempts, "final", rcpt.Halt.Final)
	}
	if p.way != nil {
		r.Metrics.Attempt(outcome, p.way.adapter(), 0)
	}
}
