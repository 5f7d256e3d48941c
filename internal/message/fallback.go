package message

import (
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// fallback is what notifications and screen readers say of a message whose
// body is elsewhere. It mentions nobody: whoever the body mentions would be
// paged twice.
func fallback(c v1alpha1.Content) string {
	var parts []string
	if c.Title != "" {
		parts = append(parts, Escape(literal(oneLine(c.Title))))
	}
	switch {
	case c.Text != "":
		parts = append(parts, quiet(c.Text))
	case c.Markdown != "":
		parts = append(parts, quiet(Options{}.fromMarkdown(c.Markdown)))
	default:
		for i := range c.Blocks {
			if text := blockText(c.Blocks[i].Raw); text != "" {
				parts = append(parts, quiet(text))
			}
		}
	}
	text := strings.Join(parts, "\n")
	if strings.TrimSpace(text) == "" {
		if text = string(c.Severity); text == "" {
			text = "A notification"
		}
	}
	head, rest := cut(text, maxFallback-2)
	if rest != "" {
		head += " …"
	}
	return head
}

// quiet writes the mentions of a mrkdwn text as plain names.
func quiet(text string) string {
	var b strings.Builder
	for at := 0; at < len(text); {
		i := strings.IndexByte(text[at:], '<')
		if i < 0 {
			b.WriteString(text[at:])
			break
		}
		b.WriteString(text[at : at+i])
		at += i
		end := tokenEnd(text, at)
		b.WriteString(quietToken(text[at:end]))
		at = end
	}
	return b.String()
}

func quietToken(token string) string {
	if len(token) < 4 || token[1] != '@' && token[1] != '!' || strings.HasPrefix(token, "<!date^") {
		return token
	}
	name, label, _ := strings.Cut(token[2:len(token)-1], "|")
	switch {
	case label != "":
		name = label
	case strings.HasPrefix(name, "subteam^"):
		name = "group"
	}
	return "@" + Escape(strings.TrimPrefix(unescape(strings.TrimSpace(name)), "@"))
}
