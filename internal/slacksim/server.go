package slacksim

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config of New.
type Config struct {
	// Seed is DefaultSeed() when empty.
	Seed Seed
	// NoLimits lifts the rate limits.
	NoLimits bool
	// Now is time.Now when nil.
	Now func() time.Time
}

// Server is a simulated Slack. It serves the Web API below /api/, webhooks
// below /services/, the page at / and its own controls below /_sim/.
type Server struct {
	*store
	now     func() time.Time
	limits  *limits
	faults  *faults
	network *network
	calls   *calls
	mux     *http.ServeMux
	// watchers of the page.
	watch sync.Map
}

// New returns a server.
func New(c Config) *Server {
	if len(c.Seed.Workspaces) == 0 {
		c.Seed = DefaultSeed()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{store: newStore(c.Seed), now: c.Now, limits: newLimits(c.NoLimits), faults: &faults{}, network: &network{}, calls: newCalls(), mux: http.NewServeMux()}
	s.mux.HandleFunc("/api/", s.serveAPI)
	s.mux.HandleFunc("/services/", s.serveWebhook)
	s.mux.HandleFunc("/link/", s.serveLink)
	s.mux.HandleFunc("/actions/", s.serveResponse)
	s.mux.HandleFunc("/_sim/", s.serveSim)
	s.mux.Handle("/", pageHandler())
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// args are the arguments of a call. What was no string in JSON is JSON still.
type args map[string]string

func (a args) has(name string) bool { return a[name] != "" }

func (a args) isTrue(name string) bool { return a[name] == "true" || a[name] == "1" }

// readArgs reads a form, a query or a JSON object; it refuses in Slack's words
// what it can't read.
func readArgs(r *http.Request) (args, *refusal) {
	out := args{}
	add := func(v url.Values) {
		for name, values := range v {
			out[name] = values[len(values)-1]
		}
	}
	add(r.URL.Query())
	if r.Method != http.MethodPost {
		return out, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return nil, refuse("request_timeout")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		fields, no := jsonArgs(body)
		if no != nil {
			return nil, no
		}
		maps.Copy(out, fields)
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, refuse("invalid_form_data")
		}
		add(values)
	case "":
		if len(body) > 0 {
			return nil, refuse("missing_post_type")
		}
	default:
		return nil, refuse("invalid_post_type")
	}
	return out, nil
}

// answer of a method: fields beside "ok".
type answer map[string]any

// refusal is Slack's error code, with what goes with it.
type refusal struct {
	code     string
	extra    answer
	messages []string
}

func (r *refusal) body() answer {
	out := answer{"ok": false, "error": r.code}
	for k, v := range r.extra {
		out[k] = v
	}
	if len(r.messages) > 0 {
		out["response_metadata"] = answer{"messages": r.messages}
	}
	return out
}

func refuse(code string) *refusal { return &refusal{code: code} }

// call is one call of a method, by whom and with what.
type call struct {
	method string
	args   args
	token  *Token
	team   *Workspace
}

// method of the Web API.
type method struct {
	// scopes: any of them will do; none is needed when empty.
	scopes []string
	tier   int
	// team: the token of an organisation has to name a team_id.
	team bool
	do   func(*Server, *call) (answer, *refusal)
}

// manage are the scopes to change channels, public and private.
var manage = []string{"channels:manage", "groups:write"}

var methods = map[string]method{
	"auth.test":                {tier: 4, do: (*Server).authTest},
	"chat.postMessage":         {scopes: []string{"chat:write"}, do: (*Server).postMessage},
	"chat.update":              {scopes: []string{"chat:write"}, tier: 3, do: (*Server).updateMessage},
	"chat.postEphemeral":       {scopes: []string{"chat:write"}, tier: 4, do: (*Server).postEphemeral},
	"chat.delete":              {scopes: []string{"chat:write"}, tier: 3, do: (*Server).deleteMessage},
	"chat.getPermalink":        {tier: 4, do: (*Server).getPermalink},
	"conversations.list":       {scopes: []string{"channels:read", "groups:read", "im:read", "mpim:read"}, tier: 2, team: true, do: (*Server).conversationsList},
	"conversations.info":       {scopes: []string{"channels:read", "groups:read", "im:read"}, tier: 3, do: (*Server).conversationsInfo},
	"conversations.history":    {scopes: []string{"channels:history", "groups:history", "im:history"}, tier: 3, do: (*Server).conversationsHistory},
	"conversations.replies":    {scopes: []string{"channels:history", "groups:history", "im:history"}, tier: 3, do: (*Server).conversationsReplies},
	"conversations.open":       {scopes: []string{"im:write", "mpim:write"}, tier: 3, do: (*Server).conversationsOpen},
	"conversations.join":       {scopes: []string{"channels:join"}, tier: 3, do: (*Server).conversationsJoin},
	"conversations.members":    {scopes: []string{"channels:read", "groups:read", "im:read", "mpim:read"}, tier: 4, do: (*Server).conversationsMembers},
	"conversations.create":     {scopes: manage, tier: 2, team: true, do: (*Server).conversationsCreate},
	"conversations.rename":     {scopes: manage, tier: 2, do: (*Server).conversationsRename},
	"conversations.archive":    {scopes: manage, tier: 2, do: (*Server).conversationsArchive},
	"conversations.unarchive":  {scopes: manage, tier: 2, do: (*Server).conversationsUnarchive},
	"conversations.setTopic":   {scopes: slices.Concat(manage, []string{"channels:write.topic", "groups:write.topic"}), tier: 2, do: (*Server).conversationsSetTopic},
	"conversations.setPurpose": {scopes: slices.Concat(manage, []string{"channels:write.topic", "groups:write.topic"}), tier: 2, do: (*Server).conversationsSetPurpose},
	"conversations.invite":     {scopes: slices.Concat(manage, []string{"channels:write.invites", "groups:write.invites"}), tier: 3, do: (*Server).conversationsInvite},
	"conversations.kick":       {scopes: manage, tier: 3, do: (*Server).conversationsKick},
	"users.list":               {scopes: []string{"users:read"}, tier: 2, team: true, do: (*Server).usersList},
	"users.info":               {scopes: []string{"users:read"}, tier: 4, do: (*Server).usersInfo},
	"users.lookupByEmail":      {scopes: []string{"users:read.email"}, tier: 3, do: (*Server).usersLookupByEmail},
	"bots.info":                {scopes: []string{"users:read"}, tier: 3, do: (*Server).botsInfo},
	"usergroups.list":          {scopes: []string{"usergroups:read"}, tier: 2, team: true, do: (*Server).usergroupsList},
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/api/")
	s.network.read(r)
	a, unread := readArgs(r)
	c := &call{method: name, args: a}
	team, channel := s.teamOf(r, a), a["channel"]
	if name == "conversations.create" {
		channel = a["name"] // no ID is known yet
	}
	fault := s.faults.match(name, channel, team)
	if fault.before(w, r) {
		s.calls.note(team, name, channel, "fault:"+fault.Kind, s.now())
		fault.carryOut(w, r)
		return
	}
	body, retry := s.dispatch(r, c, unread)
	s.calls.note(team, name, channel, outcome(body, retry), s.now())
	if retry > 0 {
		tooMany(w, retry, `{"ok":false,"error":"ratelimited"}`)
		return
	}
	if c.token != nil && !c.token.HideScopes {
		w.Header().Set("X-OAuth-Scopes", strings.Join(c.token.Scopes, ","))
		w.Header().Set("X-Accepted-OAuth-Scopes", strings.Join(methods[name].scopes, ","))
	}
	if fault.after() {
		fault.spoil(w, r)
		return
	}
	writeJSON(w, fault.twist(body))
}

func outcome(body answer, retry int) string {
	if retry > 0 {
		return tooManyAnswer
	}
	if code, ok := body["error"].(string); ok {
		return code
	}
	return "ok"
}

// dispatch authenticates and makes the call; retry is the time to wait when it
// is over the limit.
func (s *Server) dispatch(r *http.Request, c *call, unread *refusal) (body answer, retry int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.method == openConnection {
		return s.connectionsOpen(r)
	}
	m, ok := methods[c.method]
	if !ok {
		return refuse("unknown_method").body(), 0
	}
	if unread != nil {
		return unread.body(), 0
	}
	if no := s.authenticate(r, c); no != nil {
		return no.body(), 0
	}
	if m.tier > 0 {
		if retry := s.limits.method(c.team.ID, c.method, m.tier, s.now()); retry > 0 {
			return nil, retry
		}
	}
	if len(m.scopes) > 0 && !slices.ContainsFunc(m.scopes, func(scope string) bool { return slices.Contains(c.token.Scopes, scope) }) {
		return missing(c, m.scopes[0]).body(), 0
	}
	if no := c.wholeOrganisation(m); no != nil {
		return no.body(), 0
	}
	body, no := m.do(s, c)
	if no != nil {
		if no.code == "ratelimited" {
			return nil, 1
		}
		return no.body(), 0
	}
	body["ok"] = true
	return body, 0
}

// credential of a call, in the header or among the arguments.
func credential(r *http.Request, a args) string {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	return a["token"]
}

// teamOf a call's token; empty when nobody knows it.
func (s *Server) teamOf(r *http.Request, a args) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[credential(r, a)]; t != nil {
		return t.Team
	}
	if app, _ := s.appOf(credential(r, a)); app != nil {
		return app.ID
	}
	return ""
}

