// Package term shows messages in a terminal.
package term

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

// Printer shows messages.
type Printer struct {
	// Color is true for a terminal that takes colours.
	Color bool
	// Width in columns; DefaultWidth when 0.
	Width int
}

// DefaultWidth where the terminal does not say its own, and the most that is used.
const (
	DefaultWidth = 80
	mostWidth    = 100
	leastWidth   = 40
)

var (
	ansi  = regexp.MustCompile("\x1b\\[[0-9;]*m")
	short = regexp.MustCompile(":[a-z0-9_+-]+:")
)

func (p *Printer) width() int {
	if p.Width <= 0 {
		return DefaultWidth
	}
	return min(max(p.Width, leastWidth), mostWidth)
}

// Message shows a message and what is to be known of it.
func (p *Printer) Message(w io.Writer, m preview.Message) error {
	var lines []string
	if m.Title != "" {
		lines = append(lines, p.paint(span{"── " + m.Title + " ", bold})+strings.Repeat("─", max(p.width()-len([]rune(m.Title))-4, 0)))
	}
	lines = append(lines, p.paint(span{what(m) + " " + m.Name, bold})+p.paint(span{fmt.Sprintf(", through SlackChannel %s (%s)", m.Channel, m.Via), faint}))
	if to := recipients(m); to != "" {
		lines = append(lines, p.paint(span{to, faint}))
	}
	lines = append(lines, "")
	if len(m.Posts) > 0 {
		lines = append(lines, prefixed(p.sender(m.Posts[0].Body), "  ")...)
		lines = append(lines, prefixed(p.content(m.Posts[0].Body, p.width()-4), "  ")...)
	}
	lines = append(lines, "")
	lines = append(lines, p.facts(m)...)
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// what a message is.
func what(m preview.Message) string {
	switch {
	case m.Edit:
		return "Edit of"
	case m.Reply:
		return "Reply"
	}
	return "Message"
}

func recipients(m preview.Message) string {
	var out []string
	for _, post := range m.Posts {
		if post.Recipient != "default" {
			out = append(out, Clean(post.Recipient))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "to " + strings.Join(out, ", ")
}

// sender is the name that the message goes by, where it has one of its own.
func (p *Printer) sender(data []byte) []string {
	var b body
	if json.Unmarshal(data, &b) != nil || b.Username == "" && b.IconEmoji == "" {
		return nil
	}
	name := strings.TrimSpace(preview.Emoji(strings.Trim(b.IconEmoji, ":")) + " " + b.Username)
	if b.IconEmoji == "" {
		name = b.Username
	}
	return []string{p.paint(span{Clean(name), bold})}
}

// labelWidth is how wide the names of facts are.
const labelWidth = 10

// facts are what is to be known of a message, each with a label.
func (p *Printer) facts(m preview.Message) []string {
	var out []string
	add := func(label, text string, s style) {
		for i, line := range p.wrap([]span{{Clean(text), s}}, p.width()-labelWidth) {
			if i > 0 {
				label = ""
			}
			out = append(out, p.paint(span{fmt.Sprintf("%-*s", labelWidth, label), faint})+line)
		}
	}
	if len(m.Pages) > 0 {
		add("mentions", strings.Join(m.Pages, "; "), 0)
	} else {
		add("mentions", "nobody", 0)
	}
	for _, answer := range m.Answers {
		add("answers", answer, 0)
	}
	add("phone", m.Phone, 0)
	var measures []string
	for _, measure := range m.Measures {
		measures = append(measures, measure.String())
	}
	if len(measures) > 0 {
		add("limits", strings.Join(measures, "; "), 0)
	}
	for _, note := range m.Notes {
		add("note", note, 0)
	}
	for _, refusal := range m.Refusals {
		add("REFUSED", refusal, bold)
	}
	return out
}
