package pacing

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// breaker keeps a workspace that does not answer from being tried by every
// message.
type breaker struct {
	// failures in a row to get an answer; see LaneOptions.BreakAfter.
	failures int
	// pauses in a row, and until when the present one lasts.
	pauses int
	until  time.Time
}

// maxPause between two attempts to reach a workspace that does not answer.
const maxPause = 30 * time.Second

// Failed tells that a post got no answer from a workspace, as when it is down.
// It returns true when this makes the workspace count as down.
func (l *Lanes) Failed(now time.Time, key slack.Workspace) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.workspace(now, key)
	b := &w.breaker
	b.failures++
	if !l.down(w) || now.Before(b.until) {
		return false // one of those that were under way when it went down
	}
	b.until = now.Add(min(maxPause, time.Second<<min(b.pauses, 5)))
	b.pauses++
	l.plan(w)
	l.signal()
	return b.pauses == 1
}

// Answered tells that a workspace has answered a post, whatever it said. An
// answer to another method is none: posting may be down alone.
func (l *Lanes) Answered(key slack.Workspace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.workspaces[key]; w != nil && w.breaker.failures > 0 {
		w.breaker = breaker{}
		l.plan(w)
		l.signal()
	}
}

func (l *Lanes) down(w *workspace) bool {
	return l.options.BreakAfter > 0 && w.breaker.failures >= l.options.BreakAfter
}
