// Package safetext takes out of text from outside what is no text: what would
// colour, move or turn the text of whoever reads it in a terminal or in Slack.
package safetext

import (
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
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	b.Grow(len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == escape || r == csi || r == osc || r == dcs || r == sos || r == pm || r == apc:
			n = sequence(s)
		case r == '\r' && strings.HasPrefix(s[n:], "\n"):
		case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			b.WriteByte('\n')
		case !suspect(r):
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
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

// Characters that begin a sequence; those beside escape stand for escape and a
// character.
const (
	escape = '\x1b'
	dcs    = '\u0090'
	sos    = '\u0098'
	csi    = '\u009b'
	st     = "\u009c"
	osc    = '\u009d'
	pm     = '\u009e'
	apc    = '\u009f'
)

// sequence is how long the terminal sequence is that a text begins with, in
// bytes. One that does not end hides nothing but its beginning.
func sequence(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	kind := r
	if r == escape {
		if n == len(s) {
			return n
		}
		switch s[n] {
		case '[':
			kind = csi
		case ']':
			kind = osc
		case 'P', 'X', '^', '_':
			kind = dcs
		default:
			return other(s, n)
		}
		n++
	}
	if kind == csi {
		for n < len(s) && s[n] >= 0x20 && s[n] <= 0x3f {
			n++
		}
		if n < len(s) && s[n] >= 0x40 && s[n] <= 0x7e {
			n++
		}
		return n
	}
	line := s[n:]
	if i := strings.IndexAny(line, "\n\r"); i >= 0 {
		line = line[:i]
	}
	end, length := len(line), 0
	for _, mark := range []string{"\a", "\x1b\\", st} {
		if i := strings.Index(line, mark); i >= 0 && i < end {
			end, length = i, len(mark)
		}
	}
	if length == 0 {
		return n
	}
	return n + end + length
}

// other sequences are an escape, characters between, and a last one.
func other(s string, n int) int {
	at := n
	for at < len(s) && s[at] >= 0x20 && s[at] <= 0x2f {
		at++
	}
	if at < len(s) && s[at] >= 0x30 && s[at] <= 0x7e {
		return at + 1
	}
	return n
}
