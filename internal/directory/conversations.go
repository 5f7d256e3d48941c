package directory

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

var conversationIDForm = regexp.MustCompile(`^[CGD][A-Z0-9]{6,}$`)

func (d *Directory) findConversation(ctx context.Context, ws Workspace, ref, owner string) (slack.Conversation, error) {
	ref = strings.TrimSpace(ref)
	if conversationIDForm.MatchString(ref) {
		return d.info(ctx, ws, ref, owner)
	}
	name := strings.ToLower(strings.TrimPrefix(ref, "#"))
	found, err := d.byName(ws, ref, name, owner)
	if err != nil || found.ID == "" {
		return found, err
	}
	d.mu.Lock()
	l := d.conversationList(ws)
	_, doubted := l.doubted[found.ID]
	have, asked := d.infos[conversationKey{ws.TeamID, ws.BotUserID, found.ID}]
	d.mu.Unlock()
	switch {
	case doubted:
		return d.info(ctx, ws, found.ID, owner)
	case asked && have.at.After(l.loadedAt):
		return have.value, nil
	}
	return found, nil
}

// byName looks a channel up in the list.
func (d *Directory) byName(ws Workspace, ref, name, owner string) (slack.Conversation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.conversationList(ws)
	l.use(ws)
	named := func(c slack.Conversation) bool { return c.Name == name }
	for _, have := range [][]slack.Conversation{l.complete, l.partial} {
		// An archived channel may have lost its name to another one.
		if i := slices.IndexFunc(have, func(c slack.Conversation) bool { return named(c) && !c.Archived }); i >= 0 {
			return have[i], nil
		}
	}
	if !l.ready() {
		return slack.Conversation{}, l.await(owner, name, named)
	}
	waits := l.miss(name, owner)
	if i := slices.IndexFunc(l.complete, named); i >= 0 {
		return l.complete[i], nil
	}
	if waits != nil {
		return slack.Conversation{}, waits
	}
	return slack.Conversation{}, &NotFoundError{What: "channel", Ref: ref, In: place(ws)}
}

// info asks for one conversation by ID, or remembers the answer.
func (d *Directory) info(ctx context.Context, ws Workspace, id, owner string) (slack.Conversation, error) {
	key := conversationKey{ws.TeamID, ws.BotUserID, id}
	d.mu.Lock()
	have, ok := d.infos[key]
	d.mu.Unlock()
	// A little less than the time between two checks of a SlackChannel, so
	// that each check asks.
	if ok && d.clock.Since(have.at) < d.options.RefreshEvery*9/10 {
		return have.value, nil
	}
	return single(d, "info/"+ws.TeamID+"/"+ws.BotUserID+"/"+id, func() (slack.Conversation, error) {
		if err := d.slot(ws, slack.MethodConversationInfo, owner+"/"+id); err != nil {
			return slack.Conversation{}, err
		}
		found, err := ws.API.ConversationInfo(ctx, id)
		if err != nil {
			return slack.Conversation{}, d.refused(ws, slack.MethodConversationInfo, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.infos[key] = known[slack.Conversation]{value: found, at: d.clock.Now()}
		delete(d.conversationList(ws).doubted, id)
		return found, nil
	})
}
