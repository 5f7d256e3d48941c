package intake

import (
	"context"
	"io"
	stdlog "log"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/rooms"
)

// Limits of the server. They keep it at some 130 MiB whatever comes in; a caller
// above them is asked to come again.
type Limits struct {
	// Body is how large one may be; 1 MiB by default.
	Body int64
	// Alerts is how large what an Alertmanager posts may be; 32 MiB by default. What
	// is beyond Body is read as it comes and not kept.
	Alerts int64
	// Large is how many of those are read at once, one for each namespace; 3 by
	// default.
	Large int64
	// Bodies is how many bytes of them are in memory at once; 16 MiB by default.
	Bodies int64
	// Connections at once; 1000 by default. Above, those give way that have
	// not sent a whole request for longest.
	Connections int
	// Work is how many requests are at the API server at once; 64 by default.
	Work int64
	// NamespaceWork is how many of them store something for one namespace, so that one
	// that takes long keeps no other out; a quarter of Work by default.
	NamespaceWork int
	// Wait is how long a request waits for its turn; 2s by default.
	Wait time.Duration
	// Rate and Burst are how many requests one caller may make a second; 50, and
	// 200 at once, by default.
	Rate  rate.Limit
	Burst int
	// NamespaceRate and NamespaceBurst are how many requests all callers together
	// may make for one namespace a second, since whoever may make
	// ServiceAccounts there is many callers; 100, and 400 at once, by default.
	NamespaceRate  rate.Limit
	NamespaceBurst int
	// Unknown and UnknownBurst are how many tokens that are not known yet one
	// address may show a second, and how many signatures that are not right; 10,
	// and 50 at once, by default.
	Unknown      rate.Limit
	UnknownBurst int
	// HeaderTime and ReadTime are how long a caller may take to send the
	// headers, and the whole request; 5s and 15s by default.
	HeaderTime, ReadTime time.Duration
	// LargeRate is how many bytes a second a caller must send beyond Body: it may keep
	// the server waiting for ReadTime and a second for so many bytes, and never longer
	// than ReadTime at a stretch; 256 KiB by default. What the server takes to look at
	// them does not count.
	LargeRate int64
}

// workTime is how long it takes at the most to answer a request that has arrived.
func (l *Limits) workTime() time.Duration { return storeTime + 2*l.Wait + 5*time.Second }

const (
	// maxDepth of JSON, and maxValues in it.
	maxDepth  = 64
	maxValues = 100_000
	// step is how much of a body is made room for at first.
	step = 4 << 10
)

func orDefault[T comparable](have, fallback T) T {
	var zero T
	if have == zero {
		return fallback
	}
	return have
}

// limiters hold callers to the limits.
type limiters struct {
	Limits
	work, bodies, large *semaphore.Weighted
	// shares of the work, by namespace.
	shares rooms.Rooms
	// reading are the namespaces for which a large post is read.
	reading             sync.Map
	callers, namespaces *kubeauth.Rates
	guard               *kubeauth.Guard
	signatures          *kubeauth.Rates
}

func newLimiters(l Limits, c clock.PassiveClock) *limiters {
	l.Body = orDefault(l.Body, 1<<20)
	l.Alerts = orDefault(l.Alerts, 32<<20)
	l.Large = orDefault(l.Large, 3)
	l.Bodies = orDefault(l.Bodies, 16<<20)
	l.Connections = orDefault(l.Connections, 1000)
	l.Work = orDefault(l.Work, 64)
	l.NamespaceWork = orDefault(l.NamespaceWork, max(int(l.Work/4), 1))
	l.Wait = orDefault(l.Wait, 2*time.Second)
	l.Rate, l.Burst = orDefault(l.Rate, 50), orDefault(l.Burst, 200)
	l.NamespaceRate, l.NamespaceBurst = orDefault(l.NamespaceRate, 100), orDefault(l.NamespaceBurst, 400)
	l.Unknown, l.UnknownBurst = orDefault(l.Unknown, kubeauth.DefaultUnknown), orDefault(l.UnknownBurst, kubeauth.DefaultUnknownBurst)
	l.HeaderTime, l.ReadTime = orDefault(l.HeaderTime, 5*time.Second), orDefault(l.ReadTime, 15*time.Second)
	l.LargeRate = orDefault(l.LargeRate, 256<<10)
	return &limiters{
		Limits: l, work: semaphore.NewWeighted(l.Work), bodies: semaphore.NewWeighted(l.Bodies), large: semaphore.NewWeighted(l.Large),
		callers:    kubeauth.NewRates(l.Rate, l.Burst, c),
		namespaces: kubeauth.NewRates(l.NamespaceRate, l.NamespaceBurst, c),
		guard:      kubeauth.NewGuard(l.Unknown, l.UnknownBurst, c),
		signatures: kubeauth.NewRates(l.Unknown, l.UnknownBurst, c),
	}
}

// enter waits for a place in the share of a namespace, but not for long.
func (l *limiters) enter(ctx context.Context, namespace string) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, l.Wait)
	defer cancel()
	return l.shares.Enter(ctx, namespace, l.NamespaceWork)
}

// take waits for a part of a semaphore, but not for long.
func (l *limiters) take(ctx context.Context, of *semaphore.Weighted, n int64) bool {
	if of.TryAcquire(n) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, l.Wait)
	defer cancel()
	return of.Acquire(ctx, n) == nil
}

// discard is a log that nobody reads.
var discard = stdlog.New(io.Discard, "", 0)
