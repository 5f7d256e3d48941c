package slacksim

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// maxConnections of an app (docs.slack.dev/apis/events-api/using-socket-mode).
	maxConnections = 10
	// pingEvery and pongWithin are inventions: Slack pings, and does not say how
	// often.
	pingEvery  = 10 * time.Second
	pongWithin = 20 * time.Second
	// warnBefore the end of a connection.
	warnBefore = 10 * time.Second
	// writeWithin is how long a frame may take to be written.
	writeWithin = 5 * time.Second
	// maxAnswer is the size from which Slack drops an answer without a word
	// (github.com/slack-go/slack/issues/1196).
	maxAnswer = 20 << 10
	// socketHost is what frames name as the server's.
	socketHost = "applink-simulated"
)

// Socket is a connection of an app, open or not any more.
type Socket struct {
	ID     string    `json:"id"`
	App    string    `json:"app"`
	Opened time.Time `json:"opened"`
	// Closed is when it ended.
	Closed *time.Time `json:"closed,omitempty"`
	// Told is the reason of the last disconnect frame.
	Told string `json:"told,omitempty"`
	// CloseCode of the client's close frame; -1 where it sent none.
	CloseCode int `json:"close_code,omitempty"`
	// Sent and Acked count envelopes; Pings those of the client.
	Sent  int `json:"sent"`
	Acked int `json:"acked"`
	Pings int `json:"pings"`

	conn *websocket.Conn
	// hung connections neither answer nor close.
	hung atomic.Bool
}

// socketsKept of those that have ended.
const socketsKept = 500

func socketFrame(kind string, more answer) answer {
	out := answer{"type": kind, "debug_info": answer{"host": socketHost}}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// serveLink opens a connection.
func (s *Server) serveLink(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	id := r.URL.Query().Get("ticket")
	t, ok := s.tickets[id]
	delete(s.tickets, id)
	s.mu.Unlock()
	if !ok || time.Now().After(t.until) {
		http.Error(w, "no such ticket", http.StatusForbidden)
		return
	}
	fault := s.faults.match("socket", "", t.app)
	if fault.before(w, r) {
		fault.carryOut(w, r)
		return
	}
	c := &Socket{ID: newUUID(), App: t.app, Opened: s.now()}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.Pings++
		return !c.hung.Load()
	}})
	if err != nil {
		return // it has been answered
	}
	conn.SetReadLimit(1 << 20)
	c.conn = conn
	hello, refused := s.register(c)
	if refused != "" {
		c.write(socketFrame("disconnect", answer{"reason": refused}))
		_ = conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	if fault.after() { // no hello comes
		c.hung.Store(true)
	} else {
		c.write(hello)
	}
	s.serveSocket(c)
}

// register counts a connection in, or says why it may not be.
func (s *Server) register(c *Socket) (hello answer, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.app(c.App)
	open := s.openSockets(c.App)
	switch {
	case !app.SocketMode:
		return nil, "link_disabled"
	case len(open) >= maxConnections:
		return nil, "too_many_websockets"
	}
	s.sockets = append(s.sockets, c)
	if len(s.sockets) > 2*socketsKept {
		closed := 0
		s.sockets = slices.DeleteFunc(s.sockets, func(one *Socket) bool {
			if one.Closed != nil {
				closed++
			}
			return one.Closed != nil && closed <= socketsKept
		})
	}
	s.notify()
	return answer{
		"type": "hello", "num_connections": len(open) + 1, "connection_info": answer{"app_id": c.App},
		"debug_info": answer{"host": socketHost, "started": c.Opened.UTC().Format("2006-01-02 15:04:05.000"), "build_number": 54, "approximate_connection_time": app.ConnectionTime},
	}, ""
}

// openSockets of an app, or of all.
func (s *store) openSockets(app string) []*Socket {
	var out []*Socket
	for _, c := range s.sockets {
		if c.Closed == nil && (app == "" || c.App == app) {
			out = append(out, c)
		}
	}
	return out
}

// serveSocket reads what comes until the connection ends.
func (s *Server) serveSocket(c *Socket) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go s.keepAlive(ctx, c)
	for {
		_, data, err := c.conn.Read(ctx)
		if err != nil {
			_ = c.conn.CloseNow()
			s.mu.Lock()
			now := s.now()
			c.Closed, c.CloseCode = &now, int(websocket.CloseStatus(err))
			s.notify()
			s.mu.Unlock()
			return
		}
		if !c.hung.Load() {
			s.takeAck(c, data)
		}
	}
}

// keepAlive pings, and ends the connection when its time has come.
func (s *Server) keepAlive(ctx context.Context, c *Socket) {
	s.mu.Lock()
	life := time.Duration(s.app(c.App).ConnectionTime) * time.Second
	s.mu.Unlock()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	warn, end := time.NewTimer(max(life-warnBefore, 0)), time.NewTimer(life)
	defer warn.Stop()
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			pinged, done := context.WithTimeout(ctx, pongWithin)
			err := c.conn.Ping(pinged)
			done()
			if err != nil {
				_ = c.conn.CloseNow()
				return
			}
		case <-warn.C:
			s.announce(c, "warning")
		case <-end.C:
			_ = c.conn.Close(websocket.StatusGoingAway, "")
			return
		}
	}
}

// write sends a frame, as far as the connection takes it.
func (c *Socket) write(frame any) {
	if data, err := json.Marshal(frame); err == nil {
		c.writeText(data)
	}
}

func (c *Socket) writeText(data []byte) {
	if c.hung.Load() {
		return
	}
	ctx, end := context.WithTimeout(context.Background(), writeWithin)
	defer end()
	_ = c.conn.Write(ctx, websocket.MessageText, data) // the reader sees that it has ended
}

// announce sends a disconnect frame.
func (s *Server) announce(c *Socket, reason string) {
	s.mu.Lock()
	c.Told = reason
	s.mu.Unlock()
	c.write(socketFrame("disconnect", answer{"reason": reason}))
}

// disconnect tells the connections of an app, or one of them, that they end.
// After a warning or a refresh the client has warnBefore to go by itself.
func (s *Server) disconnect(app, id, reason string) int {
	list := s.chosen(app, id)
	for _, c := range list {
		s.announce(c, reason)
		if reason == "warning" || reason == "refresh_requested" {
			time.AfterFunc(warnBefore, func() { _ = c.conn.Close(websocket.StatusGoingAway, "") })
		} else {
			go func() { _ = c.conn.Close(websocket.StatusNormalClosure, "") }()
		}
	}
	return len(list)
}

// chosen are the open connections of an app, or the one of an ID.
func (s *Server) chosen(app, id string) []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.openSockets(app), func(c *Socket) bool { return id != "" && c.ID != id })
}

// anyOf chooses a connection: "each payload may be sent to any of the
// connections" (docs.slack.dev/apis/events-api/using-socket-mode).
func anyOf(list []*Socket) *Socket {
	if len(list) == 0 {
		return nil
	}
	return list[rand.IntN(len(list))] //nolint:gosec // no secret
}

// Close ends all connections, without a word.
func (s *Server) Close() {
	for _, c := range s.chosen("", "") {
		_ = c.conn.CloseNow()
	}
}
