package directory

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// list is one of Slack's lists, read page by page in the background. While it
// is read anew, the last complete one goes on answering. Its fields are
// guarded by the Directory's lock.
type list[E any] struct {
	d      *Directory
	kind   string
	method string
	fetch  func(ctx context.Context, ws Workspace, cursor string, limit int) ([]E, string, error)
	// sealed is told of a complete list.
	sealed func([]E)

	// ws is where to read, with the credentials of who asked last.
	ws Workspace
	// complete is the last whole list; partial is what has been read of the
	// next one.
	complete, partial []E
	loadedAt          time.Time
	// begun is when the reading that is under way, or the last one, began;
	// completeFrom is when that of the last whole list did.
	begun, completeFrom time.Time
	loading             bool
	cause               *slack.Error
	// failure is why the last reading was given up, and for which credential.
	failure    *slack.Error
	failedAt   time.Time
	failedWith string

	// waiting owners, each with what would answer it from a page: by the names
	// that it waits for.
	waiting map[string]map[string]func(E) bool
	// missing owners did not find what they looked for; they are woken when
	// the list has been read again. missed are the names that a refresh has
	// been made for already.
	missing map[string]struct{}
	missed  map[string]struct{}
	// refresh is the timer of the next refresh, at refreshAt.
	refreshAt time.Time
	// doubted conversations are asked for one by one.
	doubted map[string]struct{}
	// noted entries are newer than what the reading under way may bring.
	noted []E
}

func newList[E any](d *Directory, ws Workspace, kind, method string,
	fetch func(context.Context, Workspace, string, int) ([]E, string, error)) *list[E] {
	return &list[E]{
		d: d, kind: kind, method: method, fetch: fetch, sealed: func([]E) {}, ws: ws,
		waiting: map[string]map[string]func(E) bool{}, missing: map[string]struct{}{}, missed: map[string]struct{}{},
		doubted: map[string]struct{}{},
	}
}

// use notes who asks, and has an old list read again.
func (l *list[E]) use(ws Workspace) {
	l.ws = ws
	if l.ready() && !l.loading && l.age() >= l.d.options.RefreshEvery {
		l.load()
	}
}

// ready reports whether there is a whole list to answer from.
func (l *list[E]) ready() bool { return !l.loadedAt.IsZero() }

func (l *list[E]) age() time.Duration { return l.d.clock.Since(l.loadedAt) }

// await returns why there is no answer yet, and has owner woken.
func (l *list[E]) await(owner, name string, match func(E) bool) error {
	if !l.ready() && !l.loading && l.failure != nil && l.failedWith == l.ws.Credential &&
		l.d.clock.Since(l.failedAt) < l.d.options.MissEvery {
		return l.failure
	}
	if l.waiting[owner] == nil {
		l.waiting[owner] = map[string]func(E) bool{}
	}
	l.waiting[owner][name] = match
	l.load()
	return &LoadingError{What: "the " + l.noun() + " of workspace " + place(l.ws), Cause: l.cause, Again: l.ready()}
}

func (l *list[E]) noun() string {
	if l.kind == "conversations" {
		return "channels"
	}
	return l.kind
}

// miss decides what to do for a name that a whole list does not have: nil when
// it is not to be found for now, or a *LoadingError when the list is read once
// more for it.
func (l *list[E]) miss(name, owner string) error {
	if l.loading {
		return l.await(owner, name, nil)
	}
	l.missing[owner] = struct{}{}
	if _, again := l.missed[name]; again {
		l.schedule(l.loadedAt.Add(l.d.options.RefreshEvery))
		return nil
	}
	if len(l.missed) > 10_000 {
		clear(l.missed)
	}
	l.missed[name] = struct{}{}
	if l.age() >= l.d.options.MissEvery {
		return l.await(owner, name, nil)
	}
	l.schedule(l.loadedAt.Add(l.d.options.MissEvery))
	return nil
}

// schedule has the list read again at a time, if nothing does so before.
func (l *list[E]) schedule(at time.Time) {
	if !l.refreshAt.IsZero() && !at.Before(l.refreshAt) || l.d.ctx == nil {
		return
	}
	l.refreshAt = at
	timer := l.d.clock.NewTimer(max(at.Sub(l.d.clock.Now()), 0))
	ctx := l.d.ctx
	go func() {
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C():
			l.d.mu.Lock()
			defer l.d.mu.Unlock()
			if l.refreshAt.Equal(at) {
				l.refreshAt = time.Time{}
				l.load()
			}
		}
	}()
}

// load begins to read the list, once.
func (l *list[E]) load() {
	if l.loading {
		return
	}
	l.loading, l.partial, l.cause, l.failure, l.refreshAt, l.noted = true, nil, nil, nil, time.Time{}, nil
	l.begun = l.d.clock.Now()
	l.resume()
}

