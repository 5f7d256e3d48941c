package posts

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"
)

// cloudEvent reads a CloudEvent in structured or in binary mode
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md),
// and returns it in the structured form.
func cloudEvent(raw Raw) (map[string]any, error) {
	kind := contentType(raw.Headers)
	if kind == "application/cloudevents-batch+json" {
		return nil, &PayloadError{"the body is a batch of CloudEvents; have the sender post each event by itself"}
	}
	if strings.HasPrefix(kind, "application/cloudevents") && kind != "application/cloudevents+json" && kind != "application/cloudevents" {
		return nil, &PayloadError{"the CloudEvent is not in JSON; have the sender post application/cloudevents+json"}
	}
	var event map[string]any
	if one(raw.Headers, "Ce-Specversion") != "" && !strings.HasPrefix(kind, "application/cloudevents") {
		var err error
		if event, err = binaryEvent(raw, kind); err != nil {
			return nil, err
		}
	} else {
		body, err := parse(raw.Body)
		if err != nil {
			return nil, err
		}
		if _, many := body.([]any); many {
			return nil, &PayloadError{"the body is a batch of CloudEvents; have the sender post each event by itself"}
		}
		event, _ = body.(map[string]any)
	}
	if version := text(event, "specversion"); version != "1.0" {
		return nil, &PayloadError{`the body is no CloudEvent of version 1.0: "specversion" is missing or another one`}
	}
	for _, name := range []string{"id", "source", "type"} {
		if text(event, name) == "" {
			return nil, &PayloadError{"the CloudEvent lacks " + name + ", which each must have"}
		}
	}
	return event, nil
}

// maxAttributes of an event in headers.
const maxAttributes = 64

// binaryEvent makes the structured form of an event whose attributes are in the
// headers.
func binaryEvent(raw Raw, kind string) (map[string]any, error) {
	event := map[string]any{}
	for name := range raw.Headers {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok || attribute == "" || attribute == "data" {
			continue
		}
		if len(event) == maxAttributes {
			return nil, &PayloadError{"the CloudEvent has too many attributes: at most 64 are taken"}
		}
		value := one(raw.Headers, name)
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		event[attribute] = cut(value, maxHeader)
	}
	if len(raw.Body) == 0 {
		return event, nil
	}
	event["datacontenttype"] = cut(one(raw.Headers, "Content-Type"), maxHeader)
	if kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json") || kind == "text/json" {
		data, err := parse(raw.Body)
		if err != nil {
			return nil, err
		}
		event["data"] = data
		return event, nil
	}
	if !utf8.Valid(raw.Body) {
		return nil, &PayloadError{"the data of the CloudEvent is neither JSON nor text"}
	}
	event["data"] = string(raw.Body)
	return event, nil
}

// short writes JSON for a message, indented if it is no longer than a screen.
func short(value any, limit int) string {
	var plain, indented bytes.Buffer
	write := func(to *bytes.Buffer, indent string) bool {
		e := json.NewEncoder(to)
		e.SetEscapeHTML(false) // it is escaped for Slack
		e.SetIndent("", indent)
		return e.Encode(value) == nil
	}
	if write(&indented, "  ") && indented.Len() <= limit && bytes.Count(indented.Bytes(), []byte("\n")) <= maxLines {
		return strings.TrimSpace(indented.String())
	}
	if !write(&plain, "") {
		return ""
	}
	return shorten(strings.TrimSpace(plain.String()), limit)
}

// maxLines of indented JSON in a message.
const maxLines = 40
