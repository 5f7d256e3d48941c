// Package directory finds the users, user groups and conversations of Slack
// workspaces by the names that people know them by.
//
// Slack has no search by name: users.list and conversations.list are read page
// by page in the background, at Slack's pace, into one cache for each
// workspace that all SlackChannels of it share. A caller never waits for that;
// it gets a *LoadingError and is woken when its answer is there. What takes a
// single call, as user groups do, is asked for at once, in a slot of its own.
//
// It does not send messages and knows no Kubernetes objects: the owners that
// it wakes are opaque names.
package directory
