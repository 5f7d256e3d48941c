// Package connection turns a SlackChannel and the Secrets that it names into
// something that can reach Slack, and remembers what Slack said of it.
//
// It reads Secrets one by one, by name, and only when their resourceVersion
// has changed. A connection stays the same for as long as the values that it is
// made of do. It makes no call to Slack, writes nothing to the API server and
// puts no secret into an error.
package connection
