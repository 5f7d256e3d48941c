package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// quick are times for tests: nothing depends on how long they are.
func quick() Times {
	t := DefaultTimes()
	t.FirstPause, t.LongestPause, t.TooMany, t.Off, t.Linger = 5*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	return t
}

// bench is a client beside a simulated Slack.
type bench struct {
	t      *testing.T
	url    string
	client *Client
	stop   func()
	// take decides about a payload.
	take func(ctx context.Context, payload []byte) bool

	mu           sync.Mutex
	outcomes     []string
	disconnected []string
	open         int
	apps         []string
}

func (b *bench) Frame(outcome string, _ time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outcomes = append(b.outcomes, outcome)
}

func (b *bench) Connections(change int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open += change
}

func (b *bench) Disconnected(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disconnected = append(b.disconnected, reason)
}

func (b *bench) seen() (outcomes, disconnected []string, open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.outcomes), slices.Clone(b.disconnected), b.open
}

// newBench has a client that is not running yet.
func newBench(t *testing.T, token string, times Times) *bench {
	t.Helper()
	sim := slacksim.New(slacksim.Config{NoLimits: true})
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	t.Cleanup(sim.Close)
	b := &bench{t: t, url: srv.URL, take: func(context.Context, []byte) bool { return true }}
	host, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	allow, err := egress.NewAllowList([]string{host.Host})
	if err != nil {
		t.Fatal(err)
	}
	client, err := egress.NewClient(egress.Options{Allow: allow, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	api, err := webapi.New(webapi.Options{Token: token, APIURL: srv.URL + "/api/", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	b.client = New(Options{Opener: api, Client: client, Meter: b, Times: times, Take: func(ctx context.Context, app string, payload []byte) bool {
		b.mu.Lock()
		b.apps = append(b.apps, app)
		take := b.take
		b.mu.Unlock()
		return take(ctx, payload)
	}})
	return b
}

func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.client.Run(ctx)
	}()
	b.stop = func() {
		cancel()
		<-done
	}
	b.t.Cleanup(b.stop)
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			outcomes, disconnected, open := b.seen()
			b.t.Fatalf("not %s; state %+v, outcomes %v, disconnected %v, %d open", what, b.client.State(), outcomes, disconnected, open)
		}
	}
}

func (b *bench) connected() {
	b.t.Helper()
	b.until("connected", func() bool { return b.client.State().Connected })
}

// post to a control or a method of the simulated Slack.
func (b *bench) post(path string, body, out any) {
	b.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+slacksim.DemoToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatal(path, err, resp)
	}
	defer resp.Body.Close()
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) sockets(a slacksim.SocketAction) {
	b.t.Helper()
	a.App = slacksim.DemoApp
	b.post("/_sim/sockets", a, nil)
}

// all that were opened, as the simulated Slack knows them.
func (b *bench) all() (all []*slacksim.Socket) {
	b.t.Helper()
	resp, err := http.Get(b.url + "/_sim/sockets")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		b.t.Fatal(err)
	}
	return all
}

// message posts one with a button, and returns its timestamp.
func (b *bench) message() string {
	b.t.Helper()
	var posted struct {
		TS string `json:"ts"`
	}
	b.post("/api/chat.postMessage", map[string]any{"channel": "C0DEPLOYS", "text": "Deploy?", "blocks": []any{map[string]any{
		"type": "actions", "block_id": "b", "elements": []any{map[string]any{"type": "button", "action_id": "go", "text": map[string]string{"type": "plain_text", "text": "Go"}}},
	}}}, &posted)
	return posted.TS
}

func (b *bench) press(ts string) slacksim.Press {
	b.t.Helper()
	var p slacksim.Press
	b.post("/_sim/press", slacksim.Pressing{Who: "ada", Channel: "C0DEPLOYS", TS: ts, Action: "go", Wait: true}, &p)
	return p
}

