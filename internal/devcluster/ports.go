package devcluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that FreePort chooses from. They are below those that the kernel
// hands out to connections (ip_local_port_range), one of which may otherwise
// take the port before the program that it is for does.
const lowestPort, highestPort = 12000, 32000

// blockSize is how many ports a process has for itself.
const blockSize = 500

// FreePort finds a port of the loopback interface that nobody listens on, and
// that FreePort gives to nobody else, in no process, before this one has taken
// some 500: the program that it is for listens on it only later.
func FreePort() (int, error) { return ownPorts.next() }

var ownPorts portBlock

// portBlock hands out the ports of a block of them. As long as its process
// lives it listens on the block's first one, which tells the others that the
// block is taken.
type portBlock struct {
	mu   sync.Mutex
	hold net.Listener
	last int
}

func (b *portBlock) next() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold == nil {
		if err := b.take(); err != nil {
			return 0, err
		}
	}
	var err error
	for range blockSize - 1 {
		b.last = b.last%(blockSize-1) + 1
		port := portOf(b.hold) + b.last
		var l net.Listener
		if l, err = listen(port); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("all %d ports of the block are taken: %w", blockSize-1, err)
}

// take takes a block that nobody has.
func (b *portBlock) take() (err error) {
	for _, block := range rand.Perm((highestPort - lowestPort) / blockSize) { //nolint:gosec // no secret
		if b.hold, err = listen(lowestPort + block*blockSize); err == nil {
			return nil
		}
	}
	return errors.Join(errors.New("all blocks of ports are taken"), err)
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
