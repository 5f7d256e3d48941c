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

// The fields of the payload.
const (
	// PayloadNotification is the UID of the SlackNotification.
	PayloadNotification = "notification"
	// PayloadRecipient is the RecipientHash of the recipient.
	PayloadRecipient = "recipient"
	// PayloadContent is the Hash of the content.
	PayloadContent = "content"
	// PayloadKey is the KeyHash of the idempotency key; missing when there is none.
	PayloadKey = "key"
	// PayloadCluster is the cluster whose buttons the message has, as
	// interact.ClusterHash names it; missing when it has none.
	PayloadCluster = "cluster"
)

// Identity is what a message carries to be recognised by.
type Identity struct {
	// NotificationUID of the SlackNotification.
	NotificationUID string
	// Recipient as status.deliveries names it, as in "user:yueh.liu".
	Recipient string
	// ContentHash as Hash makes it.
	ContentHash string
	// Namespace of the SlackNotification, and its idempotency key; the message
	// carries none when the key is empty.
	Namespace, IdempotencyKey string
	// Cluster whose buttons the message has; empty when it has none.
	Cluster string
}

// DefaultRecipient is the key of the SlackChannel's own channel.
const DefaultRecipient = "default"

// RecipientKey names a recipient as status.deliveries does: "user:…", "email:…",
// "channel:…", or DefaultRecipient for one that names nobody.
func RecipientKey(r v1alpha1.Recipient) string {
	switch {
	case r.User != "":
		return "user:" + r.User
	case r.Email != "":
		return "email:" + r.Email
	case r.Channel != "":
		return "channel:" + r.Channel
	default:
		return DefaultRecipient
	}
}

// Metadata tells which notification a message is, to whom and what, so that it
// is recognised when the conversation is read back. It holds no secrets: any
// app of the workspace may read it, and any app can write the same, so it
// counts only beside the author of the message. The values are strings.
func Metadata(id Identity) *slack.Metadata {
	payload := map[string]string{
		PayloadNotification: id.NotificationUID,
		PayloadRecipient:    RecipientHash(id.Recipient),
		PayloadContent:      id.ContentHash,
	}
	if id.IdempotencyKey != "" {
		payload[PayloadKey] = KeyHash(id.Namespace, id.IdempotencyKey)
	}
	if id.Cluster != "" {
		payload[PayloadCluster] = id.Cluster
	}
	return &slack.Metadata{EventType: EventType, Payload: payload}
}

// KeyHash names an idempotency key in the metadata. It is bound to the namespace,
// so that another namespace that shares the bot adopts nothing by guessing
// a key, and long enough that no two meet by chance or by search.
func KeyHash(namespace, key string) string {
	// A namespace holds no zero byte, so no two pairs make the same input.
	sum := sha256.Sum256([]byte("key\x00" + namespace + "\x00" + key))
	return hex.EncodeToString(sum[:16])
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
