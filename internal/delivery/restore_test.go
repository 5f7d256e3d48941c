package delivery

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Another process makes of the status what is certain, and looks for the rest.
func TestRestore(t *testing.T) {
	made := Ownership{Made: true, Observed: true, Intends: true}
	skipped := Ownership{Skipped: true}
	at := metav1.NewTime(noon.Add(-time.Hour))
	status := func(state v1alpha1.DeliveryState, reason string) v1alpha1.Delivery {
		return v1alpha1.Delivery{State: state, Reason: reason, ConversationID: "C1", Attempts: 1, LastAttemptAt: &at}
	}
	out := func(state v1alpha1.DeliveryState, reason string) v1alpha1.Delivery {
		s := status(state, reason)
		s.Timestamp, s.ContentHash, s.DeliveredAt, s.Via, s.ViaUID = "1.0", "h1", &at, "ns/c", viaUID
		return s
	}
	unverified := func(s v1alpha1.Delivery) v1alpha1.Delivery { s.Unverified = true; return s }
	for _, c := range []struct {
		name  string
		of    *v1alpha1.Delivery
		by    Ownership
		want  func(w *Want)
		phase Phase
		do    Do
		holds func(s *scene) string
	}{
		{name: "a new object is posted", by: made, phase: Unsent, do: Post},
		{name: "an older one is looked for", by: observed, phase: Verifying, do: Read, holds: doubt(Doubt{Cause: Takeover})},
		{name: "with GiveUp it would have been announced", by: observed, want: withGiveUp, phase: Verifying, do: Read,
			holds: func(s *scene) string { return is(s.d.Doubt.Unannounced, "want it to be unannounced") }},
		{name: "unless the policy may have been another", by: Ownership{Intends: true}, want: withGiveUp, phase: Verifying, do: Read,
			holds: func(s *scene) string { return is(!s.d.Doubt.Unannounced, "want a doubt that counts") }},
		{name: "an announcement is an attempt", of: ptr(status(v1alpha1.DeliveryRetrying, v1alpha1.ReasonDelivering)), by: observed, want: withGiveUp, phase: Verifying, do: Read,
			holds: func(s *scene) string { return is(!s.d.Doubt.Unannounced, "want a doubt that counts") }},
		{name: "also of a new object", of: ptr(status(v1alpha1.DeliveryRetrying, v1alpha1.ReasonDelivering)), by: made, phase: Verifying, do: Read},
		{name: "unverified is looked for where it was sent", of: ptr(unverified(status(v1alpha1.DeliveryRetrying, ""))), by: made, phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Takeover, Conversation: "C1"})},
		{name: "a key is looked up", by: made, want: func(w *Want) { w.Keyed = true }, phase: Verifying, do: Read, holds: doubt(Doubt{Cause: KeyLookup})},
		{name: "delivered stays", of: ptr(out(v1alpha1.DeliveryDelivered, "")), by: observed, phase: Delivered, do: Nothing},
		{name: "another content is edited, after a look whose the message is", of: ptr(out(v1alpha1.DeliveryDelivered, "")), by: observed, want: wants("h2"), phase: Editing, do: Check},
		{name: "without a look when this process has posted it", of: ptr(out(v1alpha1.DeliveryDelivered, "")), by: Ownership{Mine: true, Observed: true}, want: wants("h2"), phase: Editing, do: Edit},
		{name: "after several changes a newer message is looked for", of: ptr(out(v1alpha1.DeliveryDelivered, "")), by: skipped, want: wants("h2"), phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Replacing, Conversation: "C1"})},
		{name: "and amid an edit or a repost", of: ptr(out(v1alpha1.DeliveryRetrying, v1alpha1.ReasonEditPending)), by: observed, want: wants("h2"), phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Replacing, Conversation: "C1"})},
		{name: "a repost whose answer was lost", of: ptr(unverified(out(v1alpha1.DeliveryRetrying, v1alpha1.ReasonSlackUnavailable))), by: observed, want: wants("h2"), phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Takeover, Conversation: "C1"})},
		{name: "why it was posted anew", of: ptr(out(v1alpha1.DeliveryDelivered, v1alpha1.ReasonMessageGone)), by: observed, phase: Delivered, do: Nothing, holds: replaces(MessageGone)},
		{name: "a reply outside of its thread", of: ptr(out(v1alpha1.DeliveryDelivered, v1alpha1.ReasonThreadGone)), by: observed, phase: Delivered, do: Nothing,
			holds: func(s *scene) string { return is(s.d.Posted.Outside, "want it outside of the thread") }},
		{name: "adopted by its key", of: ptr(out(v1alpha1.DeliveryDelivered, v1alpha1.ReasonAdopted)), by: observed, phase: Delivered, do: Nothing,
			holds: func(s *scene) string { return is(s.d.Adopted, "want it adopted") }},
		{name: "shared with another recipient", of: ptr(status(v1alpha1.DeliveryDelivered, v1alpha1.ReasonSameAs)), by: observed, phase: Delivered, do: Nothing},
		{name: "failed is left alone for a while", of: ptr(status(v1alpha1.DeliveryFailed, v1alpha1.ReasonChannelArchived)), by: made, phase: Unsent, do: Wait, holds: halted(v1alpha1.ReasonChannelArchived, false)},
		{name: "rejected until it changes", of: ptr(status(v1alpha1.DeliveryFailed, v1alpha1.ReasonMessageRejected)), by: made, phase: Unsent, do: Nothing, holds: halted(v1alpha1.ReasonMessageRejected, true)},
		{name: "and so is what was too late", of: ptr(status(v1alpha1.DeliveryFailed, v1alpha1.ReasonDeadlineExceeded)), by: observed, phase: Verifying, do: Nothing,
			holds: halted(v1alpha1.ReasonDeadlineExceeded, true)},
		{name: "a reading that failed is not final", of: ptr(unverified(status(v1alpha1.DeliveryFailed, v1alpha1.ReasonInternalError))), by: observed, phase: Verifying, do: Wait,
			holds: halted(v1alpha1.ReasonInternalError, false)},
		{name: "a failed edit", of: ptr(out(v1alpha1.DeliveryFailed, v1alpha1.ReasonInvalidToken)), by: observed, want: wants("h2"), phase: Verifying, do: Wait, holds: halted(v1alpha1.ReasonInvalidToken, false)},
		{name: "unknown stays", of: ptr(status(v1alpha1.DeliveryUnknown, v1alpha1.ReasonOutcomeUnknown)), by: observed, want: withGiveUp, phase: Unknown, do: Nothing},
		{name: "and is looked for with Retry, there and here", of: ptr(status(v1alpha1.DeliveryUnknown, v1alpha1.ReasonOutcomeUnknown)), by: observed, phase: Verifying, do: Read,
			holds: doubt(Doubt{Cause: Takeover, Conversation: "C1"})},
		{name: "delivered without a date is forged, and looked for", of: ptr(status(v1alpha1.DeliveryDelivered, "")), by: observed, phase: Verifying, do: Read},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := func(s *scene) {
				if c.want != nil {
					c.want(&s.w)
				}
				s.d = Restore("user:U1", c.of, s.w, c.by, s.now)
				s.d.Want(s.w, s.now)
			}
			run(t, []row{{name: "restored", steps: []step{begin}, phase: c.phase, do: c.do, holds: c.holds}})
		})
	}
}

