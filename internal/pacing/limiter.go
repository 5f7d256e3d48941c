package pacing

import (
	"slices"
	"sync"
	"time"
)

// Limit allows Events in any period of Per.
type Limit struct {
	Events int
	Per    time.Duration
}

// LimiterOptions of NewLimiter; the zero value is meant to be used.
type LimiterOptions struct {
	// Methods has the limits of each method, all of which hold at once;
	// DefaultMethods() when nil.
	Methods map[string][]Limit
	// Others are the limits of methods that Methods does not name; Tier2
	// when nil, the strictest in use.
	Others []Limit
	// LapseAfter is how long a slot waits for its holder; 2 minutes when 0.
	LapseAfter time.Duration
}

// Holder is who wants to make a call.
type Holder struct {
	// Name is unique among the holders of one workspace and method.
	Name string
	// Group shares the slots fairly with the other groups, for example a
	// namespace.
	Group string
	// Priority: higher goes first.
	Priority int
}

// Limiter hands out slots for calls of Web API methods. Slack counts them by
// method and workspace for the whole app, whatever the token
// (docs.slack.dev/apis/web-api/rate-limits). It is safe for concurrent use.
type Limiter struct {
	options LimiterOptions
	mu      sync.Mutex
	methods map[methodKey]*method
}

type methodKey struct{ workspace, method string }

// method is the state of one method in one workspace.
type method struct {
	limits  []Limit
	used    window
	blocked time.Time
	// kept slots, in order of time.
	kept []slot
}

type slot struct {
	holder string
	at     time.Time
}

// NewLimiter returns a Limiter that knows of no calls yet.
func NewLimiter(_ time.Time, o LimiterOptions) *Limiter {
	if o.Methods == nil {
		o.Methods = DefaultMethods()
	}
	if o.Others == nil {
		o.Others = Tier2
	}
	if o.LapseAfter == 0 {
		o.LapseAfter = 2 * time.Minute
	}
	return &Limiter{options: o, methods: map[methodKey]*method{}}
}

func (l *Limiter) method(workspace, name string) *method {
	key := methodKey{workspace, name}
	m := l.methods[key]
	if m == nil {
		limits, ok := l.options.Methods[name]
		if !ok {
			limits = l.options.Others
		}
		m = &method{limits: limits}
		l.methods[key] = m
	}
	return m
}

// Reserve asks for a slot to call method once. With ok, the slot is used up
// and the call is to be made now. Otherwise the slot at is kept for the holder,
// who is to ask again then, with the same name; asking earlier gives the same
// slot, or a later one when Slack asked to wait meanwhile. Holders of one
// workspace and method need distinct names. A slot that is not asked for
// within LapseAfter is lost.
func (l *Limiter) Reserve(now time.Time, workspace, method string, h Holder) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.method(workspace, method)
	m.lapse(now, l.options.LapseAfter)
	i := slices.IndexFunc(m.kept, func(s slot) bool { return s.holder == h.Name })
	if i < 0 {
		m.kept = append(m.kept, slot{holder: h.Name})
		m.plan(now)
		i = len(m.kept) - 1
	}
	at = m.kept[i].at
	if at.After(now) {
		return at, false
	}
	m.kept = slices.Delete(m.kept, i, i+1)
	m.used.add(now, m.limits)
	// A slot used later than it was for moves the ones behind it.
	m.plan(now)
	return now, true
}

// Cancel gives up the slot that holder waits for.
func (l *Limiter) Cancel(now time.Time, workspace, method, holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.method(workspace, method)
	m.kept = slices.DeleteFunc(m.kept, func(s slot) bool { return s.holder == holder })
	m.plan(now)
}

// Penalize obeys a 429 answer: no slot of method in workspace, promised or
// new, is before now+retryAfter. DefaultRetryAfter is taken when Slack did not
// say how long.
func (l *Limiter) Penalize(now time.Time, workspace, method string, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = DefaultRetryAfter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.method(workspace, method)
	if until := now.Add(retryAfter); until.After(m.blocked) {
		m.blocked = until
		m.plan(now)
	}
}

// lapse drops the slots that nobody asked for.
func (m *method) lapse(now time.Time, after time.Duration) {
	m.kept = slices.DeleteFunc(m.kept, func(s slot) bool { return now.After(s.at.Add(after)) })
}

// plan gives the kept slots, in their order, the earliest times that keep to
// the limits. A promise may move to a later time, and to an earlier one; a
// slot whose time has come stays due.
func (m *method) plan(now time.Time) {
	planned := window{times: slices.Clone(m.used.times)}
	for i := range m.kept {
		from := m.kept[i].at
		if from.IsZero() || from.After(now) {
			from = now
		}
		if m.blocked.After(from) {
			from = m.blocked
		}
		m.kept[i].at = planned.earliest(from, m.limits)
		planned.add(m.kept[i].at, m.limits)
	}
}
