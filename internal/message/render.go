// Package message turns the content of a SlackNotification into what Slack is
// sent. It is pure: no Kubernetes client, no HTTP and no clock, and the same
// content always gives the same message.
//
// It does not look up whom a content mentions: it is told. Nor does it check
// blocks and attachments in Slack's own format. Content that is too long is cut
// at a sensible place, with a mark.
package message

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Options are what the content does not say itself.
type Options struct {
	// DefaultSender of the SlackChannel.
	DefaultSender *v1alpha1.Sender
	// ClusterName for the footer; none when empty.
	ClusterName string
	// Webhook is true when it goes by an incoming webhook.
	Webhook bool
	// Mentions are the tokens to write, as in <@U0123> or <!subteam^S0123>,
	// for the names that MentionedNames gave. A name that is not in it is
	// written as plain @name.
	Mentions map[string]string
	// Paging is whom the message may page; all whom the content names when left out.
	Paging Paging
	// Interaction stands below the content; a webhook's message has none.
	Interaction Interaction
}

// Rendered is a message and what is to be known of it.
type Rendered struct {
	Message slack.Message
	// Notes say in sentences what had to be shortened.
	Notes []string
	// LeftOut are the mentions that Options.Paging has made plain text of, as they
	// read now: each once, at most 10.
	LeftOut []string
	// places of the blocks and attachments.
	places places
}

// Render makes the message of a content.
func Render(c v1alpha1.Content, o Options) Rendered {
	g := &guard{paging: o.Paging}
	c = g.content(Clean(c))
	if strings.TrimSpace(c.Title) == "" {
		c.Title = "" // Slack refuses an empty headline
	}
	r := &renderer{source: c, content: resolve(c, o), options: o}
	m := slack.Message{Unfurl: c.UnfurlLinks}
	m.Username, m.IconURL, m.IconEmoji = sender(c.Sender, o.DefaultSender)
	switch {
	case r.plain():
		m.Text, m.Markdown = r.content.Text, r.shortenMarkdown(r.content.Markdown, maxMarkdown)
		if strings.TrimSpace(m.Text+m.Markdown) == "" && len(c.Attachments) == 0 {
			m.Text, m.Markdown = fallback(c), "" // nothing was left of it
		}
	case c.Severity != "" && r.content.Markdown == "" && len(c.Blocks) == 0:
		r.coloured(&m)
	default:
		r.blocks(&m)
	}
	r.attach(&m)
	g.message(&m)
	r.act(&m)
	return Rendered{Message: m, Notes: r.notes, LeftOut: g.left, places: r.places}
}

// resolve replaces the mentions, and for a webhook the Markdown, which it does
// not take.
func resolve(c v1alpha1.Content, o Options) v1alpha1.Content {
	c.Text = o.mrkdwn(c.Text)
	switch {
	case c.Markdown == "":
	case o.Webhook:
		c.Text, c.Markdown = o.fromMarkdown(c.Markdown), ""
	default:
		c.Markdown = o.markdown(c.Markdown)
	}
	c.Fields = slices.Clone(c.Fields)
	for i := range c.Fields {
		c.Fields[i].Value = o.mrkdwn(c.Fields[i].Value)
	}
	return c
}

// attach adds the content's own attachments.
func (r *renderer) attach(m *slack.Message) {
	for i := range r.content.Attachments {
		if len(m.Attachments) == maxAttachments {
			r.note("the message has more than %d attachments with the one that colours it; the last was left out", maxAttachments)
			return
		}
		m.Attachments = append(m.Attachments, json.RawMessage(r.content.Attachments[i].Raw))
		r.places.attachments = append(r.places.attachments, place{field: fmt.Sprintf("spec.attachments[%d]", i), raw: true})
	}
}

func sender(own, fallback *v1alpha1.Sender) (username, iconURL, iconEmoji string) {
	for _, s := range []*v1alpha1.Sender{own, fallback} {
		if s == nil {
			continue
		}
		if username == "" {
			username = s.Username
		}
		if iconURL == "" && iconEmoji == "" {
			iconURL, iconEmoji = s.IconURL, s.IconEmoji
		}
	}
	return username, iconURL, iconEmoji
}

