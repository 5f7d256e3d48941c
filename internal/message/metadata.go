package message

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// EventType marks the metadata of this operator's messages.
const EventType = "slack_notification"

// Metadata tells which notification a message is, to whom and what, so that it
// is recognised when the conversation is read back. It holds no secrets: any
// app of the workspace may read it.
func Metadata(notificationUID, recipient, contentHash string) *slack.Metadata {
	return &slack.Metadata{EventType: EventType, Payload: map[string]string{
		"notification": notificationUID,
		"recipient":    RecipientHash(recipient),
		"content":      contentHash,
	}}
}

// RecipientHash names a recipient without telling who it is.
func RecipientHash(recipient string) string { return short([]byte(recipient)) }

// hashVersion changes when the same content is to count as another one.
const hashVersion = "v1:"

// Hash names a content. It depends on what the spec says and on nothing else.
func Hash(c v1alpha1.Content) string {
	data, err := json.Marshal(c)
	if err != nil {
		// Raw JSON that is not valid, which the API server does not store.
		data = []byte(c.Title + "\x00" + c.Text + "\x00" + c.Markdown)
	}
	return short(append([]byte(hashVersion), data...))
}

func short(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
