package message

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// Clean takes out of a content what is no text, as safetext.Clean does, blocks
// and attachments included. It changes nothing that c shares with others.
func Clean(c v1alpha1.Content) v1alpha1.Content {
	c.Title, c.Text, c.Markdown = safetext.Clean(c.Title), safetext.Clean(c.Text), safetext.Clean(c.Markdown)
	c.Fields = slices.Clone(c.Fields)
	for i, f := range c.Fields {
		c.Fields[i].Title, c.Fields[i].Value = safetext.Clean(f.Title), safetext.Clean(f.Value)
	}
	if c.Link != nil {
		c.Link = &v1alpha1.Link{URL: safetext.Clean(c.Link.URL), Text: safetext.Clean(c.Link.Text)}
	}
	if c.Sender != nil {
		s := *c.Sender
		s.Username = safetext.Clean(s.Username)
		c.Sender = &s
	}
	c.Blocks, c.Attachments = slices.Clone(c.Blocks), slices.Clone(c.Attachments)
	for i := range c.Blocks {
		c.Blocks[i].Raw = cleanRaw(c.Blocks[i].Raw)
	}
	for i := range c.Attachments {
		c.Attachments[i].Raw = cleanRaw(c.Attachments[i].Raw)
	}
	return c
}

// cleanRaw cleans the texts in JSON, which is only written anew if there is
// something to clean.
func cleanRaw(raw []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	changed := false
	if v = cleanValue(v, &changed); !changed {
		return raw
	}
	return encode(v)
}

func cleanValue(v any, changed *bool) any {
	switch v := v.(type) {
	case string:
		out := safetext.Clean(v)
		*changed = *changed || out != v
		return out
	case []any:
		for i := range v {
			v[i] = cleanValue(v[i], changed)
		}
	case map[string]any:
		for key := range v {
			v[key] = cleanValue(v[key], changed)
		}
	}
	return v
}
