package slacksim

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// element is something of a message that can be pressed.
type element struct {
	BlockID  string
	ActionID string          `json:"action_id"`
	Type     string          `json:"type"`
	Value    string          `json:"value"`
	Confirm  json.RawMessage `json:"confirm"`
	// Attachment that it is in, counted from 1; 0 when it is in none.
	Attachment int

	raw map[string]json.RawMessage
}

// interactiveTypes of elements (docs.slack.dev/reference/block-kit/block-elements).
var interactiveTypes = []string{
	"button", "static_select", "external_select", "users_select", "conversations_select", "channels_select", "multi_static_select",
	"multi_external_select", "multi_users_select", "multi_conversations_select", "multi_channels_select", "overflow", "datepicker",
	"timepicker", "datetimepicker", "checkboxes", "radio_buttons", "workflow_button", "feedback_buttons", "icon_button",
}

// elements that can be pressed in a list of blocks.
func elements(blocks json.RawMessage, attachment int) []*element {
	var list []struct {
		BlockID   string            `json:"block_id"`
		Elements  []json.RawMessage `json:"elements"`
		Accessory json.RawMessage   `json:"accessory"`
		Type      string            `json:"type"`
	}
	if json.Unmarshal(blocks, &list) != nil {
		return nil
	}
	var out []*element
	for _, b := range list {
		raws := b.Elements
		if b.Type != "actions" {
			raws = []json.RawMessage{b.Accessory}
		}
		for _, raw := range raws {
			e := &element{}
			if len(raw) == 0 || json.Unmarshal(raw, e) != nil || json.Unmarshal(raw, &e.raw) != nil || !slices.Contains(interactiveTypes, e.Type) {
				continue
			}
			e.BlockID, e.Attachment = b.BlockID, attachment
			out = append(out, e)
		}
	}
	return out
}

// elements that can be pressed in a message.
func (m *Message) elements() []*element {
	out := elements(m.Blocks, 0)
	var list []struct {
		Blocks json.RawMessage `json:"blocks"`
	}
	if json.Unmarshal(m.Attachments, &list) == nil {
		for i, a := range list {
			out = append(out, elements(a.Blocks, i+1)...)
		}
	}
	return out
}

// pressable finds what somebody presses.
func (m *Message) pressable(in Pressing) (*element, error) {
	list := m.elements()
	if in.Stale {
		list = m.past
	}
	var found []*element
	for _, e := range list {
		if e.ActionID == in.Action && (in.Block == "" || e.BlockID == in.Block) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("the message has no element with the action_id %q", in.Action)
	case len(found) > 1 && !in.Stale:
		return nil, fmt.Errorf("several blocks have the action_id %q: name the block", in.Action)
	}
	e := found[len(found)-1]
	if e.Type == "static_select" && e.option(in.Option) == nil {
		return nil, fmt.Errorf("the menu has no option with the value %q", in.Option)
	}
	if in.Deny && e.Confirm == nil {
		return nil, errors.New("the element asks for nothing")
	}
	return e, nil
}

// option of a menu by its value.
func (e *element) option(value string) json.RawMessage {
	var options []json.RawMessage
	_ = json.Unmarshal(e.raw["options"], &options) // none then
	var groups []struct {
		Options []json.RawMessage `json:"options"`
	}
	_ = json.Unmarshal(e.raw["option_groups"], &groups)
	for _, g := range groups {
		options = append(options, g.Options...)
	}
	for _, raw := range options {
		var o struct {
			Value string `json:"value"`
		}
		if json.Unmarshal(raw, &o) == nil && o.Value == value {
			return raw
		}
	}
	return nil
}

// pastKept of what a message showed.
const pastKept = 100

// edited notes what was shown before an edit, and which block_ids were used
// again for something else: "If a message is updated, use a new block_id"
// (docs.slack.dev/reference/block-kit/blocks/actions-block). Slack refuses
// nothing, so neither do we.
func (m *Message) edited(was *Message) {
	old := was.elements()
	m.past = append(slices.Clone(was.past), old...)
	m.past = m.past[max(len(m.past)-pastKept, 0):]
	for _, e := range m.elements() {
		reused := func(o *element) bool { return o.BlockID == e.BlockID }
		same := func(o *element) bool {
			return reused(o) && o.ActionID == e.ActionID && string(mustJSON(o.raw)) == string(mustJSON(e.raw))
		}
		if slices.ContainsFunc(m.past, reused) && !slices.ContainsFunc(m.past, same) && !slices.Contains(m.ReusedBlockIDs, e.BlockID) {
			m.ReusedBlockIDs = append(slices.Clone(m.ReusedBlockIDs), e.BlockID)
		}
	}
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was JSON before
	}
	return data
}

