package slacksim

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// parts checks blocks and attachments and takes them over.
func (m *Message) parts(blocks, attachments string) *refusal {
	if blocks != "" && blocks != "null" && blocks != "[]" {
		if no := checkBlocks([]byte(blocks), "/blocks"); no != nil {
			return no
		}
		m.Blocks = named(json.RawMessage(blocks))
	}
	if attachments != "" && attachments != "null" && attachments != "[]" {
		var list []json.RawMessage
		if json.Unmarshal([]byte(attachments), &list) != nil {
			return refuse("invalid_attachments")
		}
		if len(list) > 100 {
			return refuse("too_many_attachments")
		}
		changed := false
		for i, raw := range list {
			var one struct {
				Blocks json.RawMessage `json:"blocks"`
			}
			if json.Unmarshal(raw, &one) != nil {
				return refuse("invalid_attachments")
			}
			if len(one.Blocks) > 0 {
				if no := checkBlocks(one.Blocks, fmt.Sprintf("/attachments/%d/blocks", i)); no != nil {
					// Blocks in an attachment are the attachment's fault
					// (github.com/slackapi/bolt-js/issues/717).
					return &refusal{code: "invalid_attachments", messages: no.messages}
				}
				if with := named(one.Blocks); string(with) != string(one.Blocks) {
					var fields map[string]json.RawMessage
					_ = json.Unmarshal(raw, &fields) // it was an object
					fields["blocks"], changed = with, true
					list[i] = mustJSON(fields)
				}
			}
		}
		m.Attachments = json.RawMessage(attachments)
		if changed {
			m.Attachments = mustJSON(list)
		}
	}
	return m.uniqueBlocks()
}

// uniqueBlocks refuses a block_id that two blocks of a message have
// (docs.slack.dev/reference/block-kit/blocks/actions-block).
func (m *Message) uniqueBlocks() *refusal {
	var attachments []struct {
		Blocks []block `json:"blocks"`
	}
	var all []block
	_ = json.Unmarshal(m.Blocks, &all) // none then
	if json.Unmarshal(m.Attachments, &attachments) == nil {
		for _, a := range attachments {
			all = append(all, a.Blocks...)
		}
	}
	seen := map[string]bool{}
	for _, b := range all {
		if b.BlockID != "" && seen[b.BlockID] {
			return &refusal{code: "invalid_blocks", messages: []string{fmt.Sprintf("[ERROR] `block_id` %q already exists", b.BlockID)}}
		}
		seen[b.BlockID] = true
	}
	return nil
}

// maxBlocksText is where msg_blocks_too_long was reported from.
const maxBlocksText = 13200

type textObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type block struct {
	Type     string            `json:"type"`
	Text     json.RawMessage   `json:"text"`
	Fields   []textObject      `json:"fields"`
	Elements []json.RawMessage `json:"elements"`
	ImageURL string            `json:"image_url"`
	AltText  string            `json:"alt_text"`
	BlockID  string            `json:"block_id"`
	// Accessory of a section is an image, or can be pressed.
	Accessory json.RawMessage `json:"accessory"`
}

// blockTypes that a message takes (docs.slack.dev/reference/block-kit/blocks).
var blockTypes = map[string]bool{
	"section": true, "header": true, "divider": true, "image": true, "actions": true, "context": true,
	"input": true, "file": true, "video": true, "rich_text": true, "markdown": true, "table": true, "context_actions": true,
}

type checker struct {
	where    string
	messages []string
	total    int
}

func (c *checker) wrong(path, format string, args ...any) {
	c.messages = append(c.messages, fmt.Sprintf("[ERROR] %s [json-pointer:%s%s]", fmt.Sprintf(format, args...), c.where, path))
}

func checkBlocks(raw []byte, where string) *refusal {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return refuse("invalid_blocks_format")
	}
	c := &checker{where: where}
	if len(list) > 50 {
		c.wrong("", "no more than 50 items allowed")
	}
	for i, one := range list {
		var b block
		path := fmt.Sprintf("/%d", i)
		if err := json.Unmarshal(one, &b); err != nil {
			c.wrong(path, "failed to match all allowed schemas")
			continue
		}
		c.block(path, &b)
	}
	if len(c.messages) > 0 {
		return &refusal{code: "invalid_blocks", messages: c.messages}
	}
	if c.total > maxBlocksText {
		return refuse("msg_blocks_too_long")
	}
	return nil
}

func (c *checker) block(path string, b *block) {
	if !blockTypes[b.Type] {
		c.wrong(path+"/type", "unsupported type: %s", b.Type)
		return
	}
	if utf8.RuneCountInString(b.BlockID) > 255 {
		c.wrong(path+"/block_id", "must be less than 256 characters")
	}
	switch b.Type {
	case "section":
		if len(b.Text) == 0 && len(b.Fields) == 0 {
			c.wrong(path, "missing required field: text or fields")
		}
		if len(b.Text) > 0 {
			c.text(path+"/text", b.Text, 3000, "")
		}
		if len(b.Fields) > 10 {
			c.wrong(path+"/fields", "no more than 10 items allowed")
		}
		for i, f := range b.Fields {
			c.length(fmt.Sprintf("%s/fields/%d/text", path, i), f.Text, 2000)
		}
		var beside textObject
		if json.Unmarshal(b.Accessory, &beside) == nil && beside.Type != "image" {
			c.interactive(path+"/accessory", b.Accessory, map[string]bool{})
		}
	case "header":
		c.text(path+"/text", b.Text, 150, "plain_text")
	case "markdown":
		var text string
		if json.Unmarshal(b.Text, &text) != nil {
			c.wrong(path+"/text", "must be a string")
			return
		}
		c.length(path+"/text", text, 12000)
	case "context":
		if n := len(b.Elements); n == 0 || n > 10 {
			c.wrong(path+"/elements", "must have 1 to 10 items")
		}
		for i, raw := range b.Elements {
			var t textObject
			if json.Unmarshal(raw, &t) == nil && t.Type != "image" {
				c.length(fmt.Sprintf("%s/elements/%d/text", path, i), t.Text, 2000)
			}
		}
	case "actions":
		if n := len(b.Elements); n == 0 || n > 25 {
			c.wrong(path+"/elements", "must have 1 to 25 items")
		}
		ids := map[string]bool{}
		for i, raw := range b.Elements {
			c.interactive(fmt.Sprintf("%s/elements/%d", path, i), raw, ids)
		}
	case "image":
		if b.AltText == "" {
			c.wrong(path+"/alt_text", "missing required field: alt_text")
		}
		c.length(path+"/image_url", b.ImageURL, 3000)
	}
}

func (c *checker) text(path string, raw json.RawMessage, limit int, kind string) {
	var t textObject
	if json.Unmarshal(raw, &t) != nil || t.Type != "mrkdwn" && t.Type != "plain_text" || kind != "" && t.Type != kind {
		c.wrong(path, "must be a text object")
		return
	}
	c.length(path+"/text", t.Text, limit)
}

func (c *checker) length(path, text string, limit int) {
	n := utf8.RuneCountInString(text)
	c.total += n
	switch {
	case n == 0:
		c.wrong(path, "must be more than 0 characters")
	case n > limit:
		c.wrong(path, "must be less than %d characters", limit+1)
	}
}
