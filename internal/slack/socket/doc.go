// Package socket is the adapter to Slack's Socket Mode: it keeps a connection to
// one app open, hands what people press to a Taker, and acknowledges what was
// taken (docs.slack.dev/apis/events-api/using-socket-mode).
//
// It alone knows the WebSocket library. It decodes of a frame what it needs, never
// a payload, so that nothing odd in a message ends a connection; and a new
// connection is open before an old one is closed.
package socket
