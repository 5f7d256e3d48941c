package slacksim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// opened is a connection of the test's.
type opened struct {
	t    *testing.T
	conn *websocket.Conn
}

func (s *slackAt) openURL(token string) reply {
	s.t.Helper()
	return s.send("/api/apps.connections.open", "application/x-www-form-urlencoded", token, "")
}

func (s *slackAt) dial(url string) (*opened, error) {
	conn, resp, err := websocket.Dial(s.t.Context(), url, nil)
	if resp != nil && resp.Body != nil {
		resp.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &opened{s.t, conn}, nil
}

func (s *slackAt) connect() *opened {
	s.t.Helper()
	r := s.openURL(DemoAppToken)
	if !r.ok() {
		s.t.Fatal(r.body)
	}
	c, err := s.dial(r.text("url"))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

type frame struct {
	Type           string         `json:"type"`
	Reason         string         `json:"reason"`
	NumConnections int            `json:"num_connections"`
	EnvelopeID     string         `json:"envelope_id"`
	Payload        map[string]any `json:"payload"`
	Info           struct {
		AppID string `json:"app_id"`
	} `json:"connection_info"`
	Debug struct {
		Time int `json:"approximate_connection_time"`
	} `json:"debug_info"`
}

// next frame that comes; of the type "closed" when the connection ends.
func (o *opened) next() frame {
	o.t.Helper()
	ctx, end := context.WithTimeout(o.t.Context(), 10*time.Second)
	defer end()
	_, data, err := o.conn.Read(ctx)
	if err != nil {
		return frame{Type: "closed", Reason: fmt.Sprint(websocket.CloseStatus(err))}
	}
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		o.t.Fatalf("%s: %v", data, err)
	}
	return f
}

func (o *opened) ack(id string) {
	o.t.Helper()
	if err := o.conn.Write(o.t.Context(), websocket.MessageText, []byte(`{"envelope_id":"`+id+`"}`)); err != nil {
		o.t.Fatal(err)
	}
}

// tell posts to a control, and reads the answer into out.
func (s *slackAt) tell(path string, body, out any) int {
	s.t.Helper()
	data, _ := json.Marshal(body)
	r := s.send("/_sim/"+path, "application/json", "", string(data))
	if out != nil && r.status == http.StatusOK {
		if err := json.Unmarshal([]byte(r.body), out); err != nil {
			s.t.Fatal(r.body)
		}
	}
	return r.status
}

func (s *slackAt) presses() []*Press {
	s.t.Helper()
	resp, err := http.Get(s.url + "/_sim/presses")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out []*Press
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

const approve = `{"type":"actions","block_id":"b1","elements":[` +
	`{"type":"button","action_id":"approve","text":{"type":"plain_text","text":"Approve"},"value":"43"},` +
	`{"type":"static_select","action_id":"later","placeholder":{"type":"plain_text","text":"Later"},"confirm":{"title":{"type":"plain_text","text":"Sure?"},"text":{"type":"mrkdwn","text":"Really?"},"confirm":{"type":"plain_text","text":"Yes"},"deny":{"type":"plain_text","text":"No"}},"options":[{"text":{"type":"plain_text","text":"1 hour"},"value":"1h"}]}]}`

// ask posts a message with buttons, and returns its timestamp.
func (s *slackAt) ask(channel, arguments string) string {
	s.t.Helper()
	r := s.json("chat.postMessage", fmt.Sprintf(`{"channel":%q,"text":"Deploy?",%s}`, channel, arguments))
	if !r.ok() {
		s.t.Fatal(r.body)
	}
	return r.text("ts")
}

func TestConnectionIsOpenedOnce(t *testing.T) {
	s := start(t)
	for name, row := range map[string]struct{ token, want string }{
		"no token":    {"", "not_authed"},
		"wrong token": {"xapp-wrong", "invalid_auth"},
		"bot token":   {DemoToken, "not_allowed_token_type"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := s.openURL(row.token); r.text("error") != row.want {
				t.Errorf("got %s, want %s", r.body, row.want)
			}
		})
	}
	if r := s.form("chat.postMessage", "token", DemoAppToken, "channel", "C0GENERAL", "text", "x"); r.text("error") != "not_allowed_token_type" {
		t.Errorf("an app-level token posts: %s", r.body)
	}
	s.tell("apps", App{ID: "A0FEW", Tokens: []*AppToken{{Token: "xapp-few", Scopes: []string{"authorizations:read"}}}}, nil)
	if r := s.openURL("xapp-few"); r.text("error") != "missing_scope" || r.text("needed") != "connections:write" {
		t.Error(r.body)
	}
	r := s.openURL(DemoAppToken)
	c, err := s.dial(r.text("url"))
	if err != nil {
		t.Fatal(err)
	}
	hello := c.next()
	if hello.Type != "hello" || hello.Info.AppID != DemoApp || hello.NumConnections != 1 || hello.Debug.Time != 3600 {
		t.Errorf("%+v", hello)
	}
	if _, err := s.dial(r.text("url")); err == nil {
		t.Error("the URL can be used twice")
	}
}

func TestElevenConnectionsAreTooMany(t *testing.T) {
	s := start(t)
	var all []*opened
	for i := range maxConnections {
		c := s.connect()
		if hello := c.next(); hello.Type != "hello" || hello.NumConnections != i+1 {
			t.Fatalf("%+v", hello)
		}
		all = append(all, c)
	}
	c := s.connect()
	if f := c.next(); f.Type != "disconnect" || f.Reason != "too_many_websockets" {
		t.Errorf("%+v", f)
	}
	if f := c.next(); f.Type != "closed" {
		t.Errorf("%+v", f)
	}
	_ = all[0].conn.Close(websocket.StatusNormalClosure, "")
	for {
		c := s.connect()
		if f := c.next(); f.Type == "hello" {
			break
		}
	}
}

func TestConnectionsEndAsTold(t *testing.T) {
	for _, reason := range disconnectReasons {
		t.Run(reason, func(t *testing.T) {
			s := start(t)
			c := s.connect()
			c.next()
			s.tell("sockets", SocketAction{App: DemoApp, Action: reason}, nil)
			if f := c.next(); f.Type != "disconnect" || f.Reason != reason {
				t.Errorf("%+v", f)
			}
		})
	}
	t.Run("cut", func(t *testing.T) {
		s := start(t)
		c := s.connect()
		c.next()
		s.tell("sockets", SocketAction{App: DemoApp, Action: "cut"}, nil)
		if f := c.next(); f.Type != "closed" || f.Reason != "StatusCode(-1)" {
			t.Errorf("%+v", f)
		}
	})
	t.Run("Socket Mode is off", func(t *testing.T) {
		s := start(t)
		s.tell("apps", map[string]any{"id": DemoApp, "socket_mode": false, "tokens": []*AppToken{{Token: DemoAppToken}}}, nil)
		if f := s.connect().next(); f.Type != "disconnect" || f.Reason != "link_disabled" {
			t.Errorf("%+v", f)
		}
	})
}

func TestPressGoesToOneConnectionAndIsAcked(t *testing.T) {
	s := start(t)
	c := s.connect()
	c.next()
	ts := s.ask("C0DEPLOYS", `"attachments":[{"color":"#333333","blocks":[`+approve+`]}]`)
	var p Press
	if s.tell("press", Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "approve"}, &p) != http.StatusOK {
		t.Fatal("refused")
	}
	f := c.next()
	container, _ := f.Payload["container"].(map[string]any)
	user, _ := f.Payload["user"].(map[string]any)
	actions, _ := f.Payload["actions"].([]any)
	if f.Type != "interactive" || container["type"] != "message_attachment" || container["attachment_id"] != 1.0 || container["message_ts"] != ts ||
		user["id"] != "U0ADA0000" || user["team_id"] != DemoTeam || len(actions) != 1 || f.Payload["message"] == nil || f.Payload["api_app_id"] != DemoApp {
		t.Errorf("%+v", f.Payload)
	}
	first, _ := actions[0].(map[string]any)
	if first["block_id"] != "b1" || first["value"] != "43" || first["action_ts"] == "" {
		t.Errorf("%+v", first)
	}
	c.ack(f.EnvelopeID)
	c.ack(f.EnvelopeID)
	s.until(func() bool { return s.presses()[0].Fate == FateAcked })
	if s.tell("press", Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "later", Option: "1h", Deny: true, Wait: true}, &p); p.Fate != FateCancelled {
		t.Errorf("%+v", p)
	}
	for name, in := range map[string]Pressing{
		"nobody":         {Who: "nobody", Channel: "C0DEPLOYS", TS: ts, Action: "approve"},
		"no such action": {Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "reject"},
		"no such option": {Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "later", Option: "2h"},
	} {
		if status := s.tell("press", in, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func (s *slackAt) until(ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it did not come to pass")
		}
	}
}

