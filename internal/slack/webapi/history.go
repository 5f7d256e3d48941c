package webapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	defaultHistoryLimit = 200
	// maxMetadata bounds the metadata of a message that is looked at. This
	// operator's own are far below.
	maxMetadata = 4 << 10
)

// storedMessage is decoded message by message, so that an odd one spoils
// nothing but itself.
type storedMessage struct {
	TS       text            `json:"ts"`
	ThreadTS text            `json:"thread_ts"`
	BotID    text            `json:"bot_id"`
	User     text            `json:"user"`
	Metadata json.RawMessage `json:"metadata"`
}

// History implements slack.API.
func (c *Client) History(ctx context.Context, q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	method, params := historyParams(q)
	var out []slack.StoredMessage
	next, err := c.list(ctx, method, params, "messages", func(raw json.RawMessage) {
		if m, ok := decodeMessage(raw); ok && (q.Exactly == "" || m.Timestamp == q.Exactly) {
			out = append(out, m)
		}
	})
	if err != nil {
		return nil, "", err
	}
	if q.Exactly != "" && len(out) > 0 {
		next = "" // there is no other
	}
	return out, next, nil
}

func historyParams(q slack.HistoryQuery) (string, url.Values) {
	method, limit := slack.MethodHistory, q.Limit
	params := url.Values{"channel": {q.Conversation}, "include_all_metadata": {"true"}}
	if q.ThreadTS != "" {
		method = slack.MethodReplies
		params.Set("ts", q.ThreadTS)
	}
	switch {
	case q.Exactly != "":
		params.Set("latest", q.Exactly)
		params.Set("oldest", q.Exactly)
		params.Set("inclusive", "true")
	case !q.Oldest.IsZero():
		params.Set("oldest", fmt.Sprintf("%d.%06d", q.Oldest.Unix(), q.Oldest.Nanosecond()/1000))
	}
	if q.Cursor != "" {
		params.Set("cursor", q.Cursor)
	}
	if limit == 0 {
		limit = defaultHistoryLimit
	}
	params.Set("limit", strconv.Itoa(limit))
	return method, params
}

// decodeMessage reads what can be read of a message; false when it has no
// timestamp.
func decodeMessage(raw json.RawMessage) (slack.StoredMessage, bool) {
	var m storedMessage
	if json.Unmarshal(raw, &m) != nil || !timestamp.MatchString(string(m.TS)) {
		return slack.StoredMessage{}, false
	}
	stored := slack.StoredMessage{
		Timestamp: string(m.TS), ThreadTS: matching(timestamp, string(m.ThreadTS)),
		BotID: matching(botID, string(m.BotID)), UserID: matching(userID, string(m.User)),
	}
	var meta metadata
	if len(m.Metadata) <= maxMetadata && json.Unmarshal(m.Metadata, &meta) == nil && meta.EventType != "" {
		stored.Metadata = &slack.Metadata{EventType: meta.EventType, Payload: meta.Payload}
	}
	return stored, true
}
