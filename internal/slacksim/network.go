package slacksim

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Network is how slow the way to the simulation is, which POST /_sim/network
// sets; an empty one makes it fast again.
type Network struct {
	// AcceptMS is the time in milliseconds that a new connection is not read
	// from, as on a machine that is too busy to accept it or to finish a
	// handshake. It takes a listener of the server's own, see Server.Listener.
	AcceptMS int `json:"acceptMs"`
	// ReadMS is the time in milliseconds before a call below /api/ or /services/
	// is read. It has arrived, for the limits too, when it has been read.
	ReadMS int `json:"readMs"`
	// Times that each of them happens; always when 0.
	Times int `json:"times,omitempty"`
}

// network holds the delays, and how many are left of each; -1 is no end.
type network struct {
	mu              sync.Mutex
	set             Network
	accepted, reads int
}

func (n *network) change(to Network) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set, n.accepted, n.reads = to, -1, -1
	if to.Times > 0 {
		n.accepted, n.reads = to.Times, to.Times
	}
}

// delay takes one of what is left.
func (n *network) delay(ms func(Network) int, left func(*network) *int) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	rest := left(n)
	if ms(n.set) <= 0 || *rest == 0 {
		return 0
	}
	if *rest > 0 {
		*rest--
	}
	return time.Duration(ms(n.set)) * time.Millisecond
}

// read waits before a request is read.
func (n *network) read(r *http.Request) {
	wait := n.delay(func(s Network) int { return s.ReadMS }, func(n *network) *int { return &n.reads })
	if wait == 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	}
}

func (s *Server) serveNetwork(w http.ResponseWriter, r *http.Request) {
	var to Network
	if readJSON(w, r, &to) {
		s.network.change(to)
		writeJSON(w, to)
	}
}

// Listener returns a listener whose connections are as slow to be accepted as
// Network says.
func (s *Server) Listener(l net.Listener) net.Listener { return &slowListener{l, s.network} }

type slowListener struct {
	net.Listener
	network *network
}

// Accept implements net.Listener. The wait is the connection's, so that
// one that is slow holds up no other.
func (l *slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wait := l.network.delay(func(s Network) int { return s.AcceptMS }, func(n *network) *int { return &n.accepted })
	if wait == 0 {
		return conn, nil
	}
	return &slowConn{Conn: conn, ready: time.Now().Add(wait)}, nil
}

type slowConn struct {
	net.Conn
	ready time.Time
}

// Read implements net.Conn.
func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(time.Until(c.ready))
	return c.Conn.Read(b)
}