func TestPressWithoutAckShowsWarning(t *testing.T) {
	s := start(t)
	ts := s.ask("C0DEPLOYS", `"blocks":[`+approve+`]`)
	press := Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "approve", Wait: true}
	var p Press
	if s.tell("press", press, &p); p.Fate != FateWarned || p.Via != "" {
		t.Errorf("without a connection: %+v", p)
	}
	one, two := s.connect(), s.connect()
	one.next()
	two.next()
	got := make(chan *opened, 2)
	ids := make(chan string, 2)
	for _, c := range []*opened{one, two} {
		go func() {
			if f := c.next(); f.Type == "interactive" {
				got <- c
				ids <- f.EnvelopeID
			}
		}()
	}
	go func() {
		other := two
		if <-got == two {
			other = one
		}
		id := <-ids
		other.ack(id) // on the wrong connection
		ids <- id
	}()
	if s.tell("press", press, &p); p.Fate != FateWarned || p.Via != "socket" || p.TookMS < 3000 {
		t.Errorf("acked on another connection: %+v", p)
	}
	s.tell("apps", App{ID: DemoApp, SocketMode: true}, nil)
	if s.tell("press", press, &p); p.Fate != FateWarned || !strings.Contains(p.Shown, "not been configured") {
		t.Errorf("without interactivity: %+v", p)
	}
}