// resume reads on when the Directory has been started.
func (l *list[E]) resume() {
	if l.loading && l.d.ctx != nil {
		go l.read(l.d.ctx)
	}
}

// read reads the list from the first page to the last.
func (l *list[E]) read(ctx context.Context) {
	begin := l.d.clock.Now()
	cursor, failures := "", 0
	for ctx.Err() == nil {
		ws := l.credentials()
		if !l.slot(ctx, ws) {
			return
		}
		page, next, err := l.fetch(ctx, ws, cursor, l.d.options.PageSize)
		e := slack.AsError(err)
		switch {
		case e == nil:
			failures = 0
			if l.take(page, next == "") {
				l.d.options.Observe(Load{TeamID: ws.TeamID, List: l.kind, Entries: l.size(), Took: l.d.clock.Since(begin)})
				return
			}
			cursor = next
		case e.Class == slack.ClassRateLimited:
			l.d.options.Limiter.Penalize(l.d.clock.Now(), ws.TeamID, l.method, e.RetryAfter)
		case e.Class == slack.ClassInvalidCursor:
			cursor = ""
			l.restart()
		case !e.Class.Transient():
			l.fail(e, ws)
			l.d.options.Observe(Load{TeamID: ws.TeamID, List: l.kind, Took: l.d.clock.Since(begin), Err: e})
			return
		default:
			failures++
			l.stumble(e)
			if !l.pause(ctx, backoff(failures)) {
				return
			}
		}
	}
}

// backoff with full jitter, from a second to a minute.
func backoff(failures int) time.Duration {
	limit := min(time.Minute, time.Second<<min(failures-1, 6))
	return limit/2 + rand.N(limit/2+1)
}

func (l *list[E]) credentials() Workspace {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.ws
}

func (l *list[E]) size() int {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return len(l.complete)
}

// slot waits for a slot to read a page; false when ctx has ended.
func (l *list[E]) slot(ctx context.Context, ws Workspace) bool {
	for {
		now := l.d.clock.Now()
		at, ok := l.d.options.Limiter.Reserve(now, ws.TeamID, l.method, pacing.Holder{Name: "list/" + ws.BotUserID})
		if ok {
			return true
		}
		if !l.pause(ctx, at.Sub(now)) {
			return false
		}
	}
}

func (l *list[E]) pause(ctx context.Context, d time.Duration) bool {
	timer := l.d.clock.NewTimer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// take adds a page, wakes whom it answers, and reports whether it was the last.
func (l *list[E]) take(page []E, last bool) bool {
	l.d.mu.Lock()
	var woken []string
	l.partial = append(l.partial, page...)
	l.cause = nil
	for owner, names := range l.waiting {
		if last || answers(page, names) {
			woken = append(woken, owner)
			delete(l.waiting, owner)
		}
	}
	if last {
		l.complete, l.partial, l.loading, l.loadedAt = l.partial, nil, false, l.d.clock.Now()
		l.completeFrom = l.begun
		l.sealed(l.complete)
		clear(l.doubted)
		for owner := range l.missing {
			woken = append(woken, owner)
		}
		clear(l.missing)
	}
	l.d.mu.Unlock()
	l.wake(woken)
	return last
}

// answers reports whether a page has something that is waited for.
func answers[E any](page []E, names map[string]func(E) bool) bool {
	for _, match := range names {
		if match != nil && slices.ContainsFunc(page, match) {
			return true
		}
	}
	return false
}

func (l *list[E]) restart() {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.partial = nil
}

// stumble notes a failure that passes, and tells those who wait of the first.
func (l *list[E]) stumble(e *slack.Error) {
	l.d.mu.Lock()
	first := l.cause == nil
	l.cause = e
	owners := make([]string, 0, len(l.waiting))
	for owner := range l.waiting {
		owners = append(owners, owner)
	}
	l.d.mu.Unlock()
	if first {
		l.wake(owners)
	}
}

// fail gives the reading up.
func (l *list[E]) fail(e *slack.Error, ws Workspace) {
	l.d.mu.Lock()
	l.loading, l.partial, l.failure, l.failedAt, l.failedWith = false, nil, e, l.d.clock.Now(), ws.Credential
	owners := make([]string, 0, len(l.waiting))
	for owner := range l.waiting {
		owners = append(owners, owner)
	}
	clear(l.waiting)
	l.d.mu.Unlock()
	l.wake(owners)
}

func (l *list[E]) wake(owners []string) {
	for _, owner := range owners {
		l.d.options.Wake(owner)
	}
}

func (l *list[E]) doubt(id string) { l.doubted[id] = struct{}{} }

func (l *list[E]) stat() Stat {
	return Stat{
		TeamID: l.ws.TeamID, List: l.kind, Entries: len(l.complete), LoadedAt: l.loadedAt,
		Loading: l.loading, Waiting: len(l.waiting),
	}
}