type renderer struct {
	// source is the content as the spec has it, and content what is shown of
	// it, with its mentions replaced.
	source, content v1alpha1.Content
	options         Options
	notes           []string
	// places of what was made, and below those of tail's link and footer.
	places places
	below  []place
	// inAttachment: the body is in the attachment that colours the message.
	inAttachment bool
}

// plain reports whether text or Markdown can be sent as it is.
func (r *renderer) plain() bool {
	c := r.content
	return c.Title == "" && c.Severity == "" && len(c.Fields) == 0 && c.Link == nil && len(c.Blocks) == 0 &&
		r.options.ClusterName == "" && (r.options.Webhook || r.options.Interaction.Empty()) && utf8.RuneCountInString(c.Text) <= maxText
}

// look is how a severity appears.
type look struct{ colour, emoji string }

var looks = map[v1alpha1.Severity]look{
	v1alpha1.SeverityInfo:     {"#439FE0", ":information_source:"},
	v1alpha1.SeveritySuccess:  {"#2EB67D", ":white_check_mark:"},
	v1alpha1.SeverityWarning:  {"#ECB22E", ":warning:"},
	v1alpha1.SeverityError:    {"#E01E5A", ":x:"},
	v1alpha1.SeverityCritical: {"#8B0000", ":rotating_light:"},
}

// coloured puts everything below the title into an attachment, because only
// attachments have a coloured bar. The title is a headline above it, which is
// plain text to Slack: in a text its marks would mean something. Without a
// title the attachment's fallback serves notifications and screen readers:
// Slack would show a text above it.
func (r *renderer) coloured(m *slack.Message) {
	c := r.content
	seen := looks[c.Severity]
	budget := maxBlocksText - r.options.takes()
	r.inAttachment = true
	if c.Title != "" {
		m.Blocks = []json.RawMessage{r.headline(seen, &budget)}
		r.places.blocks = of("spec.title", 1)
		m.Text = seen.emoji + " " + fallback(r.source)
	}
	tail := r.tail(&budget)
	blocks := append(r.body(&budget, c.Text), tail...)
	r.places.attachments = []place{{blocks: append(of(r.bodyField(), len(blocks)-len(tail)), r.tailPlaces(len(tail))...)}}
	if len(blocks) == 0 {
		blocks = append(blocks, contextBlock(string(c.Severity)))
	}
	m.Attachments = append(m.Attachments, encode(attachment{
		Color: seen.colour, Fallback: fallback(r.source), Blocks: blocks,
	}))
}

// headline is the block of the title.
func (r *renderer) headline(seen look, budget *int) json.RawMessage {
	title := r.header(seen)
	*budget -= utf8.RuneCountInString(title)
	return encode(header{Type: "header", Text: textObject{Type: "plain_text", Text: title, Emoji: ptr(true)}})
}

// blocks puts everything into blocks of the message itself.
func (r *renderer) blocks(m *slack.Message) {
	c := r.content
	seen := looks[c.Severity]
	budget := maxBlocksText - r.options.takes()
	var head []json.RawMessage
	if c.Title != "" {
		head = append(head, r.headline(seen, &budget))
		r.places.blocks = of("spec.title", 1)
	}
	tail := r.tail(&budget)
	below, _ := r.options.interaction()
	room := maxBlocks - len(head) - len(tail) - len(below)
	switch {
	case len(c.Blocks) > 0:
		for i := range c.Blocks {
			if i >= room {
				r.note("the message has more than %d blocks with its title, fields and footer; the last %d were left out", maxBlocks, len(c.Blocks)-i)
				break
			}
			r.places.blocks = append(r.places.blocks, place{field: fmt.Sprintf("spec.blocks[%d]", i), raw: true})
			head = append(head, json.RawMessage(c.Blocks[i].Raw))
		}
	case c.Markdown != "":
		head = append(head, encode(markdownBlock{Type: "markdown", Text: r.shortenMarkdown(c.Markdown, min(budget, maxMarkdown))}))
	default:
		head = append(head, r.body(&budget, c.Text)...)
	}
	r.places.blocks = append(r.places.blocks, of(r.bodyField(), len(head)-len(r.places.blocks))...)
	r.places.blocks = append(r.places.blocks, r.tailPlaces(len(tail))...)
	m.Blocks = append(head, tail...)
	m.Text = fallback(r.source)
	if c.Severity != "" {
		r.places.attachments = of("spec.severity", 1)
		m.Attachments = append(m.Attachments, encode(attachment{
			Color: seen.colour, Fallback: string(c.Severity), Blocks: []json.RawMessage{contextBlock(string(c.Severity))},
		}))
	}
	if len(m.Blocks) == 0 {
		m.Blocks = nil
	}
}

