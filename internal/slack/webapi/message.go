package webapi

import (
	"context"
	"encoding/json"
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

// receipt holds of an answer about one message what is needed. The message in
// it is whatever Slack has made of it, and is not to be relied on.
type receipt struct {
	Channel string          `json:"channel"`
	TS      string          `json:"ts"`
	Message json.RawMessage `json:"message"`
}

// Post implements slack.Poster. A conversation is named by its ID, by the name
// of a public channel, or by the ID of a user (U…, W…): then the message goes
// to the bot's direct message with the user, whose ID (D…) is in the receipt.
// With a name or picture of its own Slack puts it into the user's conversation
// with Slackbot instead (docs.slack.dev/reference/methods/chat.postMessage).
func (c *Client) Post(ctx context.Context, conversation string, m slack.Message) (slack.Posted, error) {
	body := postOf(conversation, m)
	var answer receipt
	begin := time.Now()
	e := c.exchange(ctx, slack.MethodPostMessage, body, &answer)
	if e == nil {
		e = answer.ofPost(conversation)
	} else if e.Code == "restricted_action" {
		e.BlameBroadcast(m)
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
		TS       text `json:"ts"`
		ThreadTS text `json:"thread_ts"`
	}
	_ = json.Unmarshal(answer.Message, &stored) // what can't be read is missing
	posted.ThreadTS = matching(timestamp, string(stored.ThreadTS))
	if posted.ThreadTS == "" && !timestamp.MatchString(string(stored.TS)) {
		posted.ThreadTS = m.ThreadTS // the answer says nothing of where it went
	}
	return posted, nil
}

// postOf is the request that posts a message to a conversation.
func postOf(conversation string, m slack.Message) postRequest {
	body := postRequest{
		Channel: conversation, Text: m.Text, Markdown: m.Markdown, Blocks: m.Blocks, Attachments: m.Attachments,
		Username: m.Username, IconURL: m.IconURL, IconEmoji: m.IconEmoji,
		UnfurlLinks: m.Unfurl, UnfurlMedia: m.Unfurl, ThreadTS: m.ThreadTS, Broadcast: m.Broadcast,
	}
	if m.Metadata != nil {
		body.Metadata = &metadata{EventType: m.Metadata.EventType, Payload: m.Metadata.Payload}
	}
	return body
}

// PostBody returns the JSON that Post sends to chat.postMessage for a message, for
// those who want to see it without sending it.
func PostBody(conversation string, m slack.Message) ([]byte, error) {
	return json.Marshal(postOf(conversation, m))
}

// ofPost checks that the receipt is for what was asked. Whatever else it
// claims is not believed: a message would be edited or deleted by it later.
func (r receipt) ofPost(asked string) *slack.Error {
	reason := ""
	switch {
	case r.TS == "":
		reason = "Slack's answer says ok but names no message"
	case !timestamp.MatchString(r.TS):
		reason = "Slack's answer says ok but its timestamp is none"
	case !answersFor(asked, r.Channel):
		reason = "Slack's answer says ok but names another conversation than the one that was asked for"
	default:
		return nil
	}
	return &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodPostMessage, Reason: reason}
}

// answersFor reports whether a conversation in an answer is the one that was
// asked for; for a user it is any direct message, and for a name any channel.
func answersFor(asked, got string) bool {
	switch {
	case userID.MatchString(asked):
		return directID.MatchString(got)
	case conversationID.MatchString(asked):
		return got == asked || got == ""
	default:
		return conversationID.MatchString(got) && !directID.MatchString(got)
	}
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
	return c.about(ctx, slack.MethodUpdate, conversation, timestamp, body)
}

// Delete implements slack.API.
func (c *Client) Delete(ctx context.Context, conversation, timestamp string) error {
	return c.about(ctx, slack.MethodDelete, conversation, timestamp, struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}{conversation, timestamp})
}

// about makes a call about one message, of whose answer only the success is
// read, and that it is about that message where it names one.
func (c *Client) about(ctx context.Context, method, conversation, timestamp string, body any) error {
	var answer receipt
	begin := time.Now()
	e := c.exchange(ctx, method, body, &answer)
	if e == nil && (answer.Channel != "" && answer.Channel != conversation || answer.TS != "" && answer.TS != timestamp) {
		e = &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer says ok but names another message than the one that was asked for"}
	}
	c.observe(method, label(e), time.Since(begin))
	if e != nil {
		return e
	}
	return nil
}
