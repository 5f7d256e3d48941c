package delivery

import (
	"slices"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Only an answer that needs a person halts a delivery.
func TestRefusals(t *testing.T) {
	joins := can(func(c *Can) { c.Join = true })
	waits := func(reason string) func(*scene) string {
		return func(s *scene) string {
			return is(s.d.Halt == nil && s.d.Note.Reason == reason, "want it to wait for "+reason+": "+s.d.Note.Reason)
		}
	}
	run(t, []row{
		{name: "Slack does not answer", from: unsent(), steps: []step{refused(Post, slack.ClassUnavailable)}, phase: Unsent, do: Wait, holds: waits(v1alpha1.ReasonSlackUnavailable)},
		{name: "an unknown code passes", from: unsent(), steps: []step{refused(Post, slack.ClassUnknown)}, phase: Unsent, do: Wait, holds: waits(v1alpha1.ReasonSlackUnavailable)},
		{name: "a class that nobody has heard of passes", from: unsent(), steps: []step{refused(Post, slack.Class(99))}, phase: Unsent, do: Wait, holds: waits(v1alpha1.ReasonSlackUnavailable)},
		{name: "it is posted within five minutes", from: unsent(), steps: []step{refused(Post, slack.ClassUnavailable), passes(5 * time.Minute)}, phase: Unsent, do: Post},
		{name: "a rate limit is waited for", from: unsent(), steps: []step{refused(Post, slack.ClassUnavailable), limited(time.Minute)}, phase: Unsent, do: Wait,
			holds: func(s *scene) string {
				return is(s.d.Retry.At.Equal(s.now.Add(time.Minute)) && s.d.Retry.Failures == 0, "want the time that Slack asked for, and no failure")
			}},
		{name: "and another credential does not shorten it", from: unsent(), steps: []step{asks, limited(time.Minute), credential("new")}, phase: Unsent, do: Wait},
		{name: "a refused token halts", from: unsent(), steps: []step{refused(Post, slack.ClassInvalidCredentials)}, phase: Unsent, do: Wait, holds: halted(v1alpha1.ReasonInvalidToken, false)},
		{name: "another one starts it", from: unsent(), steps: []step{asks, refused(Post, slack.ClassInvalidCredentials), credential("new")}, phase: Unsent, do: Post},
		{name: "the same one does not", from: unsent(), steps: []step{asks, refused(Post, slack.ClassInvalidCredentials), credential("c")}, phase: Unsent, do: Wait},
		{name: "it is tried again within the hour", from: unsent(), steps: []step{refused(Post, slack.ClassChannelArchived), passes(time.Hour)}, phase: Unsent, do: Post},
		{name: "a rejected content waits for a change", from: unsent(), steps: []step{refused(Post, slack.ClassMessageRejected), passes(24 * time.Hour)}, phase: Unsent, do: Nothing,
			holds: halted(v1alpha1.ReasonMessageRejected, true)},
		{name: "whatever the credential", from: unsent(), steps: []step{asks, refused(Post, slack.ClassMessageRejected), credential("new")}, phase: Unsent, do: Nothing},
		{name: "a change starts it", from: unsent(), steps: []step{refused(Post, slack.ClassMessageRejected), content("h2")}, phase: Unsent, do: Post},
		{name: "a rejected edit waits for a change", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassMessageRejected), passes(time.Hour)}, phase: Editing, do: Nothing},
		{name: "a reading that is called wrongly is repeated all the same", from: unsent(), steps: []step{lost, refused(Read, slack.ClassInvalidCall), passes(2 * time.Hour)}, phase: Verifying, do: Read},
		{name: "who is not in the channel joins", from: unsent(), steps: []step{joins, refused(Post, slack.ClassNotInChannel)}, phase: Unsent, do: Join},
		{name: "and posts", from: unsent(), steps: []step{joins, refused(Post, slack.ClassNotInChannel), happens(JoinOK{})}, phase: Unsent, do: Post},
		{name: "once", from: unsent(), steps: []step{joins, refused(Post, slack.ClassNotInChannel), happens(JoinOK{}), refused(Post, slack.ClassNotInChannel)}, phase: Unsent, do: Wait, holds: halted(v1alpha1.ReasonNotInChannel, false)},
		{name: "until the person may have acted", from: unsent(),
			steps: []step{joins, refused(Post, slack.ClassNotInChannel), happens(JoinOK{}), refused(Post, slack.ClassNotInChannel), passes(time.Hour), asks, refused(Post, slack.ClassNotInChannel)}, phase: Unsent, do: Join},
		{name: "who may not join is told", from: unsent(), steps: []step{refused(Post, slack.ClassNotInChannel)}, phase: Unsent, do: Wait, holds: halted(v1alpha1.ReasonNotInChannel, false)},
		{name: "a join that is refused after the post was", from: unsent(), steps: []step{joins, refused(Post, slack.ClassNotInChannel), refused(Join, slack.ClassMissingScope)}, phase: Unsent, do: Wait,
			holds: halted(v1alpha1.ReasonMissingScope, false)},
		{name: "a join beforehand that is refused lets the post tell", from: unsent(), steps: []step{joins, happens(NotMember{}), refused(Join, slack.ClassMissingScope)}, phase: Unsent, do: Post},
		{name: "where the bot may post unseen and not join, the policy decides about a doubt", from: unsent(),
			steps: []step{joins, unseen, lost, passes(time.Minute), refused(Read, slack.ClassNotInChannel), refused(Join, slack.ClassMissingScope), refused(Read, slack.ClassNotInChannel)}, phase: Unsent, do: Post},
		{name: "and the reading is tried after the join was refused", from: unsent(),
			steps: []step{joins, unseen, lost, passes(time.Minute), refused(Read, slack.ClassNotInChannel), refused(Join, slack.ClassMissingScope)}, phase: Verifying, do: Read},
		{name: "a server that can't be read back leaves a doubt to the policy", from: unsent(), steps: []step{lost, passes(time.Minute), unserved}, phase: Unsent, do: Post},
		{name: "answers that get lost time and again are failures in a row", from: unsent(), steps: slices.Repeat([]step{lost, passes(5 * time.Minute), absent}, 8), phase: Unsent, do: Post,
			holds: func(s *scene) string {
				return is(s.d.Retry.Failures == 8 && s.d.Retry.Since.Equal(noon), "want eight failures since the first")
			}},
		{name: "which are paused for", from: unsent(), steps: append(slices.Repeat([]step{lost, passes(5 * time.Minute), absent}, 8), lost, again(time.Minute), absent), phase: Unsent, do: Wait, holds: waits(v1alpha1.ReasonSlackUnavailable)},
		{name: "a server that asks to wait is not read before", from: unsent(), steps: []step{overloaded(time.Minute), passes(59 * time.Second)}, phase: Verifying, do: Wait},
		{name: "and then it is", from: unsent(), steps: []step{overloaded(time.Minute), passes(61 * time.Second)}, phase: Verifying, do: Read},
		{name: "who is too busy here is not told of Slack", from: unsent(), steps: []step{busy}, phase: Unsent, do: Wait,
			holds: func(s *scene) string {
				return is(!contains(s.d.Note.Message, "Slack asked"), "want no word of Slack: "+s.d.Note.Message)
			}},
		{name: "a join that fails is repeated", from: unsent(), steps: []step{joins, happens(NotMember{}), refused(Join, slack.ClassUnavailable), passes(time.Minute)}, phase: Unsent, do: Join},
	})
}

