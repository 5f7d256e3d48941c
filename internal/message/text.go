package message

import (
	"strings"
	"unicode/utf8"
)

// escaper escapes what Slack gives a meaning to; nothing else may be escaped
// (docs.slack.dev/messaging/formatting-message-text).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// Escape makes mrkdwn of plain text, so that it can neither mention anybody nor
// be a link.
func Escape(s string) string { return escaper.Replace(s) }

var unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

func unescape(s string) string { return unescaper.Replace(s) }

// linkTarget writes an address so that it can't end its link early.
func linkTarget(s string) string {
	return Escape(strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", " ", "%20").Replace(s))
}

func linkText(s string) string { return Escape(oneLine(s)) }

var liner = strings.NewReplacer("\r", "", "\n", " ")

// oneLine is for what has no meaning across lines.
func oneLine(s string) string { return liner.Replace(s) }

// marks are the characters that mrkdwn gives a meaning to where they stand in
// pairs at the edges of words.
const marks = "*_~`"

// literal parts the marks in plain text from what is beside them by a space
// without width, so that they mean nothing where only mrkdwn is taken.
func literal(s string) string {
	if !strings.ContainsAny(s, marks) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(marks, r) {
			b.WriteString("\u200b" + string(r) + "\u200b")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fence begins and ends a code block.
const fence = "```"

// split cuts a text into parts of at most limit characters. A code block that
// is cut is closed, and opened again in the next part.
func split(text string, limit int) []string {
	var out []string
	for utf8.RuneCountInString(text) > limit {
		room := limit - 2*len(fence) - 2
		head, rest := cut(text, room)
		if len(head) <= 2*len(fence) {
			// A token as long as the part itself comes first. The part would
			// hold no more than a fence, over and over, so the token is cut.
			at := byteOffset(text, room)
			head, rest = text[:at], text[at:]
		}
		if strings.Count(head, fence)%2 == 1 {
			head += "\n" + fence
			rest = fence + "\n" + rest
		}
		if strings.TrimSpace(head) != "" { // Slack refuses an empty section
			out = append(out, head)
		}
		text = rest
	}
	if strings.TrimSpace(text) != "" || len(out) == 0 {
		out = append(out, text)
	}
	return out
}

// cut returns the first part of a text, of at most limit characters and ending
// at a sensible place, and the rest. It cuts neither through a token like
// <@U123> or <https://…|text>, nor through an entity like &amp;.
func cut(text string, limit int) (head, rest string) {
	limit = max(limit, 1)
	at := byteOffset(text, limit)
	if at == len(text) {
		return text, ""
	}
	at = outsideToken(text, at)
	for _, sep := range []string{"\n\n", "\n", " "} {
		if i := strings.LastIndex(text[:at], sep); i > at/2 && outsideToken(text, i) == i {
			return strings.TrimRight(text[:i], "\n"), strings.TrimLeft(text[i:], "\n ")
		}
	}
	return text[:at], text[at:]
}

// byteOffset of the character number n, or of the end.
func byteOffset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

// longestToken that is kept in one piece, in bytes; a longer one is no token
// that Slack knows.
const longestToken = 3100

// outsideToken moves a cut back to before the token or entity that it is in.
func outsideToken(text string, at int) int {
	if open := strings.LastIndexByte(text[:at], '<'); open > 0 && at-open < longestToken && !strings.Contains(text[open:at], ">") {
		if end := strings.IndexByte(text[at:min(len(text), open+longestToken)], '>'); end >= 0 && !strings.ContainsAny(text[open:at+end], "\n") {
			return open
		}
	}
	// Half of a fence is none.
	if i := len(strings.TrimRight(text[:at], "`")); text[at] == '`' && i > 0 && i < at {
		return i
	}
	if amp := strings.LastIndexByte(text[:at], '&'); amp > 0 && at-amp < 5 && !strings.Contains(text[amp:at], ";") {
		return amp
	}
	return at
}