func TestPressByHTTPIsSigned(t *testing.T) {
	s := start(t)
	status := http.StatusOK
	var body, at, signature string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		body, at, signature = string(data), r.Header.Get("X-Slack-Request-Timestamp"), r.Header.Get("X-Slack-Signature")
		w.WriteHeader(status)
	}))
	defer srv.Close()
	s.tell("apps", map[string]any{"id": DemoApp, "socket_mode": false, "request_url": srv.URL, "signing_secret": "hush"}, nil)
	ts := s.ask("C0DEPLOYS", `"blocks":[`+approve+`]`)
	press := Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "approve", Wait: true}
	var p Press
	if s.tell("press", press, &p); p.Fate != FateAcked || p.Via != "http" {
		t.Errorf("%+v", p)
	}
	form, err := url.ParseQuery(body)
	if err != nil || !json.Valid([]byte(form.Get("payload"))) || signature != Signature("hush", at, body) {
		t.Errorf("%v %s %s", err, body, signature)
	}
	status = http.StatusForbidden
	if s.tell("press", press, &p); p.Fate != FateWarned || p.Shown != "This app responded with status code 403" {
		t.Errorf("%+v", p)
	}
}

func TestResponseURL(t *testing.T) {
	s := start(t)
	c := s.connect()
	c.next()
	ts := s.ask("C0DEPLOYS", `"blocks":[`+approve+`]`)
	var p Press
	s.tell("press", Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "approve"}, &p)
	respond := func(body string) string {
		r := s.send(strings.TrimPrefix(p.ResponseURL, s.url), "application/json", "", body)
		if r.ok() {
			return "ok"
		}
		return r.text("error")
	}
	if got := respond(`{}`); got != "no_text" {
		t.Error(got)
	}
	if got := respond(`{"text":"you may not"}`); got != "ok" {
		t.Error(got)
	}
	if got := respond(`{"text":"done","replace_original":true}`); got != "ok" {
		t.Error(got)
	}
	var state State
	resp, err := http.Get(s.url + "/_sim/state?channel=C0DEPLOYS")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	if len(state.Ephemeral) != 1 || state.Ephemeral[0].ForUser != "U0ADA0000" || len(state.Messages) != 1 || state.Messages[0].Text != "done" {
		t.Errorf("%+v", state)
	}
	for range 3 {
		respond(`{"text":"again"}`)
	}
	if got := respond(`{"text":"a sixth time"}`); got != "used_url" {
		t.Error(got)
	}
	s.tell("press", Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "approve", Stale: true}, &p)
	s.pass(31 * time.Minute)
	if got := respond(`{"text":"late"}`); got != "expired_url" {
		t.Error(got)
	}
}