func (s *Server) authenticate(r *http.Request, c *call) *refusal {
	token := credential(r, c.args)
	if token == "" {
		return refuse("not_authed")
	}
	t := s.tokens[token]
	if t == nil {
		if app, _ := s.appOf(token); app != nil {
			return refuse("not_allowed_token_type")
		}
		return refuse("invalid_auth")
	}
	if t.Error != "" {
		return refuse(t.Error)
	}
	c.token, c.team = t, s.workspaces[t.Team]
	s.heard(t.AppID, r)
	if c.team == nil {
		return refuse("team_not_found")
	}
	return nil
}

func missing(c *call, scope string) *refusal {
	return &refusal{code: "missing_scope", extra: answer{"needed": scope, "provided": strings.Join(c.token.Scopes, ",")}}
}

// wholeOrganisation refuses what the token of an organisation can't do without
// naming one of its workspaces. That Slack says so in these words is known for
// the code alone (docs.slack.dev/reference/methods/users.list).
func (c *call) wholeOrganisation(m method) *refusal {
	if c.token.OrgWide && m.team && !c.args.has("team_id") {
		return &refusal{code: "missing_argument", messages: []string{"[ERROR] missing required field: team_id"}}
	}
	return nil
}

func (c *call) may(scope string) bool { return slices.Contains(c.token.Scopes, scope) }

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client may be gone
}
