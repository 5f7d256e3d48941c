package term

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

// body is what is posted, as far as a terminal can show it.
type body struct {
	Text        string            `json:"text"`
	Markdown    string            `json:"markdown_text"`
	Blocks      []json.RawMessage `json:"blocks"`
	Attachments []attachment      `json:"attachments"`
	Username    string            `json:"username"`
	IconEmoji   string            `json:"icon_emoji"`
}

type attachment struct {
	Color    string            `json:"color"`
	Fallback string            `json:"fallback"`
	Pretext  string            `json:"pretext"`
	Author   string            `json:"author_name"`
	Title    string            `json:"title"`
	Link     string            `json:"title_link"`
	Text     string            `json:"text"`
	Footer   string            `json:"footer"`
	ImageURL string            `json:"image_url"`
	Blocks   []json.RawMessage `json:"blocks"`
	Fields   []struct{ Title, Value string }
}

type block struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"`
	Title    textObject      `json:"title"`
	Fields   []textObject    `json:"fields"`
	Elements []element       `json:"elements"`
	AltText  string          `json:"alt_text"`
	ImageURL string          `json:"image_url"`
	// Accessory stands beside a section.
	Accessory *element `json:"accessory"`
}

type textObject struct{ Type, Text string }

// element of a block: an object of text, a button, or a part of rich text.
type element struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"`
	AltText  string          `json:"alt_text"`
	URL      string          `json:"url"`
	UserID   string          `json:"user_id"`
	Range    string          `json:"range"`
	Name     string          `json:"name"`
	Elements []element       `json:"elements"`
	// Placeholder of a menu.
	Placeholder textObject `json:"placeholder"`
}

// content is the body in lines.
func (p *Printer) content(data []byte, width int) []string {
	var b body
	if json.Unmarshal(data, &b) != nil {
		return []string{"(can't be shown)"}
	}
	var out []string
	switch {
	case b.Markdown != "":
		out = append(out, p.text(fromMarkdown(b.Markdown), width)...)
	case len(b.Blocks) > 0:
		out = append(out, p.blocks(b.Blocks, width)...)
	case b.Text != "":
		out = append(out, p.text(b.Text, width)...)
	}
	for _, a := range b.Attachments {
		out = append(out, p.attachment(a, width)...)
	}
	return out
}

// text are the lines of mrkdwn. Code blocks are kept as they are.
func (p *Printer) text(s string, width int) []string {
	var out []string
	for i, part := range strings.Split(s, "```") {
		part = strings.Trim(part, "\n")
		if part == "" {
			continue
		}
		for line := range strings.SplitSeq(part, "\n") {
			switch {
			case i%2 == 1:
				out = append(out, p.wrap([]span{{"  " + unescape(line), code}}, width)...)
			case strings.HasPrefix(line, "&gt;"), strings.HasPrefix(line, ">"):
				quoted := strings.TrimPrefix(strings.TrimPrefix(line, "&gt;"), ">")
				out = append(out, prefixed(p.wrap(mrkdwn(strings.TrimPrefix(quoted, " "), 0), width-2), "▎ ")...)
			default:
				out = append(out, p.wrap(mrkdwn(line, 0), width)...)
			}
		}
	}
	return out
}

func (p *Printer) blocks(list []json.RawMessage, width int) []string {
	var out []string
	for i, raw := range list {
		var b block
		if json.Unmarshal(raw, &b) != nil {
			continue
		}
		if i > 0 && b.Type != "context" {
			out = append(out, "")
		}
		out = append(out, p.block(b, width)...)
	}
	return out
}

func (p *Printer) block(b block, width int) []string {
	switch b.Type {
	case "header":
		return p.wrap(plainText(readText(b.Text), bold), width)
	case "section":
		out := p.text(readText(b.Text), width)
		out = append(out, p.fields(b.Fields, width)...)
		if b.Accessory != nil {
			out = append(out, p.buttons([]element{*b.Accessory}, width)...)
		}
		return out
	case "markdown":
		return p.text(fromMarkdown(readText(b.Text)), width)
	case "context":
		var spans []span
		for i, e := range b.Elements {
			if i > 0 {
				spans = append(spans, span{"  ", 0})
			}
			spans = append(spans, mrkdwn(readText(e.Text)+e.AltText, faint)...)
		}
		return p.wrap(spans, width)
	case "divider":
		return []string{strings.Repeat("─", min(width, 40))}
	case "image":
		return p.wrap([]span{{"[image: " + Clean(b.AltText) + "]", faint}}, width)
	case "actions":
		return p.buttons(b.Elements, width)
	case "rich_text":
		return p.wrap(richText(b.Elements), width)
	}
	return []string{p.paint(span{"[" + Clean(b.Type) + " block]", faint})}
}

