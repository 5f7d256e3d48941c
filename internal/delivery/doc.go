// Package delivery decides what to do next about one message to one recipient.
//
// It is pure: the time is handed in, and there is no Kubernetes client, no
// HTTP and no goroutine in it. The controller tells a Delivery what is wanted
// (Want), asks it for the one next step (Next), makes the step, and reports
// what came of it (Apply). Restore reads a Delivery back from a status, and
// Status writes it there.
//
// It does not resolve names, render content, keep to Slack's pace, or write
// anything anywhere. Whether something may be sent is decided here and nowhere
// else, and a doubt ends by an answer alone: no change of the spec, no wait and
// no failure makes it be forgotten that Slack may have the message.
//
//	              ┌────────── Absent ─────────────┐
//	              ▼                               │
//	Restore ─> Unsent ── Post, no answer ──> Verifying ── can't be read ──> Unknown
//	              │                            │  ▲                     (GiveUp)
//	            Posted                       Found│ Repost, gone, closed,
//	              ▼                            ▼  │ another SlackChannel
//	          Delivered <── Edited ── Editing <───┴── another content
//
// Beside the phase a Delivery may be halted: a person must act, and it stays in
// its phase meanwhile.
package delivery
