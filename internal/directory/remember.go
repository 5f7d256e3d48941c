package directory

import (
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Remember notes what a call has just made of a channel, so that the next
// lookup finds it, by name too.
func (d *Directory) Remember(ws Workspace, c slack.Conversation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteConversation(ws, c, d.version(ws.team(), c.ID), true)
}

// RenewConversations returns nil when the list of channels was read after
// since, for when Slack contradicts it: a name that it lacks is taken. Else it
// has the list read again, and owner woken by the first page that has the name;
// by the whole list when that is empty.
//
// It returns *LoadingError (owner is woken), or the *ScopeError or *slack.Error
// by which the last reading with these credentials was refused.
func (d *Directory) RenewConversations(ws Workspace, since time.Time, name, owner string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.conversationList(ws)
	l.used = d.clock.Now()
	if was, ok := l.refused[ws.Credential]; ok && was.at.Before(since) {
		delete(l.refused, ws.Credential) // it may be mended
	}
	if l.ready() && !l.from.Before(since) {
		return nil
	}
	return l.await(ws, owner, name, name != "")
}
