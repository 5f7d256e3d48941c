package directory

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Limiter hands out slots for calls; *pacing.Limiter is one.
type Limiter interface {
	Reserve(now time.Time, workspace, method string, h pacing.Holder) (at time.Time, ok bool)
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
	// Namespace of whoever asks. Calls take the namespaces in turn.
	Namespace string
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
	// List is "users", "conversations" or "usergroups".
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
type Directory struct {
	options Options
	clock   clock.Clock

	mu    sync.Mutex
	ctx   context.Context //nolint:containedctx // the life of the background work, set by Start
	users map[string]*userList
	convs map[botKey]*list[slack.Conversation]
	// infos and emails are single answers, which are kept for a while.
	infos  map[conversationKey]known[slack.Conversation]
	emails map[emailKey]known[*slack.User]
	dms    map[dmKey]string
	groups map[string]*groupList
	flight singleflight.Group
}

type (
	botKey          struct{ team, bot string }
	conversationKey struct{ team, bot, id string }
	emailKey        struct{ team, email string }
	dmKey           struct{ team, bot, user string }
)

// known is an answer and when it was given.
type known[T any] struct {
	value T
	at    time.Time
}

// New returns an empty Directory.
func New(o Options) *Directory {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Wake == nil {
		o.Wake = func(string) {}
	}
	if o.Observe == nil {
		o.Observe = func(Load) {}
	}
	if o.RefreshEvery == 0 {
		o.RefreshEvery = 10 * time.Minute
	}
	if o.MissEvery == 0 {
		o.MissEvery = time.Minute
	}
	if o.PageSize == 0 {
		o.PageSize = 200
	}
	if o.MaxDirectMessages == 0 {
		o.MaxDirectMessages = 200_000
	}
	return &Directory{
		options: o, clock: o.Clock,
		users: map[string]*userList{}, convs: map[botKey]*list[slack.Conversation]{},
		infos: map[conversationKey]known[slack.Conversation]{}, emails: map[emailKey]known[*slack.User]{},
		dms: map[dmKey]string{}, groups: map[string]*groupList{},
	}
}

// Start loads lists in the background until ctx ends (manager.Runnable).
func (d *Directory) Start(ctx context.Context) error {
	d.mu.Lock()
	d.ctx = ctx
	for _, l := range d.users {
		l.resume()
	}
	for _, l := range d.convs {
		l.resume()
	}
	d.mu.Unlock()
	<-ctx.Done()
	return nil
}

// userList returns the list of a workspace. The caller holds the lock.
func (d *Directory) userList(ws Workspace) *userList {
	l := d.users[ws.TeamID]
	if l == nil {
		l = &userList{list: newList(d, ws, "users", slack.MethodUsersList, fetchUsers)}
		l.sealed = func(e []user) { l.index = newUserIndex(e) }
		d.users[ws.TeamID] = l
	}
	return l
}

func fetchUsers(ctx context.Context, ws Workspace, cursor string, limit int) ([]user, string, error) {
	page, next, err := ws.API.ListUsers(ctx, cursor, limit)
	out := make([]user, len(page))
	for i := range page {
		out[i] = compact(page[i])
	}
	return out, next, err
}

// conversationList returns the list that a bot sees. The caller holds the lock.
func (d *Directory) conversationList(ws Workspace) *list[slack.Conversation] {
	key := botKey{ws.TeamID, ws.BotUserID}
	l := d.convs[key]
	if l == nil {
		l = newList(d, ws, "conversations", slack.MethodConversationsList, fetchConversations)
		l.sealed = func([]slack.Conversation) { keepNoted(l) }
		d.convs[key] = l
	}
	return l
}

// fetchConversations reads what private channels the bot may see too, unless
// the app lacks the scope for these.
func fetchConversations(ctx context.Context, ws Workspace, cursor string, limit int) ([]slack.Conversation, string, error) {
	page, next, err := ws.API.ListConversations(ctx, cursor, limit, true)
	if e := slack.AsError(err); e != nil && e.Class == slack.ClassMissingScope && e.Needed != "channels:read" {
		return ws.API.ListConversations(ctx, cursor, limit, false)
	}
	return page, next, err
}

// FindUser finds who is to get a message.
//
// It returns *LoadingError (owner is woken), *WaitError (ask again at its At),
// *NotFoundError (owner is woken after each refresh), *AmbiguousError,
// *DeactivatedError, *NotMessageableError, or the *slack.Error of a call.
func (d *Directory) FindUser(ctx context.Context, ws Workspace, q Query, owner string) (slack.User, error) {
	if q.Email != "" {
		return d.findEmail(ctx, ws, q.Email, owner)
	}
	return d.findName(ws, q.User, owner)
}

// FindConversation finds a channel by "#name", name or ID (C…, G… or D…).
//
// It returns *LoadingError, *WaitError, *NotFoundError or *slack.Error as
// FindUser does, and for an archived channel both the channel and *ArchivedError.
func (d *Directory) FindConversation(ctx context.Context, ws Workspace, ref, owner string) (slack.Conversation, error) {
	found, err := d.findConversation(ctx, ws, ref, owner)
	if err == nil && found.Archived {
		return found, &ArchivedError{Conversation: found, In: place(ws)}
	}
	return found, err
}

// DirectMessage returns the conversation (D…) of the bot with a user.
//
// It returns *LoadingError, *WaitError or *slack.Error as FindUser does.
func (d *Directory) DirectMessage(ctx context.Context, ws Workspace, userID, owner string) (string, error) {
	key := dmKey{ws.TeamID, ws.BotUserID, userID}
	d.mu.Lock()
	id, ok := d.dms[key]
	d.mu.Unlock()
	if ok {
		return id, nil
	}
	return single(d, "dm/"+ws.TeamID+"/"+ws.BotUserID+"/"+userID, func() (string, error) {
		if err := d.slot(ws, slack.MethodConversationsOpen, owner+"/"+userID); err != nil {
			return "", err
		}
		id, err := ws.API.OpenDirectMessage(ctx, userID)
		if err != nil {
			return "", d.refused(ws, slack.MethodConversationsOpen, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.dms) >= d.options.MaxDirectMessages {
			// Any of them: to open one again costs a call and nothing else.
			for old := range d.dms {
				delete(d.dms, old)
				break
			}
		}
		d.dms[key] = id
		return id, nil
	})
}

// single has equal calls at the same time made once.
func single[T any](d *Directory, key string, do func() (T, error)) (T, error) {
	v, err, _ := d.flight.Do(key, func() (any, error) { return do() })
	out, ok := v.(T)
	if !ok {
		return *new(T), err
	}
	return out, err
}

// slot asks for a slot to make a call now.
func (d *Directory) slot(ws Workspace, method, holder string) error {
	if at, ok := d.options.Limiter.Reserve(d.clock.Now(), ws.TeamID, method, pacing.Holder{Name: holder, Group: ws.Namespace}); !ok {
		return &WaitError{Method: method, At: at}
	}
	return nil
}

// refused obeys a 429, which is a wait and no failure.
func (d *Directory) refused(ws Workspace, method string, err error) error {
	e := slack.AsError(err)
	if e.Class != slack.ClassRateLimited {
		return e
	}
	now := d.clock.Now()
	d.options.Limiter.Penalize(now, ws.TeamID, method, e.RetryAfter)
	return &WaitError{Method: method, At: now.Add(max(e.RetryAfter, time.Second))}
}

// Invalidate forgets what is known of a conversation, or of a direct message,
// because Slack said otherwise (channel_not_found, is_archived, …): the next
// lookup asks anew.
func (d *Directory) Invalidate(teamID, conversationID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.infos {
		if key.team == teamID && key.id == conversationID {
			delete(d.infos, key)
		}
	}
	for key, id := range d.dms {
		if key.team == teamID && id == conversationID {
			delete(d.dms, key)
		}
	}
	for key, l := range d.convs {
		if key.team == teamID {
			l.doubt(conversationID)
		}
	}
}

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
func (d *Directory) Stats() []Stat {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Stat, 0, len(d.users)+len(d.convs))
	for _, l := range d.users {
		out = append(out, l.stat())
	}
	for _, l := range d.convs {
		out = append(out, l.stat())
	}
	slices.SortFunc(out, func(a, b Stat) int {
		return cmp.Or(cmp.Compare(a.TeamID, b.TeamID), cmp.Compare(a.List, b.List))
	})
	// Several bots of a workspace have a list of conversations each.
	return slices.CompactFunc(out, func(a, b Stat) bool { return a.TeamID == b.TeamID && a.List == b.List })
}

// place names a workspace for people.
func place(ws Workspace) string {
	if ws.TeamName == "" {
		return ws.TeamID
	}
	return ws.TeamName + " (" + ws.TeamID + ")"
}
