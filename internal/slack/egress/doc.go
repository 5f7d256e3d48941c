// Package egress guards the way out: it says which hosts may receive a token
// or a webhook URL, builds the HTTP clients that obey, and makes requests so
// that it is known afterwards whether the server can have seen them.
//
// It knows nothing of Slack's methods, answers or error codes, never retries,
// and keeps every URL, address and proxy password out of its errors.
package egress
