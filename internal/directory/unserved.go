package directory

import "github.com/slack-notifier/slack-notifier/internal/slack"

// isUnserved reports whether who answers does not know the method.
func isUnserved(err error) bool {
	e := slack.AsError(err)
	return e != nil && e.Unserved
}

// findListed finds a channel by its ID in the list of all, for who answers can't be
// asked for a single one.
func (d *Directory) findListed(ws Workspace, id, owner string) (slack.Conversation, error) {
	d.mu.Lock()
	l := d.conversationList(ws)
	l.use(ws)
	found, known := l.whole.get(id)
	if !known {
		found, known = archivedByID(l, id)
	}
	var err error
	switch {
	case known:
	case !l.ready():
		err = l.await(ws, owner, id, false)
	default:
		err = l.miss(ws, id, owner, false)
	}
	d.mu.Unlock()
	if !known && err == nil {
		err = d.channelNotFound(ws, id, id)
	}
	return found.slack(), err
}

// readUsers has the list of users read, if there is none; nil when there is one.
func (d *Directory) readUsers(ws Workspace, want, owner string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.userList(ws); !l.ready() {
		return l.await(ws, owner, want, false)
	}
	return nil
}
