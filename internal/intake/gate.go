package intake

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// gate lets in a number of connections. When there are more, the one gives way
// that has kept us waiting longest: it is idle, or slow to send its request.
type gate struct {
	net.Listener
	max   int
	plain bool

	// refusing has a place for each connection that is being refused.
	refusing chan struct{}

	mu    sync.Mutex
	seats map[net.Conn]*seat
}

func newGate(l net.Listener, limit int, plain bool) *gate {
	return &gate{Listener: l, max: limit, plain: plain, refusing: make(chan struct{}, maxFarewells), seats: map[net.Conn]*seat{}}
}

type seat struct {
	active bool
	since  time.Time
}

// patience with a body that is being sent, before it may have to give way.
const patience = time.Second

// seatKey finds the seat of a request's connection in its context.
type seatKey struct{}

// withSeat is http.Server's ConnContext.
func (g *gate) withSeat(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, seatKey{}, func(active bool) { g.set(c, active, patience) })
}

// waiting says that a request's body is being waited for, or no more.
func waiting(ctx context.Context, yes bool) {
	if set, ok := ctx.Value(seatKey{}).(func(bool)); ok {
		set(!yes)
	}
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
		g.refuse(c)
	}
}

// refuse tells a connection to come again, if it is easily done.
func (g *gate) refuse(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok || !g.plain {
		_ = c.Close() // TLS would take more than a word
		return
	}
	select {
	case g.refusing <- struct{}{}:
	default:
		_ = c.Close() // too many to talk to
		return
	}
	go func() {
		defer func() { <-g.refusing }()
		// An answer before the request, or a close before it is read, would be
		// an error to the caller.
		_ = t.SetReadDeadline(time.Now().Add(farewell)) // or it ends sooner
		_, _ = t.Read(make([]byte, 4<<10))
		_ = t.SetDeadline(time.Now().Add(farewell))
		_, _ = io.WriteString(t, tooMany)
		_ = t.CloseWrite()
		_, _ = io.CopyN(io.Discard, t, 64<<10)
		_ = t.Close()
	}()
}

const (
	// farewell is how long a refused connection is listened to.
	farewell = 500 * time.Millisecond
	// maxFarewells at once.
	maxFarewells = 500
)

// room reports whether there is a place, having made one if need be.
func (g *gate) room() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seats) < g.max {
		return true
	}
	var longest net.Conn
	now := time.Now()
	for c, s := range g.seats {
		if !s.active && s.since.Before(now) && (longest == nil || s.since.Before(g.seats[longest].since)) {
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
	switch state {
	case http.StateNew:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seats[bare(c)] = &seat{since: time.Now()}
	case http.StateActive, http.StateIdle:
		g.set(c, state == http.StateActive, 0)
	case http.StateClosed, http.StateHijacked:
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.seats, bare(c))
	}
}

// set says whether a connection is at work, or waited for after a delay.
func (g *gate) set(c net.Conn, active bool, delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.seats[bare(c)]; s != nil {
		s.active, s.since = active, time.Now().Add(delay)
	}
}

// bare is the connection below TLS.
func bare(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}
