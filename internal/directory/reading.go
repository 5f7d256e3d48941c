package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Bounds of a list that Slack, or who answers in its place, can make the
// operator read.
const (
	maxEntries = 1_000_000
	maxPages   = 10_000
)

// reading is one reading of a list, from its first page to its last. It keeps
// the credentials that it began with until these fail.
type reading[E entry] struct {
	ctx    context.Context //nolint:containedctx // the life of the reading
	cancel context.CancelFunc

	ws     Workspace
	begun  time.Time
	cursor string
	// narrow is set when the credentials lack a scope for a part of the list.
	narrow bool

	// brief reads no more than the end of the list. One that is early is read for
	// a name, and not because the last list is old.
	brief, early bool
	// aside is the cursor of the end of the last list, which is read before
	// anything else; empty when it has been.
	aside  string
	asides int
	// query that is under way, and whether it is the one aside.
	query  pageQuery
	beside bool
	// small: Slack did not manage a long page.
	small bool
	// answered is set when a page of an early one has answered somebody.
	answered bool

	entries []E
	// gone are those of the entries that are not live, as the snapshot keeps them.
	gone  []gone
	pages int
	// weight of the entries, in bytes.
	weight int
	// fresh finds by name what has been read and the last whole list does not
	// have like that.
	fresh map[string]int32

	// failures in a row, and the last one of each credential.
	failures int
	causes   map[string]*slack.Error
	restarts int
}

// goOnWith goes on from the same page with other credentials.
func (r *reading[E]) goOnWith(ws Workspace) { r.ws, r.narrow = ws, false }

// again begins with the first page.
func (r *reading[E]) again() {
	r.cursor, r.pages, r.asides, r.entries, r.gone, r.weight = "", 0, 0, nil, nil, 0
	clear(r.fresh)
}

// read reads the list from the first page to the last.
func (l *list[E]) read(r *reading[E]) {
	defer r.cancel()
	for {
		end, ok := l.slot(r)
		if !ok {
			return
		}
		ws, query, ok := l.page(r)
		if !ok {
			end()
			return
		}
		page, next, err := l.fetch(r.ctx, ws, query)
		end()
		e := slack.AsError(err)
		if e == nil {
			if l.take(r, page, next) || l.leisurely(r) && !l.pause(r.ctx, leisure) {
				return
			}
			continue
		}
		if r.ctx.Err() != nil {
			return
		}
		pause, ok := l.fault(r, ws, e)
		if !ok || pause > 0 && !l.pause(r.ctx, pause) {
			return
		}
	}
}

// page returns what to read next, and with which credentials; not ok when the
// reading was given up.
func (l *list[E]) page(r *reading[E]) (Workspace, pageQuery, bool) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	r.beside = r.aside != ""
	r.query = pageQuery{cursor: r.cursor, limit: l.pageSize(r), narrow: r.narrow}
	if r.beside {
		r.query.cursor = r.aside
	}
	return r.ws, r.query, l.reading == r
}

