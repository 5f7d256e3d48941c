package slacksim

import (
	"encoding/json"
	"unicode/utf8"
)

// Check returns Slack's refusal of a message, as its code and what Slack says
// beside it; the code is empty for one that is taken. body is the JSON that is
// posted to chat.postMessage, or with webhook to an incoming webhook. Where it goes
// is not looked at.
func Check(body []byte, webhook bool) (code string, details []string) {
	a, no := jsonArgs(body)
	if no == nil {
		m := &Message{Text: a["text"], Markdown: a["markdown_text"]}
		if webhook {
			m.Markdown = ""
			no = m.webhookContent(a["blocks"], a["attachments"])
		} else {
			no = m.content(a)
		}
	}
	if no == nil {
		return "", nil
	}
	return no.code, no.messages
}

// jsonArgs reads the fields of a JSON object.
func jsonArgs(body []byte) (args, *refusal) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, refuse("invalid_json")
	}
	out := args{}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			out[name] = text
		} else {
			out[name] = string(raw)
		}
	}
	return out, nil
}

// content checks what a message of chat.postMessage says, and takes it over.
func (m *Message) content(a args) *refusal {
	if m.Markdown != "" && (m.Text != "" || a.has("blocks")) {
		return refuse("markdown_text_conflict")
	}
	if utf8.RuneCountInString(m.Markdown) > 12000 {
		return refuse("msg_too_long")
	}
	if no := m.parts(a["blocks"], a["attachments"]); no != nil {
		return no
	}
	if m.Text == "" && m.Markdown == "" && m.Blocks == nil && m.Attachments == nil {
		return refuse("no_text")
	}
	return m.meta(a["metadata"])
}

// webhookContent checks what a message of a webhook says, and takes it over.
func (m *Message) webhookContent(blocks, attachments string) *refusal {
	if no := m.parts(blocks, attachments); no != nil {
		return no
	}
	if m.Text == "" && m.Blocks == nil && m.Attachments == nil {
		return refuse("no_text")
	}
	return nil
}
