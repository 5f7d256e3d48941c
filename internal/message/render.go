// Package message turns the content of a SlackNotification into what Slack is
// sent. It is pure: no Kubernetes client, no HTTP and no clock, and the same
// content always gives the same message.
//
// It neither looks up mentions nor checks what Slack would refuse; content
// that is too long is cut at a sensible place, with a mark.
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

// Limits of a message, in characters. Where docs.slack.dev gives none, the
// figure is what has been seen to pass.
const (
	// maxText keeps a message editable: chat.update refuses more
	// (docs.slack.dev/reference/methods/chat.update).
	maxText = 4000
	// maxSection of a section's text (docs.slack.dev/reference/block-kit/blocks/section-block).
	maxSection = 3000
	// maxField of one of a section's fields (as above).
	maxField = 2000
	// maxBlocksText of all blocks together; msg_blocks_too_long is documented
	// without a figure, and was reported from about 11,000 on.
	maxBlocksText = 9500
	// maxBlocks of a message.
	maxBlocks = 50
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
}

// Rendered is a message and what is to be known of it.
type Rendered struct {
	Message slack.Message
	// Hash of the content.
	Hash string
	// Notes say in sentences what had to be shortened.
	Notes []string
}

// Render makes the message of a content.
func Render(c v1alpha1.Content, o Options) Rendered {
	hash := Hash(c)
	c.Text, c.Markdown = o.mrkdwn(c.Text), o.markdown(c.Markdown)
	c.Fields = slices.Clone(c.Fields)
	for i := range c.Fields {
		c.Fields[i].Value = o.mrkdwn(c.Fields[i].Value)
	}
	r := &renderer{content: c, options: o}
	m := slack.Message{Unfurl: c.UnfurlLinks}
	m.Username, m.IconURL, m.IconEmoji = sender(c.Sender, o.DefaultSender)
	switch {
	case r.plain():
		m.Text, m.Markdown = c.Text, c.Markdown
	case c.Severity != "" && c.Markdown == "" && len(c.Blocks) == 0:
		r.coloured(&m)
	default:
		r.blocks(&m)
	}
	for i := range c.Attachments {
		m.Attachments = append(m.Attachments, json.RawMessage(c.Attachments[i].Raw))
	}
	return Rendered{Message: m, Hash: hash, Notes: r.notes}
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
	content v1alpha1.Content
	options Options
	notes   []string
}

