package directory

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Checks of channels that come again and again, of one bot: how many are those
// that the list of channels can answer, and those that each time take a call of
// conversations.info.
type Checks struct{ Listed, Called int }

// Checks take a tenth of what Slack allows, so that nine tenths are left for
// deliveries (docs.slack.dev/apis/web-api/rate-limits): of the 50 calls of
// conversations.info a minute (Tier 3) five, and of the 20 pages of
// conversations.list (Tier 2) two, of which a quarter is kept for looks at the end
// of the list.
const (
	callEach    = 12 * time.Second
	pageEach    = 40 * time.Second
	glanceEvery = 2 * time.Minute
	// asideEvery is for who waits for a name.
	asideEvery = 5 * time.Second
)

// CheckEvery is how far apart the checks of one channel have to be for all checks
// of the bot together to stay within a tenth of Slack's limits: RefreshEvery or,
// where there are many, more. It is about a channel that takes a call each time
// when called is true.
func (d *Directory) CheckEvery(ws Workspace, called bool) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.convs[ws.Key]
	if l == nil || !l.ready() || !d.byList(ws, l) {
		return d.callEvery(ws.Checks)
	}
	if called {
		return d.callEvery(Checks{Called: ws.Checks.Called})
	}
	return l.every()
}

// Listed reports whether the list of channels tells of a conversation, as far as
// is known.
func (d *Directory) Listed(ws Workspace, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.convs[ws.Key]
	if l == nil || !l.ready() {
		return true
	}
	_, ok := l.whole.get(id)
	if _, newer := l.newer[id]; newer {
		ok = true
	}
	return ok
}

// callEvery is the time between two checks where each takes a call.
func (d *Directory) callEvery(c Checks) time.Duration {
	return max(d.options.RefreshEvery, time.Duration(c.Listed+c.Called)*callEach)
}

// byList reports whether to read the whole list again keeps checks newer than a
// call for each would. The caller holds the lock.
func (d *Directory) byList(ws Workspace, l *list[channel]) bool {
	return ws.Checks == (Checks{}) || l.every() <= d.callEvery(ws.Checks)
}

// soonPatience is how long many checks wait for a list that is read for the first
// time before they take a call each.
const soonPatience = time.Minute

// soon is why a check that comes again and again waits for a list that may be
// there soon; nil when it does not. The caller holds the lock.
func (d *Directory) soon(ws Workspace, l *list[channel]) error {
	if l.reading == nil || ws.Checks.Listed < manyIDs {
		return nil
	}
	until := l.reading.begun.Add(soonPatience)
	if !d.clock.Now().Before(until) {
		return nil
	}
	return &WaitError{Method: slack.MethodConversationsList, At: until.Add(backoff.Around(soonPatience / 4))}
}

// every is the age at which a list in use is read again.
func (l *list[E]) every() time.Duration {
	return max(l.d.options.RefreshEvery, time.Duration(l.pages)*l.pageEach)
}

// long reports whether it takes so long to read the list that who is new in it is
// looked for at its end. Slack names no order, but a cursor is a place in the list
// (dGVhbTpDMDYxRkE1UEI= of docs.slack.dev/apis/web-api/pagination is
// "team:C061FA5PB"), and newer channels have higher IDs.
func (l *list[E]) long() bool {
	return l.ready() && l.last != "" && l.every() > l.d.options.RefreshEvery
}

// Slack recommends pages of 200 and takes up to 999
// (docs.slack.dev/reference/methods/conversations.list). Of a list that does not end
// after some pages, long ones are asked for: 100,000 channels take 5 minutes then,
// and not 25.
const (
	longPage  = 999
	longAfter = 10
)

// pageSize of the next page of a reading.
func (l *list[E]) pageSize(r *reading[E]) int {
	if size := l.d.options.PageSize; !l.longPages || r.small || r.pages-r.asides < longAfter || size > longPage || l.team.Domain().Private() {
		return size
	}
	return longPage
}

// leisure between the pages of a long list that nobody waits for leaves slots to
// who looks for a name meanwhile.
const leisure = 5 * time.Second

func (l *list[E]) leisurely(r *reading[E]) bool {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.long() && len(l.waiting) == 0 && r.aside == ""
}

// lookAside has the reading that is under way look at the end of the list next.
func (l *list[E]) lookAside() {
	now := l.d.clock.Now()
	if l.reading != nil && l.long() && now.Sub(l.glanced) >= asideEvery {
		l.reading.aside, l.glanced = l.last, now
	}
}

// glance reads the end of a long list by itself.
func (l *list[E]) glance(ws Workspace) {
	now := l.d.clock.Now()
	if l.reading != nil || !l.long() || now.Sub(l.glanced) < glanceEvery || ws.API == nil || l.refusal(ws) != nil {
		return
	}
	l.begin(ws).brief = true
	l.lookAside()
	l.resume()
}

// maxAsides are the pages that the end of a list may have grown by.
const maxAsides = 10

// pastAside goes on after a page that was read aside; it returns where the reading
// itself goes on.
func (r *reading[E]) pastAside(next string) string {
	r.asides++
	if next == r.aside || r.asides >= maxAsides {
		next = ""
	}
	r.aside = next
	return r.cursor
}

// enough reports whether a reading has told what it was begun for.
func (l *list[E]) enough(r *reading[E]) bool {
	return r.aside == "" && (r.brief || r.early && r.answered && len(l.waiting) == 0)
}

// conclude ends a reading before the end of the list. What is new on its pages is
// kept; it returns whom that may concern.
func (l *list[E]) conclude(r *reading[E]) (woken []string) {
	now := l.d.clock.Now()
	for _, at := range r.fresh {
		e := r.entries[at]
		if !e.live() {
			continue
		}
		if _, ok := l.newer[e.id()]; !ok {
			makeRoom(l.newer, maxNewer)
		}
		l.newer[e.id()] = noted[E]{entry: e, at: now}
	}
	if len(r.fresh) > 0 {
		for owner := range l.missing {
			woken = append(woken, owner)
		}
	}
	for owner := range l.waiting { // they ask again
		woken = append(woken, owner)
	}
	clear(l.waiting)
	l.reading = nil
	r.cancel()
	if len(l.missing) > 0 {
		l.schedule(l.loadedAt.Add(l.every()))
	}
	return woken
}

// withoutAside gives up looking at the end of the list, whose cursor Slack takes
// no longer; false when the reading ends by that.
func (l *list[E]) withoutAside(r *reading[E]) bool {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	r.aside, l.last = "", ""
	if r.brief && l.reading == r {
		l.reading = nil
	}
	return !r.brief
}
