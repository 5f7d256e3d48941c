package slacksim

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// limits are Slack's (docs.slack.dev/apis/web-api/rate-limits). Bursts are not
// allowed for, since Slack does not say how large they may be.
type limits struct {
	off   bool
	calls map[string][]time.Time
	// Provoked429 counts the answers 429 by method.
	provoked map[string]int
}

// perMinute calls of a method, by tier.
var perMinute = map[int]int{2: 20, 3: 50, 4: 100}

// postsPerMinute of a workspace: Slack says "several hundred".
const postsPerMinute = 600

func newLimits(off bool) *limits {
	return &limits{off: off, calls: map[string][]time.Time{}, provoked: map[string]int{}}
}

// allow counts an event, or returns the seconds to wait.
func (l *limits) allow(key string, n int, per time.Duration, now time.Time) int {
	if l.off {
		return 0
	}
	list := l.calls[key]
	for len(list) > 0 && now.Sub(list[0]) >= per {
		list = list[1:]
	}
	if len(list) >= n {
		l.calls[key] = list
		return max(1, int(math.Ceil((per - now.Sub(list[len(list)-n])).Seconds())))
	}
	l.calls[key] = append(list, now)
	return 0
}

func (l *limits) method(team, method string, tier int, now time.Time) int {
	retry := l.allow(team+" "+method, perMinute[tier], time.Minute, now)
	if retry > 0 {
		l.provoked[method]++
	}
	return retry
}

// post counts a message to a channel, by whichever way, at the time of its
// arrival. One that is refused counts for nothing.
func (l *limits) post(team, channel, method string, now time.Time) int {
	retry := l.allow(team+" "+channel, 1, time.Second, now)
	if retry == 0 {
		if retry = l.allow(team+" posts", postsPerMinute, time.Minute, now); retry > 0 {
			l.calls[team+" "+channel] = nil
		}
	}
	if retry > 0 {
		l.provoked[method]++
	}
	return retry
}

func tooMany(w http.ResponseWriter, seconds int, body string) {
	w.Header().Set("Retry-After", fmt.Sprint(seconds))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = fmt.Fprint(w, body) // the client may be gone
}
