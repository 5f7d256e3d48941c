package message

import (
	"encoding/json"
	"regexp"
	"strings"
)

// The parts of Block Kit in use (docs.slack.dev/reference/block-kit/blocks).
type (
	textObject struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Emoji    *bool  `json:"emoji,omitempty"`
		Verbatim bool   `json:"verbatim,omitempty"`
	}
	header struct {
		Type string     `json:"type"`
		Text textObject `json:"text"`
	}
	section struct {
		Type   string       `json:"type"`
		Text   *textObject  `json:"text,omitempty"`
		Fields []textObject `json:"fields,omitempty"`
	}
	contextElements struct {
		Type     string       `json:"type"`
		Elements []textObject `json:"elements"`
	}
	markdownBlock struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	attachment struct {
		Color    string            `json:"color,omitempty"`
		Fallback string            `json:"fallback,omitempty"`
		Blocks   []json.RawMessage `json:"blocks,omitempty"`
	}
)

func ptr[T any](v T) *T { return &v }

// atName is a plain @name, which Slack may take for a mention.
var atName = regexp.MustCompile(`(?:^|[^<\pL\pN])@[\pL\pN_]`)

// mrkdwn makes a text object. Slack makes links of the addresses in it and
// mentions of certain plain names, unless it is to take the text verbatim
// (docs.slack.dev/reference/block-kit/composition-objects/text-object). A name
// may be there that wasn't found, or @channel from outside: better an address
// that is no link than a channel that is paged.
func mrkdwn(text string) textObject {
	return textObject{Type: "mrkdwn", Text: text, Verbatim: atName.MatchString(text)}
}

func sectionBlock(text string) json.RawMessage {
	return encode(section{Type: "section", Text: ptr(mrkdwn(text))})
}

func contextBlock(text string) json.RawMessage {
	return encode(contextElements{Type: "context", Elements: []textObject{mrkdwn(text)}})
}

// encode writes JSON without escaping <, > and &, which mean something to Slack
// and would count six times.
func encode(v any) json.RawMessage {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// The types above hold strings and checked JSON alone; what the API
		// server has stored is valid JSON.
		return json.RawMessage("{}")
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}

// blockText is the text of a block that a person would read out; empty when
// there is none at the usual places.
func blockText(raw []byte) string {
	var b struct {
		Text json.RawMessage `json:"text"`
	}
	if json.Unmarshal(raw, &b) != nil || len(b.Text) == 0 {
		return ""
	}
	var object textObject
	if json.Unmarshal(b.Text, &object) == nil {
		return object.Text
	}
	var text string
	if json.Unmarshal(b.Text, &text) == nil {
		return text
	}
	return ""
}