// plain reports whether text or Markdown can be sent as it is.
func (r *renderer) plain() bool {
	c := r.content
	return c.Title == "" && c.Severity == "" && len(c.Fields) == 0 && c.Link == nil && len(c.Blocks) == 0 &&
		r.options.ClusterName == "" && utf8.RuneCountInString(c.Text) <= maxText
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
// attachments have a coloured bar. Slack shows the text above it, so the text
// is the title and nothing that stands in the attachment too; without a title
// the attachment's fallback serves notifications and screen readers.
func (r *renderer) coloured(m *slack.Message) {
	c := r.content
	seen := looks[c.Severity]
	if c.Title != "" {
		m.Text = seen.emoji + " *" + Escape(c.Title) + "*"
	}
	budget := maxBlocksText
	tail := r.tail(&budget)
	blocks := r.body(&budget, c.Text, maxBlocks-len(tail))
	blocks = append(blocks, tail...)
	if len(blocks) == 0 {
		blocks = append(blocks, contextBlock(string(c.Severity)))
	}
	m.Attachments = append(m.Attachments, encode(attachment{
		Color: seen.colour, Fallback: fallback(c), Blocks: blocks,
	}))
}

// blocks puts everything into blocks of the message itself.
func (r *renderer) blocks(m *slack.Message) {
	c := r.content
	seen := looks[c.Severity]
	budget := maxBlocksText
	var head []json.RawMessage
	if c.Title != "" {
		title := c.Title
		if c.Severity != "" {
			// A header takes 150 characters, the emoji included.
			title, _ = cut(title, 150-utf8.RuneCountInString(seen.emoji)-1)
			title = seen.emoji + " " + title
		}
		head = append(head, encode(header{Type: "header", Text: textObject{Type: "plain_text", Text: title, Emoji: ptr(true)}}))
		budget -= utf8.RuneCountInString(title)
	}
	tail := r.tail(&budget)
	room := maxBlocks - len(head) - len(tail)
	switch {
	case len(c.Blocks) > 0:
		for i := range c.Blocks {
			if i >= room {
				r.note("the message has more than %d blocks with its title, fields and footer; the last %d were left out", maxBlocks, len(c.Blocks)-i)
				break
			}
			head = append(head, json.RawMessage(c.Blocks[i].Raw))
		}
	case c.Markdown != "":
		head = append(head, encode(markdownBlock{Type: "markdown", Text: r.shorten(c.Markdown, budget)}))
	default:
		head = append(head, r.body(&budget, c.Text, room)...)
	}
	m.Blocks = append(head, tail...)
	m.Text = fallback(c)
	if c.Severity != "" {
		m.Attachments = append(m.Attachments, encode(attachment{
			Color: seen.colour, Fallback: string(c.Severity), Blocks: []json.RawMessage{contextBlock(string(c.Severity))},
		}))
	}
	if len(m.Blocks) == 0 {
		m.Blocks = nil
	}
}

// body splits a text into sections.
func (r *renderer) body(budget *int, text string, room int) []json.RawMessage {
	if text == "" {
		return nil
	}
	text = r.shorten(text, min(*budget, room*maxSection/2))
	var out []json.RawMessage
	for _, part := range split(text, maxSection) {
		*budget -= utf8.RuneCountInString(part)
		out = append(out, sectionBlock(part))
	}
	return out
}

// shorten cuts a text to a number of characters, with a mark.
func (r *renderer) shorten(text string, limit int) string {
	total := utf8.RuneCountInString(text)
	if total <= limit {
		return text
	}
	const mark = "\n… _(shortened)_"
	head, rest := cut(text, limit-utf8.RuneCountInString(mark))
	r.note("the text was shortened by %d of %d characters to what Slack takes in one message", utf8.RuneCountInString(rest), total)
	return head + mark
}

func (r *renderer) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// tail makes what stands below the body: fields, link and footer.
func (r *renderer) tail(budget *int) []json.RawMessage {
	out := r.fields(budget)
	if link := r.content.Link; link != nil {
		text := link.Text
		if text == "" {
			text = "Open"
		}
		if line := "<" + linkTarget(link.URL) + "|" + linkText(text) + ">"; utf8.RuneCountInString(line) <= maxSection {
			out = append(out, sectionBlock(line))
			*budget -= utf8.RuneCountInString(line)
		} else {
			r.note("the link was left out because its address is too long for Slack")
		}
	}
	if name := r.options.ClusterName; name != "" {
		out = append(out, contextBlock("cluster "+Escape(name)))
		*budget -= utf8.RuneCountInString(name) + 8
	}
	return out
}

// fields makes sections of the fields: short ones two in a row.
func (r *renderer) fields(budget *int) []json.RawMessage {
	var out []json.RawMessage
	var row []textObject
	flush := func() {
		if len(row) > 0 {
			out = append(out, encode(section{Type: "section", Fields: row}))
			row = nil
		}
	}
	// The fields share a half of what blocks take, so that the body has a rest.
	share := maxBlocksText / 2 / max(len(r.content.Fields), 1)
	for _, f := range r.content.Fields {
		line := "*" + Escape(f.Title) + "*\n" + f.Value
		line = r.shorten(line, min(maxField, max(share, 400)))
		*budget -= utf8.RuneCountInString(line)
		if f.Short {
			row = append(row, mrkdwn(line))
			continue
		}
		flush()
		out = append(out, sectionBlock(line))
	}
	flush()
	return out
}

// fallback is what notifications and screen readers say.
func fallback(c v1alpha1.Content) string {
	var parts []string
	if c.Title != "" {
		parts = append(parts, Escape(c.Title))
	}
	switch {
	case c.Text != "":
		parts = append(parts, c.Text)
	case c.Markdown != "":
		parts = append(parts, Escape(c.Markdown))
	default:
		for i := range c.Blocks {
			if text := blockText(c.Blocks[i].Raw); text != "" {
				parts = append(parts, text)
			}
		}
	}
	text := strings.Join(parts, "\n")
	if strings.TrimSpace(text) == "" {
		if text = string(c.Severity); text == "" {
			text = "A notification"
		}
	}
	head, rest := cut(text, maxSection)
	if rest != "" {
		head += " …"
	}
	return head
}
