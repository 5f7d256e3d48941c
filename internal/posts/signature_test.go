package posts

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func hmacOf(key, body string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return h.Sum(nil)
}

// A signature opens in the forms that senders write it in, and in no other.
func TestVerify(t *testing.T) {
	const body = `{"a": 1}`
	right := hmacOf("key", body)
	hexed := hex.EncodeToString(right)
	for name, row := range map[string]struct {
		key, signature, body string
		want                 bool
	}{
		// docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
		"GitHub's example":              {"It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "Hello, World!", true},
		"GitHub's and Flux's form":      {"key", "sha256=" + hexed, body, true},
		"Sentry's form":                 {"key", hexed, body, true},
		"upper case":                    {"key", "SHA256=" + strings.ToUpper(hexed), body, true},
		"base64":                        {"key", base64.StdEncoding.EncodeToString(right), body, true},
		"base64 for URLs":               {"key", "sha256=" + base64.RawURLEncoding.EncodeToString(right), body, true},
		"a key with a line end":         {"key\n", hexed, body, true},
		"a line end that was signed":    {"key\n", hex.EncodeToString(hmacOf("key\n", body)), body, true},
		"another key":                   {"kez", hexed, body, false},
		"another body":                  {"key", hexed, body + " ", false},
		"a letter less":                 {"key", hexed[1:], body, false},
		"a letter more":                 {"key", hexed + "0", body, false},
		"another letter":                {"key", "0" + hexed[1:], body, hexed[0] == '0'},
		"another algorithm":             {"key", "sha1=" + hexed, body, false},
		"no hex":                        {"key", strings.Repeat("z", 64), body, false},
		"empty":                         {"key", "", body, false},
		"the algorithm alone":           {"key", "sha256=", body, false},
		"an empty key":                  {"", hex.EncodeToString(hmacOf("", body)), body, false},
		"a key of a line end":           {"\n", hex.EncodeToString(hmacOf("\n", body)), body, false},
		"two signatures":                {"key", hexed + "," + hexed, body, false},
		"a very long one":               {"key", strings.Repeat(" ", 10) + strings.Repeat("a", 1<<20), body, false},
		"base64 with bits left over":    {"key", base64.StdEncoding.EncodeToString(right)[:42] + "/=", body, false},
		"the hash of the body, no HMAC": {"key", hex.EncodeToString(func() []byte { s := sha256.Sum256([]byte(body)); return s[:] }()), body, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Verify([]byte(row.key), row.signature, []byte(row.body)); got != row.want {
				t.Errorf("%q is %v, want %v", row.signature, got, row.want)
			}
		})
	}
}

// The header of a signature is the rule's, or else the sender's own.
func TestHeaderOf(t *testing.T) {
	for name, row := range map[string]struct {
		source v1alpha1.WebhookSource
		want   string
	}{
		"none":         {v1alpha1.WebhookSource{}, ""},
		"left out":     {v1alpha1.WebhookSource{Signature: &v1alpha1.WebhookSignature{}}, "X-Hub-Signature-256"},
		"GitHub":       {v1alpha1.WebhookSource{Preset: v1alpha1.PresetGitHub, Signature: &v1alpha1.WebhookSignature{}}, "X-Hub-Signature-256"},
		"Flux":         {v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux, Signature: &v1alpha1.WebhookSignature{}}, "X-Signature"},
		"Sentry":       {v1alpha1.WebhookSource{Preset: v1alpha1.PresetSentry, Signature: &v1alpha1.WebhookSignature{}}, "Sentry-Hook-Signature"},
		"the rule's":   {v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux, Signature: &v1alpha1.WebhookSignature{Header: "X-Mine"}}, "X-Mine"},
		"no signature": {v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := HeaderOf(&row.source); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// No signature opens anything but the body that it was made for.
func FuzzSignature(f *testing.F) {
	f.Add("sha256="+hex.EncodeToString(hmacOf("key", "{}")), []byte("{}"))
	f.Add(base64.StdEncoding.EncodeToString(hmacOf("key", "[]")), []byte("{}"))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		if !Verify([]byte("key"), signature, body) {
			return
		}
		have, ok := decodeSignature(signature)
		if !ok || !hmac.Equal(have, hmacOf("key", string(body))) {
			t.Errorf("%q opens %q", signature, body)
		}
	})
}
