package slacksim

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// User of a workspace.
type User struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	RealName    string `json:"real_name"`
	Email       string `json:"email"`
	Deleted     bool   `json:"deleted"`
	Bot         bool   `json:"is_bot"`
	// Unreachable users take no direct messages (the app's Messages tab is off).
	Unreachable bool `json:"unreachable,omitempty"`
	// Team of a user who is of another workspace, met through Slack Connect.
	Team string `json:"team_id,omitempty"`
	// Stranger is true for somebody of another organisation.
	Stranger bool `json:"is_stranger,omitempty"`
}

// Channel of a workspace, or a direct message.
type Channel struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Private  bool   `json:"is_private"`
	Archived bool   `json:"is_archived"`
	// Members are user IDs, of bots and of people.
	Members []string `json:"members"`
	// User is the person of a direct message.
	User string `json:"user"`
	// ReadOnly channels refuse posts by apps.
	ReadOnly bool `json:"read_only"`
	// General can be neither archived nor left.
	General bool `json:"is_general"`
	// Creator is a user ID, and Created a time in seconds.
	Creator string `json:"creator"`
	Created int64  `json:"created"`
	// Topic and Purpose as they were set; Slack hands them out escaped.
	Topic         string   `json:"topic"`
	Purpose       string   `json:"purpose"`
	PreviousNames []string `json:"previous_names"`
}

func (c *Channel) dm() bool { return c.User != "" }

func (c *Channel) has(user string) bool {
	return slices.Contains(c.Members, user)
}

// Group of users that can be mentioned by its handle.
type Group struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
	Name   string `json:"name"`
	// Disabled groups are listed on request only.
	Disabled bool `json:"disabled,omitempty"`
	// Users are the IDs of its members.
	Users []string `json:"users,omitempty"`
}

// Workspace is a Slack workspace.
type Workspace struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	URL    string     `json:"url"`
	Users  []*User    `json:"users"`
	Groups []*Group   `json:"groups"`
	Rooms  []*Channel `json:"channels"`
}

// Token of a bot.
type Token struct {
	Token   string `json:"token"`
	Team    string `json:"team"`
	BotUser string `json:"bot_user"`
	BotID   string `json:"bot_id"`
	// AppID is the demo's for the demo's bot, and else one of the bot's own.
	AppID  string   `json:"app_id"`
	Scopes []string `json:"scopes"`
	// OrgWide tokens are of an organisation: lists ask them for a team_id.
	OrgWide bool `json:"org_wide,omitempty"`
	// Error answers every call, as in "token_revoked"; none when empty.
	Error string `json:"error"`
	// HideScopes leaves out the header that reports the scopes.
	HideScopes bool `json:"hide_scopes"`
}

// complete gives a token without one a bot ID of its own, since every message
// of an app has one.
func (t *Token) complete() {
	if t.BotID == "" && t.BotUser != "" {
		t.BotID = "B" + t.BotUser[1:]
	}
	switch {
	case t.AppID != "" || t.BotUser == "":
	case t.BotUser == DemoBotUser:
		t.AppID = DemoApp
	default:
		t.AppID = "A" + t.BotUser[1:]
	}
}

// Webhook is an incoming webhook of an app.
type Webhook struct {
	// Path of the URL, as in /services/T…/B…/….
	Path    string `json:"path"`
	Team    string `json:"team"`
	Channel string `json:"channel"`
	// Error answers every post, as in "no_service"; none when empty.
	Error string `json:"error"`
	// AppName is who the messages are from, and AppID which app that is; the
	// demo's when empty.
	AppName string `json:"app_name"`
	AppID   string `json:"app_id,omitempty"`
}

