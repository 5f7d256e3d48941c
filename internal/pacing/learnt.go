package pacing

import (
	"math"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What is learnt of others that send for the same app: other shards, other
// clusters, other programs. Slack counts the calls of all of them together
// (docs.slack.dev/apis/web-api/rate-limits), and tells of it by 429 alone.
//
// A 429 lowers the part of a limit that this process takes by a factor, and each
// call afterwards adds a little that is the same for all. So those who share a
// limit come to equal parts, as connections do that share a line (Chiu and Jain,
// 1989). Who is alone never gets a 429, and never takes less than all.
const (
	// leastPart of a limit that is taken, whatever was answered, and that of the
	// posts to one conversation, which are few by themselves.
	leastPart, leastOfConversation = 0.05, 0.125
	// firstCut is the factor of the first 429: with one other as busy as this
	// process, a half is right.
	firstCut = 0.5
	// quickCut is that of a 429 which comes within quickCalls of the one before,
	// which means that the part is much too large; and cut is that of any other.
	quickCut   = 0.7
	quickCalls = 30
	cut        = 0.85
	// gain is what a call adds to the part. Where n share a limit, gain*n/(1-cut)
	// of their calls get a 429 in the end: 0.6 % of four.
	gain = 0.00022
	// After twice as many calls without a 429 as there should be, somebody else seems to have
	// gone: then the gain doubles with each doubling calls.
	doubling = 100
	// forgetAfter is how long after the last call what was learnt counts.
	forgetAfter = 10 * time.Minute
)

// learnt is the part of a limit that is this process's. The zero value is all of
// it.
type learnt struct {
	// lost of the limit, between 0 and 1-leastPart.
	lost float64
	// cutTo is the part that the last 429 left.
	cutTo float64
	// well counts the calls since the last 429.
	well int
	// refused is when the last 429 came, used when anything was last called.
	refused, used time.Time
}

// knows reports whether a 429 is remembered.
func (l *learnt) knows(now time.Time) bool {
	return !l.refused.IsZero() && now.Sub(l.used) < forgetAfter
}

func (l *learnt) part(now time.Time) float64 {
	if l.knows(now) {
		return 1 - l.lost
	}
	return 1
}

// called notes a call, whose answer may not be known yet.
func (l *learnt) called(now time.Time) {
	if !l.knows(now) {
		*l = learnt{}
		return
	}
	l.used = now
	l.well++
	patience := int(2 * (1 - cut) / gain * l.cutTo)
	more := max(0, min(l.well-patience, 20*doubling)) / doubling
	l.lost = max(0, l.lost-gain*math.Exp2(float64(more)))
}

// refuse notes a 429, and leaves the least part at least.
func (l *learnt) refuse(now time.Time, least float64) {
	factor := cut
	switch {
	case !l.knows(now):
		factor = firstCut
	case l.well < quickCalls:
		factor = quickCut
	}
	l.cutTo = max(least, l.part(now)*factor)
	l.lost = 1 - l.cutTo
	l.well, l.refused, l.used = 0, now, now
}

// refusedLately reports whether a 429 was not long ago.
func (l *learnt) refusedLately(now time.Time) bool {
	return !l.refused.IsZero() && now.Sub(l.refused) < forgetAfter
}

// note remembers a 429 that is put down to something else.
func (l *learnt) note(now time.Time) {
	if !l.knows(now) {
		*l = learnt{}
	}
	l.well, l.refused, l.used = 0, now, now
}

// smooth is into how many a long period is parted where a limit is shared. Who
// uses up his part at once each minute would meet the same other each time, and
// always one of them would have the 429.
const smooth = 20

// scaled are the limits of who takes a part of them, spread over their periods:
// so many calls that they are at least one, in a period that is longer by what
// was rounded up.
func scaled(limits []Limit, part float64) []Limit {
	if part >= 1 {
		return limits
	}
	out := make([]Limit, 0, 2*len(limits))
	whole := func(exact float64, per time.Duration) {
		n := max(1, math.Ceil(exact-1e-9))
		out = append(out, Limit{Events: int(n), Per: time.Duration(float64(per) * n / exact)})
	}
	for _, l := range limits {
		exact := float64(l.Events) * part
		whole(exact, l.Per)
		if l.Per >= minReserved {
			whole(exact/smooth, l.Per/smooth)
		}
	}
	return out
}

// Share are the limits of who may have a fixed share of them, above 0 and at most
// 1. Shares that add up to 1 never add up to more calls than the limits, so what
// is no whole number is rounded down, and less than one call means a longer
// period.
func Share(limits []Limit, share float64) []Limit {
	out := make([]Limit, len(limits))
	for i, l := range limits {
		exact := float64(l.Events) * share
		if out[i] = l; exact < 1 {
			out[i] = Limit{Events: 1, Per: time.Duration(float64(l.Per) / exact)}
			continue
		}
		out[i].Events = int(exact + 1e-9)
	}
	return out
}

// finest is the least change of a part for which limits are scaled anew.
const finest = 0.01

// differs reports whether limits that are scaled to one part do not suit another.
func differs(scaledTo, part float64) bool {
	return scaledTo != part && (part == 1 || math.Abs(part-scaledTo) >= finest*scaledTo)
}

// maxRemembered is of how many idle conversations of one trust domain what was
// learnt is remembered.
const maxRemembered = 1000

// remembered counts the idle conversations that are kept for what was learnt.
type remembered map[slack.Domain]int

// keeps reports whether one more may be kept.
func (r remembered) keeps(now time.Time, one *lane) bool {
	domain := one.key.Workspace.Domain()
	if !one.learnt.knows(now) || r[domain] >= maxRemembered {
		return false
	}
	r[domain]++
	return true
}

// Parts are what is taken of Slack's limits now: 1 is all of a limit. Of several
// workspaces they tell the least, and of those behind a tenant's own connection
// nothing, since he may have anything answered there.
type Parts struct {
	// Workspace is the part of the posts of a workspace, Conversation that of
	// the posts to a conversation.
	Workspace, Conversation float64
	// Methods are those of the Web API that are in use, by name.
	Methods map[string]float64
}

// Parts tells what is taken of the limits of posting.
func (l *Lanes) Parts(now time.Time) Parts {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Parts{Workspace: 1, Conversation: 1}
	for key, w := range l.workspaces {
		if !key.Domain().Private() {
			out.Workspace = min(out.Workspace, w.learnt.part(now))
		}
	}
	for key, one := range l.lanes {
		if !key.Workspace.Domain().Private() {
			out.Conversation = min(out.Conversation, one.learnt.part(now))
		}
	}
	if share := l.options.Share; share > 0 {
		out.Workspace, out.Conversation = share, share
	}
	return out
}

// Parts tells what is taken of the limits of each method that has been called.
func (l *Limiter) Parts(now time.Time) Parts {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Parts{Methods: map[string]float64{}}
	for key, m := range l.methods {
		if key.workspace.Domain().Private() {
			continue
		}
		part := m.learnt.part(now)
		if l.options.Share > 0 {
			part = l.options.Share
		}
		if known, ok := out.Methods[key.method]; !ok || part < known {
			out.Methods[key.method] = part
		}
	}
	return out
}
