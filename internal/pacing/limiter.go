package pacing

import (
	"sync"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// LimiterOptions of NewLimiter; the zero value is meant to be used.
type LimiterOptions struct {
	// Methods has the limits of each method, all of which hold at once;
	// DefaultMethods() when nil.
	Methods map[string][]Limit
	// Others are the limits of methods that Methods does not name; Tier2
	// when nil, the strictest in use.
	Others []Limit
	// Share of all limits that this process takes, above 0 and at most 1; when
	// 0 it is all of them, and less when a 429 tells that others call too.
	Share float64
	// Grace is how long a slot is kept free for the holder whose turn has
	// come; 2 s when 0. A later one takes the next that is free, before all
	// that wait.
	Grace time.Duration
	// LapseAfter is how long a holder whose turn has come is remembered; 2
	// minutes when 0.
	LapseAfter time.Duration
	// PerGroup is how many holders of one group and priority may wait for a
	// method; 100 when 0.
	PerGroup int
}

func (o LimiterOptions) withDefaults() LimiterOptions {
	if o.Methods == nil {
		o.Methods = DefaultMethods()
	}
	if o.Others == nil {
		o.Others = Tier2
	}
	if o.Share > 0 {
		methods := make(map[string][]Limit, len(o.Methods))
		for name, limits := range o.Methods {
			methods[name] = Share(limits, o.Share)
		}
		o.Methods, o.Others = methods, Share(o.Others, o.Share)
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.LapseAfter == 0 {
		o.LapseAfter = 2 * time.Minute
	}
	if o.PerGroup == 0 {
		o.PerGroup = 100
	}
	return o
}

// Holder is who wants to make a call.
type Holder struct {
	// Name is unique among the holders of one workspace and method.
	Name string
	// Group takes turns with the other groups of the same priority, for
	// example a namespace.
	Group string
	// Priority: higher goes first, but for what has waited long; each level
	// is worth a minute.
	Priority int
}

// Limiter hands out slots for calls of Web API methods. Slack counts them by
// method and workspace for the whole app, whatever the token
// (docs.slack.dev/apis/web-api/rate-limits). It is safe for concurrent use.
type Limiter struct {
	options LimiterOptions
	mu      sync.Mutex
	methods map[methodKey]*method
	swept   time.Time
}

type methodKey struct {
	workspace slack.Workspace
	method    string
}

// NewLimiter returns a Limiter that knows of no calls yet.
func NewLimiter(o LimiterOptions) *Limiter {
	return &Limiter{options: o.withDefaults(), methods: map[methodKey]*method{}}
}

func (l *Limiter) method(now time.Time, workspace slack.Workspace, name string) *method {
	l.sweep(now)
	key := methodKey{workspace, name}
	m := l.methods[key]
	if m == nil {
		limits, ok := l.options.Methods[name]
		if !ok {
			limits = l.options.Others
		}
		m = newMethod(limits)
		l.methods[key] = m
	}
	m.need(now)
	m.scale(now)
	return m
}

// sweep forgets the methods that nobody uses or is to come back to.
func (l *Limiter) sweep(now time.Time) {
	if now.Before(l.swept.Add(sweepEvery)) {
		return
	}
	l.swept = now
	for key, m := range l.methods {
		if now.Sub(m.needed) > idleAfter {
			delete(l.methods, key)
		}
	}
}

// Reserve asks for a slot to call method once. With ok, the call is to be made
// now, and Done is to be told of its end. Otherwise the holder keeps its place
// and is to ask again at the time at, with the same name. By then others may
// have come that go first (see queue: priorities, groups in turn, age), or Slack
// may have asked to wait, and it is told another time. A holder that does not
// come back keeps others waiting for Grace at the most.
//
// When PerGroup of its group wait with its priority already, a holder gets no
// place, but is told about when there is one for it.
func (l *Limiter) Reserve(now time.Time, workspace slack.Workspace, method string, h Holder) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.method(now, workspace, method)
	at, ok = m.reserve(now, h, l.options)
	m.need(at)
	return at, ok
}

// Done tells that the call of a slot that holder got has ended. Slack counts a
// call at some time between its beginning and its end; the limits count it from
// its beginning and, when they are told, from its end. A caller that does not
// tell may have Slack see more calls in a period than it allows, by those that
// took long.
func (l *Limiter) Done(now time.Time, workspace slack.Workspace, method, holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.methods[methodKey{workspace, method}]; m != nil {
		m.done(now, holder)
	}
}

// Penalize obeys a 429 answer: there is no slot of method in workspace,
// promised or new, before now+retryAfter. DefaultRetryAfter is taken when Slack
// did not say how long. Unless Share is fixed, less of the method's limits is
// taken from then on; the answers to calls that were under way meanwhile say
// nothing new.
func (l *Limiter) Penalize(now time.Time, workspace slack.Workspace, method string, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = DefaultRetryAfter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.method(now, workspace, method)
	if l.options.Share == 0 && !m.blocked.After(now) {
		m.learnt.refuse(now, leastPart)
		m.scale(now)
	}
	if until := now.Add(retryAfter); until.After(m.blocked) {
		m.blocked = until
		m.need(until)
	}
}
