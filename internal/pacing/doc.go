// Package pacing says when Slack may be called, so that its limits are met and
// not hit: a Limiter for the tiers of the Web API's methods, and Lanes for the
// posting of messages.
//
// It is pure: the present time is handed in, and there is no goroutine, no
// timer, no HTTP and no Kubernetes in it. It neither sleeps nor calls anybody;
// whoever asks is told a time, and comes back or is woken by somebody who
// watches Lanes.NextAt.
//
// It does not send, retry or back off, and it knows nothing of errors but that
// Slack asked to wait. State is in memory only: another process, or another
// app in the same workspace, is seen through Slack's 429 answers alone.
package pacing
