// Package alerting is what a SlackAlert says, compiled: the expressions that
// decide what fires and what belongs together, the templates of the message,
// and the default message of each source.
//
// It is pure: no Kubernetes client, no HTTP and no clock, and the same input
// always gives the same message. It watches nothing and stores nothing, and
// does not know when an incident begins or ends.
package alerting
