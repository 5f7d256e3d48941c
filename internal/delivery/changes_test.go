package delivery

import (
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func replaces(want Replacement) func(*scene) string {
	return func(s *scene) string {
		return is(s.d.Replaces == want, "it replaces for "+string(s.d.Replaces)+", want "+string(want))
	}
}

func delivered(s *scene) { s.d.Apply(PostOK{Conversation: "C1", Timestamp: "2.0"}, s.w, s.c, s.now) }

// restarted is a scene's delivery read back by another process.
func restarted(o Ownership) step {
	return func(s *scene) {
		status := s.d.Status()
		s.d = Restore("user:U1", &status, s.w, o, s.now)
		s.d.Want(s.w, s.now)
	}
}

var observed = Ownership{Observed: true, Intends: true}

// Another content is edited in, posted anew or left, as spec.updatePolicy says.
func TestUpdatePolicy(t *testing.T) {
	run(t, []row{
		{name: "Edit", from: sent(), steps: []step{content("h2")}, phase: Editing, do: Edit},
		{name: "an edit that Slack took", from: sent(), steps: []step{content("h2"), happens(EditOK{})}, phase: Delivered, do: Nothing},
		{name: "edits keep a distance", from: sent(), steps: []step{content("h2"), happens(Attempting{}), happens(EditOK{}), content("h3")}, phase: Editing, do: Wait},
		{name: "the old content again needs no edit", from: sent(), steps: []step{content("h2"), content("h1")}, phase: Delivered, do: Nothing},
		{name: "unless an edit of unknown outcome was made", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), content("h1"), passes(time.Minute)}, phase: Editing, do: Edit},
		{name: "also after a restart", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), restarted(observed), content("h1"), passes(time.Minute), absent}, phase: Editing, do: Check},
		{name: "Repost looks first for what another process may have posted", from: sent(), steps: []step{repost, content("h2")}, phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Replacing, Conversation: "C1"})},
		{name: "and posts then", from: sent(), steps: []step{repost, content("h2"), absent}, phase: Unsent, do: Post, holds: replaces(Reposted)},
		{name: "and is delivered", from: sent(), steps: []step{repost, content("h2"), absent, delivered}, phase: Delivered, do: Nothing},
		{name: "the old content again, half-way", from: sent(), steps: []step{repost, content("h2"), absent, content("h1")}, phase: Delivered, do: Nothing, holds: replaces("")},
		{name: "Edit half-way", from: sent(), steps: []step{repost, content("h2"), absent, policy(v1alpha1.UpdateEdit)}, phase: Editing, do: Edit, holds: replaces("")},
		{name: "Edit half-way, while it is looked for", from: sent(), steps: []step{repost, content("h2"), policy(v1alpha1.UpdateEdit)}, phase: Verifying, do: Read},
		{name: "another content half-way", from: sent(), steps: []step{repost, content("h2"), absent, content("h3")}, phase: Unsent, do: Post, holds: replaces(Reposted)},
		{name: "Repost of an edit of unknown outcome looks at the message", from: sent(),
			steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), repost, passes(time.Minute)}, phase: Editing, do: Check},
		{name: "which has the content", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), repost, happens(Confirmed{Hash: "h2"})}, phase: Delivered, do: Nothing},
		{name: "or has not", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), repost, happens(Confirmed{Hash: "h1"})}, phase: Verifying, do: Read},
		{name: "with GiveUp, what can't be looked at is edited", from: sent(),
			steps: []step{giveUp, content("h2"), refused(Edit, slack.ClassAmbiguous), repost, refused(Check, slack.ClassMissingScope), content("h2"), passes(time.Minute)}, phase: Editing, do: Edit},
		{name: "and looked at once it can be", from: sent(),
			steps: []step{asks, content("h2"), refused(Edit, slack.ClassAmbiguous), repost, refused(Check, slack.ClassMissingScope), credential("new"), passes(time.Minute)}, phase: Editing, do: Check},
		{name: "Ignore", from: sent(), steps: []step{ignore, content("h2")}, phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonUpdateIgnored)},
		{name: "a webhook can't edit", from: hooked(), steps: []step{webhook, content("h2")}, phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonEditNotSupported)},
		{name: "a webhook reposts", from: hooked(), steps: []step{webhook, repost, content("h2")}, phase: Unsent, do: Post},
		{name: "a webhook instead of the Web API can't edit what is out", from: sent(), steps: []step{webhook, content("h2")}, phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonEditNotSupported)},
		{name: "a failed edit outlives the deadline, and the token's renewal mends it", from: sent(),
			steps: []step{content("h2"), asks, refused(Edit, slack.ClassInvalidCredentials), deadline, credential("new")}, phase: Editing, do: Edit},
	})
}

