package directory

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Limiter hands out slots for calls; *pacing.Limiter is one.
type Limiter interface {
	Reserve(now time.Time, workspace, method, holder string) (at time.Time, ok bool)
	Penalize(now time.Time, workspace, method string, retryAfter time.Duration)
}

// Workspace is where to look, and with which credentials.
type Workspace struct {
	// TeamID keys the cache.
	TeamID string
	// TeamName is for the error messages alone.
	TeamName string
	// BotUserID is whom the token belongs to. Direct messages and private
	// channels differ from bot to bot.
	BotUserID string
	// Credential is an opaque name for the token that changes with it, and is
	// no secret: for example the SlackChannel's name and the Secret's
	// resourceVersion. A refusal of one is not held against another.
	Credential string
	API        slack.API
}

// Query says who is looked for: either of the two.
type Query struct {
	// User is a handle, with or without "@", a unique display or real name,
	// or an ID (U… or W…).
	User  string
	Email string
}

// Load is what came of reading a whole list, for metrics.
type Load struct {
	TeamID string
	// List is "users" or "conversations".
	List    string
	Entries int
	Took    time.Duration
	// Err is nil when the list is complete.
	Err error
}

// Options of New.
type Options struct {
	// Limiter is required.
	Limiter Limiter
	// Clock is the real one when nil.
	Clock clock.Clock
	// Wake is called with the owner of a lookup that is worth repeating. It
	// must not block for long, and not call the Directory.
	Wake func(owner string)
	// RefreshEvery is the age at which a list in use is read again; 10 minutes when 0.
	RefreshEvery time.Duration
	// MissEvery is how often at most a list is read, or a call repeated, for
	// what was not found; 1 minute when 0.
	MissEvery time.Duration
	// PageSize of the lists; 200 when 0, which Slack recommends; it takes up to 999.
	PageSize int
	// MaxDirectMessages is how many conversation IDs of direct messages are
	// remembered; 200,000 when 0.
	MaxDirectMessages int
	// Observe, if set, is told of every list read.
	Observe func(Load)
}

// Directory is safe for concurrent use. Nothing is loaded before Start.
type Directory struct{}

// New returns an empty Directory.
func New(o Options) *Directory { return &Directory{} }

// Start loads lists in the background until ctx ends (manager.Runnable).
func (d *Directory) Start(ctx context.Context) error { <-ctx.Done(); return nil }

// FindUser finds who is to get a message.
//
// It returns *LoadingError (owner is woken), *WaitError (ask again at its At),
// *NotFoundError (owner is woken after each refresh), *AmbiguousError,
// *DeactivatedError, *NotMessageableError, or the *slack.Error of a call.
func (d *Directory) FindUser(ctx context.Context, ws Workspace, q Query, owner string) (slack.User, error) {
	return slack.User{}, nil
}

// FindConversation finds a channel by "#name", name or ID (C…, G… or D…).
//
// It returns *LoadingError, *WaitError, *NotFoundError or *slack.Error as
// FindUser does, and for an archived channel both the channel and *ArchivedError.
func (d *Directory) FindConversation(ctx context.Context, ws Workspace, ref, owner string) (slack.Conversation, error) {
	return slack.Conversation{}, nil
}

// DirectMessage returns the conversation (D…) of the bot with a user.
//
// It returns *LoadingError, *WaitError or *slack.Error as FindUser does.
func (d *Directory) DirectMessage(ctx context.Context, ws Workspace, userID, owner string) (string, error) {
	return "", nil
}

// Invalidate forgets what is known of a conversation, or of a direct message,
// because Slack said otherwise (channel_not_found, is_archived, …): the next
// lookup asks anew.
func (d *Directory) Invalidate(teamID, conversationID string) {}

// Stat describes one list in the cache.
type Stat struct {
	TeamID string
	// List is "users" or "conversations".
	List string
	// Entries and LoadedAt are of the last complete list; zero when there is none.
	Entries  int
	LoadedAt time.Time
	// Loading is true while it is being read; Waiting counts the owners that wait for it.
	Loading bool
	Waiting int
}

// Stats describes the lists in the cache, ordered by team and list.
func (d *Directory) Stats() []Stat { return nil }
