// Package posts reads what is posted to a SlackAlert with source.webhook: any
// JSON and its headers, who has signed it, what a known sender means by it (the
// presets), and what a message tells of it when no template does. It keeps the
// state of an incident that is made of such posts.
//
// A post may come twice, and late. Merge makes one state of them: a post is known
// by its sender's ID or by its body, and its place by the sender's time where
// the preset knows of one.
//
// It does not keep the state, nor decide when an incident is opened: it is
// pure, without a Kubernetes client, HTTP or a clock.
package posts
