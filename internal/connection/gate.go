package connection

import (
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Shares are how many workers may call Slack at once.
type Shares struct {
	// Namespace is for the SlackChannels of one namespace that go the operator's own
	// way, on which nobody but Slack can be slow.
	Namespace int
	// Private is for those of one namespace that have a proxy or CA of their own,
	// and AllPrivate for those of all namespaces.
	Private, AllPrivate int
}

// SharesOf a number of workers: a namespace has half of them, a quarter by a
// private way, and all private ways together half.
func SharesOf(workers int) Shares {
	return Shares{Namespace: max(workers/2, 1), Private: max(workers/4, 1), AllPrivate: max(workers/2, 1)}
}

// Gate keeps slow servers from holding all workers. Who finds no room is told when
// to come again, since to wait for it would hold a worker too.
type Gate struct {
	shares Shares
	clock  clock.PassiveClock

	mu      sync.Mutex
	inside  map[group]int
	private int
	// refused are those in a row that found no room, by which the pauses grow. Who
	// did not come again is forgotten from swept on.
	refused map[group]refusals
	swept   time.Time
}

type refusals struct {
	count int
	last  time.Time
}

// group shares the room of a Gate.
type group struct {
	namespace string
	domain    slack.Domain
}

// NewGate returns a Gate that nobody has entered.
func NewGate(s Shares) *Gate {
	return &Gate{shares: s, clock: clock.RealClock{}, inside: map[group]int{}, refused: map[group]refusals{}}
}

// The pauses of who found no room. Among thousands there is no hurry: room comes
// with the end of a call.
const (
	firstRoomPause   = time.Second
	longestRoomPause = 20 * time.Second
	// refusedPerPause is how many of one group may come again in a first pause.
	refusedPerPause = 20
	// refusalsKept is how long a refusal counts: all who were refused with it have
	// had their pause by then, three times.
	refusalsKept = 3 * longestRoomPause
)

// Enter lets a worker call Slack by the SlackChannels of a namespace in a domain,
// until it calls leave. Without room leave is nil, and it may come again after a
// pause. A nil Gate lets all through.
func (g *Gate) Enter(namespace string, d slack.Domain) (leave func(), pause time.Duration) {
	if g == nil {
		return func() {}, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	g.sweep(now)
	k, most := group{namespace, d}, g.shares.Namespace
	if d.Private() {
		most = g.shares.Private
	}
	if g.inside[k] >= most || d.Private() && g.private >= g.shares.AllPrivate {
		count := g.refused[k].count + 1
		g.refused[k] = refusals{count, now}
		pause := firstRoomPause * time.Duration(1+count/refusedPerPause)
		return nil, backoff.Around(min(pause, longestRoomPause))
	}
	delete(g.refused, k)
	g.inside[k]++
	if d.Private() {
		g.private++
	}
	var once sync.Once
	return func() { once.Do(func() { g.leave(k) }) }, 0
}

// sweep forgets the refusals of who did not come again, such as a namespace that was
// deleted.
func (g *Gate) sweep(now time.Time) {
	if now.Sub(g.swept) < refusalsKept {
		return
	}
	g.swept = now
	maps.DeleteFunc(g.refused, func(_ group, r refusals) bool { return now.Sub(r.last) >= refusalsKept })
}

func (g *Gate) leave(k group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[k]--; g.inside[k] == 0 {
		delete(g.inside, k)
		delete(g.refused, k)
	}
	if k.domain.Private() {
		g.private--
	}
}
