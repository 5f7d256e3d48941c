package message

import (
	"regexp"
	"strings"
)

// inlineEscaper escapes what Markdown gives a meaning to within a line. Entities
// are left to those three characters that are Slack's own.
var inlineEscaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "(", `\(`, ")", `\)`, "!", `\!`, "|", `\|`, "@", `\@`,
	// An address becomes a link by itself.
	"://", `\://`,
)

func escapeInline(s string) string { return inlineEscaper.Replace(s) }

var (
	// lineStart is what makes a heading, a list, a table or a code block of a
	// line by its beginning.
	lineStart = regexp.MustCompile(`(?m)^([ \t]*)([#+\-=:])`)
	// numbered is what makes a numbered list; a bracket is escaped by then.
	numbered = regexp.MustCompile(`(?m)^([ \t]*[0-9]{1,9})(\.)`)
	// indented lines are code.
	indented = regexp.MustCompile(`(?m)^[ \t]+`)
	// anyWWW becomes a link without a protocol.
	anyWWW = regexp.MustCompile(`(?i)www\.`)
)

// EscapeMarkdown makes Markdown of plain text from outside, so that it can
// neither mention anybody nor be a link, an image, a heading or code. Escape is
// not enough for that: [text](address) needs none of its characters.
func EscapeMarkdown(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	s = indented.ReplaceAllString(s, "")
	s = escapeInline(s)
	s = anyWWW.ReplaceAllStringFunc(s, func(found string) string { return found[:3] + `\.` })
	s = lineStart.ReplaceAllString(s, `$1\$2`)
	return numbered.ReplaceAllString(s, `$1\$2`)
}
