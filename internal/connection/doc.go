// Package connection turns a SlackChannel and the Secrets that it names into
// something that can reach Slack, and remembers what Slack said of it.
//
// It reads Secrets one by one, by name, and only when their resourceVersion
// has changed; it makes no call to Slack, writes nothing to the API server and
// puts no secret into an error.
package connection
