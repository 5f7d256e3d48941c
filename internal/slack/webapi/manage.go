package webapi

import (
	"context"

	slackgo "github.com/slack-go/slack"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// CreateConversation implements slack.API.
func (c *Client) CreateConversation(ctx context.Context, name string, private bool) (slack.Conversation, error) {
	return c.conversation(slack.MethodConversationsCreate, func(api *slackgo.Client) error {
		_, err := api.CreateConversationContext(ctx, slackgo.CreateConversationParams{ChannelName: name, IsPrivate: private})
		return err
	})
}

// RenameConversation implements slack.API.
func (c *Client) RenameConversation(ctx context.Context, id, name string) (slack.Conversation, error) {
	return c.conversation(slack.MethodConversationsRename, func(api *slackgo.Client) error {
		_, err := api.RenameConversationContext(ctx, id, name)
		return err
	})
}

// ArchiveConversation implements slack.API.
func (c *Client) ArchiveConversation(ctx context.Context, id string) error {
	return c.order(slack.MethodConversationsArchive, func(api *slackgo.Client) error {
		return api.ArchiveConversationContext(ctx, id)
	})
}

// SetTopic implements slack.API.
func (c *Client) SetTopic(ctx context.Context, id, topic string) error {
	return c.order(slack.MethodConversationsSetTopic, func(api *slackgo.Client) error {
		_, err := api.SetTopicOfConversationContext(ctx, id, topic)
		return err
	})
}

// SetPurpose implements slack.API.
func (c *Client) SetPurpose(ctx context.Context, id, purpose string) error {
	return c.order(slack.MethodConversationsSetPurpose, func(api *slackgo.Client) error {
		_, err := api.SetPurposeOfConversationContext(ctx, id, purpose)
		return err
	})
}

// InviteToConversation implements slack.API.
func (c *Client) InviteToConversation(ctx context.Context, id string, users []string) error {
	return c.order(slack.MethodConversationsInvite, func(api *slackgo.Client) error {
		_, err := api.InviteUsersToConversationContext(ctx, id, users...)
		return err
	})
}

// RemoveFromConversation implements slack.API.
func (c *Client) RemoveFromConversation(ctx context.Context, id, user string) error {
	return c.order(slack.MethodConversationsKick, func(api *slackgo.Client) error {
		return api.KickUserFromConversationContext(ctx, id, user)
	})
}
