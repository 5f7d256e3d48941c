package slacksim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// App is an app as its settings say. All its bot tokens, whatever the
// workspace, have its ID.
type App struct {
	ID string `json:"id"`
	// SocketMode is on: what people press goes over sockets, and nothing to the
	// Request URL.
	SocketMode bool `json:"socket_mode"`
	// Interactivity is on; else nothing is sent, and people are told so.
	Interactivity bool `json:"interactivity"`
	// RequestURL and SigningSecret are for HTTP.
	RequestURL    string `json:"request_url,omitempty"`
	SigningSecret string `json:"signing_secret,omitempty"`
	// Tokens are of the app level.
	Tokens []*AppToken `json:"tokens,omitempty"`
	// ConnectionTime is how long a connection lasts, in seconds.
	ConnectionTime int `json:"connection_time"`
}

// AppToken is a token of the app level.
type AppToken struct {
	Token  string   `json:"token"`
	Scopes []string `json:"scopes"`
	// Error answers every call, as in "token_revoked"; none when empty.
	Error string `json:"error,omitempty"`
}

// What the demo's app has.
const (
	DemoApp           = "A0DEMO000"
	DemoAppToken      = "xapp-1-A0DEMO000-0000-slack-notifier"
	DemoSigningSecret = "demo-signing-secret"
)

// connectionTime of an app that says none, in seconds.
const connectionTime = 3600

// complete gives an app what it does not say.
func (a *App) complete() {
	if a.ConnectionTime <= 0 {
		a.ConnectionTime = connectionTime
	}
	for _, t := range a.Tokens {
		if t.Scopes == nil {
			t.Scopes = []string{"connections:write"}
		}
	}
}

func demoApp() *App {
	return &App{
		ID: DemoApp, SocketMode: true, Interactivity: true, SigningSecret: DemoSigningSecret,
		Tokens: []*AppToken{{Token: DemoAppToken}},
	}
}

// app returns an app, which has neither sockets nor interactivity when nobody
// has told of it.
func (s *store) app(id string) *App {
	if s.apps[id] == nil {
		a := &App{ID: id}
		a.complete()
		s.apps[id] = a
	}
	return s.apps[id]
}

// appOf an app-level token.
func (s *store) appOf(token string) (*App, *AppToken) {
	for _, a := range s.apps {
		for _, t := range a.Tokens {
			if t.Token == token {
				return a, t
			}
		}
	}
	return nil, nil
}

const openConnection = "apps.connections.open"

// ticketTime is how long the URL of a connection holds, which is an
// invention: Slack says that it is used once.
const ticketTime = 30 * time.Second

// ticket opens one connection.
type ticket struct {
	app   string
	until time.Time
}

// connectionsOpen answers with the URL of a connection. The token has to be in
// the header (docs.slack.dev/reference/methods/apps.connections.open).
func (s *Server) connectionsOpen(r *http.Request) (body answer, retry int) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return refuse("not_authed").body(), 0
	}
	app, t := s.appOf(token)
	switch {
	case app == nil && s.tokens[token] != nil:
		return refuse("not_allowed_token_type").body(), 0
	case app == nil:
		return refuse("invalid_auth").body(), 0
	case t.Error != "":
		return refuse(t.Error).body(), 0
	}
	if retry := s.limits.method(app.ID, openConnection, 3, s.now()); retry > 0 {
		return nil, retry
	}
	if !slices.Contains(t.Scopes, "connections:write") {
		return answer{"ok": false, "error": "missing_scope", "needed": "connections:write", "provided": strings.Join(t.Scopes, ",")}, 0
	}
	s.heard(app.ID, r)
	id := newUUID()
	s.tickets[id] = ticket{app: app.ID, until: time.Now().Add(ticketTime)}
	return answer{"ok": true, "url": "ws" + strings.TrimPrefix(s.base(app.ID), "http") + "/link/?ticket=" + id + "&app_id=" + app.ID}, 0
}

// heard notes under which name an app knows this server, which is what it is
// told for sockets and response URLs.
func (s *store) heard(app string, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	s.bases[app] = scheme + r.Host
}

func (s *store) base(app string) string { return s.bases[app] }

// botsInfo tells the app of a bot (docs.slack.dev/reference/methods/bots.info).
func (s *Server) botsInfo(c *call) (answer, *refusal) {
	for _, t := range s.tokens {
		if t.Team == c.team.ID && t.BotID == c.args["bot"] && t.BotID != "" {
			name := ""
			if u := c.team.user(t.BotUser); u != nil {
				name = u.RealName
			}
			return answer{"bot": answer{
				"id": t.BotID, "deleted": false, "name": name, "updated": 1700000000, "app_id": t.AppID, "user_id": t.BotUser,
				"icons": answer{"image_48": "https://a.slack-edge.com/bot.png"},
			}}, nil
		}
	}
	return nil, refuse("bot_not_found")
}

// changeApp adds or replaces an app. Turning Socket Mode off ends its
// connections.
func (s *Server) changeApp(w http.ResponseWriter, r *http.Request) {
	a := &App{SocketMode: true, Interactivity: true}
	if !readJSON(w, r, a) {
		return
	}
	if a.ID == "" {
		http.Error(w, "the app has no id", http.StatusBadRequest)
		return
	}
	a.complete()
	s.mu.Lock()
	s.apps[a.ID] = a
	s.mu.Unlock()
	if !a.SocketMode {
		s.disconnect(a.ID, "", "link_disabled")
	}
	writeJSON(w, a)
}
