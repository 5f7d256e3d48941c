// Package source makes of what happens what is to be of the incidents of a
// SlackAlert. Each source is a file (a large one has its parts beside it):
//
//   - objects.go and events.go are watched in the cluster. They implement Watched,
//     which says what of them the controller asks, and are handed what they need: the
//     scope, the schedule of their groups and the watch (watched.go).
//   - alertmanager.go and webhook.go are posted. They decode a post, group it, and make
//     an incident.Update of each group; what they share is in receiver.go: whether a
//     rule is at work, what its expressions may cost, and the rendering.
//
// A source keeps nothing that a restart must find: that is stored with the incident of
// each group, or in the status of the rule.
package source