// Message as it was received.
type Message struct {
	TS          string          `json:"ts"`
	Team        string          `json:"team"`
	Channel     string          `json:"channel"`
	User        string          `json:"user,omitempty"`
	BotID       string          `json:"bot_id,omitempty"`
	AppName     string          `json:"app_name"`
	AppID       string          `json:"app_id,omitempty"`
	Username    string          `json:"username,omitempty"`
	IconURL     string          `json:"icon_url,omitempty"`
	IconEmoji   string          `json:"icon_emoji,omitempty"`
	Text        string          `json:"text,omitempty"`
	Markdown    string          `json:"markdown_text,omitempty"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	Broadcast   bool            `json:"reply_broadcast,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	UnfurlLinks string          `json:"unfurl_links,omitempty"`
	UnfurlMedia string          `json:"unfurl_media,omitempty"`
	// Subtype is Slack's, of what is no message of an app: a notice, as in
	// "channel_topic", or "tombstone" where a message with replies was deleted.
	Subtype string `json:"subtype,omitempty"`
	// Edited is the mark that people see. Edits counts all updates, with and
	// without the mark.
	Edited *Edit `json:"edited,omitempty"`
	Edits  int   `json:"edits,omitempty"`
	// ChangedAt is when it was edited last.
	ChangedAt *time.Time `json:"changed_at,omitempty"`
	// Closed messages can't be edited any more.
	Closed bool `json:"closed,omitempty"`
	// DeletedBy is the user who deleted the message, "person" if none is known.
	DeletedBy string `json:"deleted_by,omitempty"`
	// ForUser is the one who sees an ephemeral message.
	ForUser string `json:"for_user,omitempty"`
	// ReusedBlockIDs are those of what can be pressed that an edit used again for
	// something else.
	ReusedBlockIDs []string `json:"reused_block_ids,omitempty"`
	// Via is "api", "webhook", "response_url", or "notice" for what Slack itself
	// has said.
	Via        string    `json:"via"`
	ReceivedAt time.Time `json:"received_at"`

	// past is what could be pressed before the last edits.
	past []*element
}

// Edit is who edited a message last, and when.
type Edit struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

// Seed is what is there at the start.
type Seed struct {
	Workspaces []*Workspace
	Tokens     []*Token
	Webhooks   []*Webhook
	Apps       []*App
}

// What the default seed holds.
const (
	DemoTeam        = "T0ACME00"
	DemoBotUser     = "U0BOT0000"
	DemoToken       = "xoxb-demo-0000-slack-notifier"
	DemoWebhookPath = "/services/T0ACME00/B0HOOK00/demowebhooksecret"
)

// AllScopes of the manifest that the README gives.
var AllScopes = []string{
	"chat:write", "chat:write.public", "chat:write.customize", "channels:read", "channels:join", "channels:history",
	"groups:read", "groups:history", "im:write", "im:history", "users:read", "users:read.email", "usergroups:read",
	"channels:manage", "groups:write",
}

// DefaultSeed is a small company named Acme.
func DefaultSeed() Seed {
	with := func(people ...string) []string { return append([]string{DemoBotUser}, people...) }
	return Seed{
		Workspaces: []*Workspace{{
			ID: DemoTeam, Name: "Acme", URL: "https://acme.slack.com/",
			Users: []*User{
				{ID: DemoBotUser, Name: "slack-notifier", RealName: "slack-notifier", Bot: true},
				{ID: "USLACKBOT", Name: "slackbot", DisplayName: "Slackbot", RealName: "Slackbot"},
				{ID: "U0YUEH000", Name: "yueh.liu", DisplayName: "yueh", RealName: "Yueh Liu", Email: "yueh.liu@example.com"},
				{ID: "U0ADA0000", Name: "ada", DisplayName: "Ada", RealName: "Ada Lovelace", Email: "ada@example.com"},
				{ID: "U0GRACE00", Name: "grace", DisplayName: "Grace", RealName: "Grace Hopper", Email: "grace@example.com"},
				{ID: "U0SAM0001", Name: "sam.one", DisplayName: "Sam", RealName: "Sam One", Email: "sam.one@example.com"},
				{ID: "U0SAM0002", Name: "sam.two", DisplayName: "Sam", RealName: "Sam Two", Email: "sam.two@example.com"},
				{ID: "U0GONE000", Name: "gone", DisplayName: "gone", RealName: "Gone Away", Email: "gone@example.com", Deleted: true},
				{ID: "U0OTHER00", Name: "otherbot", RealName: "Other Bot", Bot: true},
			},
			Groups: []*Group{{ID: "S0ONCALL0", Handle: "oncall", Name: "On call", Users: []string{"U0ADA0000", "U0GRACE00"}}},
			Rooms: []*Channel{
				{ID: "C0GENERAL", Name: "general", General: true, Members: with("U0YUEH000", "U0ADA0000", "U0GRACE00", "U0SAM0001", "U0SAM0002")},
				{ID: "C0ALERTS0", Name: "alerts", Topic: "What our systems complain about", Members: with("U0YUEH000", "U0GRACE00")},
				{ID: "C0DEPLOYS", Name: "deploys", Topic: "What goes live, and how it went", Members: with("U0YUEH000", "U0ADA0000")},
				{ID: "C0RANDOM0", Name: "random"},
				{ID: "C0OPSPRIV", Name: "ops-private", Private: true, Members: with("U0YUEH000")},
				{ID: "C0SECRET0", Name: "secret", Private: true},
				{ID: "C0OLD0000", Name: "old-project", Archived: true},
			},
		}},
		Tokens:   []*Token{{Token: DemoToken, Team: DemoTeam, BotUser: DemoBotUser, BotID: "B0BOT0000", Scopes: slices.Clone(AllScopes)}},
		Apps:     []*App{demoApp()},
		Webhooks: []*Webhook{{Path: DemoWebhookPath, Team: DemoTeam, Channel: "C0DEPLOYS", AppName: "slack-notifier"}},
	}
}