func TestPressIsTakenAndThenAcknowledged(t *testing.T) {
	b := newBench(t, slacksim.DemoAppToken, quick())
	var ackedBefore atomic.Bool
	ts := b.message()
	b.take = func(_ context.Context, payload []byte) bool {
		var acks []slacksim.Ack
		resp, err := http.Get(b.url + "/_sim/acks")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		ackedBefore.Store(json.NewDecoder(resp.Body).Decode(&acks) != nil || len(acks) > 0)
		return bytes.Contains(payload, []byte(ts))
	}
	b.run()
	b.connected()
	if p := b.press(ts); p.Fate != slacksim.FateAcked {
		t.Errorf("the press is %s", p.Fate)
	}
	if ackedBefore.Load() {
		t.Error("the press was acknowledged before it was taken")
	}
	b.mu.Lock()
	apps := slices.Clone(b.apps)
	b.mu.Unlock()
	if s := b.client.State(); s.AppID != slacksim.DemoApp || s.AppConnections != 1 || s.Ours != 1 || s.Trouble != NoTrouble || !slices.Equal(apps, []string{slacksim.DemoApp}) {
		t.Errorf("%+v of %v", s, apps)
	}
}

func TestPressIsNotAcknowledged(t *testing.T) {
	for name, row := range map[string]struct {
		take func(ctx context.Context, payload []byte) bool
		want string
	}{
		"not taken": {func(context.Context, []byte) bool { return false }, OutcomeNotTaken},
		"too late":  {func(ctx context.Context, _ []byte) bool { <-ctx.Done(); return true }, OutcomeLate},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, slacksim.DemoAppToken, quick())
			b.take = row.take
			b.run()
			b.connected()
			if p := b.press(b.message()); p.Fate != slacksim.FateWarned {
				t.Errorf("the press is %s", p.Fate)
			}
			b.until("counted as "+row.want, func() bool { outcomes, _, _ := b.seen(); return slices.Equal(outcomes, []string{row.want}) })
		})
	}
}

// What is no press is acknowledged, and what is nothing harms nothing.
func TestOddFramesDoNotEndTheConnection(t *testing.T) {
	b := newBench(t, slacksim.DemoAppToken, quick())
	b.run()
	b.connected()
	frames := []string{
		`not JSON`, `[]`, `5`, `{"type":"pong"}`, `{"type":"hello"}`, `{"envelope_id":{"a":1},"type":"interactive"}`,
		strings.Repeat("[", 100_000), `{"x":"` + strings.Repeat("y", maxFrame) + `"}`,
		`{"envelope_id":"e1","type":"slash_commands","payload":{"command":"/x"}}`, `{"envelope_id":"e2","type":"new_kind"}`,
	}
	for _, f := range frames {
		b.sockets(slacksim.SocketAction{Action: "frame", Frame: f})
	}
	b.sockets(slacksim.SocketAction{Action: "envelope", Type: "events_api", Payload: json.RawMessage(`{"event":{"type":"reaction_added"}}`)})
	if p := b.press(b.message()); p.Fate != slacksim.FateAcked {
		t.Errorf("the press is %s", p.Fate)
	}
	// What Slack has is counted a moment later.
	want := map[string]int{OutcomeIgnored: 3, OutcomeTooLarge: 1, OutcomeOdd: 6, OutcomeAcked: 1}
	b.until(fmt.Sprint("counted as ", want), func() bool {
		outcomes, _, _ := b.seen()
		count := map[string]int{}
		for _, o := range outcomes {
			count[o]++
		}
		return maps.Equal(count, want)
	})
	if _, disconnected, _ := b.seen(); len(disconnected) > 0 {
		t.Errorf("disconnected %v", disconnected)
	}
}

