// Package directory finds the users, user groups and conversations of Slack
// workspaces by the names that people know them by, as they type or paste them.
//
// Slack has no search by name: users.list and conversations.list are read page
// by page in the background, at Slack's pace. All SlackChannels of a workspace
// share one list of users, and all of a bot one list of channels. A caller never
// waits for these; it gets a *LoadingError and is woken when its answer is
// there. What takes a single call, as user groups do, is asked for at once, in
// a slot of its own.
//
// Answers are shared, refusals are not: a list is read with the credentials of
// one who waits for it, and who is refused is told so, while the others wait on.
// What nobody has asked for in an hour is dropped.
//
// It does not send messages and knows no Kubernetes objects: the owners that
// it wakes and the credentials that it reads with are opaque names.
package directory