// fields stand two in a row, as in Slack.
func (p *Printer) fields(list []textObject, width int) []string {
	var out []string
	column := max(width/2-2, 10)
	for i := 0; i < len(list); i += 2 {
		left := p.text(list[i].Text, column)
		var right []string
		if i+1 < len(list) {
			right = p.text(list[i+1].Text, column)
		}
		for line := range max(len(left), len(right)) {
			a, b := at(left, line), at(right, line)
			out = append(out, strings.TrimRight(a+strings.Repeat(" ", max(column-visible(a), 0)+2)+b, " "))
		}
	}
	return out
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// visible is how many columns a painted line takes.
func visible(s string) int { return utf8.RuneCountInString(ansi.ReplaceAllString(s, "")) }

// richText is rich text in one line.
func richText(list []element) []span {
	var out []span
	for _, e := range list {
		switch e.Type {
		case "user":
			out = append(out, span{"@" + Clean(e.UserID), person})
		case "broadcast":
			out = append(out, span{"@" + Clean(e.Range), person})
		case "emoji":
			out = append(out, span{preview.Emoji(e.Name), 0})
		case "link":
			out = append(out, span{Clean(readText(e.Text) + " <" + e.URL + ">"), linked})
		default:
			out = append(out, span{Clean(readText(e.Text)), 0})
			out = append(out, richText(e.Elements)...)
		}
	}
	return out
}

// readText is the text of a text object, or of a plain string.
func readText(raw json.RawMessage) string {
	var t textObject
	if json.Unmarshal(raw, &t) == nil {
		return t.Text
	}
	var s string
	_ = json.Unmarshal(raw, &s) // what is neither says nothing
	return s
}

// plainText is a plain_text with its emoji.
func plainText(s string, base style) []span {
	return []span{{unescape(short.ReplaceAllStringFunc(s, func(name string) string { return preview.Emoji(strings.Trim(name, ":")) })), base}}
}

// attachment is shown with its coloured bar.
func (p *Printer) attachment(a attachment, width int) []string {
	width -= 2
	var out, lines []string
	if a.Pretext != "" {
		out = p.text(a.Pretext, width)
	}
	if a.Author != "" {
		lines = append(lines, p.paint(span{unescape(a.Author), faint}))
	}
	if a.Title != "" {
		title := a.Title
		if a.Link != "" {
			title = "<" + a.Link + "|" + a.Title + ">"
		}
		lines = append(lines, p.wrap(mrkdwn(title, bold), width)...)
	}
	if len(a.Blocks) > 0 {
		lines = append(lines, p.blocks(a.Blocks, width)...)
	} else {
		lines = append(lines, p.text(a.Text, width)...)
	}
	for _, f := range a.Fields {
		lines = append(lines, p.wrap(append([]span{{unescape(f.Title) + ": ", bold}}, mrkdwn(f.Value, 0)...), width)...)
	}
	if len(lines) == 0 {
		lines = p.text(a.Fallback, width)
	}
	if a.ImageURL != "" {
		lines = append(lines, p.paint(span{"[image]", faint}))
	}
	if a.Footer != "" {
		lines = append(lines, p.paint(span{unescape(a.Footer), faint}))
	}
	return append(out, prefixed(lines, p.bar(a.Color)+" ")...)
}

// bar is a piece of an attachment's bar.
func (p *Printer) bar(color string) string {
	const bar = "┃"
	named := map[string]string{"good": "2eb886", "warning": "daa038", "danger": "a30200"}
	hex := strings.TrimPrefix(color, "#")
	if known, ok := named[color]; ok {
		hex = known
	}
	var r, g, b int
	if n, _ := fmt.Sscanf(hex, "%02x%02x%02x", &r, &g, &b); !p.Color || n != 3 {
		return bar
	}
	return fmt.Sprintf("\x1b[38;2;%d;%d;%dm%s\x1b[0m", r, g, b, bar)
}

func prefixed(lines []string, prefix string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(prefix+line, " ")
	}
	return out
}

var (
	mdHeading = regexp.MustCompile(`(?m)^#{1,6}[ \t]+(.*)$`)
	mdBold    = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	mdLink    = regexp.MustCompile(`\[([^\]\n]+)\]\(([^)\s]+)\)`)
	mdItem    = regexp.MustCompile(`(?m)^(\s*)[-*+][ \t]+`)
)

// fromMarkdown makes mrkdwn of what a terminal can show of standard Markdown.
func fromMarkdown(s string) string {
	s = mdHeading.ReplaceAllString(mdItem.ReplaceAllString(s, "$1• "), "**$1**")
	return mdLink.ReplaceAllString(mdBold.ReplaceAllString(s, "*$1*"), "<$2|$1>")
}
