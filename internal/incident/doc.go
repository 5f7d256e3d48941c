// Package incident keeps the incidents of SlackAlerts. An incident is one
// SlackNotification, and all that is known of it is in that object: what is
// said in its spec, and its state in an annotation. So a restart, a change of
// leader, updates that come twice or never, and two processes at work at once
// change nothing: whatever was decided by something outdated is refused by the
// API server, and decided again.
//
// It does not watch the cluster: the sources of alerts hand it their updates. It
// does not send anything either: an edit is a change of a spec.
package incident