// named gives what can be pressed the IDs that it lacks, as Slack does.
func named(blocks json.RawMessage) json.RawMessage {
	var list []map[string]json.RawMessage
	if json.Unmarshal(blocks, &list) != nil {
		return blocks
	}
	changed := false
	name := func(of map[string]json.RawMessage, field string) {
		if _, ok := of[field]; !ok {
			of[field] = mustJSON(strings.ToLower(rand.Text()[:5]))
			changed = true
		}
	}
	for _, b := range list {
		var kind string
		_ = json.Unmarshal(b["type"], &kind)
		_, beside := b["accessory"]
		if kind != "actions" && !beside {
			continue
		}
		name(b, "block_id")
		var elements []map[string]json.RawMessage
		if json.Unmarshal(b["elements"], &elements) == nil && kind == "actions" {
			for _, e := range elements {
				name(e, "action_id")
			}
			b["elements"] = mustJSON(elements)
		}
		var accessory map[string]json.RawMessage
		if json.Unmarshal(b["accessory"], &accessory) == nil && accessory != nil && string(accessory["type"]) != `"image"` {
			name(accessory, "action_id")
			b["accessory"] = mustJSON(accessory)
		}
	}
	if !changed {
		return blocks
	}
	return mustJSON(list)
}

type confirm struct {
	Title   json.RawMessage `json:"title"`
	Text    json.RawMessage `json:"text"`
	Confirm json.RawMessage `json:"confirm"`
	Deny    json.RawMessage `json:"deny"`
	Style   string          `json:"style"`
}

type interactive struct {
	Type        string            `json:"type"`
	ActionID    string            `json:"action_id"`
	Text        json.RawMessage   `json:"text"`
	Value       string            `json:"value"`
	URL         string            `json:"url"`
	Style       string            `json:"style"`
	Label       string            `json:"accessibility_label"`
	Confirm     *confirm          `json:"confirm"`
	Placeholder json.RawMessage   `json:"placeholder"`
	Options     []json.RawMessage `json:"options"`
	Groups      []struct {
		Options []json.RawMessage `json:"options"`
	} `json:"option_groups"`
}

// interactive checks what can be pressed.
func (c *checker) interactive(path string, raw json.RawMessage, ids map[string]bool) {
	var e interactive
	if json.Unmarshal(raw, &e) != nil {
		c.wrong(path, "failed to match all allowed schemas")
		return
	}
	if !slices.Contains(interactiveTypes, e.Type) {
		c.wrong(path+"/type", "unsupported type: %s", e.Type)
		return
	}
	c.most(path+"/action_id", e.ActionID, 255)
	if e.ActionID != "" && ids[e.ActionID] {
		c.wrong(path+"/action_id", "`action_id` %q already exists", e.ActionID)
	}
	ids[e.ActionID] = true
	if e.Confirm != nil {
		c.confirm(path+"/confirm", e.Confirm)
	}
	switch e.Type {
	case "button":
		c.text(path+"/text", e.Text, 75, "plain_text")
		c.most(path+"/value", e.Value, 2000)
		c.most(path+"/url", e.URL, 3000)
		c.most(path+"/accessibility_label", e.Label, 75)
		c.style(path+"/style", e.Style)
	case "static_select":
		if len(e.Placeholder) > 0 {
			c.text(path+"/placeholder", e.Placeholder, 150, "plain_text")
		}
		options := e.Options
		for _, g := range e.Groups {
			options = append(options, g.Options...)
		}
		c.options(path+"/options", options)
	}
}

func (c *checker) style(path, style string) {
	if style != "" && style != "primary" && style != "danger" {
		c.wrong(path, "must be one of primary, danger")
	}
}

func (c *checker) confirm(path string, d *confirm) {
	c.text(path+"/title", d.Title, 100, "plain_text")
	c.text(path+"/text", d.Text, 300, "")
	c.text(path+"/confirm", d.Confirm, 30, "plain_text")
	c.text(path+"/deny", d.Deny, 30, "plain_text")
	c.style(path+"/style", d.Style)
}

func (c *checker) options(path string, list []json.RawMessage) {
	if len(list) == 0 || len(list) > 100 {
		c.wrong(path, "must have 1 to 100 items")
	}
	for i, raw := range list {
		var o struct {
			Text  json.RawMessage `json:"text"`
			Value string          `json:"value"`
		}
		at := fmt.Sprintf("%s/%d", path, i)
		if json.Unmarshal(raw, &o) != nil {
			c.wrong(at, "failed to match all allowed schemas")
			continue
		}
		c.text(at+"/text", o.Text, 75, "plain_text")
		c.length(at+"/value", o.Value, 150)
	}
}

// most checks what may be empty, and counts as no text.
func (c *checker) most(path, text string, limit int) {
	if utf8.RuneCountInString(text) > limit {
		c.wrong(path, "must be less than %d characters", limit+1)
	}
}