// unseen lets the bot post where it is no member.
func unseen(s *scene) { s.c.PostUnseen = true }

// unserved is an answer to a reading that says that there is no such method.
func unserved(s *scene) {
	e := refuse(Read, slack.ClassAmbiguous)
	e.Err.Unserved = true
	s.d.Apply(e, s.w, s.c, s.now)
}

// again has the pause after a lost answer last for a time, which is left to chance.
func again(pause time.Duration) step {
	return func(s *scene) { s.d.Doubt.Again = s.now.Add(pause) }
}

// overloaded is a 503 with Retry-After.
func overloaded(wait time.Duration) step {
	return func(s *scene) {
		e := refuse(Post, slack.ClassAmbiguous)
		e.Settle, e.Err.RetryAfter = 3*time.Second, wait
		s.d.Apply(Attempting{}, s.w, s.c, s.now)
		s.d.Apply(e, s.w, s.c, s.now)
	}
}

// busy is a call that was not made.
func busy(s *scene) {
	e := refuse(Post, slack.ClassRateLimited)
	e.Err.Busy, e.Err.RetryAfter, e.Err.Reason = true, 2*time.Second, "too many at once"
	s.d.Apply(e, s.w, s.c, s.now)
}

func limited(wait time.Duration) step {
	return func(s *scene) {
		e := refuse(Post, slack.ClassRateLimited)
		e.Err.RetryAfter = wait
		s.d.Apply(e, s.w, s.c, s.now)
	}
}

// Every class of errors has a reason, and a text that says what to do and what
// happens then.
func TestEveryClassIsToldToPeople(t *testing.T) {
	for class := slack.ClassUnknown; class <= slack.ClassAlreadyDone; class++ {
		if class == slack.ClassNameTaken || class == slack.ClassInvalidName || class == slack.ClassAlreadyDone {
			continue // of creating a channel
		}
		v, ok := verdicts[class]
		if !ok || v.reason == "" || v.halt == class.Transient() || v.final && !v.halt || v.halt && v.then == "" {
			t.Errorf("class %d has the verdict %+v, want a reason, a halt unless it passes by itself, and what happens after it", class, v)
		}
		if e := refuse(Post, class).Err; v.halt && !contains(v.text(e, Want{Via: "ns/c"}), e.Advice()[:10]) {
			t.Errorf("class %d is told as %q, want its advice", class, v.text(e, Want{Via: "ns/c"}))
		}
	}
}

// The pauses grow, and have an end.
func TestPauses(t *testing.T) {
	for failures := range 100 {
		if p := pause(failures, 7*time.Second); p < 7*time.Second || p > 5*time.Minute {
			t.Errorf("after %d failures the pause is %v, want between 7s and 5m", failures, p)
		}
		if p := recheck(failures); p < 9*time.Minute || p > 66*time.Minute {
			t.Errorf("after %d failures the recheck is in %v, want about 10 to 60 minutes", failures, p)
		}
	}
}