// A message that is gone or closed is posted anew, and nothing but that makes it
// delivered.
func TestGoneOrClosed(t *testing.T) {
	gone := []step{content("h2"), refused(Edit, slack.ClassMessageNotFound)}
	closed := []step{content("h2"), refused(Edit, slack.ClassMessageClosed)}
	run(t, []row{
		{name: "gone is looked for", from: sent(), steps: gone, phase: Verifying, do: Read, holds: replaces(MessageGone)},
		{name: "gone is posted", from: sent(), steps: append(gone, absent), phase: Unsent, do: Post},
		{name: "gone, and the content set back while it is looked for", from: sent(), steps: append(gone, content("h1"), absent), phase: Unsent, do: Post, holds: replaces(MessageGone)},
		{name: "gone, and the content set back after that", from: sent(), steps: append(gone, absent, content("h1")), phase: Unsent, do: Post, holds: replaces(MessageGone)},
		{name: "gone, and Ignore", from: sent(), steps: append(gone, absent, ignore), phase: Unsent, do: Post},
		{name: "gone when it is looked at", from: sent(), steps: []step{restarted(Ownership{Observed: true}), content("h2"), happens(Gone{})}, phase: Verifying, do: Read, holds: replaces(MessageGone)},
		{name: "posted anew, the status says why", from: sent(), steps: append(gone, absent, delivered), phase: Delivered, do: Nothing, holds: replaces(MessageGone)},
		{name: "closed is looked for", from: sent(), steps: closed, phase: Verifying, do: Read, holds: replaces(EditClosed)},
		{name: "closed is posted", from: sent(), steps: append(closed, absent), phase: Unsent, do: Post},
		{name: "closed, and the content set back", from: sent(), steps: append(closed, absent, content("h1")), phase: Delivered, do: Nothing},
		{name: "closed after an edit of unknown outcome is not edited over and over", from: sent(),
			steps: []step{content("h2"), refused(Edit, slack.ClassAmbiguous), refused(Edit, slack.ClassMessageClosed), absent}, phase: Unsent, do: Post, holds: replaces(EditClosed)},
		{name: "closed, and Ignore", from: sent(), steps: append(closed, absent, ignore), phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonUpdateIgnored)},
	})
}

// What went through another SlackChannel goes out anew through the one that
// spec.channelRef names, and is never edited through it.
func TestChannelRefChanged(t *testing.T) {
	other := edits(func(w *Want) { w.Via = "ns/other" })
	again := edits(func(w *Want) { w.ViaUID = "another" })
	run(t, []row{
		{name: "another name", from: sent(), steps: []step{other}, phase: Verifying, do: Read, holds: doubt(Doubt{Cause: Replacing})},
		{name: "is posted", from: sent(), steps: []step{other, absent}, phase: Unsent, do: Post, holds: replaces(ChannelChanged)},
		{name: "another name with Repost", from: sent(), steps: []step{repost, other, absent}, phase: Unsent, do: Post, holds: replaces(ChannelChanged)},
		{name: "another name with Ignore", from: sent(), steps: []step{ignore, other}, phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonChannelChanged)},
		{name: "and back, half-way", from: sent(), steps: []step{other, absent, edits(func(w *Want) { w.Via = "ns/c" })}, phase: Delivered, do: Nothing, holds: replaces("")},
		{name: "deleted and made again, with the same content", from: sent(), steps: []step{again}, phase: Delivered, do: Nothing},
		{name: "deleted and made again, with another content", from: sent(), steps: []step{again, content("h2")}, phase: Verifying, do: Read, holds: replaces(ChannelChanged)},
		{name: "deleted and made again, with another content and Ignore", from: sent(), steps: []step{again, ignore, content("h2")}, phase: Delivered, do: Nothing, holds: stale(v1alpha1.ReasonChannelChanged)},
		{name: "deleted", from: sent(), steps: []step{edits(func(w *Want) { w.ViaUID = "" }), content("h2")}, phase: Editing, do: Edit},
		{name: "an older version did not note the way", from: func() Delivery { d := sent(); d.Posted.Via = ""; return d }(), steps: []step{other}, phase: Delivered, do: Nothing},
	})
}

// What else a recipient's delivery meets.
func TestRecipients(t *testing.T) {
	run(t, []row{
		{name: "the same person as another recipient", from: unsent(), steps: []step{happens(SameAs{Recipient: "email:a@b", Conversation: "D1", UserID: "U1"}), content("h2")}, phase: Delivered, do: Nothing,
			holds: func(s *scene) string {
				return is(s.d.Reached() && s.d.Posted == nil, "want it reached by another's message")
			}},
		{name: "but not who has a message", from: sent(), steps: []step{happens(SameAs{Recipient: "email:a@b"})}, phase: Delivered, do: Nothing,
			holds: func(s *scene) string { return is(s.d.SameAs == "" && s.d.Posted != nil, "want its own message") }},
		{name: "nobody by the name", from: unsent(), steps: []step{happens(NeedsPerson{Reason: v1alpha1.ReasonUserNotFound})}, phase: Unsent, do: Post},
		{name: "a wait", from: unsent(), steps: []step{happens(Held{Until: noon.Add(time.Minute)})}, phase: Unsent, do: Wait},
		{name: "a wait changes no phase", from: sent(), steps: []step{content("h2"), happens(Held{})}, phase: Editing, do: Edit},
		{name: "not a member joins first", from: unsent(), steps: []step{can(func(c *Can) { c.Join = true }), happens(NotMember{})}, phase: Unsent, do: Join},
		{name: "not a member that may not join posts", from: unsent(), steps: []step{happens(NotMember{})}, phase: Unsent, do: Post},
		{name: "a request does not wait", from: unsent(), steps: []step{refused(Post, slack.ClassUnavailable), func(s *scene) { s.d.Request(s.now) }}, phase: Unsent, do: Post},
		{name: "nor for a person", from: unsent(), steps: []step{refused(Post, slack.ClassMessageRejected), func(s *scene) { s.d.Request(s.now) }}, phase: Unsent, do: Post},
	})
}
