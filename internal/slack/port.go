// Package slack is the port to Slack: the requests that the operator makes,
// the answers that it reads, and the classes of errors that it acts on.
//
// It holds no SDK, no HTTP and none of Slack's error strings; those are known
// to the two adapters, webapi and webhook, alone.
package slack

import (
	"context"
	"encoding/json"
	"time"
)

// Message is what is shown in a conversation, ready to be sent.
type Message struct {
	// Text is mrkdwn: the body, or beside blocks the text of notifications
	// and screen readers.
	Text string
	// Markdown is standard Markdown, at most 12,000 characters; not together
	// with Text or Blocks.
	Markdown string
	// Blocks and Attachments are JSON objects as Slack documents them.
	Blocks      []json.RawMessage
	Attachments []json.RawMessage
	// Username, IconURL and IconEmoji override the bot's own.
	Username, IconURL, IconEmoji string
	// Unfurl shows previews of links and media.
	Unfurl bool
	// ThreadTS is the timestamp of the message to reply to; Broadcast shows
	// the reply in the channel too.
	ThreadTS  string
	Broadcast bool
	// Metadata is stored with the message, invisible to people. A webhook
	// does not carry it.
	Metadata *Metadata
}

// Metadata marks a message so that it can be recognised when it is read back
// (docs.slack.dev/messaging/message-metadata). Any app of the workspace can
// read it, so it holds no secrets. The values are strings because only those
// are safe with every client.
type Metadata struct {
	EventType string
	Payload   map[string]string
}

// Posted is Slack's receipt for a message.
type Posted struct {
	// Conversation that the message is in; the direct message (D…) when it was
	// sent to a user.
	Conversation string
	// Timestamp is Slack's ts, unique within the conversation; empty for a
	// webhook.
	Timestamp string
	// ThreadTS of the message as stored; empty when it is no reply. Slack
	// posts a reply to a deleted parent outside of any thread.
	ThreadTS string
}

// Identity is what auth.test says of a token.
type Identity struct {
	TeamID, TeamName, URL string
	// BotUserID (U…) and BotID (B…) name the bot as a user and as an author.
	BotUserID, BotID string
	// BotName is the bot's handle, without "@"; empty when Slack does not tell it.
	BotName string
	// Scopes of the token; nil when Slack did not report them, which makes
	// them unknown, not missing.
	Scopes []string
}

// Conversation is a channel or a direct message.
type Conversation struct {
	// Unseen is true when the app may not look at the conversation: only its ID is
	// known, and the rest is guessed.
	Unseen   bool
	ID, Name string
	Private  bool
	Archived bool
	// Member is true when the bot is in it.
	Member bool
	// DM is true for a direct message.
	DM bool
	// Creator is the user ID of who made the channel, and Created when; empty
	// when Slack did not say.
	Creator string
	Created time.Time
	// Topic and Purpose of the channel.
	Topic, Purpose string
}

// UserGroup is a group of users that can be mentioned by its handle.
type UserGroup struct {
	ID, Handle, Name string
	// Users are the IDs of its members; nil when Slack did not tell them.
	Users []string
}

// User is a person or a bot of a workspace.
type User struct {
	ID string
	// Name is the handle in users.list.
	Name        string
	DisplayName string
	RealName    string
	// Email is empty without the scope users:read.email.
	Email   string
	Deleted bool
	Bot     bool
	// Team is the workspace that the user is of; empty when Slack does not say.
	Team string
	// Stranger is true for somebody of another organisation who is no member but
	// of channels that are shared
	// (docs.slack.dev/reference/objects/user-object, is_stranger).
	Stranger bool
}

// StoredMessage is a message read back from a conversation, with what is
// needed to recognise it and nothing else.
type StoredMessage struct {
	Timestamp string
	ThreadTS  string
	// BotID (B…) and UserID (U…) of the author; either may be empty, as Slack
	// leaves the user out where a message has a name of its own.
	BotID, UserID string
	// Metadata is nil when there is none, or none that this operator wrote.
	Metadata *Metadata
}

// HistoryQuery asks for one page of a conversation's messages, newest first. A page may
// have fewer than Limit, or none, and others may follow all the same
// (docs.slack.dev/apis/web-api/pagination).
type HistoryQuery struct {
	Conversation string
	// ThreadTS reads the replies of one message instead.
	ThreadTS string
	// Oldest is the time after which messages count.
	Oldest time.Time
	// Exactly asks for the one message with this timestamp and no other; with
	// ThreadTS, for that reply.
	Exactly string
	Cursor  string
	// Limit of messages in a page; 200 when 0.
	Limit int
}

