package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Key is the identity of a group of a rule, and so of its incidents.
type Key struct {
	// ID is short, and the same for the same rule and values.
	ID string
	// Text is for people.
	Text string
}

const (
	idLength = 12
	// maxKeyText is how much of the values is shown, in bytes.
	maxKeyText = 120
	// maxName of an object (DNS-1123 subdomain), with room for what is added.
	maxName = 200
	// maxLabel is how long a label's value may be.
	maxLabel = 63
)

// KeyOf makes the key of a group. The rule's UID is in it, so that a rule that
// is made anew begins anew.
func KeyOf(ruleUID string, values []string) Key {
	var shown []string
	for _, v := range values {
		if v != "" {
			shown = append(shown, v)
		}
	}
	text := strings.Join(strings.Fields(strings.Join(shown, " ")), " ")
	if text == "" {
		text = "all"
	}
	return Key{ID: digest(append([]string{ruleUID}, values...)), Text: shorten(text, maxKeyText)}
}

func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:idLength]
}

// IncidentName names the SlackNotification of a group's incident; number counts
// its incidents.
func IncidentName(rule string, id string, number int) string {
	return fmt.Sprintf("%s-%s-%d", strings.TrimRight(rule[:min(len(rule), maxName)], "-."), id, number)
}

// LabelValue makes a label's value of an object's name, which may be longer.
func LabelValue(name string) string {
	if len(name) <= maxLabel {
		return name
	}
	return strings.TrimRight(name[:maxLabel-idLength-1], "-.") + "-" + digest([]string{name})
}
