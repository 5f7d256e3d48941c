package webapi

import (
	"context"

	slackgo "github.com/slack-go/slack"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// noPlan is what usergroups.list answers where the plan has no user groups
// (docs.slack.dev/reference/methods/usergroups.list).
const noPlan = "plan_upgrade_required"

// ListUserGroups implements slack.API.
func (c *Client) ListUserGroups(ctx context.Context) ([]slack.UserGroup, error) {
	var out []slack.UserGroup
	err := c.call(slack.MethodUserGroupsList, func(api *slackgo.Client) error {
		list, err := api.GetUserGroupsContext(ctx)
		for i := range list {
			out = append(out, slack.UserGroup{ID: list[i].ID, Handle: list[i].Handle, Name: list[i].Name})
		}
		return err
	})
	if e := slack.AsError(err); e != nil && e.Code == noPlan {
		return nil, nil
	}
	return out, err
}

// CreateConversation implements slack.API.
func (c *Client) CreateConversation(ctx context.Context, name string, private bool) (slack.Conversation, error) {
	return c.changed(slack.MethodConversationsCreate, func(api *slackgo.Client) (*slackgo.Channel, error) {
		return api.CreateConversationContext(ctx, slackgo.CreateConversationParams{ChannelName: name, IsPrivate: private})
	})
}

// RenameConversation implements slack.API.
func (c *Client) RenameConversation(ctx context.Context, id, name string) (slack.Conversation, error) {
	return c.changed(slack.MethodConversationsRename, func(api *slackgo.Client) (*slackgo.Channel, error) {
		return api.RenameConversationContext(ctx, id, name)
	})
}

// changed makes a call that answers with a channel.
func (c *Client) changed(method string, do func(*slackgo.Client) (*slackgo.Channel, error)) (slack.Conversation, error) {
	var out slack.Conversation
	err := c.call(method, func(api *slackgo.Client) error {
		ch, err := do(api)
		if err != nil {
			return err
		}
		if ch == nil || ch.ID == "" {
			return errIncomplete
		}
		out = conversation(ch)
		return nil
	})
	return out, err
}

// ArchiveConversation implements slack.API.
func (c *Client) ArchiveConversation(ctx context.Context, id string) error {
	return c.call(slack.MethodConversationsArchive, func(api *slackgo.Client) error {
		return api.ArchiveConversationContext(ctx, id)
	})
}

// UnarchiveConversation implements slack.API.
func (c *Client) UnarchiveConversation(ctx context.Context, id string) error {
	return c.call(slack.MethodConversationsUnarchive, func(api *slackgo.Client) error {
		return api.UnArchiveConversationContext(ctx, id)
	})
}

// SetTopic implements slack.API.
func (c *Client) SetTopic(ctx context.Context, id, topic string) error {
	return c.call(slack.MethodConversationsSetTopic, func(api *slackgo.Client) error {
		_, err := api.SetTopicOfConversationContext(ctx, id, topic)
		return err
	})
}

// SetPurpose implements slack.API.
func (c *Client) SetPurpose(ctx context.Context, id, purpose string) error {
	return c.call(slack.MethodConversationsSetPurpose, func(api *slackgo.Client) error {
		_, err := api.SetPurposeOfConversationContext(ctx, id, purpose)
		return err
	})
}

// InviteToConversation implements slack.API.
func (c *Client) InviteToConversation(ctx context.Context, id string, users []string) error {
	return c.call(slack.MethodConversationsInvite, func(api *slackgo.Client) error {
		_, err := api.InviteUsersToConversationContext(ctx, id, users...)
		return err
	})
}

// RemoveFromConversation implements slack.API.
func (c *Client) RemoveFromConversation(ctx context.Context, id, user string) error {
	return c.call(slack.MethodConversationsKick, func(api *slackgo.Client) error {
		return api.KickUserFromConversationContext(ctx, id, user)
	})
}

// ListMembers implements slack.API.
func (c *Client) ListMembers(ctx context.Context, id, cursor string, limit int) ([]string, string, error) {
	var out []string
	var next string
	err := c.call(slack.MethodConversationsMembers, func(api *slackgo.Client) (err error) {
		out, next, err = api.GetUsersInConversationContext(ctx, &slackgo.GetUsersInConversationParameters{ChannelID: id, Cursor: cursor, Limit: limit})
		return err
	})
	return out, next, err
}