// Each end of a connection is followed by another connection, and told.
func TestConnectionIsReplaced(t *testing.T) {
	for name, row := range map[string]struct {
		action string
		want   Trouble
	}{
		"warning":           {"warning", Warned},
		"refresh_requested": {"refresh_requested", Refreshed},
		"too many":          {"too_many_websockets", TooMany},
		"cut":               {"cut", Cut},
		"silent":            {"hang", Silent},
	} {
		t.Run(name, func(t *testing.T) {
			times := quick()
			times.Ping, times.Pong = 50*time.Millisecond, 200*time.Millisecond
			b := newBench(t, slacksim.DemoAppToken, times)
			b.run()
			b.connected()
			b.sockets(slacksim.SocketAction{Action: row.action})
			b.until("told why", func() bool { _, disconnected, _ := b.seen(); return slices.Contains(disconnected, string(row.want)) })
			b.until("one connection", func() bool { _, _, open := b.seen(); return open == 1 && b.client.State().Connected })
			if p := b.press(b.message()); p.Fate != slacksim.FateAcked {
				t.Errorf("the press is %s", p.Fate)
			}
		})
	}
}

// The new connection is open before the old one is closed, so that no press falls
// in between.
func TestRefreshLeavesNoHole(t *testing.T) {
	b := newBench(t, slacksim.DemoAppToken, quick())
	b.run()
	b.connected()
	ts := b.message()
	var presses sync.WaitGroup
	var mu sync.Mutex
	var warned []slacksim.Press
	for round := range 8 {
		for range 10 {
			presses.Go(func() {
				if p := b.press(ts); p.Fate != slacksim.FateAcked {
					mu.Lock()
					defer mu.Unlock()
					warned = append(warned, p)
				}
			})
		}
		reason := []string{"warning", "refresh_requested"}[round%2]
		b.sockets(slacksim.SocketAction{Action: reason})
		b.until("replaced", func() bool { _, disconnected, open := b.seen(); return len(disconnected) == round+1 && open == 1 })
	}
	presses.Wait()
	if len(warned) > 0 {
		t.Errorf("%d presses were lost: %+v", len(warned), warned[0])
	}
}

func TestConnectionIsRenewedBeforeItsTime(t *testing.T) {
	times := quick()
	times.Before = 900 * time.Millisecond
	b := newBench(t, slacksim.DemoAppToken, times)
	b.post("/_sim/apps", slacksim.App{ID: slacksim.DemoApp, SocketMode: true, Interactivity: true, ConnectionTime: 1, Tokens: []*slacksim.AppToken{{Token: slacksim.DemoAppToken}}}, nil)
	b.run()
	b.until("renewed", func() bool { _, disconnected, _ := b.seen(); return len(disconnected) > 0 })
	if _, disconnected, _ := b.seen(); disconnected[0] != string(Renewed) && disconnected[0] != string(Warned) {
		t.Errorf("%v", disconnected)
	}
}

// What a person has to mend is told as what it is.
func TestTroubleIsTold(t *testing.T) {
	off := slacksim.App{ID: "A0OFF", Tokens: []*slacksim.AppToken{{Token: "xapp-off"}}}
	for name, row := range map[string]struct {
		token   string
		prepare func(b *bench)
		want    Trouble
		code    string
	}{
		"wrong token": {"xapp-wrong", nil, Refused, "invalid_auth"},
		"bot token":   {slacksim.DemoToken, nil, Refused, "not_allowed_token_type"},
		"scope": {"xapp-few", func(b *bench) {
			b.app(slacksim.App{ID: "A0FEW", Tokens: []*slacksim.AppToken{{Token: "xapp-few", Scopes: []string{}}}})
		}, Refused, "missing_scope"},
		"Socket Mode":    {"xapp-off", func(b *bench) { b.app(off) }, Disabled, ""},
		"ten already":    {slacksim.DemoAppToken, func(b *bench) { b.fill() }, TooMany, ""},
		"no hello":       {slacksim.DemoAppToken, func(b *bench) { b.fault("socket", "hang_after", 0) }, NoHello, ""},
		"no socket":      {slacksim.DemoAppToken, func(b *bench) { b.fault("socket", "http", 503) }, Unreachable, ""},
		"cut handshake":  {slacksim.DemoAppToken, func(b *bench) { b.fault("socket", "close_before", 0) }, Unreachable, ""},
		"no answer":      {slacksim.DemoAppToken, func(b *bench) { b.fault("apps.connections.open", "http", 500) }, Refused, "http_500"},
		"rate limit":     {slacksim.DemoAppToken, func(b *bench) { b.fault("apps.connections.open", "ratelimit", 0) }, Refused, "ratelimited"},
		"internal error": {slacksim.DemoAppToken, func(b *bench) { b.fault("apps.connections.open", "garbage_after", 0) }, Refused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			times := quick()
			times.Hello = 300 * time.Millisecond
			b := newBench(t, row.token, times)
			if row.prepare != nil {
				row.prepare(b)
			}
			b.run()
			b.until("told", func() bool { return b.client.State().Trouble == row.want })
			s := b.client.State()
			code := ""
			if s.Err != nil {
				code = s.Err.Code
				if strings.Contains(s.Err.Error(), "ticket") || strings.Contains(s.Err.Error(), row.token) {
					t.Errorf("%v tells a secret", s.Err)
				}
			}
			if s.Connected || code != row.code || s.Since.IsZero() {
				t.Errorf("%+v with the code %q, want %q", s, code, row.code)
			}
		})
	}
}