func ptr[T any](v T) *T { return &v }

func withGiveUp(w *Want) { w.OnUnknown = v1alpha1.UnknownOutcomeGiveUp }

func wants(hash string) func(w *Want) { return func(w *Want) { w.Hash = hash } }

// A status alone proves nothing: whose the message is, Slack says before it is
// touched.
func TestOwnership(t *testing.T) {
	edited := []step{restarted(observed), content("h2")}
	run(t, []row{
		{name: "confirmed is edited", from: sent(), steps: append(edited, happens(Confirmed{Hash: "h1"})), phase: Editing, do: Edit},
		{name: "confirmed with the wanted content is delivered", from: sent(), steps: append(edited, happens(Confirmed{Hash: "h2"})), phase: Delivered, do: Nothing},
		{name: "without a hash it is edited", from: sent(), steps: append(edited, happens(Confirmed{})), phase: Editing, do: Edit},
		{name: "what can't be read went through the SlackChannel that is used", from: sent(), steps: append(edited, refused(Check, slack.ClassMissingScope)), phase: Editing, do: Edit},
		{name: "another's message is left alone, and the own one looked for", from: sent(), steps: append(edited, happens(NotOurs{})), phase: Verifying, do: Read,
			holds: func(s *scene) string {
				return is(s.d.Posted == nil && s.d.After == "" && s.d.Conversation == "", "want nothing of the forged status to count")
			}},
		{name: "and found", from: sent(), steps: append(edited, happens(NotOurs{}), found("0.9", "h2")), phase: Delivered, do: Nothing},
		{name: "or posted", from: sent(), steps: append(edited, happens(NotOurs{}), absent), phase: Unsent, do: Post},
	})
}

// An idempotency key makes another object's message count.
func TestIdempotencyKey(t *testing.T) {
	keyed := func(s *scene) { s.w.Keyed = true; s.d = Restore("default", nil, s.w, Ownership{Made: true}, s.now) }
	adopted := func(hash string) step {
		return happens(Found{Conversation: "C1", Timestamp: "1.0", Hash: hash, Via: "ns/c", ViaUID: viaUID, Adopted: true})
	}
	run(t, []row{
		{name: "found is adopted, without an attempt", steps: []step{keyed, adopted("h1")}, phase: Delivered, do: Nothing,
			holds: func(s *scene) string {
				return is(s.d.Attempts == 0 && s.d.Status().Reason == v1alpha1.ReasonAdopted, "want it adopted without an attempt")
			}},
		{name: "with another content it is edited", steps: []step{keyed, adopted("h0")}, phase: Editing, do: Edit},
		{name: "absent is posted", steps: []step{keyed, absent}, phase: Unsent, do: Post},
		{name: "what can't be read is posted, since nothing was sent for this object", steps: []step{keyed, giveUp, never}, phase: Unsent, do: Post},
		{name: "and by a webhook", steps: []step{keyed, webhook, giveUp}, phase: Unsent, do: Post},
		{name: "it is no message of unknown outcome", steps: []step{keyed}, phase: Verifying, do: Read,
			holds: func(s *scene) string {
				return is(!s.d.Status().Unverified && !s.d.MayBeOut(), "want nothing to be out")
			}},
		{name: "a removal looks for nothing", steps: []step{keyed, removes}, phase: Removed, do: Nothing},
	})
}
