package directory

import (
	"context"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// source says what a list is and how a page of it is read.
type source[E entry] struct {
	// team is the workspace for all apps.
	team slack.Workspace
	// kind is "users" or "conversations"; noun is what people call the entries.
	kind, noun string
	method     string
	// scope is the one that reading takes, for when Slack does not name it.
	scope string
	// holder names the list to the Limiter.
	holder string
	keys   []func(E) string
	fetch  func(ctx context.Context, ws Workspace, p pageQuery) ([]E, string, error)
	// pageEach is how long a page of the list has to last before a list is read
	// again for its age alone; 0 when only the age counts.
	pageEach time.Duration
	// longPages are asked for of a list that turns out to be long.
	longPages bool
	// dropGone keeps of entries that are not live only what it takes to find them.
	dropGone bool
	// narrower reports whether a refusal can be met by reading less.
	narrower func(*slack.Error) bool
	// elsewhere finds an entry in another list of the workspace, so that equal
	// ones share their text; the caller holds the lock. It may be nil.
	elsewhere func(id string) (E, bool)
}

// pageQuery asks for one page; narrow leaves out what a scope is lacking for.
type pageQuery struct {
	cursor string
	limit  int
	narrow bool
}

// list is one of Slack's lists, read page by page in the background. While it
// is read anew, the last complete one goes on answering. Its fields are
// guarded by the Directory's lock.
type list[E entry] struct {
	source[E]
	d *Directory

	// whole is the last whole list, nil when there is none; from is when its
	// reading began, and loadedAt when that ended.
	whole          *snapshot[E]
	from, loadedAt time.Time
	// weight of the last whole list, in bytes.
	weight int
	// pages of the last whole list, and the cursor of the last of them.
	pages int
	last  string
	// glanced is when the end of the list was last read by itself.
	glanced time.Time
	// reading is under way when it is not nil.
	reading *reading[E]
	// refused are the credentials that Slack has lately refused the list.
	refused refusals
	// used is when somebody asked last.
	used time.Time

	// waiting owners get an answer from a page or from the whole list.
	waiting map[string]*waiter
	// missing owners did not find what they looked for; they are woken when
	// the list has been read again, with their credentials if need be.
	missing map[string]Workspace
	// missed has for each name that a whole list did not have when it was first
	// looked for: one that was read later need not be read again for it.
	missed map[string]time.Time
	// near are the names that are like one that was not found.
	near map[string][]string
	// refreshAt is when the list is read next without anybody asking.
	refreshAt   time.Time
	stopRefresh context.CancelFunc

	// newer are entries that a single call has told of since the list was read.
	newer map[string]noted[E]
	// doubted entries, and since when, are asked for one by one.
	doubted map[string]time.Time
}

// waiter is an owner who waits, and whose credentials may be used for that.
type waiter struct {
	ws Workspace
	// names that it waits for; true when the first page with the name answers.
	names map[string]bool
}

// noted is an entry and when Slack told of it.
type noted[E entry] struct {
	entry E
	at    time.Time
}

// Bounds of what is remembered for one list.
const (
	maxMissed = 10_000
	// maxMissing owners; who is not woken asks again by itself.
	maxMissing = 100_000
	maxNear    = 1_000
	maxNewer   = 10_000
)

func newList[E entry](d *Directory, s source[E]) *list[E] {
	if s.narrower == nil {
		s.narrower = func(*slack.Error) bool { return false }
	}
	return &list[E]{
		source: s, d: d, used: d.clock.Now(), refused: refusals{}, waiting: map[string]*waiter{}, missing: map[string]Workspace{},
		missed: map[string]time.Time{}, near: map[string][]string{}, newer: map[string]noted[E]{}, doubted: map[string]time.Time{},
	}
}

// use has an old list read again, if the credentials of who asks do for that.
func (l *list[E]) use(ws Workspace) {
	l.used = l.d.clock.Now()
	if l.ready() && l.age() >= l.every() {
		l.load(ws)
	}
}

// ready reports whether there is a whole list to answer from.
func (l *list[E]) ready() bool { return l.whole != nil }

func (l *list[E]) age() time.Duration { return l.d.clock.Since(l.loadedAt) }

// refusal is why the list can't be read with these credentials, nil when it
// may be tried.
func (l *list[E]) refusal(ws Workspace) error {
	e := l.refused.of(ws.Credential, l.d.clock.Now().Add(-l.d.options.MissEvery))
	if e == nil {
		return nil
	}
	return refusedFor("the "+l.noun, l.scope, ws, e)
}

// await returns why there is no answer yet, and has owner woken; anyPage when
// the first page with the name answers.
func (l *list[E]) await(ws Workspace, owner, name string, anyPage bool) error {
	if err := l.refusal(ws); err != nil {
		l.remind(owner, ws)
		return err
	}
	w := l.waiting[owner]
	if w == nil {
		w = &waiter{names: map[string]bool{}}
		l.waiting[owner] = w
	}
	w.ws, w.names[name] = ws, anyPage
	l.load(ws)
	l.lookAside()
	return &LoadingError{What: "the " + l.noun + " of workspace " + place(ws), Cause: l.cause(ws), Again: l.ready()}
}

// cause is the failure that the reading has lately had with these credentials.
func (l *list[E]) cause(ws Workspace) *slack.Error {
	if l.reading == nil {
		return nil
	}
	return l.reading.causes[ws.Credential]
}

// miss decides what to do for a name that a whole list does not have: nil when
// it is not to be found for now, or a *LoadingError when the list is read once
// more for it; anyPage when the first page with the name answers.
func (l *list[E]) miss(ws Workspace, name, owner string, anyPage bool) error {
	now, o := l.d.clock.Now(), l.d.options
	first, again := l.missed[name]
	if again && !l.from.Before(first) {
		l.remind(owner, ws)
		l.schedule(l.loadedAt.Add(l.every()))
		l.glance(ws)
		return nil
	}
	if !again {
		if len(l.missed) >= maxMissed {
			clear(l.missed)
		}
		// A list that began at this very instant may have been read before.
		l.missed[name] = now.Add(1)
	}
	switch {
	case l.refusal(ws) != nil:
		l.remind(owner, ws)
		l.schedule(now.Add(o.MissEvery))
	case l.reading != nil || l.age() >= o.MissEvery:
		return l.await(ws, owner, name, anyPage)
	default:
		l.remind(owner, ws)
		l.schedule(l.loadedAt.Add(o.MissEvery))
	}
	return nil
}

// remind has owner woken when the list has been read again.
func (l *list[E]) remind(owner string, ws Workspace) {
	if _, ok := l.missing[owner]; !ok {
		makeRoom(l.missing, maxMissing)
	}
	l.missing[owner] = ws
}

// schedule has the list read again at a time, if nothing does so before.
func (l *list[E]) schedule(at time.Time) {
	if !l.refreshAt.IsZero() && !at.Before(l.refreshAt) || l.d.ctx == nil || l.reading != nil {
		return
	}
	l.unschedule()
	ctx, stop := context.WithCancel(l.d.ctx)
	l.refreshAt, l.stopRefresh = at, stop
	timer := l.d.clock.NewTimer(max(at.Sub(l.d.clock.Now()), 0))
	go func() {
		defer timer.Stop()
		defer stop()
		select {
		case <-ctx.Done():
		case <-timer.C():
			l.d.mu.Lock()
			defer l.d.mu.Unlock()
			if ctx.Err() == nil {
				l.unschedule()
				l.load(Workspace{})
			}
		}
	}()
}

func (l *list[E]) unschedule() {
	if l.stopRefresh != nil {
		l.stopRefresh()
	}
	l.refreshAt, l.stopRefresh = time.Time{}, nil
}

// load begins to read the list, once: with the credentials of who asks, or of
// another who waits where those are refused.
func (l *list[E]) load(ws Workspace) {
	if l.reading != nil {
		return
	}
	if ws.API == nil || l.refusal(ws) != nil {
		next, ok := l.successor("", nil)
		if !ok {
			return
		}
		ws = next
	}
	l.unschedule()
	l.begin(ws).early = l.long() && l.age() < l.every()
	if l.reading.early {
		l.lookAside()
	}
	l.resume()
}

func (l *list[E]) begin(ws Workspace) *reading[E] {
	l.reading = &reading[E]{
		ws: ws, begun: l.d.clock.Now(), fresh: map[string]int32{}, causes: map[string]*slack.Error{}, cancel: func() {},
	}
	return l.reading
}

// successor returns credentials of one who waits that Slack has not refused,
// other than those of the given name; those that have not failed go first.
func (l *list[E]) successor(current string, failed map[string]*slack.Error) (found Workspace, ok bool) {
	usable := func(ws Workspace) bool {
		return (ws.Credential != current || current == "") && ws.API != nil && l.refusal(ws) == nil
	}
	offer := func(ws Workspace) bool { // true when no better one can come
		if !usable(ws) {
			return false
		}
		found, ok = ws, true
		return failed[ws.Credential] == nil
	}
	for _, w := range l.waiting {
		if offer(w.ws) {
			return found, true
		}
	}
	for _, ws := range l.missing {
		if offer(ws) {
			return found, true
		}
	}
	return found, ok
}

// resume reads when the Directory has been started.
func (l *list[E]) resume() {
	if r := l.reading; r != nil && l.d.ctx != nil && r.ctx == nil {
		r.ctx, r.cancel = context.WithCancel(l.d.ctx)
		go l.read(r)
	}
}

// forget stops using credentials: a reading goes on with those of another who
// waits, or ends. It returns the owners to wake.
func (l *list[E]) forget(credential string) []string {
	delete(l.refused, credential)
	var owners []string
	for owner, w := range l.waiting {
		if w.ws.Credential == credential {
			owners = append(owners, owner)
			delete(l.waiting, owner)
		}
	}
	for owner, ws := range l.missing {
		if ws.Credential == credential {
			delete(l.missing, owner)
		}
	}
	if r := l.reading; r != nil && r.ws.Credential == credential {
		if next, ok := l.successor(credential, r.causes); ok {
			r.goOnWith(next)
		} else {
			l.abandon()
		}
	}
	if len(l.missing) == 0 {
		l.unschedule()
	}
	return owners
}

// abandon ends the reading that is under way.
func (l *list[E]) abandon() {
	if l.reading != nil {
		l.reading.cancel()
		l.reading = nil
	}
}

// stop ends all that goes on for the list, which is not used any more.
func (l *list[E]) stop() {
	l.abandon()
	l.unschedule()
}

func (l *list[E]) stat() Stat {
	return Stat{
		Workspace: l.team, List: l.kind, Entries: l.whole.size(), LoadedAt: l.loadedAt,
		Loading: l.reading != nil, Waiting: len(l.waiting),
	}
}