func (b *bench) app(a slacksim.App) {
	b.t.Helper()
	b.post("/_sim/apps", map[string]any{"id": a.ID, "socket_mode": a.ID != "A0OFF", "tokens": a.Tokens}, nil)
}

func (b *bench) fault(method, kind string, status int) {
	b.t.Helper()
	b.post("/_sim/faults", slacksim.Fault{Method: method, Kind: kind, Status: status, Times: -1}, nil)
}

// fill opens all connections that the app may have.
func (b *bench) fill() {
	b.t.Helper()
	for range 10 {
		other := &bench{t: b.t, url: b.url, take: b.take}
		other.client = New(Options{Opener: b.client.o.Opener, Client: b.client.o.Client, Meter: other, Times: quick(), Take: b.client.o.Take})
		other.run()
		other.connected()
	}
}

// A socket elsewhere than at Slack is not opened, whatever Slack's answer says.
func TestSocketIsOpenedAtSlackAlone(t *testing.T) {
	b := newBench(t, slacksim.DemoAppToken, quick())
	b.client.o.Opener = openerFunc(func() string { return "ws://127.0.0.1:1/link/?ticket=secret" })
	b.run()
	b.until("refused", func() bool { return b.client.State().Trouble == Unreachable })
	if e := b.client.State().Err; !strings.Contains(e.Error(), "--allowed-hosts") || strings.Contains(e.Error(), "secret") {
		t.Error(e)
	}
}

type openerFunc func() string

func (f openerFunc) OpenConnection(context.Context) (string, error) { return f(), nil }

// At its end the client finishes what it is taking, and says goodbye.
func TestStopFinishesWhatIsTaken(t *testing.T) {
	b := newBench(t, slacksim.DemoAppToken, quick())
	taking := make(chan struct{})
	ending := make(chan struct{})
	b.take = func(context.Context, []byte) bool {
		close(taking)
		<-ending
		return true
	}
	b.run()
	b.connected()
	ts := b.message()
	fate := make(chan string)
	go func() { fate <- b.press(ts).Fate }()
	<-taking
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	close(ending)
	if got := <-fate; got != slacksim.FateAcked {
		t.Errorf("the press is %s", got)
	}
	<-stopped
	// The simulated Slack answers a close frame before it notes it.
	b.until("closed by a close frame", func() bool {
		all := b.all()
		return len(all) == 1 && all[0].CloseCode == 1000
	})
}

func TestPausesGrowUntilAConnectionWasGood(t *testing.T) {
	c := New(Options{})
	last := time.Duration(0)
	for _, failures := range []int{1, 3, 5, 20} {
		p := c.pause(Cut, nil, failures)
		if p < time.Second || p > time.Minute || p <= last {
			t.Errorf("after %d failures it rests for %s, before that for %s", failures, p, last)
		}
		last = p
	}
	if p := c.pause(TooMany, nil, 1); p < time.Minute {
		t.Errorf("after too_many_websockets it rests for %s", p)
	}
	if p := c.pause(Disabled, nil, 1); p < 9*time.Minute {
		t.Errorf("after link_disabled it rests for %s", p)
	}
}