// Poster sends messages.
type Poster interface {
	// Post sends a message to a conversation. A webhook ignores the
	// conversation, since its address names it already. Every error is an
	// *Error.
	Post(ctx context.Context, conversation string, m Message) (Posted, error)
}

// API is the part of Slack's Web API that the operator uses. Every call is one
// request, with no retry and no waiting inside; every error is an *Error.
// Methods named List or History return the cursor of the next page, empty at
// the end.
type API interface {
	Poster

	// AuthTest asks whom the token belongs to.
	AuthTest(ctx context.Context) (Identity, error)
	// ConversationInfo describes one conversation, by ID.
	ConversationInfo(ctx context.Context, id string) (Conversation, error)
	// ListConversations reads one page of the public channels and, with
	// private, of the private channels that the bot is in.
	ListConversations(ctx context.Context, cursor string, limit int, private bool) ([]Conversation, string, error)
	// JoinConversation makes the bot a member of a public channel.
	JoinConversation(ctx context.Context, id string) error
	// OpenDirectMessage returns the ID (D…) of the bot's direct message with a user.
	OpenDirectMessage(ctx context.Context, userID string) (string, error)
	// ListUsers reads one page of the workspace's users.
	ListUsers(ctx context.Context, cursor string, limit int) ([]User, string, error)
	// LookupUserByEmail finds one active user.
	LookupUserByEmail(ctx context.Context, email string) (User, error)
	// BotApp returns the ID (A…) of the app that a bot (B…) belongs to.
	BotApp(ctx context.Context, bot string) (string, error)
	// ListUserGroups reads all user groups with their members; Slack does not page them. A
	// workspace whose plan has none has an empty list.
	ListUserGroups(ctx context.Context) ([]UserGroup, error)
	// History reads one page of messages, with their metadata.
	History(ctx context.Context, q HistoryQuery) ([]StoredMessage, string, error)
	// Update replaces the content of a message. Name, picture and thread stay;
	// repeating it changes nothing.
	Update(ctx context.Context, conversation, timestamp string, m Message) error
	// Delete removes a message of the bot's own.
	Delete(ctx context.Context, conversation, timestamp string) error

	// CreateConversation makes a channel of which the bot is a member.
	CreateConversation(ctx context.Context, name string, private bool) (Conversation, error)
	// RenameConversation gives a channel another name, and returns the one
	// that Slack has made of it.
	RenameConversation(ctx context.Context, id, name string) (Conversation, error)
	// ArchiveConversation closes a channel, and takes the bot out of it.
	ArchiveConversation(ctx context.Context, id string) error
	// SetTopic and SetPurpose post a notice in the channel.
	SetTopic(ctx context.Context, id, topic string) error
	SetPurpose(ctx context.Context, id, purpose string) error
	// InviteToConversation makes at most 100 users members.
	InviteToConversation(ctx context.Context, id string, users []string) error
	// RemoveFromConversation ends the membership of a user.
	RemoveFromConversation(ctx context.Context, id, user string) error
	// ListMembers reads one page of a channel's members' IDs.
	ListMembers(ctx context.Context, id, cursor string, limit int) ([]string, string, error)
}

// Names of the Web API methods that API calls, as pacing and metrics key them.
const (
	MethodPostMessage       = "chat.postMessage"
	MethodAuthTest          = "auth.test"
	MethodConversationInfo  = "conversations.info"
	MethodConversationsList = "conversations.list"
	MethodConversationsJoin = "conversations.join"
	MethodConversationsOpen = "conversations.open"
	MethodHistory           = "conversations.history"
	MethodReplies           = "conversations.replies"
	MethodUsersList         = "users.list"
	MethodLookupByEmail     = "users.lookupByEmail"
	MethodUserGroupsList    = "usergroups.list"
	MethodBotsInfo          = "bots.info"
	MethodConnectionsOpen   = "apps.connections.open"
	MethodUpdate            = "chat.update"
	MethodDelete            = "chat.delete"

	MethodConversationsCreate     = "conversations.create"
	MethodConversationsRename     = "conversations.rename"
	MethodConversationsArchive    = "conversations.archive"
	MethodConversationsSetTopic   = "conversations.setTopic"
	MethodConversationsSetPurpose = "conversations.setPurpose"
	MethodConversationsInvite     = "conversations.invite"
	MethodConversationsKick       = "conversations.kick"
	MethodConversationsMembers    = "conversations.members"
	// MethodWebhook stands for a post by an incoming webhook.
	MethodWebhook = "webhook"
	// MethodResponseURL stands for an answer to a person who has pressed a button.
	MethodResponseURL = "response_url"
)

// Observer is told of every call: its method, the answer as AnswerOf names it
// and how long it took.
type Observer func(method, answer string, took time.Duration)
