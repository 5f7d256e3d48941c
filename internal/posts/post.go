package posts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// Limits of what is taken of a post.
const (
	// maxDepth of the JSON, and maxValues in it.
	maxDepth  = 64
	maxValues = 20_000
	// maxHeaders are shown to expressions, each with its first maxHeader bytes.
	maxHeaders = 64
	maxHeader  = 1024
	// maxSkew is how far ahead of ours a sender's clock may be to be believed.
	maxSkew = 5 * time.Minute
)

// PayloadError says in one sentence why a post can't be read.
type PayloadError struct{ Reason string }

func (e *PayloadError) Error() string { return e.Reason }

// Raw is a post as it came in.
type Raw struct {
	// Body is the JSON.
	Body []byte
	// Headers by their canonical names, as net/http has them.
	Headers map[string][]string
	// Signed is true when the body was signed with the rule's key. Nothing else
	// is: headers are whatever the sender, or who repeats the post, says.
	Signed bool
}

// Post is a post that was read.
type Post struct {
	// Body is what was posted: maps, lists, texts, int64, float64 and bool. Of
	// CloudEvents it is the event in its structured form, however it came.
	Body any
	// Headers by their names in lower case, without what is a secret.
	Headers map[string]any
	// Ping is true for what only tries whether somebody is there.
	Ping bool
	// At is when the sender says that it happened; zero when it does not say so.
	At time.Time

	// identity is the same for the same post, and firm if no other post can have
	// it: it is the sender's own ID, or of a body that was signed.
	identity string
	firm     bool
}

// Decode reads a post for a rule. What is signed is known by its body alone,
// because whoever repeats it can make up the headers. The error is a
// *PayloadError.
func Decode(source *v1alpha1.WebhookSource, raw Raw, receivedAt time.Time) (Post, error) {
	p := Post{Headers: shown(raw.Headers, HeaderOf(source))}
	var err error
	if source.Preset == v1alpha1.PresetCloudEvents {
		p.Body, err = cloudEvent(raw)
	} else {
		p.Body, err = decodeJSON(raw)
	}
	if err != nil {
		return Post{}, err
	}
	if _, object := p.Body.(map[string]any); !object && source.Preset != "" {
		return Post{}, &PayloadError{"the body is no JSON object, as each post of " + string(source.Preset) + " is"}
	}
	p.Ping = source.Preset == v1alpha1.PresetGitHub && one(raw.Headers, "X-Github-Event") == "ping"
	if at := sentAt(source.Preset, p.Body); !at.IsZero() && !at.After(receivedAt.Add(maxSkew)) {
		// What a clock that runs ahead says first would make all that others say late.
		if p.At = at.UTC(); p.At.After(receivedAt.Add(time.Second)) {
			p.At = receivedAt.UTC()
		}
	}
	p.identity, p.firm = identify(source.Preset, raw, p.Body)
	return p, nil
}

func decodeJSON(raw Raw) (any, error) {
	if kind := contentType(raw.Headers); kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data" {
		// curl -d says so of JSON too.
		if !looksLikeJSON(raw.Body) {
			return nil, &PayloadError{"the body is a form; have the sender post JSON (content type application/json)"}
		}
	}
	return parse(raw.Body)
}

func looksLikeJSON(data []byte) bool {
	data = bytes.TrimLeft(boundedjson.Text(data), " \t\r\n")
	return len(data) > 0 && strings.IndexByte(`{["`, data[0]) >= 0
}

func parse(data []byte) (any, error) {
	data = boundedjson.Text(data)
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &PayloadError{"the body is empty; post JSON"}
	}
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return nil, &PayloadError{"the body's JSON is nested too deep"}
	}
	if boundedjson.Values(data, maxValues) > maxValues {
		return nil, &PayloadError{"the body's JSON has too many values: at most 20,000 are taken"}
	}
	var body any
	// Whole numbers are int64, so that body.id == 5 holds and {{ .body.id }} has
	// no exponent.
	if err := utiljson.Unmarshal(data, &body); err != nil {
		return nil, &PayloadError{"the body is no JSON"}
	}
	return body, nil
}

func contentType(headers map[string][]string) string {
	kind, _, err := mime.ParseMediaType(one(headers, "Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// one is the value of a header that came once, and else empty.
func one(headers map[string][]string, name string) string {
	if values := headers[name]; len(values) == 1 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// secrets are parts of the names of headers that no expression or message sees.
var secrets = []string{"authorization", "cookie", "signature", "token", "secret", "password", "api-key", "apikey"}

// shown are the headers that expressions and templates see.
func shown(headers map[string][]string, signature string) map[string]any {
	out := map[string]any{}
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names) // of too many the same are left out each time
	for _, name := range names {
		lower := strings.ToLower(name)
		if len(out) == maxHeaders || len(lower) > maxHeader || lower == strings.ToLower(signature) ||
			slices.ContainsFunc(secrets, func(part string) bool { return strings.Contains(lower, part) }) {
			continue
		}
		out[lower] = cut(strings.Join(headers[name], ", "), maxHeader)
	}
	return out
}

// cut shortens a text to a number of bytes of whole characters.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// identify names a post.
func identify(preset v1alpha1.WebhookPreset, raw Raw, body any) (identity string, firm bool) {
	if raw.Signed {
		return digest("body", string(raw.Body)), true
	}
	if id := deliveryID(preset, raw.Headers, body); id != "" {
		return digest("id", id), true
	}
	return digest("body", string(raw.Body)), false
}

// deliveryID is what the sender calls this delivery.
func deliveryID(preset v1alpha1.WebhookPreset, headers map[string][]string, body any) string {
	if preset == v1alpha1.PresetCloudEvents {
		// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#id:
		// source and id together are unique.
		return text(body, "source") + "\x00" + text(body, "id")
	}
	if id := one(headers, "Idempotency-Key"); id != "" {
		return "key\x00" + id
	}
	if id := one(headers, "X-Github-Delivery"); id != "" {
		return "github\x00" + id
	}
	if id, source := one(headers, "Ce-Id"), one(headers, "Ce-Source"); id != "" && source != "" {
		return source + "\x00" + id
	}
	if preset == v1alpha1.PresetSentry {
		if id := one(headers, "Request-Id"); id != "" {
			return "sentry\x00" + id
		}
	}
	return ""
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Identity is the same for the same post.
func (p Post) Identity() string { return p.identity }

// Vars are the variables of expressions and templates.
func (p Post) Vars() map[string]any { return map[string]any{"body": p.Body, "headers": p.Headers} }