// header is the title as a headline, the severity's emoji included.
func (r *renderer) header(seen look) string {
	title := Escape(oneLine(r.content.Title))
	limit := maxHeader
	if seen.emoji != "" {
		limit -= utf8.RuneCountInString(seen.emoji) + 1
	}
	head, rest := cut(title, limit)
	if rest != "" {
		head, _ = cut(title, limit-1)
		head += "…"
		r.note("the title was shortened to the %d characters that Slack takes", maxHeader)
	}
	if seen.emoji != "" {
		head = seen.emoji + " " + head
	}
	return head
}

// body splits a text into sections.
func (r *renderer) body(budget *int, text string) []json.RawMessage {
	if text == "" {
		return nil
	}
	var out []json.RawMessage
	// A code block that is split is closed and opened again, which adds to it.
	for _, part := range split(r.shorten("the text", text, *budget-splitReserve), maxSection) {
		*budget -= utf8.RuneCountInString(part)
		if strings.TrimSpace(part) != "" {
			out = append(out, sectionBlock(part))
		}
	}
	return out
}

func (r *renderer) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// tail makes what stands below the body: fields, link and footer.
func (r *renderer) tail(budget *int) []json.RawMessage {
	var out []json.RawMessage
	add := func(field string, block json.RawMessage, text string) {
		r.below = append(r.below, of(field, 1)...)
		out = append(out, block)
		*budget -= utf8.RuneCountInString(text)
	}
	link, footer := r.link(), ""
	if name := r.options.ClusterName; name != "" {
		footer, _ = cut(Escape(oneLine(name)), maxFooter)
		footer = "cluster " + footer
	}
	if link != "" {
		add("spec.link", sectionBlock(link), link)
	}
	if footer != "" {
		add("", contextBlock(footer), footer)
	}
	return append(r.fields(budget), out...)
}

func (r *renderer) link() string {
	link := r.content.Link
	if link == nil {
		return ""
	}
	text := link.Text
	if strings.TrimSpace(text) == "" {
		text = "Open"
	}
	line := "<" + linkTarget(link.URL) + "|" + linkText(text) + ">"
	if utf8.RuneCountInString(line) > maxSection {
		r.note("the link was left out because its address is too long for Slack")
		return ""
	}
	return line
}

// bold is the line of a field's title; marks round blanks would be shown.
func bold(title string) string {
	if title = strings.TrimSpace(title); title == "" {
		return ""
	}
	return "*" + title + "*\n"
}

// fields makes sections of the fields: short ones two in a row.
func (r *renderer) fields(budget *int) []json.RawMessage {
	lines := make([]string, len(r.content.Fields))
	lengths := make([]int, len(lines))
	for i, f := range r.content.Fields {
		title, _ := cut(Escape(literal(oneLine(f.Title))), maxFieldTitle)
		lines[i] = bold(title) + f.Value
		lengths[i] = utf8.RuneCountInString(lines[i])
	}
	// The text leaves to the fields what it does not take, and at least a half.
	text := utf8.RuneCountInString(r.content.Text) + utf8.RuneCountInString(r.content.Markdown) + splitReserve
	most := level(lengths, max(*budget/2, *budget-text))
	var out []json.RawMessage
	var row []textObject
	flush := func() {
		if len(row) > 0 {
			out = append(out, encode(section{Type: "section", Fields: row}))
			row = nil
		}
	}
	for i, f := range r.content.Fields {
		if strings.TrimSpace(lines[i]) == "" {
			continue // Slack refuses an empty section
		}
		line := r.shorten(fmt.Sprintf("field %q", oneLine(f.Title)), lines[i], min(maxSection, most))
		n := utf8.RuneCountInString(line)
		*budget -= n
		if f.Short && n <= maxField {
			row = append(row, mrkdwn(line))
			continue
		}
		flush()
		out = append(out, sectionBlock(line))
	}
	flush()
	return out
}
