package pacing

import "time"

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

// Limiter hands out slots for calls of Web API methods. Slack counts them by
// method and workspace for the whole app, whatever the token
// (docs.slack.dev/apis/web-api/rate-limits). It is safe for concurrent use.
type Limiter struct{}

// NewLimiter returns a Limiter that knows of no calls yet.
func NewLimiter(now time.Time, o LimiterOptions) *Limiter { return &Limiter{} }

// Reserve asks for a slot to call method once. With ok, the slot is used up
// and the call is to be made now. Otherwise the slot at is kept for holder,
// who is to ask again then, with the same name; asking earlier gives the same
// slot, or a later one when Slack asked to wait meanwhile. Holders of one
// workspace and method need distinct names. A slot that is not asked for
// within LapseAfter is lost.
func (l *Limiter) Reserve(now time.Time, workspace, method, holder string) (at time.Time, ok bool) {
	return now, true
}

// Cancel gives up the slot that holder waits for.
func (l *Limiter) Cancel(now time.Time, workspace, method, holder string) {}

// Penalize obeys a 429 answer: no slot of method in workspace, promised or
// new, is before now+retryAfter. DefaultRetryAfter is taken when Slack did not
// say how long.
func (l *Limiter) Penalize(now time.Time, workspace, method string, retryAfter time.Duration) {}
