package message

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Measure is how much a message takes of one of Slack's limits.
type Measure struct {
	// Name of what is counted, for people.
	Name string `json:"name"`
	// Used and Limit in characters, or in blocks or attachments.
	Used  int `json:"used"`
	Limit int `json:"limit"`
}

// Measures are the limits that a message comes near to, of those that it has
// anything of: the longest section, field and header stand for all.
func Measures(m slack.Message) []Measure {
	c := &counting{}
	for _, raw := range m.Blocks {
		c.block(raw)
	}
	blocks := len(m.Blocks)
	for _, raw := range m.Attachments {
		var a struct {
			Blocks []json.RawMessage `json:"blocks"`
		}
		_ = json.Unmarshal(raw, &a) // what is no object has none
		blocks = max(blocks, len(a.Blocks))
		for _, inner := range a.Blocks {
			c.block(inner)
		}
	}
	var out []Measure
	add := func(name string, used, limit int) {
		if used > 0 {
			out = append(out, Measure{Name: name, Used: used, Limit: limit})
		}
	}
	what := "text"
	if blocks > 0 || len(m.Attachments) > 0 {
		what = "text of notifications"
	}
	add(what, utf8.RuneCountInString(m.Text), maxText)
	add("Markdown", max(utf8.RuneCountInString(m.Markdown), c.markdown), maxMarkdown)
	add("title", c.header, maxHeader)
	add("longest section", c.section, maxSection)
	add("longest field", c.field, maxField)
	add("text of all blocks", c.total, maxBlocksText)
	add("blocks", blocks, maxBlocks)
	add("attachments", len(m.Attachments), maxAttachments)
	return out
}

type counting struct{ header, section, field, markdown, total int }

// block counts the texts of a block, as far as it is one that Slack documents.
func (c *counting) block(raw json.RawMessage) {
	var b struct {
		Type   string          `json:"type"`
		Text   json.RawMessage `json:"text"`
		Fields []textObject    `json:"fields"`
	}
	if json.Unmarshal(raw, &b) != nil {
		return
	}
	var object textObject
	var plain string
	if json.Unmarshal(b.Text, &object) != nil {
		_ = json.Unmarshal(b.Text, &plain) // of a markdown block
	}
	n := utf8.RuneCountInString(object.Text + plain)
	c.total += n
	switch b.Type {
	case "header":
		c.header = max(c.header, n)
	case "section":
		c.section = max(c.section, n)
	case "markdown":
		c.markdown += n
	}
	for _, f := range b.Fields {
		n := utf8.RuneCountInString(f.Text)
		c.field, c.total = max(c.field, n), c.total+n
	}
}

// String is the measure as in "title 12 of 150".
func (m Measure) String() string { return fmt.Sprintf("%s %d of %d", m.Name, m.Used, m.Limit) }
