package directory

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// manyIDs is how many channels must be asked for by ID within the time that an
// answer is kept for the list of channels to be read in place of a call for each:
// conversations.info takes 50 calls a minute, and a page of the list tells of
// hundreds.
const manyIDs = 20

// asked are the IDs that a bot has lately been asked for, in the present period
// and in the one before.
type asked struct {
	now, before map[string]struct{}
	since       time.Time
}

// many notes an ID, and reports whether there are many.
func (a *asked) many(now time.Time, period time.Duration, id string) bool {
	if age := now.Sub(a.since); age >= period {
		a.before = nil
		if age < 2*period {
			a.before = a.now
		}
		a.now, a.since = map[string]struct{}{}, now
	}
	if len(a.now) < manyIDs {
		a.now[id] = struct{}{}
	}
	return len(a.now) >= manyIDs || len(a.before) >= manyIDs
}

// listed answers for the ID of a channel from the list of channels, where so many
// are asked for that the list is read for it; owner is woken when that is done.
// Those who come again and again are told to wait when the list may be there
// soon. It has no answer while the list is read for the first time, for what the list
// does not have, and for what Slack has contradicted.
func (d *Directory) listed(ws Workspace, id, owner string) (found slack.Conversation, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.asked[ws.Key]
	if a == nil {
		a = &asked{}
		d.asked[ws.Key] = a
	}
	if !a.many(d.clock.Now(), d.options.RefreshEvery, id) && ws.Checks.Listed < manyIDs {
		return slack.Conversation{}, false, nil
	}
	l := d.conversationList(ws)
	l.use(ws)
	if !l.ready() {
		if l.refusal(ws) == nil {
			l.remind(owner, ws)
			l.load(ws)
			err = d.soon(ws, l)
		}
		return slack.Conversation{}, false, err
	}
	if !d.byList(ws, l) {
		return slack.Conversation{}, false, nil
	}
	if n, ok := l.newer[id]; ok {
		return n.entry.slack(), true, nil
	}
	e, ok := l.whole.get(id)
	if _, doubted := l.doubted[id]; !ok || doubted || l.age() >= 2*l.every() {
		return slack.Conversation{}, false, nil
	}
	return e.slack(), true, nil
}
