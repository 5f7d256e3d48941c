package posts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

const (
	// DefaultHeader of a signature: GitHub's, which many others have taken over
	// (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
	DefaultHeader = "X-Hub-Signature-256"
	// DefaultKey is the key of a Secret's data, as Flux has it too
	// (https://fluxcd.io/flux/components/notification/providers/#generic-webhook-with-hmac).
	DefaultKey = "token"
	// maxSignature is how long the value of the header may be.
	maxSignature = 200
)

// HeaderOf names the header that a rule's signatures are in; empty when the rule
// has none.
func HeaderOf(source *v1alpha1.WebhookSource) string {
	switch {
	case source.Signature == nil:
		return ""
	case source.Signature.Header != "":
		return source.Signature.Header
	case source.Preset == v1alpha1.PresetFlux:
		return "X-Signature"
	case source.Preset == v1alpha1.PresetSentry:
		return "Sentry-Hook-Signature"
	}
	return DefaultHeader
}

// KeyOf names the key of the Secret's data that holds the rule's key.
func KeyOf(signature *v1alpha1.WebhookSignature) string {
	if signature.SecretRef.Key != "" {
		return signature.SecretRef.Key
	}
	return DefaultKey
}

// Verify reports whether a signature is the HMAC-SHA256 of a body by a key, in a
// time that does not tell how much of it is right. A line end after the key does
// not matter: "echo" puts one into a Secret, and some senders sign with it.
func Verify(key []byte, signature string, body []byte) bool {
	have, ok := decodeSignature(signature)
	bare := bytes.TrimRight(key, "\r\n")
	if !ok || len(bare) == 0 {
		return false
	}
	right := hmac.Equal(have, sum(bare, body))
	if len(bare) != len(key) {
		right = hmac.Equal(have, sum(key, body)) || right
	}
	return right
}

func sum(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(body) // never fails
	return h.Sum(nil)
}

// decodeSignature reads "sha256=" and hex, bare hex, or base64 of either kind.
func decodeSignature(value string) ([]byte, bool) {
	value = strings.TrimSpace(value)
	if len(value) > maxSignature {
		return nil, false
	}
	if name, rest, ok := strings.Cut(value, "="); ok && strings.EqualFold(name, "sha256") {
		value = strings.TrimSpace(rest)
	}
	if len(value) == hex.EncodedLen(sha256.Size) {
		out, err := hex.DecodeString(value)
		return out, err == nil
	}
	value = strings.TrimRight(value, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if out, err := encoding.Strict().DecodeString(value); err == nil && len(out) == sha256.Size {
			return out, true
		}
	}
	return nil, false
}
