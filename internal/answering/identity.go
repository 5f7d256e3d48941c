package answering

import (
	"context"
	"sync"

	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// maxIdentities are remembered.
const maxIdentities = 1000

// identities are whom tokens belong to, by their own word: a status that names a
// workspace can be written by others, and what is looked up with a token would be
// kept for all of that workspace.
type identities struct {
	mu    sync.Mutex
	known map[string]slack.Identity
}

// of asks Slack once for each token and way to Slack, whichever SlackChannel has them. The error is Slack's, and is not remembered.
func (i *identities) of(ctx context.Context, conn *connection.Connection) (slack.Identity, error) {
	i.mu.Lock()
	known, ok := i.known[conn.Token]
	i.mu.Unlock()
	if ok {
		return known, nil
	}
	identity, err := conn.API.AuthTest(ctx)
	if err != nil {
		return slack.Identity{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil || len(i.known) >= maxIdentities {
		i.known = map[string]slack.Identity{}
	}
	i.known[conn.Token] = identity
	return identity, nil
}
