package message

import "strings"

// markdownMentions finds the mentions of a Markdown text.
func markdownMentions(text string) []Mention { return Mentions(text) }

// markdownEscaper escapes what Markdown gives a meaning to within a line.
var markdownEscaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "(", `\(`, ")", `\)`, "!", `\!`, "|", `\|`, "#", `\#`, ":", `\:`, "@", `\@`,
)

// EscapeMarkdown makes Markdown of plain text from outside, so that it can
// neither mention anybody nor be a link, an image or a heading.
func EscapeMarkdown(s string) string { return markdownEscaper.Replace(s) }

// markdown replaces the mentions of a Markdown text.
func (o Options) markdown(text string) string {
	return replaceMentions(text, markdownMentions(text), func(token string, m Mention) string {
		if m.Code {
			return token // Markdown's code holds no entities
		}
		return o.mention(token, m)
	})
}
