package delivery

import (
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// scene is a delivery, and all that it is asked with.
type scene struct {
	d   Delivery
	w   Want
	c   Can
	now time.Time
}

// step is something that happens in a scene.
type step func(s *scene)

// row is a behaviour: what happens, and what the delivery is and does then.
type row struct {
	name  string
	from  Delivery
	steps []step
	phase Phase
	do    Do
	// holds says what else must be so, empty when it is.
	holds func(s *scene) string
}

func run(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s := &scene{d: r.from, now: noon, c: Can{Read: true, Edit: true, Credential: "c"}, w: Want{
				Hash: "h1", Update: v1alpha1.UpdateEdit, OnUnknown: v1alpha1.UnknownOutcomeRetry, Via: "ns/c", ViaUID: viaUID, Settled: noon.Add(-time.Hour), Created: noon.Add(-2 * time.Hour),
			}}
			for _, step := range r.steps {
				step(s)
				if broken := s.d.broken(); broken != "" {
					t.Fatal(broken)
				}
			}
			do := s.d.Next(s.w, s.c, s.now).Do
			if s.d.Phase != r.phase || do != r.do {
				t.Errorf("phase %d and step %d, want phase %d and step %d: %+v", s.d.Phase, do, r.phase, r.do, s.d)
			}
			if r.holds != nil {
				if wrong := r.holds(s); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
}

// The deliveries that a row begins with.

func unsent() Delivery { return Delivery{Recipient: "user:U1"} }

// sent has content h1 out, which this process has posted.
func sent() Delivery {
	d := unsent()
	d.Apply(PostOK{Conversation: "C1", Timestamp: "1.0"}, Want{Hash: "h1", Via: "ns/c", ViaUID: viaUID}, Can{}, noon.Add(-time.Hour))
	return d
}

// hooked has h1 out by a webhook, which tells no timestamp.
func hooked() Delivery {
	d := sent()
	d.Posted.Conversation, d.Posted.Timestamp, d.Conversation, d.After = "", "", "", ""
	return d
}

// What happens.

func happens(e Event) step { return func(s *scene) { s.d.Apply(e, s.w, s.c, s.now) } }

func refused(do Do, class slack.Class) step { return happens(refuse(do, class)) }

// lost is a post in C1 whose answer does not come.
func lost(s *scene) {
	e := refuse(Post, slack.ClassAmbiguous)
	e.Settle, e.Conversation, e.Thread = 3*time.Second, "C1", "0.5"
	s.d.Apply(Attempting{}, s.w, s.c, s.now)
	s.d.Apply(e, s.w, s.c, s.now)
}

func found(timestamp, hash string) step {
	return happens(Found{Conversation: "C1", Timestamp: timestamp, Hash: hash, Via: "ns/c", ViaUID: viaUID})
}

func absent(s *scene) { s.d.Apply(Absent{Here: "C1"}, s.w, s.c, s.now) }

// never is an answer to a reading that says that it will never be had.
func never(s *scene) { s.d.Apply(refuse(Read, slack.ClassMissingScope), s.w, s.c, s.now) }

// edits changes the spec.
func edits(change func(w *Want)) step {
	return func(s *scene) {
		change(&s.w)
		w := s.w
		w.Changed = true
		s.d.Want(w, s.now)
	}
}

func content(hash string) step { return edits(func(w *Want) { w.Hash = hash }) }

func policy(p v1alpha1.UpdatePolicy) step { return edits(func(w *Want) { w.Update = p }) }

func unknown(p v1alpha1.UnknownOutcomePolicy) step { return edits(func(w *Want) { w.OnUnknown = p }) }

func giveUp(s *scene) { unknown(v1alpha1.UnknownOutcomeGiveUp)(s) }

func repost(s *scene) { policy(v1alpha1.UpdateRepost)(s) }

func ignore(s *scene) { policy(v1alpha1.UpdateIgnore)(s) }

func removes(s *scene) { s.w.Remove = true }

func webhook(s *scene) { s.c = Can{Credential: "c"} }

func credential(to string) step { return func(s *scene) { s.c.Credential = to } }

func can(change func(c *Can)) step { return func(s *scene) { change(&s.c) } }

func passes(by time.Duration) step { return func(s *scene) { s.now = s.now.Add(by) } }

// asks is a look of the controller at what to do next.
func asks(s *scene) { s.d.Next(s.w, s.c, s.now) }

// deadline passed a minute ago.
func deadline(s *scene) { s.w.Deadline, s.w.DeadlineSeconds = s.now.Add(-time.Minute), 60 }

// What else holds.

func doubt(want Doubt) func(*scene) string {
	return func(s *scene) string {
		d := s.d.Doubt
		if d == nil {
			return "there is no doubt"
		}
		if d.Cause != want.Cause || d.Conversation != want.Conversation || d.Thread != want.Thread || d.Via != want.Via {
			return "the doubt is about another place or cause"
		}
		return ""
	}
}

func is(what bool, otherwise string) string {
	if what {
		return ""
	}
	return otherwise
}

func halted(reason string, final bool) func(*scene) string {
	return func(s *scene) string {
		h := s.d.Halt
		return is(h != nil && h.Reason == reason && h.Final == final, "want a halt for "+reason)
	}
}

func stale(reason string) func(*scene) string {
	return func(s *scene) string { return is(s.d.Stale == reason, "stale for "+s.d.Stale+", want "+reason) }
}

// Nothing is sent while it may be in Slack: a doubt ends by an answer alone.
func TestADoubtEndsByAnAnswerAlone(t *testing.T) {
	inC1 := doubt(Doubt{Cause: AnswerLost, Conversation: "C1", Thread: "0.5", Via: "ns/c"})
	run(t, []row{
		{name: "an answer that is lost is looked for, after the settle time", from: unsent(), steps: []step{lost}, phase: Verifying, do: Wait, holds: inC1},
		{name: "then it is read", from: unsent(), steps: []step{lost, passes(3 * time.Second)}, phase: Verifying, do: Read},
		{name: "found is delivered", from: unsent(), steps: []step{lost, found("2.0", "h1")}, phase: Delivered, do: Nothing},
		{name: "found with an older content is edited", from: unsent(), steps: []step{lost, content("h2"), found("2.0", "h1"), passes(time.Second)}, phase: Editing, do: Edit},
		{name: "absent is posted", from: unsent(), steps: []step{lost, absent}, phase: Unsent, do: Post},
		{name: "a reading that fails is no answer", from: unsent(), steps: []step{lost, refused(Read, slack.ClassUnavailable)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "a token that is being replaced is no answer", from: unsent(), steps: []step{lost, refused(Read, slack.ClassInvalidCredentials)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "with the new token it is read", from: unsent(), steps: []step{asks, lost, refused(Read, slack.ClassInvalidCredentials), credential("new"), passes(3 * time.Second)},
			phase: Verifying, do: Read, holds: inC1},
		{name: "a channel that is not visible is no answer", from: unsent(), steps: []step{lost, refused(Read, slack.ClassChannelNotFound)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "an administration that bars the app is no answer", from: unsent(), steps: []step{lost, refused(Read, slack.ClassAccessDenied)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "whoever was removed joins before it reads", from: unsent(), steps: []step{can(func(c *Can) { c.Join = true }), lost, refused(Read, slack.ClassNotInChannel)},
			phase: Verifying, do: Join, holds: inC1},
		{name: "and reads then", from: unsent(), steps: []step{can(func(c *Can) { c.Join = true }), lost, refused(Read, slack.ClassNotInChannel), happens(JoinOK{}), passes(3 * time.Second)},
			phase: Verifying, do: Read, holds: inC1},
		{name: "who may not join waits for an invitation", from: unsent(), steps: []step{lost, refused(Read, slack.ClassNotInChannel)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "who posts unseen and may not join can never read", from: unsent(),
			steps: []step{can(func(c *Can) { c.PostUnseen = true }), lost, refused(Read, slack.ClassNotInChannel), passes(time.Hour)}, phase: Unsent, do: Post},
		{name: "the place outlives another SlackChannel", from: unsent(), steps: []step{lost, edits(func(w *Want) { w.Via = "ns/other" })}, phase: Verifying, do: Wait, holds: inC1},
		{name: "the doubt outlives another updatePolicy", from: sent(), steps: []step{repost, content("h2"), absent, lost, policy(v1alpha1.UpdateEdit)}, phase: Verifying, do: Wait, holds: inC1},
		{name: "and the old content", from: sent(), steps: []step{repost, content("h2"), absent, lost, content("h1")}, phase: Verifying, do: Wait, holds: inC1},
		{name: "and another onUnknownOutcome", from: unsent(), steps: []step{lost, giveUp}, phase: Verifying, do: Wait, holds: inC1},
		{name: "and a request", from: unsent(), steps: []step{lost, func(s *scene) { s.d.Request(s.now) }}, phase: Verifying, do: Wait, holds: inC1},
		{name: "and whoever must act", from: unsent(), steps: []step{lost, happens(NeedsPerson{Reason: v1alpha1.ReasonUserNotFound})}, phase: Verifying, do: Wait, holds: inC1},
		{name: "a thread that is gone is looked for outside", from: unsent(), steps: []step{lost, happens(ThreadGone{}), passes(time.Minute)}, phase: Verifying, do: Read,
			holds: func(s *scene) string { return is(s.d.Doubt.OutsideThread, "want it outside of the thread") }},
		{name: "a takeover is looked for where it was recorded, and here", from: Delivery{Phase: Verifying, Doubt: &Doubt{Cause: Takeover, Conversation: "C0"}},
			steps: []step{absent}, phase: Verifying, do: Read, holds: doubt(Doubt{Cause: Takeover})},
		{name: "then it is posted", from: Delivery{Phase: Verifying, Doubt: &Doubt{Cause: Takeover, Conversation: "C0"}}, steps: []step{absent, absent}, phase: Unsent, do: Post},
	})
}

// Where nothing will ever be known, spec.onUnknownOutcome decides.
func TestOnUnknownOutcome(t *testing.T) {
	held := happens(Held{Note: Note{Reason: v1alpha1.ReasonDirectoryLoading}})
	run(t, []row{
		{name: "Retry sends again", from: unsent(), steps: []step{lost, never, passes(time.Hour)}, phase: Unsent, do: Post},
		{name: "GiveUp does not", from: unsent(), steps: []step{giveUp, lost, never, passes(time.Hour)}, phase: Unknown, do: Nothing, holds: halted(v1alpha1.ReasonOutcomeUnknown, true)},
		{name: "Unknown outlives a look-up of mentions", from: unsent(), steps: []step{giveUp, lost, never, held, passes(time.Hour)}, phase: Unknown, do: Nothing},
		{name: "and another content", from: unsent(), steps: []step{giveUp, lost, never, content("h2")}, phase: Unknown, do: Nothing},
		{name: "Retry reopens it, and looks first", from: unsent(), steps: []step{giveUp, lost, never, unknown(v1alpha1.UnknownOutcomeRetry)}, phase: Verifying, do: Read},
		{name: "a request looks, and sends nothing", from: unsent(), steps: []step{giveUp, lost, never, func(s *scene) { s.d.Request(s.now) }, never}, phase: Unknown, do: Nothing},
		{name: "so does another credential", from: unsent(), steps: []step{giveUp, asks, lost, never, credential("new"), passes(3 * time.Second)}, phase: Verifying, do: Read},
		{name: "what Retry put up with is looked for once it can be", from: unsent(), steps: []step{asks, lost, never, credential("new"), passes(3 * time.Second)}, phase: Verifying, do: Read},
		{name: "GiveUp stops what Retry put up with", from: unsent(), steps: []step{lost, never, giveUp}, phase: Unknown, do: Nothing},
		{name: "GiveUp announces a post", from: unsent(), steps: []step{giveUp}, phase: Unsent, do: Post,
			holds: func(s *scene) string { return is(s.d.Next(s.w, s.c, s.now).Announce, "want it announced") }},
		{name: "once", from: unsent(), steps: []step{giveUp, happens(Announced{})}, phase: Unsent, do: Post,
			holds: func(s *scene) string {
				return is(!s.d.Next(s.w, s.c, s.now).Announce && s.d.Status().Reason == v1alpha1.ReasonDelivering, "want it to be announced already")
			}},
		{name: "and anew after a wait, which the status tells instead", from: unsent(), steps: []step{giveUp, happens(Announced{}), held}, phase: Unsent, do: Post,
			holds: func(s *scene) string { return is(s.d.Next(s.w, s.c, s.now).Announce, "want it announced anew") }},
		{name: "and after a failure", from: unsent(), steps: []step{giveUp, happens(Announced{}), refused(Post, slack.ClassUnavailable), passes(time.Hour)}, phase: Unsent, do: Post,
			holds: func(s *scene) string { return is(s.d.Next(s.w, s.c, s.now).Announce, "want it announced anew") }},
		{name: "not where it can be read back", from: unsent(), steps: []step{giveUp, can(func(c *Can) { c.Proven = true })}, phase: Unsent, do: Post,
			holds: func(s *scene) string { return is(!s.d.Next(s.w, s.c, s.now).Announce, "want no announcement") }},
		{name: "by a webhook Retry sends again after a pause", from: unsent(), steps: []step{webhook, lost}, phase: Unsent, do: Wait},
		{name: "by a webhook GiveUp does not", from: unsent(), steps: []step{webhook, giveUp, lost}, phase: Unknown, do: Nothing},
		{name: "with GiveUp a webhook reposts what nobody can have sent", from: hooked(), steps: []step{webhook, giveUp, repost, content("h2")}, phase: Unsent, do: Post},
		{name: "and so does a conversation that can't be read", from: sent(), steps: []step{giveUp, repost, content("h2"), never}, phase: Unsent, do: Post},
	})
}

// activeDeadlineSeconds gives up what is certainly not in Slack, and nothing else.
func TestDeadline(t *testing.T) {
	run(t, []row{
		{name: "what was never sent", from: unsent(), steps: []step{deadline}, phase: Unsent, do: Nothing, holds: halted(v1alpha1.ReasonDeadlineExceeded, true)},
		{name: "amid a doubt it is looked for", from: unsent(), steps: []step{lost, deadline, passes(time.Minute)}, phase: Verifying, do: Read},
		{name: "and is delivered when it is there", from: unsent(), steps: []step{lost, deadline, found("2.0", "h1")}, phase: Delivered, do: Nothing},
		{name: "and given up when it is not", from: unsent(), steps: []step{lost, deadline, absent}, phase: Unsent, do: Nothing, holds: halted(v1alpha1.ReasonDeadlineExceeded, true)},
		{name: "what can't be read is unknown, and not undelivered", from: unsent(), steps: []step{lost, deadline, never}, phase: Unknown, do: Nothing, holds: halted(v1alpha1.ReasonOutcomeUnknown, true)},
		{name: "and so is what Retry was about to send again", from: unsent(), steps: []step{lost, never, deadline}, phase: Unknown, do: Nothing},
		{name: "it does not concern an edit", from: sent(), steps: []step{content("h2"), deadline}, phase: Editing, do: Edit},
		{name: "more time starts it again", from: unsent(), steps: []step{deadline, asks, edits(func(w *Want) { w.Deadline = noon.Add(time.Hour) })}, phase: Unsent, do: Post},
		{name: "it tells what was wrong at last", from: unsent(), steps: []step{refused(Post, slack.ClassChannelArchived), deadline}, phase: Unsent, do: Nothing,
			holds: func(s *scene) string {
				return is(contains(s.d.Halt.Message, "at last: m: Slack answered code"), s.d.Halt.Message)
			}},
	})
}
