package directory

import (
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Remember notes what a call has just made of a channel, so that the next
// lookup finds it, by name too.
func (d *Directory) Remember(ws Workspace, c slack.Conversation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.conversationList(ws)
	d.infos[conversationKey{ws.TeamID, ws.BotUserID, c.ID}] = known[slack.Conversation]{value: c, at: d.clock.Now()}
	delete(l.doubted, c.ID)
	l.complete = with(l.complete, c)
	if l.loading {
		l.noted = with(l.noted, c)
	}
}

// keepNoted lets what was noted while a list was read stand against it.
func keepNoted(l *list[slack.Conversation]) {
	for _, c := range l.noted {
		l.complete = with(l.complete, c)
	}
	l.noted = nil
}

// with replaces or adds a channel.
func with(list []slack.Conversation, c slack.Conversation) []slack.Conversation {
	if i := slices.IndexFunc(list, func(old slack.Conversation) bool { return old.ID == c.ID }); i >= 0 {
		list[i] = c
		return list
	}
	return append(list, c)
}

// RenewConversations returns nil when the list of channels was read after
// since, for when Slack contradicts it: a name that it lacks is taken. Else it
// has the list read again.
//
// It returns *LoadingError (owner is woken), or the *slack.Error by which the
// last reading was refused.
func (d *Directory) RenewConversations(ws Workspace, since time.Time, owner string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.conversationList(ws)
	l.ws = ws
	if l.ready() && !l.completeFrom.Before(since) {
		return nil
	}
	if !l.loading && l.failure != nil && l.failedWith == ws.Credential && l.d.clock.Since(l.failedAt) < l.d.options.MissEvery {
		return l.failure
	}
	return l.await(owner, nil)
}