// slot waits for a slot to read a page, of whose end the Limiter is to be told; not
// ok when the reading has ended.
func (l *list[E]) slot(r *reading[E]) (end func(), ok bool) {
	for {
		ws, _, ok := l.page(r)
		if !ok {
			return nil, false
		}
		end, err := l.d.slot(ws, l.method, l.holder+"/"+ws.Namespace)
		var wait *WaitError
		if !errors.As(err, &wait) {
			return end, true
		}
		if !l.pause(r.ctx, wait.At.Sub(l.d.clock.Now())) {
			return nil, false
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

// take adds a page, wakes whom it answers, and reports whether the reading has
// ended.
func (l *list[E]) take(r *reading[E], page []E, next string) bool {
	l.d.mu.Lock()
	if l.reading != r {
		l.d.mu.Unlock()
		return true
	}
	l.add(r, page)
	if r.beside {
		next = r.pastAside(next)
	}
	endless := next != "" && !r.beside && (next == r.cursor || r.pages >= maxPages) || len(r.entries)+len(r.gone) > maxEntries
	heavy := l.d.tooHeavy(l.team.Domain())
	r.cursor, r.failures, r.restarts = next, 0, 0
	clear(r.causes)
	woken := l.answered(r)
	done := l.enough(r)
	if done {
		woken = append(woken, l.conclude(r)...)
	}
	l.d.mu.Unlock()
	l.wake(woken)
	switch {
	case heavy:
		l.giveUp(r, r.ws, &slack.Error{Class: slack.ClassUnknown, Method: l.method,
			Reason: fmt.Sprintf("the lists of workspaces that a namespace reaches by a proxy or CA of its own take more than %d MiB; use the operator's own way (HTTPS_PROXY) for large ones", maxPrivateWeight>>20)})
		return true
	case endless:
		l.giveUp(r, r.ws, &slack.Error{Class: slack.ClassUnknown, Method: l.method,
			Reason: fmt.Sprintf("the list does not end: %d entries on %d pages were read", len(r.entries)+len(r.gone), r.pages)})
		return true
	case done:
		return true
	case next == "" && !r.beside:
		l.seal(r)
		return true
	}
	return false
}

// add keeps the entries of a page. What the last whole list, or that of
// another bot, has as well shares its text, so that a list that is read again
// does not weigh twice.
func (l *list[E]) add(r *reading[E], page []E) {
	r.pages++
	if r.entries == nil {
		r.entries = make([]E, 0, l.whole.live()+len(page))
	}
	for _, e := range page {
		if l.dropGone && !e.live() {
			if g, ok := goneFrom(e.id(), e.name()); ok {
				r.gone = append(r.gone, g)
				r.weight += goneBytes
				continue
			}
		}
		known, same := l.whole.get(e.id())
		same = same && known == e
		shared := same
		if !shared && l.elsewhere != nil {
			known, shared = l.elsewhere(e.id())
			shared = shared && known == e
		}
		if shared {
			e = known
		}
		r.entries = append(r.entries, e)
		r.weight += e.size()
		if same || e.name() == "" {
			continue
		}
		name := strings.ToLower(e.name())
		if have, ok := r.fresh[name]; !ok || !r.entries[have].live() {
			r.fresh[name] = int32(len(r.entries) - 1) //nolint:gosec // see maxEntries
		}
	}
}

// answered returns who need not wait any longer.
func (l *list[E]) answered(r *reading[E]) []string {
	var woken []string
	for owner, w := range l.waiting {
		for name, anyPage := range w.names {
			at, ok := r.fresh[name]
			if anyPage && ok && r.entries[at].live() {
				woken = append(woken, owner)
				delete(l.waiting, owner)
				r.answered = true
				break
			}
		}
	}
	return woken
}

// seal makes the whole list of what was read, and wakes all who wait.
func (l *list[E]) seal(r *reading[E]) {
	// This sorts, which takes its time, and nobody else changes the entries.
	whole := newSnapshot(r.entries, l.keys)
	whole.keep(r.gone)
	l.d.mu.Lock()
	if l.reading != r {
		l.d.mu.Unlock()
		return
	}
	l.whole, l.weight, l.from, l.loadedAt, l.reading = whole, r.weight, r.begun, l.d.clock.Now(), nil
	l.pages, l.last = r.pages-r.asides, r.query.cursor
	for id, n := range l.newer {
		if n.at.Before(r.begun) {
			delete(l.newer, id)
		}
	}
	for id, since := range l.doubted {
		if since.Before(r.begun) {
			delete(l.doubted, id)
		}
	}
	clear(l.near)
	var owners []string
	for owner := range l.waiting {
		owners = append(owners, owner)
	}
	for owner := range l.missing {
		if l.waiting[owner] == nil {
			owners = append(owners, owner)
		}
	}
	clear(l.waiting)
	clear(l.missing)
	loaded := Load{Workspace: l.team, List: l.kind, Entries: whole.size(), Took: l.d.clock.Since(r.begun)}
	l.d.mu.Unlock()
	l.wake(owners)
	l.d.options.Observe(loaded)
}

func (l *list[E]) wake(owners []string) {
	for _, owner := range owners {
		l.d.options.Wake(owner)
	}
}
