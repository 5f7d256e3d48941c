package directory

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// fault decides how a reading goes on after a failure with the credentials of
// ws: after a pause, with other credentials, or not at all.
func (l *list[E]) fault(r *reading[E], ws Workspace, e *slack.Error) (pause time.Duration, ok bool) {
	switch {
	case e.Busy:
		return max(e.RetryAfter, time.Second), true
	case e.Class == slack.ClassRateLimited:
		l.d.options.Limiter.Penalize(l.d.clock.Now(), ws.Key, l.method, e.RetryAfter)
		return 0, true
	case e.Class == slack.ClassInvalidCursor && r.beside:
		return 0, l.withoutAside(r)
	case e.Class == slack.ClassInvalidCursor:
		return l.restart(r), true
	case e.Class.Transient():
		return l.stumble(r, ws, e), true
	case l.narrower(e) && l.narrow(r, ws):
		return 0, true
	}
	return 0, !l.giveUp(r, ws, e)
}

// narrow has the rest read without what the credentials lack a scope for; false
// when that was so already.
func (l *list[E]) narrow(r *reading[E], ws Workspace) bool {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if r.ws.Credential != ws.Credential {
		return true // they are not used any more
	}
	was := r.narrow
	r.narrow = true
	return !was
}

func (l *list[E]) restart(r *reading[E]) time.Duration {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.reading == r {
		r.again()
	}
	r.restarts++
	if r.restarts == 1 {
		return 0
	}
	return backoff.Full(r.restarts-1, time.Second, time.Minute)
}

// stumble notes a failure that passes, tells those who wait with these
// credentials of the first one, and has the page tried next with those of
// another who waits: it may be this one's proxy that is down.
func (l *list[E]) stumble(r *reading[E], ws Workspace, e *slack.Error) time.Duration {
	l.d.mu.Lock()
	first := r.causes[ws.Credential] == nil
	r.causes[ws.Credential] = e
	r.failures++
	r.small = r.small || r.query.limit == longPage
	pause := backoff.Full(r.failures, time.Second, time.Minute)
	var owners []string
	for owner, w := range l.waiting {
		if first && w.ws.Credential == ws.Credential {
			owners = append(owners, owner)
		}
	}
	if l.reading == r && r.ws.Credential == ws.Credential {
		if next, ok := l.successor(ws.Credential, r.causes); ok {
			r.goOnWith(next)
		}
	}
	l.d.mu.Unlock()
	l.wake(owners)
	return pause
}

// giveUp ends the use of credentials that were refused, and tells those who
// wait with them. The reading goes on with those of another who waits, and
// keeps its pages; giveUp reports true when there is none, and the reading has
// ended.
func (l *list[E]) giveUp(r *reading[E], ws Workspace, e *slack.Error) bool {
	l.d.mu.Lock()
	if l.reading != r {
		l.d.mu.Unlock()
		return true
	}
	l.refused.add(ws.Credential, e, l.d.clock.Now())
	next, goesOn := l.successor(ws.Credential, r.causes)
	switch {
	case e.Class.Transient(): // a list without an end has none for others
		goesOn = false
		for _, w := range l.waiting {
			l.refused.add(w.ws.Credential, e, l.d.clock.Now())
		}
	case r.ws.Credential != ws.Credential:
		goesOn = true // with others already
	case goesOn:
		r.goOnWith(next)
	}
	var owners []string
	for owner, w := range l.waiting {
		if !goesOn || w.ws.Credential == ws.Credential {
			owners = append(owners, owner)
			delete(l.waiting, owner)
		}
	}
	if !goesOn {
		l.reading = nil
	}
	failed := Load{Workspace: l.team, List: l.kind, Took: l.d.clock.Since(r.begun), Err: e}
	l.d.mu.Unlock()
	l.wake(owners)
	l.d.options.Observe(failed)
	return !goesOn
}
