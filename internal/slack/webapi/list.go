package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	// maxElements of a list in one answer. Slack's longest pages have 1,000;
	// user groups come in one piece.
	maxElements = 10_000
	// maxCursor bounds the cursor of the next page, in bytes.
	maxCursor = 1000
)

var (
	// errTooMany is a list beyond maxElements.
	errTooMany = errors.New("too many elements")
	// errNull is a null in place of a list, as servers in Go write an empty one.
	errNull = errors.New("null in place of a list")
)

// list makes one call that answers with a list, and reads the list element by
// element, so that an odd one spoils nothing but itself and none is kept but
// what each keeps. It returns the cursor of the next page.
func (c *Client) list(ctx context.Context, method string, params url.Values, field string, each func(json.RawMessage)) (string, error) {
	begin := time.Now()
	next, e := c.readList(ctx, method, params, field, each)
	c.observe(method, label(e), time.Since(begin))
	if e != nil {
		return "", e
	}
	return next, nil
}

func (c *Client) readList(ctx context.Context, method string, params url.Values, field string, each func(json.RawMessage)) (string, *slack.Error) {
	answer, e := c.ask(ctx, method, formType, []byte(params.Encode()))
	defer answer.Release()
	if e != nil {
		return "", e
	}
	body := answer.Body
	var page struct {
		HasMore *flag           `json:"has_more"`
		Meta    json.RawMessage `json:"response_metadata"`
	}
	if e := decode(method, answer, &page); e != nil {
		return "", e
	}
	more := page.HasMore != nil && bool(*page.HasMore)
	ambiguous := func(reason string) *slack.Error {
		return &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: reason}
	}
	switch err := elements(body, field, each); {
	case errors.Is(err, errTooMany):
		return "", ambiguous("Slack's answer holds more than a page")
	case errors.Is(err, errNull) && (field != "messages" || page.HasMore != nil && !more):
		// Of messages the absence counts, so the end must be told.
	case err != nil:
		return "", ambiguous("Slack's answer could not be read")
	}
	var meta struct {
		NextCursor string `json:"next_cursor"`
	}
	_ = json.Unmarshal(page.Meta, &meta) // a cursor that can't be read is none
	switch {
	case len(meta.NextCursor) > maxCursor:
		return "", ambiguous("Slack's answer names the next page in a way that can't be right")
	case more && meta.NextCursor == "":
		return "", ambiguous("Slack's answer says that there is more but not where")
	}
	return meta.NextCursor, nil
}

// elements hands out the elements of a list in a JSON object one by one. It
// fails when the list is missing, of another type or longer than maxElements.
func elements(object []byte, field string, each func(json.RawMessage)) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return errIncomplete
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key != field {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		switch token, err := d.Token(); {
		case err == nil && token == nil:
			return errNull
		case err != nil || token != json.Delim('['):
			return errIncomplete
		}
		for n := 0; d.More(); n++ {
			var one json.RawMessage
			if err := d.Decode(&one); err != nil {
				return err
			}
			if n == maxElements {
				return errTooMany
			}
			each(one)
		}
		return nil
	}
	return errIncomplete
}

// pageParams of a list that Slack pages.
func pageParams(cursor string, limit int) url.Values {
	params := url.Values{}
	if cursor != "" {
		params.Set("cursor", cursor)
	}
	if limit > 0 {
		params.Set("limit", strconv.Itoa(limit))
	}
	return params
}

// listedConversation is a channel as conversations.list and conversations.info have it
// (docs.slack.dev/reference/objects/conversation-object).
type listedConversation struct {
	ID       text      `json:"id"`
	Name     text      `json:"name"`
	Private  flag      `json:"is_private"`
	Archived flag      `json:"is_archived"`
	Member   flag      `json:"is_member"`
	IM       flag      `json:"is_im"`
	MPIM     flag      `json:"is_mpim"`
	Creator  text      `json:"creator"`
	Created  number    `json:"created"`
	Topic    described `json:"topic"`
	Purpose  described `json:"purpose"`
}

// ListConversations implements slack.API.
func (c *Client) ListConversations(ctx context.Context, cursor string, limit int, private bool) ([]slack.Conversation, string, error) {
	params := pageParams(cursor, limit)
	params.Set("types", "public_channel")
	if private {
		params.Set("types", "public_channel,private_channel")
	}
	var out []slack.Conversation
	next, err := c.list(ctx, slack.MethodConversationsList, params, "channels", func(raw json.RawMessage) {
		if one, ok := decodeConversation(raw); ok {
			out = append(out, one)
		}
	})
	return out, next, err
}

