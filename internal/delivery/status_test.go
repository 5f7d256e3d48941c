package delivery

import (
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// The status says what is so, and what another process must know.
func TestStatus(t *testing.T) {
	with := func(change func(d *Delivery)) func() Delivery {
		return func() Delivery { d := sent(); change(&d); return d }
	}
	for _, c := range []struct {
		name    string
		of      func() Delivery
		steps   []step
		state   v1alpha1.DeliveryState
		reason  string
		says    string
		unknown bool
	}{
		{name: "pending", of: unsent, state: v1alpha1.DeliveryPending},
		{name: "waiting", of: unsent, steps: []step{happens(Held{Note: Note{Reason: v1alpha1.ReasonWaitingForTurn, Message: "2 before it"}})}, state: v1alpha1.DeliveryPending,
			reason: v1alpha1.ReasonWaitingForTurn, says: "2 before it"},
		{name: "announced", of: unsent, steps: []step{giveUp, happens(Announced{})}, state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonDelivering, says: "it is being sent"},
		{name: "retrying", of: unsent, steps: []step{happens(Attempting{}), refused(Post, slack.ClassUnavailable)}, state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable,
			says: "tried again by itself"},
		{name: "since when", of: unsent, steps: []step{happens(Attempting{}), refused(Post, slack.ClassUnavailable), happens(Attempting{}), passes(time.Hour), refused(Post, slack.ClassUnavailable)},
			state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, says: "2 attempts, the first failure at 12:00 UTC on 2026-01-01"},
		{name: "in doubt", of: unsent, steps: []step{lost}, state: v1alpha1.DeliveryRetrying, reason: v1alpha1.ReasonSlackUnavailable, unknown: true},
		{name: "in doubt, and failed", of: unsent, steps: []step{lost, refused(Read, slack.ClassInvalidCredentials)}, state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonInvalidToken,
			says: "may be in Slack already", unknown: true},
		{name: "what Retry put up with", of: unsent, steps: []step{lost, never}, state: v1alpha1.DeliveryRetrying, unknown: true},
		{name: "unknown", of: unsent, steps: []step{giveUp, lost, never}, state: v1alpha1.DeliveryUnknown, reason: v1alpha1.ReasonOutcomeUnknown, says: "set to Retry"},
		{name: "unknown, and changed", of: unsent, steps: []step{giveUp, lost, never, content("h2")}, state: v1alpha1.DeliveryUnknown, reason: v1alpha1.ReasonOutcomeUnknown, says: "may or may not"},
		{name: "delivered", of: sent, state: v1alpha1.DeliveryDelivered},
		{name: "another content", of: sent, steps: []step{content("h2")}, state: v1alpha1.DeliveryPending, reason: v1alpha1.ReasonEditPending, says: "older content"},
		{name: "a repost that is looked for", of: sent, steps: []step{repost, content("h2")}, state: v1alpha1.DeliveryPending, reason: v1alpha1.ReasonEditPending},
		{name: "a failed edit", of: sent, steps: []step{content("h2"), refused(Edit, slack.ClassMessageRejected)}, state: v1alpha1.DeliveryFailed, reason: v1alpha1.ReasonMessageRejected,
			says: "could not be edited"},
		{name: "shared", of: unsent, steps: []step{happens(SameAs{Recipient: "email:a@b"})}, state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonSameAs, says: "email:a@b"},
		{name: "outside", of: with(func(d *Delivery) { d.Posted.Outside = true }), state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonThreadGone, says: "outside of its thread"},
		{name: "gone", of: with(func(d *Delivery) { d.Replaces = MessageGone }), state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonMessageGone, says: "was gone"},
		{name: "closed", of: with(func(d *Delivery) { d.Replaces = EditClosed }), state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonEditClosed, says: "did not let"},
		{name: "through another SlackChannel", of: with(func(d *Delivery) { d.Replaces = ChannelChanged }), state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonChannelChanged, says: "channelRef"},
		{name: "reposted as wanted", of: with(func(d *Delivery) { d.Replaces = Reposted }), state: v1alpha1.DeliveryDelivered},
		{name: "adopted", of: with(func(d *Delivery) { d.Adopted = true }), state: v1alpha1.DeliveryDelivered, reason: v1alpha1.ReasonAdopted, says: "idempotencyKey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{d: c.of(), now: noon, c: Can{Read: true, Edit: true, Credential: "c"}, w: Want{Hash: "h1", Update: v1alpha1.UpdateEdit, Via: "ns/c", ViaUID: viaUID}}
			for _, step := range c.steps {
				step(s)
			}
			got := s.d.Status()
			if c.name != "since when" {
				got.Attempts = min(got.Attempts, 1)
			}
			if got.State != c.state || got.Reason != c.reason || !contains(got.Message, c.says) || got.Unverified != c.unknown {
				t.Errorf("state %s, reason %q, unverified %v: %q; want %s, %q, %v, and %q", got.State, got.Reason, got.Unverified, got.Message, c.state, c.reason, c.unknown, c.says)
			}
			if p := s.d.Posted; p != nil && (got.Timestamp != p.Timestamp || got.ContentHash != p.Hash || got.Via != p.Via || got.DeliveredAt == nil) {
				t.Errorf("the status says %+v of %+v", got, p)
			}
		})
	}
}

func TestPredicates(t *testing.T) {
	for _, c := range []struct {
		name                   string
		steps                  []step
		open, maybeOut, reachd bool
	}{
		{name: "unsent", open: true},
		{name: "in doubt", steps: []step{lost}, open: true, maybeOut: true},
		{name: "halted", steps: []step{refused(Post, slack.ClassMessageRejected)}},
		{name: "unknown", steps: []step{giveUp, lost, never}, maybeOut: true},
		{name: "delivered", steps: []step{delivered}, maybeOut: true, reachd: true},
		{name: "editing", steps: []step{delivered, content("h2")}, open: true, maybeOut: true, reachd: true},
		{name: "shared", steps: []step{happens(SameAs{Recipient: "default"})}, reachd: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{d: unsent(), now: noon, w: Want{Hash: "h1", Update: v1alpha1.UpdateEdit}, c: Can{Read: true, Edit: true}}
			for _, step := range c.steps {
				step(s)
			}
			if d := s.d; d.Open() != c.open || d.MayBeOut() != c.maybeOut || d.Reached() != c.reachd {
				t.Errorf("open %v, may be out %v, reached %v; want %v, %v, %v", d.Open(), d.MayBeOut(), d.Reached(), c.open, c.maybeOut, c.reachd)
			}
		})
	}
}
