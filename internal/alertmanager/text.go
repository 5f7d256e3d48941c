package alertmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// clean takes out what is no text, and cuts what is longer than limit bytes.
func clean(s string, limit int) string {
	s = safetext.Clean(s)
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	at := limit - len(mark)
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + mark
}

// flat writes pairs in one line, in the order of their names.
func flat[V ~string](pairs map[string]V) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		b.WriteString(key + "\xff" + string(pairs[key]) + "\xff")
	}
	return b.String()
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// common is what all alerts have in common.
func common(alerts []Alert, of func(Alert) map[string]string) map[string]string {
	var out map[string]string
	for i, a := range alerts {
		if i == 0 {
			out = maps.Clone(of(a))
			continue
		}
		maps.DeleteFunc(out, func(key, value string) bool {
			other, ok := of(a)[key]
			return !ok || other != value
		})
	}
	return out
}
