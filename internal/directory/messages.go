package directory

import (
	"context"
	"fmt"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// directMessage is the conversation of a bot with a user, which counts for as
// long as the version is the present one.
type directMessage struct {
	id      string
	version uint64
}

// DirectMessage returns the conversation (D…) of the bot with a user, and opens
// it where it is not known. To send a message takes no more than the user's ID;
// this is for reading the conversation, and for a message with a name or a
// picture of its own, which would land with Slackbot else
// (docs.slack.dev/reference/methods/chat.postMessage).
//
// It returns *WaitError, *ScopeError or *slack.Error as FindUser does. Nobody is
// woken for it, so the owner does not matter.
func (d *Directory) DirectMessage(ctx context.Context, ws Workspace, userID, _ string) (string, error) {
	return ask(d, ws, call[string]{
		method: slack.MethodConversationsOpen, subject: userID,
		what: "direct messages", scope: "im:write", general: true,
		do: func() (string, error) {
			dm, err := ws.API.OpenDirectMessage(ctx, userID)
			if err == nil && !answeredDirectMessage.MatchString(dm) {
				err = &slack.Error{Class: slack.ClassUnknown, Method: slack.MethodConversationsOpen,
					Reason: fmt.Sprintf("the answer names %q, which is no direct message", cut(dm))}
			}
			return dm, err
		},
		known: func() (string, bool) { return d.KnownDirectMessage(ws, userID) },
		keep:  func(dm string) { d.rememberDirectMessage(ws, userID, dm) },
	})
}

// KnownDirectMessage returns the conversation (D…) of the bot with a user if
// this process knows it. It makes no call.
func (d *Directory) KnownDirectMessage(ws Workspace, userID string) (dm string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	have, ok := d.dms[dmKey{ws.Key, userID}]
	if !ok || have.version != d.version(ws.team(), have.id) {
		return "", false
	}
	return have.id, true
}

// RememberDirectMessage notes the conversation that Slack has put a message to
// a user in. What is not the ID of a direct message (D…) is refused, and so is
// anything for what is not the ID of a user.
func (d *Directory) RememberDirectMessage(ws Workspace, userID, dm string) {
	if !answeredDirectMessage.MatchString(dm) || !answeredUser.MatchString(userID) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rememberDirectMessage(ws, userID, dm)
}

// rememberDirectMessage is called with the lock held.
func (d *Directory) rememberDirectMessage(ws Workspace, userID, dm string) {
	key := dmKey{ws.Key, userID}
	if _, ok := d.dms[key]; !ok {
		makeRoom(d.dms, d.options.MaxDirectMessages)
	}
	d.dms[key] = directMessage{id: dm, version: d.version(ws.team(), dm)}
}
