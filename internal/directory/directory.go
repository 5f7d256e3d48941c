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
	Reserve(now time.Time, workspace slack.Workspace, method string, h pacing.Holder) (at time.Time, ok bool)
	Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration)
	Done(now time.Time, workspace slack.Workspace, method, holder string)
}

// Workspace is where to look, and with which credentials.
type Workspace struct {
	// Key of the caches and of the Limiter, with the app whose bot asks: direct
	// messages and private channels differ from bot to bot.
	Key slack.Workspace
	// TeamName is for the error messages alone.
	TeamName string
	// Credential is an opaque name for the token that changes with it, and is
	// no secret: for example the SlackChannel's name and the Secret's
	// resourceVersion. A refusal of one is not held against another.
	Credential string
	API        slack.API
	// Namespace of whoever asks. Calls take the namespaces in turn.
	Namespace string
	// Checks are those of the bot that come again and again; zero for a look that
	// is none of them.
	Checks Checks
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
	Workspace slack.Workspace
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
	// Enter, if set, is asked before a caller waits for an answer, be it of its own
	// call or of an equal one, and returns what ends that; nil when as many wait for
	// the servers of that domain as may.
	Enter func(slack.Domain) (leave func())
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

	mu  sync.Mutex
	ctx context.Context //nolint:containedctx // the life of the background work, set by Start
	// users and groups are those of a workspace for all apps, whatever the app is.
	users map[slack.Workspace]*list[user]
	convs map[slack.Workspace]*list[channel]
	// infos and emails are single answers, which are kept for a while; absent
	// are single refusals.
	infos  map[conversationKey]known[versioned]
	emails map[emailKey]known[slack.User]
	absent refusals
	dms    map[dmKey]directMessage
	groups map[slack.Workspace]*groupList
	// asked are the IDs of channels that each bot was asked for lately.
	asked map[slack.Workspace]*asked
	// contradicted conversations have answers that are not to be believed.
	contradicted map[subjectKey]contradiction
	lastVersion  uint64
	flight       singleflight.Group
}

type (
	conversationKey struct {
		bot slack.Workspace
		id  string
	}
	emailKey struct {
		team  slack.Workspace
		email string
	}
	dmKey struct {
		bot  slack.Workspace
		user string
	}
)

// New returns an empty Directory.
func New(o Options) *Directory {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Enter == nil {
		o.Enter = func(slack.Domain) func() { return func() {} }
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
		users: map[slack.Workspace]*list[user]{}, convs: map[slack.Workspace]*list[channel]{},
		infos: map[conversationKey]known[versioned]{}, emails: map[emailKey]known[slack.User]{}, absent: refusals{},
		asked: map[slack.Workspace]*asked{}, dms: map[dmKey]directMessage{}, groups: map[slack.Workspace]*groupList{}, contradicted: map[subjectKey]contradiction{},
	}
}

// Start loads lists in the background, and drops what nobody has used for an
// hour, until ctx ends (manager.Runnable).
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
	d.sweepOften(ctx)
	return nil
}

// Stat describes one list in the cache.
type Stat struct {
	// Workspace without an app; lists of several of its bots are one Stat.
	Workspace slack.Workspace
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
		return cmp.Or(cmp.Compare(a.Workspace.String(), b.Workspace.String()), cmp.Compare(a.List, b.List))
	})
	// Several bots of a workspace have a list of conversations each.
	return slices.CompactFunc(out, func(a, b Stat) bool { return a.Workspace == b.Workspace && a.List == b.List })
}

// team is the key of what is the same for all apps of the workspace.
func (ws Workspace) team() slack.Workspace { return ws.Key.AllApps() }

// place names a workspace for people, who see no trust domain.
func place(ws Workspace) string {
	if ws.TeamName == "" {
		return ws.Key.Team()
	}
	return ws.TeamName + " (" + ws.Key.Team() + ")"
}
