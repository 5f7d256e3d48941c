package delivery

import (
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func leftover(part string) func(*scene) string {
	return func(s *scene) string {
		return is(part == "" && s.d.Leftover == "" || part != "" && contains(s.d.Leftover, part), "leftover "+s.d.Leftover+", want "+part)
	}
}

// With deletionPolicy Delete nothing stays in Slack without a word.
func TestRemoval(t *testing.T) {
	const notFound, hook = "can't be read back", "incoming webhook"
	run(t, []row{
		{name: "nothing is out", from: unsent(), steps: []step{removes}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "a message is deleted", from: sent(), steps: []step{removes}, phase: Delivered, do: Delete},
		{name: "and gone", from: sent(), steps: []step{removes, happens(DeleteOK{})}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "a message that is gone already", from: sent(), steps: []step{removes, refused(Delete, slack.ClassMessageNotFound)}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "a failure that passes is repeated", from: sent(), steps: []step{removes, refused(Delete, slack.ClassUnavailable)}, phase: Delivered, do: Wait},
		{name: "and then", from: sent(), steps: []step{removes, refused(Delete, slack.ClassUnavailable), passes(time.Hour)}, phase: Delivered, do: Delete},
		{name: "a refusal leaves it, and says so", from: sent(), steps: []step{removes, refused(Delete, slack.ClassMessageClosed)}, phase: Removed, do: Nothing, holds: leftover("Slack answered code")},
		{name: "after a restart it is looked at first", from: sent(), steps: []step{restarted(observed), removes}, phase: Delivered, do: Check},
		{name: "another's message is not deleted", from: sent(), steps: []step{restarted(observed), removes, happens(NotOurs{}), absent}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "amid a doubt it is looked for", from: unsent(), steps: []step{lost, removes, passes(time.Minute)}, phase: Verifying, do: Read},
		{name: "after the settle time", from: unsent(), steps: []step{lost, removes}, phase: Verifying, do: Wait},
		{name: "found is deleted", from: unsent(), steps: []step{lost, removes, found("2.0", "h1")}, phase: Delivered, do: Delete},
		{name: "absent is nothing", from: unsent(), steps: []step{lost, removes, absent}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "unreadable is told", from: unsent(), steps: []step{lost, removes, never}, phase: Removed, do: Nothing, holds: leftover(notFound)},
		{name: "what Retry put up with is told", from: unsent(), steps: []step{lost, never, removes}, phase: Removed, do: Nothing, holds: leftover(notFound)},
		{name: "also beside an older one that is deleted", from: sent(), steps: []step{repost, content("h2"), absent, lost, never, removes, happens(DeleteOK{})}, phase: Removed, do: Nothing, holds: leftover(notFound)},
		{name: "unknown is looked for", from: unsent(), steps: []step{giveUp, lost, never, removes}, phase: Verifying, do: Read},
		{name: "and told", from: unsent(), steps: []step{giveUp, lost, never, removes, asks, never}, phase: Removed, do: Nothing, holds: leftover(notFound)},
		{name: "a webhook's message is told", from: hooked(), steps: []step{webhook, removes}, phase: Removed, do: Nothing, holds: leftover(hook)},
		{name: "a webhook's doubt is told", from: unsent(), steps: []step{lost, webhook, removes}, phase: Removed, do: Nothing, holds: leftover(hook)},
		{name: "what a webhook has not announced is nothing", from: Delivery{Phase: Verifying, Doubt: &Doubt{Cause: Takeover, Unannounced: true}}, steps: []step{webhook, removes}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "a repost that nobody made, by a webhook", from: hooked(), steps: []step{webhook, repost, content("h2"), removes}, phase: Removed, do: Nothing, holds: leftover(hook)},
		{name: "amid a repost it is looked for the newer one first", from: sent(), steps: []step{repost, content("h2"), removes}, phase: Verifying, do: Read},
		{name: "and the older one is deleted", from: sent(), steps: []step{repost, content("h2"), removes, never}, phase: Unsent, do: Delete},
		{name: "amid a repost of a message that is gone", from: sent(), steps: []step{content("h2"), refused(Edit, slack.ClassMessageNotFound), removes, absent, refused(Delete, slack.ClassMessageNotFound)},
			phase: Removed, do: Nothing, holds: leftover("")},
		{name: "the bot joins to look at it", from: sent(), steps: []step{restarted(observed), removes, can(func(c *Can) { c.Join = true }), refused(Check, slack.ClassNotInChannel)}, phase: Delivered, do: Join},
		{name: "and waits where that fails", from: sent(),
			steps: []step{restarted(observed), removes, can(func(c *Can) { c.Join = true }), refused(Check, slack.ClassNotInChannel), refused(Join, slack.ClassUnavailable)}, phase: Delivered, do: Wait},
		{name: "another recipient's message", from: unsent(), steps: []step{happens(SameAs{Recipient: "email:a@b"}), removes}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "the deadline does not matter", from: unsent(), steps: []step{deadline, removes}, phase: Removed, do: Nothing, holds: leftover("")},
		{name: "a way to Slack that is gone for good", from: sent(), steps: []step{removes, func(s *scene) { s.d.Leave("no SlackChannel") }}, phase: Removed, do: Nothing, holds: leftover("no SlackChannel")},
	})
}
