package intake

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// gate lets in a number of connections. When there are more, the one gives way
// that has waited longest without a request: it is idle, or does not send one.
type gate struct {
	net.Listener
	max   int
	plain bool

	mu    sync.Mutex
	seats map[net.Conn]*seat
}

type seat struct {
	active bool
	since  time.Time
}

// tooMany is said to a connection that finds no place.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 33\r\n\r\ntoo many connections; come again\n"

// Accept returns the next connection that there is a place for.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || g.room() {
			return c, err
		}
		if g.plain {
			// It fits into the buffer of a new connection.
			_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond)) // a best effort
			_, _ = c.Write([]byte(tooMany))
		}
		_ = c.Close() // refused
	}
}

// room reports whether there is a place, having made one if need be.
func (g *gate) room() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seats) < g.max {
		return true
	}
	var longest net.Conn
	for c, s := range g.seats {
		if !s.active && (longest == nil || s.since.Before(g.seats[longest].since)) {
			longest = c
		}
	}
	if longest == nil {
		return false
	}
	delete(g.seats, longest)
	_ = longest.Close() // its goroutine ends
	return true
}

// state is http.Server's ConnState.
func (g *gate) state(c net.Conn, state http.ConnState) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateNew:
		g.seats[c] = &seat{since: time.Now()}
	case http.StateActive, http.StateIdle:
		if s := g.seats[c]; s != nil {
			s.active, s.since = state == http.StateActive, time.Now()
		}
	case http.StateClosed, http.StateHijacked:
		delete(g.seats, c)
	}
}