// decodeConversation reads what can be read of a channel; false when it has no ID.
func decodeConversation(raw json.RawMessage) (slack.Conversation, bool) {
	var ch listedConversation
	if json.Unmarshal(raw, &ch) != nil || !conversationID.MatchString(string(ch.ID)) {
		return slack.Conversation{}, false
	}
	one := slack.Conversation{
		ID: string(ch.ID), Name: string(ch.Name), Private: bool(ch.Private), Archived: bool(ch.Archived), Member: bool(ch.Member),
		DM: bool(ch.IM || ch.MPIM), Creator: matching(userID, string(ch.Creator)), Topic: string(ch.Topic.Value), Purpose: string(ch.Purpose.Value),
	}
	if ch.Created > 0 {
		one.Created = time.Unix(int64(ch.Created), 0)
	}
	return one, true
}

// listedUser is a user as users.list and users.lookupByEmail have it
// (docs.slack.dev/reference/objects/user-object).
type listedUser struct {
	ID       text            `json:"id"`
	Name     text            `json:"name"`
	RealName text            `json:"real_name"`
	Deleted  flag            `json:"deleted"`
	Bot      flag            `json:"is_bot"`
	Team     text            `json:"team_id"`
	Stranger flag            `json:"is_stranger"`
	Profile  json.RawMessage `json:"profile"`
}

// ListUsers implements slack.API.
func (c *Client) ListUsers(ctx context.Context, cursor string, limit int) ([]slack.User, string, error) {
	var out []slack.User
	next, err := c.list(ctx, slack.MethodUsersList, pageParams(cursor, limit), "members", func(raw json.RawMessage) {
		if u, ok := decodeUser(raw); ok {
			out = append(out, u)
		}
	})
	return out, next, err
}

// decodeUser reads what can be read of a user; false when it has no ID.
func decodeUser(raw json.RawMessage) (slack.User, bool) {
	var u listedUser
	if json.Unmarshal(raw, &u) != nil || !userID.MatchString(string(u.ID)) {
		return slack.User{}, false
	}
	var profile struct {
		DisplayName text `json:"display_name"`
		RealName    text `json:"real_name"`
		Email       text `json:"email"`
	}
	_ = json.Unmarshal(u.Profile, &profile) // a user without one is a user
	if u.RealName == "" {
		u.RealName = profile.RealName
	}
	return slack.User{
		ID: string(u.ID), Name: string(u.Name), DisplayName: string(profile.DisplayName), RealName: string(u.RealName),
		Email: string(profile.Email), Deleted: bool(u.Deleted), Bot: bool(u.Bot) || u.ID == slackbot,
		Team: matching(teamID, string(u.Team)), Stranger: bool(u.Stranger),
	}, true
}

// noPlan is what usergroups.list answers where the plan has no user groups
// (docs.slack.dev/reference/methods/usergroups.list).
const noPlan = "plan_upgrade_required"

// ListUserGroups implements slack.API.
func (c *Client) ListUserGroups(ctx context.Context) ([]slack.UserGroup, error) {
	var out []slack.UserGroup
	_, err := c.list(ctx, slack.MethodUserGroupsList, url.Values{"include_users": {"true"}}, "usergroups", func(raw json.RawMessage) {
		var g struct {
			ID     text `json:"id"`
			Handle text `json:"handle"`
			Name   text `json:"name"`
		}
		if json.Unmarshal(raw, &g) == nil && groupID.MatchString(string(g.ID)) {
			out = append(out, slack.UserGroup{ID: string(g.ID), Handle: string(g.Handle), Name: string(g.Name), Users: members(raw)})
		}
	})
	if e := slack.AsError(err); e != nil && e.Code == noPlan {
		return nil, nil
	}
	return out, err
}

// members of a user group; nil when they can't be read.
func members(group json.RawMessage) []string {
	out := []string{}
	err := elements(group, "users", func(raw json.RawMessage) {
		var id text
		if json.Unmarshal(raw, &id) == nil && userID.MatchString(string(id)) {
			out = append(out, string(id))
		}
	})
	if err != nil {
		return nil
	}
	return out
}

// ListMembers implements slack.API.
func (c *Client) ListMembers(ctx context.Context, id, cursor string, limit int) ([]string, string, error) {
	params := pageParams(cursor, limit)
	params.Set("channel", id)
	var out []string
	next, err := c.list(ctx, slack.MethodConversationsMembers, params, "members", func(raw json.RawMessage) {
		var member text
		if json.Unmarshal(raw, &member) == nil && userID.MatchString(string(member)) {
			out = append(out, string(member))
		}
	})
	return out, next, err
}