func TestElementsAreChecked(t *testing.T) {
	s := start(t)
	button := func(more string) string {
		return `[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"Go"}` + more + `}]}]`
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, row := range map[string]struct{ blocks, want string }{
		"good":                 {button(""), ""},
		"value":                {button(`,"value":"` + long(2001) + `"`), "/blocks/0/elements/0/value"},
		"style":                {button(`,"style":"green"`), "/style"},
		"confirm text":         {button(`,"confirm":{"title":{"type":"plain_text","text":"t"},"text":{"type":"plain_text","text":"` + long(301) + `"},"confirm":{"type":"plain_text","text":"y"},"deny":{"type":"plain_text","text":"n"}}`), "/confirm/text"},
		"confirm without deny": {button(`,"confirm":{"title":{"type":"plain_text","text":"t"},"text":{"type":"plain_text","text":"t"},"confirm":{"type":"plain_text","text":"y"}}`), "/confirm/deny"},
		"text":                 {`[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + long(76) + `"}}]}]`, "/text"},
		"mrkdwn text":          {`[{"type":"actions","elements":[{"type":"button","text":{"type":"mrkdwn","text":"x"}}]}]`, "/text"},
		"action_id twice": {`[{"type":"actions","elements":[{"type":"button","action_id":"a","text":{"type":"plain_text","text":"x"}},` +
			`{"type":"button","action_id":"a","text":{"type":"plain_text","text":"x"}}]}]`, "already exists"},
		"block_id twice": {`[{"type":"divider","block_id":"b"},{"type":"divider","block_id":"b"}]`, "already exists"},
		"option value": {`[{"type":"actions","elements":[{"type":"static_select","action_id":"a","options":[{"text":{"type":"plain_text","text":"x"},"value":"` +
			long(151) + `"}]}]}]`, "/options/0/value"},
		"no options": {`[{"type":"actions","elements":[{"type":"static_select","action_id":"a","options":[]}]}]`, "/options"},
		"26 elements": {`[{"type":"actions","elements":[` + strings.TrimSuffix(strings.Repeat(`{"type":"button","text":{"type":"plain_text","text":"x"}},`, 26), ",") + `]}]`,
			"1 to 25"},
	} {
		t.Run(name, func(t *testing.T) {
			s.pass(2 * time.Second)
			r := s.json("chat.postMessage", `{"channel":"C0GENERAL","text":"x","blocks":`+row.blocks+`}`)
			if row.want == "" && !r.ok() || row.want != "" && (r.ok() || !strings.Contains(r.body, row.want)) {
				t.Errorf("got %s, want %q", r.body, row.want)
			}
		})
	}
}

func TestBlockIDsOfEdits(t *testing.T) {
	s := start(t)
	ts := s.ask("C0DEPLOYS", `"blocks":[`+approve+`]`)
	update := func(blocks string) *Message {
		t.Helper()
		if r := s.json("chat.update", fmt.Sprintf(`{"channel":"C0DEPLOYS","ts":%q,"text":"x","blocks":[%s]}`, ts, blocks)); !r.ok() {
			t.Fatal(r.body)
		}
		resp, err := http.Get(s.url + "/_sim/messages?channel=C0DEPLOYS")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out []*Message
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || len(out) != 1 {
			t.Fatal(err)
		}
		return out[0]
	}
	if m := update(approve); len(m.ReusedBlockIDs) > 0 {
		t.Errorf("nothing has changed: %v", m.ReusedBlockIDs)
	}
	if m := update(strings.Replace(approve, `"43"`, `"44"`, 1)); len(m.ReusedBlockIDs) != 1 {
		t.Errorf("b1 was used for something else: %v", m.ReusedBlockIDs)
	}
}

func TestAppOfBot(t *testing.T) {
	s := start(t)
	r := s.form("bots.info", "bot", "B0BOT0000")
	bot, _ := r.fields["bot"].(map[string]any)
	if bot["app_id"] != DemoApp {
		t.Error(r.body)
	}
	if r := s.form("bots.info", "bot", "B0NOBODY"); r.text("error") != "bot_not_found" {
		t.Error(r.body)
	}
}

func TestGroupsWithMembers(t *testing.T) {
	s := start(t)
	if r := s.form("usergroups.list"); strings.Contains(r.body, "U0ADA0000") {
		t.Error(r.body)
	}
	if r := s.form("usergroups.list", "include_users", "true"); !strings.Contains(r.body, `"users":["U0ADA0000","U0GRACE00"]`) {
		t.Error(r.body)
	}
}
