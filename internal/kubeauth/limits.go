package kubeauth

import (
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

const (
	// DefaultUnknown is how many tokens that are not known yet one address may
	// show a second.
	DefaultUnknown = 10
	// DefaultUnknownBurst is how many of them it may show at once.
	DefaultUnknownBurst = 50
	// maxCallers whose rates are known.
	maxCallers = 2000
	// maxTokens that are known to be good, each for tokenTime after its last use.
	maxTokens = 4000
	tokenTime = 10 * time.Minute
)

// Rates hold each of many callers to a rate. They are safe for concurrent use.
type Rates struct {
	limit rate.Limit
	burst int
	clock clock.PassiveClock

	mu   sync.Mutex
	seen recent[string, *rate.Limiter]
}

// NewRates lets each caller come so many times a second, and burst times at once.
func NewRates(limit rate.Limit, burst int, c clock.PassiveClock) *Rates {
	// Whoever has not come for that long may do all at once again.
	full := time.Duration(float64(burst) / float64(limit) * float64(time.Second))
	return &Rates{limit: limit, burst: burst, clock: c, seen: recent[string, *rate.Limiter]{limit: maxCallers, age: full}}
}

// Allow reports whether a caller may come now.
func (r *Rates) Allow(who string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	l, ok := r.seen.get(who, now)
	if !ok {
		l = rate.NewLimiter(r.limit, r.burst)
	}
	r.seen.put(who, l, now)
	return l.AllowN(now, 1)
}

// Guard keeps a flood of bad tokens from the API server: those that were good a
// short time ago pass, others are held to a rate by the address that shows
// them. It is safe for concurrent use.
type Guard struct {
	unknown *Rates
	clock   clock.PassiveClock

	mu   sync.Mutex
	good recent[[sha256.Size]byte, struct{}]
}

// NewGuard lets each address show so many unknown tokens a second, and burst at
// once.
func NewGuard(limit rate.Limit, burst int, c clock.PassiveClock) *Guard {
	return &Guard{
		unknown: NewRates(limit, burst, c), clock: c,
		good: recent[[sha256.Size]byte, struct{}]{limit: maxTokens, age: tokenTime},
	}
}

// Admit reports whether the API server may be asked about a token now.
func (g *Guard) Admit(token, address string) bool {
	g.mu.Lock()
	_, known := g.good.get(sha256.Sum256([]byte(token)), g.clock.Now())
	g.mu.Unlock()
	return known || g.unknown.Allow(address)
}

// Learn is told what the API server answered about a token.
func (g *Guard) Learn(token string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch key := sha256.Sum256([]byte(token)); {
	case err == nil:
		g.good.put(key, struct{}{}, g.clock.Now())
	case errors.Is(err, ErrUnauthenticated):
		g.good.drop(key)
	}
}

// Address is where a request comes from, without its port. Of IPv6 it is the
// network (/64), since one host has as many addresses as it likes.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap()
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}