// AddUsers adds generated people to the first workspace.
func (s *Seed) AddUsers(n int) {
	for i := range n {
		s.Workspaces[0].Users = append(s.Workspaces[0].Users, &User{
			ID: fmt.Sprintf("U1%07d", i), Name: fmt.Sprintf("person.%06d", i), DisplayName: fmt.Sprintf("Person %d", i),
			RealName: fmt.Sprintf("Person Number %d", i), Email: fmt.Sprintf("person.%06d@example.com", i),
		})
	}
}

// store is everything that is known, guarded by its lock.
type store struct {
	mu         sync.Mutex
	workspaces map[string]*Workspace
	tokens     map[string]*Token
	webhooks   map[string]*Webhook
	// messages by channel, oldest first.
	messages map[string][]*Message
	// deleted messages as they were, in the order of their deletion.
	deleted []*Message
	// ephemeral messages, which are in no history.
	ephemeral  []*Message
	apps       map[string]*App
	bases      map[string]string
	tickets    map[string]ticket
	sockets    []*Socket
	envelopes  map[string]*envelope
	acks       []Ack
	presses    []*Press
	responders map[string]*responder

	lastTS   int64
	nextDM   int
	nextRoom int
}

func newStore(seed Seed) *store {
	s := &store{
		workspaces: map[string]*Workspace{}, tokens: map[string]*Token{}, webhooks: map[string]*Webhook{},
		messages: map[string][]*Message{}, apps: map[string]*App{}, bases: map[string]string{}, tickets: map[string]ticket{},
		envelopes: map[string]*envelope{}, responders: map[string]*responder{},
	}
	for _, a := range seed.Apps {
		a.complete()
		s.apps[a.ID] = a
	}
	for _, w := range seed.Workspaces {
		sort.Slice(w.Users, func(i, j int) bool { return w.Users[i].ID < w.Users[j].ID })
		s.workspaces[w.ID] = w
	}
	for _, t := range seed.Tokens {
		t.complete()
		s.tokens[t.Token] = t
	}
	for _, h := range seed.Webhooks {
		s.webhooks[h.Path] = h
	}
	return s
}

// timestamp returns a new, ever increasing ts.
func (s *store) timestamp(now time.Time) string {
	micros := max(now.UnixMicro(), s.lastTS+1)
	s.lastTS = micros
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}

func (w *Workspace) user(id string) *User {
	for _, u := range w.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (w *Workspace) room(id string) *Channel {
	for _, c := range w.Rooms {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func (w *Workspace) roomNamed(name string) *Channel {
	for _, c := range w.Rooms {
		if c.Name == name && !c.dm() {
			return c
		}
	}
	return nil
}

// direct returns the direct message of a bot with a user, and opens it.
func (s *store) direct(w *Workspace, bot, user string) *Channel {
	for _, c := range w.Rooms {
		if c.User == user && c.has(bot) {
			return c
		}
	}
	s.nextDM++
	c := &Channel{ID: fmt.Sprintf("D%08d", s.nextDM), User: user, Members: []string{bot, user}, Private: true}
	w.Rooms = append(w.Rooms, c)
	return c
}
