package webapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// postRequest is the body of chat.postMessage
// (docs.slack.dev/reference/methods/chat.postMessage).
type postRequest struct {
	Channel     string            `json:"channel"`
	Text        string            `json:"text,omitempty"`
	Markdown    string            `json:"markdown_text,omitempty"`
	Blocks      []json.RawMessage `json:"blocks,omitempty"`
	Attachments []json.RawMessage `json:"attachments,omitempty"`
	Username    string            `json:"username,omitempty"`
	IconURL     string            `json:"icon_url,omitempty"`
	IconEmoji   string            `json:"icon_emoji,omitempty"`
	UnfurlLinks bool              `json:"unfurl_links"`
	UnfurlMedia bool              `json:"unfurl_media"`
	ThreadTS    string            `json:"thread_ts,omitempty"`
	Broadcast   bool              `json:"reply_broadcast,omitempty"`
	Metadata    *metadata         `json:"metadata,omitempty"`
}

type metadata struct {
	EventType string            `json:"event_type"`
	Payload   map[string]string `json:"event_payload"`
}

// postAnswer holds of the answer what is needed. The message in it is whatever
// Slack has made of it, and is not to be relied on.
type postAnswer struct {
	Channel string          `json:"channel"`
	TS      string          `json:"ts"`
	Message json.RawMessage `json:"message"`
	Warning string          `json:"warning"`
}

// Post implements slack.Poster.
func (c *Client) Post(ctx context.Context, conversation string, m slack.Message) (slack.Posted, error) {
	body := postRequest{
		Channel: conversation, Text: m.Text, Markdown: m.Markdown, Blocks: m.Blocks, Attachments: m.Attachments,
		Username: m.Username, IconURL: m.IconURL, IconEmoji: m.IconEmoji,
		UnfurlLinks: m.Unfurl, UnfurlMedia: m.Unfurl, ThreadTS: m.ThreadTS, Broadcast: m.Broadcast,
	}
	if m.Metadata != nil {
		body.Metadata = &metadata{EventType: m.Metadata.EventType, Payload: m.Metadata.Payload}
	}
	var answer postAnswer
	begin := time.Now()
	e := c.exchange(ctx, slack.MethodPostMessage, body, &answer)
	if e == nil && answer.TS == "" {
		e = &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodPostMessage, Reason: "Slack's answer says ok but names no message"}
	}
	c.observe(slack.MethodPostMessage, label(e), time.Since(begin))
	if e != nil {
		return slack.Posted{}, e
	}
	posted := slack.Posted{Conversation: answer.Channel, Timestamp: answer.TS}
	if posted.Conversation == "" {
		posted.Conversation = conversation
	}
	var stored struct {
		ThreadTS string `json:"thread_ts"`
	}
	if json.Unmarshal(answer.Message, &stored) == nil {
		posted.ThreadTS = stored.ThreadTS
	}
	if answer.Warning != "" {
		posted.Warnings = []string{answer.Warning}
	}
	return posted, nil
}

// updateRequest is the body of chat.update
// (docs.slack.dev/reference/methods/chat.update). Blocks that are left out
// beside a text are removed, and attachments that are left out are kept, so an
// empty list says that there are none.
type updateRequest struct {
	Channel     string            `json:"channel"`
	TS          string            `json:"ts"`
	Text        string            `json:"text,omitempty"`
	Markdown    string            `json:"markdown_text,omitempty"`
	Blocks      []json.RawMessage `json:"blocks,omitzero"`
	Attachments []json.RawMessage `json:"attachments"`
	Metadata    *metadata         `json:"metadata,omitempty"`
}

// Update implements slack.API.
func (c *Client) Update(ctx context.Context, conversation, timestamp string, m slack.Message) error {
	body := updateRequest{
		Channel: conversation, TS: timestamp, Text: m.Text, Markdown: m.Markdown, Blocks: m.Blocks, Attachments: m.Attachments,
	}
	if body.Attachments == nil {
		body.Attachments = []json.RawMessage{}
	}
	if m.Markdown == "" && body.Blocks == nil {
		body.Blocks = []json.RawMessage{} // markdown_text goes with no blocks at all
	}
	if m.Metadata != nil {
		body.Metadata = &metadata{EventType: m.Metadata.EventType, Payload: m.Metadata.Payload}
	}
	return c.about(ctx, slack.MethodUpdate, body)
}

// Delete implements slack.API.
func (c *Client) Delete(ctx context.Context, conversation, timestamp string) error {
	return c.about(ctx, slack.MethodDelete, struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}{conversation, timestamp})
}

// about makes a call about one message, of whose answer only the success is
// read.
func (c *Client) about(ctx context.Context, method string, body any) error {
	var answer struct{}
	begin := time.Now()
	e := c.exchange(ctx, method, body, &answer)
	c.observe(method, label(e), time.Since(begin))
	if e != nil {
		return e
	}
	return nil
}

// page is a page of history, message by message undecoded.
type page struct {
	Messages []json.RawMessage `json:"messages"`
	HasMore  bool              `json:"has_more"`
	Meta     json.RawMessage   `json:"response_metadata"`
}

// storedMessage is decoded message by message, so that an odd one spoils
// nothing but itself.
type storedMessage struct {
	TS       string          `json:"ts"`
	ThreadTS string          `json:"thread_ts"`
	Metadata json.RawMessage `json:"metadata"`
}

const defaultHistoryLimit = 200

// History implements slack.API.
func (c *Client) History(ctx context.Context, q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	method := slack.MethodHistory
	params := url.Values{"channel": {q.Conversation}, "include_all_metadata": {"true"}}
	if q.ThreadTS != "" {
		method = slack.MethodReplies
		params.Set("ts", q.ThreadTS)
	}
	if !q.Oldest.IsZero() {
		params.Set("oldest", fmt.Sprintf("%d.%06d", q.Oldest.Unix(), q.Oldest.Nanosecond()/1000))
	}
	if q.Cursor != "" {
		params.Set("cursor", q.Cursor)
	}
	limit := q.Limit
	if limit == 0 {
		limit = defaultHistoryLimit
	}
	params.Set("limit", strconv.Itoa(limit))
	var answer page
	if err := c.form(ctx, method, params, &answer); err != nil {
		return nil, "", err
	}
	next := answerHead{Meta: answer.Meta}.meta().NextCursor
	if answer.HasMore && next == "" {
		return nil, "", &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer says that there is more but not where"}
	}
	return decodeHistory(answer.Messages), next, nil
}

func decodeHistory(raw []json.RawMessage) []slack.StoredMessage {
	out := make([]slack.StoredMessage, 0, len(raw))
	for _, one := range raw {
		var m storedMessage
		if json.Unmarshal(one, &m) != nil || m.TS == "" {
			continue
		}
		stored := slack.StoredMessage{Timestamp: m.TS, ThreadTS: m.ThreadTS}
		var meta metadata
		if json.Unmarshal(m.Metadata, &meta) == nil && meta.EventType != "" {
			stored.Metadata = &slack.Metadata{EventType: meta.EventType, Payload: meta.Payload}
		}
		out = append(out, stored)
	}
	return out
}
