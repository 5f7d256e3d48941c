package readback

import (
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What a tenant's own server gives back of a conversation answers nobody else's
// question about it, and its refusal stops nobody.
func TestAClaimedConversationAnswersNobodyElse(t *testing.T) {
	r := newRig(t)
	claimed := r.sends("victim")
	claimed.Place.Workspace = slack.PrivateDomain("evil").Workspace("T1", "U1")
	r.slack.post(bot, of("victim", "r"))
	r.passes(10e9)
	r.wants(r.until(claimed), Found, "what the tenant's server gives back")
	r.slack.messages = nil
	q := r.sends("victim")
	q.Oldest, q.Settled = claimed.Oldest, claimed.Settled
	r.wants(r.until(q), Absent, "what Slack gives back")
}
