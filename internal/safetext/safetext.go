// Package safetext takes out of text from outside what is no text: what would
// colour, move or turn the text of whoever reads it in a terminal or in Slack.
package safetext

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns a text without terminal sequences (ECMA-48: colours, titles,
// links), control characters but line ends and tabs, and the characters that
// turn the direction of what follows (Unicode's embeddings, overrides and
// isolates). All forms of a line end become \n, and what is no UTF-8 becomes
// U+FFFD. What it returns is clean: it stays as it is when cleaned again.
func Clean(s string) string {
	if !strings.ContainsFunc(s, suspect) && utf8.ValidString(s) {
		return s
	}
	s = sequences.ReplaceAllLiteralString(strings.ToValidUTF8(s, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		if suspect(r) {
			return -1
		}
		return r
	}, lineEnds.Replace(s))
}

// Line is Clean, in one line.
func Line(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

func suspect(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u2028', r == '\u2029':
		return true
	default:
		return unicode.IsControl(r)
	}
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// sequences are those of a terminal: control sequences, control strings (which end
// in the same line, or hide nothing but their beginning), and all others.
var sequences = regexp.MustCompile(
	`(?:\x1b\[|\x{9b})[ -?]*[@-~]?` +
		`|(?:\x1b[\]PX^_]|[\x{90}\x{98}\x{9d}-\x{9f}])(?:[^\n\r]*?(?:\x07|\x1b\\|\x{9c}))?` +
		`|\x1b(?:[ -/]*[0-~])?`)
