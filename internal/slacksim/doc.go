// Package slacksim is a simulated Slack: the Web API methods and incoming
// webhooks that the operator uses, with Slack's limits, errors and scopes,
// faults on demand, and a page that shows the messages as people would see
// them.
//
// It is made from Slack's documents and shares no code with the operator, so
// that a misreading of Slack does not pass its own tests. It stores nothing
// on disk, and checks only what Slack is known to check.
package slacksim
