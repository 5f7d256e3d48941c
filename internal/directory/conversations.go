package directory

import (
	"context"
	"errors"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// channel is a slack.Conversation without what the list is not asked for: its
// topic, purpose, creator and age.
type channel struct {
	// text is the ID and the name.
	text  string
	idLen uint16
	flags uint8
}

const (
	flagPrivate = 1 << iota
	flagArchived
	flagMember
	flagDM
)

func compactChannel(c slack.Conversation) channel {
	id, name := c.ID, c.Name
	out := channel{text: pack(&id, &name), idLen: uint16(len(id))} //nolint:gosec // see maxField
	for flag, set := range map[uint8]bool{flagPrivate: c.Private, flagArchived: c.Archived, flagMember: c.Member, flagDM: c.DM} {
		if set {
			out.flags |= flag
		}
	}
	return out
}

func (c channel) id() string         { return c.text[:c.idLen] }
func (c channel) name() string       { return c.text[c.idLen:] }
func (c channel) live() bool         { return !c.is(flagArchived) }
func (c channel) size() int          { return len(c.text) + entryBytes }
func (c channel) is(flag uint8) bool { return c.flags&flag != 0 }

func (c channel) slack() slack.Conversation {
	return slack.Conversation{
		ID: c.id(), Name: c.name(), Private: c.is(flagPrivate), Archived: c.is(flagArchived), Member: c.is(flagMember), DM: c.is(flagDM),
	}
}

// byName is the second of the keys of channels and of users.
const byName = 1

var channelKeys = []func(channel) string{byID: channel.id, byName: channel.name}

// conversationList returns the list that a bot sees. The caller holds the lock.
func (d *Directory) conversationList(ws Workspace) *list[channel] {
	l := d.convs[ws.Key]
	if l == nil {
		l = newList(d, source[channel]{
			team: ws.team(), kind: "conversations", noun: "channels", method: slack.MethodConversationsList,
			scope: "channels:read", holder: "list", keys: channelKeys, fetch: fetchConversations, pageEach: pageEach, dropGone: true, longPages: true,
			// What private channels the bot may see is read too, unless the app
			// lacks the scope for these.
			narrower:  func(e *slack.Error) bool { return e.Class == slack.ClassMissingScope && e.Needed != "channels:read" },
			elsewhere: func(id string) (channel, bool) { return d.channelOfAnother(ws.Key, id) },
		})
		d.convs[ws.Key] = l
	}
	return l
}

func fetchConversations(ctx context.Context, ws Workspace, p pageQuery) ([]channel, string, error) {
	page, next, err := ws.API.ListConversations(ctx, p.cursor, p.limit, !p.narrow)
	out := make([]channel, len(page))
	for i := range page {
		out[i] = compactChannel(page[i])
	}
	return out, next, err
}

// channelOfAnother finds a channel in the list of another bot of the workspace.
func (d *Directory) channelOfAnother(own slack.Workspace, id string) (channel, bool) {
	for key, l := range d.convs {
		if key == own || key.AllApps() != own.AllApps() {
			continue
		}
		if found, ok := l.whole.get(id); ok {
			return found, true
		}
	}
	return channel{}, false
}

// FindConversation finds a channel by "#name", name or ID (C…, G… or D…), or by
// what is copied from Slack: <#C…|name>, or a link to it.
//
// An ID that the app may not look up, for want of a scope, is taken as it is.
//
// It returns *LoadingError, *WaitError, *NotFoundError, *ScopeError or
// *slack.Error as FindUser does, and for an archived channel both the channel
// and *ArchivedError.
func (d *Directory) FindConversation(ctx context.Context, ws Workspace, ref, owner string) (slack.Conversation, error) {
	var found slack.Conversation
	var err error
	r := parseConversation(ref)
	if r.id == "" && r.maybe != "" && !d.isChannelName(ws, r) {
		r.id = r.maybe
	}
	if r.id != "" {
		var listed bool
		if found, listed, err = d.listed(ws, r.id, owner); !listed && err == nil {
			found, err = d.look(ctx, ws, r.id)
		}
		if isUnserved(err) {
			found, err = d.findListed(ws, r.id, owner)
		}
		if isMissingScope(err) {
			// To post takes no more than the ID.
			return slack.Conversation{ID: r.id, Member: true, DM: strings.HasPrefix(r.id, "D"), Unseen: true}, nil
		}
	} else {
		found, err = d.findChannelName(ctx, ws, trim(ref), r.name, owner)
		if r.maybe != "" && errors.As(err, new(*ScopeError)) {
			return d.FindConversation(ctx, ws, "<#"+r.maybe+">", owner) // the list won't tell, but Slack will
		}
	}
	if err == nil && found.Archived {
		return found, &ArchivedError{Conversation: found, In: place(ws)}
	}
	return found, err
}

// look is info, and knows a private channel that Slack calls not found.
func (d *Directory) look(ctx context.Context, ws Workspace, id string) (slack.Conversation, error) {
	found, err := d.info(ctx, ws, id)
	if err != nil && slack.ClassOf(err) == slack.ClassChannelNotFound {
		if hidden, ok := d.hidden(ws, id); ok {
			return hidden, nil
		}
	}
	return found, err
}

// hidden is a private channel that the list has shown. Slack calls one not found
// when the bot is no member of it any more.
func (d *Directory) hidden(ws Workspace, id string) (slack.Conversation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.convs[ws.Key]
	if l == nil {
		return slack.Conversation{}, false
	}
	e, ok := l.whole.get(id)
	if !ok || !e.is(flagPrivate) || e.is(flagDM) || !e.live() {
		return slack.Conversation{}, false
	}
	found := e.slack()
	found.Member = false
	return found, true
}

// isMissingScope reports whether the app may not look at conversations.
func isMissingScope(err error) bool {
	return err != nil && slack.ClassOf(err) == slack.ClassMissingScope
}

// isChannelName reports whether what could be an ID is the name of a channel
// that somebody wrote in capitals.
func (d *Directory) isChannelName(ws Workspace, r reference) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.convs[ws.Key]
	if l == nil {
		return r.marked || r.short
	}
	_, known := l.whole.get(r.maybe)
	named, _ := l.channelNamed(r.name)
	if named.text == "" {
		named, _ = archivedIn(l, r.name)
	}
	switch {
	case named.text != "":
		return r.marked || !known
	case r.marked:
		return !known
	}
	return r.short && !known && !l.ready()
}

// findChannelName finds a channel by name: in the list, and by a call where
// Slack has contradicted that.
func (d *Directory) findChannelName(ctx context.Context, ws Workspace, ref, want, owner string) (slack.Conversation, error) {
	// Each call that contradicts the list is noted, so that the name leads to
	// another channel the next time; there are few that had a name.
	for range 3 {
		found, doubted, err := d.channelByName(ws, ref, want, owner)
		if err != nil || !doubted {
			return found.slack(), err
		}
		info, err := d.look(ctx, ws, found.id())
		if isUnserved(err) { // nobody tells better
			best := found.slack()
			best.Name = want
			return best, nil
		}
		if err != nil || strings.EqualFold(info.Name, want) {
			return info, err
		}
	}
	return slack.Conversation{}, d.channelNotFound(ws, ref, want)
}

// channelByName looks a channel up in the list; doubted when Slack has
// contradicted what the list says of it, or it is old and a call tells cheaper.
func (d *Directory) channelByName(ws Workspace, ref, want, owner string) (found channel, doubted bool, err error) {
	d.mu.Lock()
	l := d.conversationList(ws)
	l.use(ws)
	found, live := l.channelNamed(want)
	if found.text == "" {
		found, doubted = archivedIn(l, want)
	}
	if !live {
		if !l.ready() {
			err = l.await(ws, owner, want, true)
		} else if waits := l.miss(ws, want, owner, true); found.text == "" {
			err = waits
		}
	}
	_, contradicted := l.doubted[found.id()]
	doubted = doubted || contradicted || live && l.ready() && l.age() >= d.options.RefreshEvery && !d.byList(ws, l)
	d.mu.Unlock()
	if err == nil && found.text == "" {
		err = d.channelNotFound(ws, ref, want)
	}
	return found, doubted, err
}

// channelNamed finds a channel in what is known by now; live when it is not an
// archived one, which may have lost its name to another. The caller holds the
// lock.
func (l *list[E]) channelNamed(want string) (found E, live bool) {
	offer := func(e E) bool {
		if e.live() || found.id() == "" {
			found, live = e, e.live()
		}
		return live
	}
	for _, n := range l.newer {
		if compareFold(n.entry.name(), want) == 0 && offer(n.entry) {
			return found, true
		}
	}
	current := func(e E) bool {
		_, outdated := l.newer[e.id()]
		return !outdated
	}
	if r := l.reading; r != nil {
		if at, ok := r.fresh[want]; ok && current(r.entries[at]) && offer(r.entries[at]) {
			return found, true
		}
	}
	for _, e := range l.whole.find(byName, want) {
		if current(e) && offer(e) {
			return found, true
		}
	}
	return found, false
}

func (d *Directory) channelNotFound(ws Workspace, ref, want string) error {
	d.mu.Lock()
	l := d.conversationList(ws)
	every := l.every()
	d.mu.Unlock()
	// A private channel is not told of to those who do not know its name.
	tell := func(c channel) bool { return c.live() && !c.is(flagPrivate) }
	return &NotFoundError{What: "channel", Ref: ref, In: place(ws), Every: every, Near: l.like(want, tell, byName)}
}

// like returns up to two names that are like one that the last whole list does
// not have. It is worked out without the lock, and once for a list and a name.
func (l *list[E]) like(want string, tell func(E) bool, keys ...int) []string {
	l.d.mu.Lock()
	whole := l.whole
	names, known := l.near[want]
	l.d.mu.Unlock()
	if known || whole == nil {
		return names
	}
	names = near(whole, want, tell, keys...)
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.whole == whole {
		makeRoom(l.near, maxNear)
		l.near[want] = names
	}
	return names
}

// info asks for one conversation by ID, or remembers the answer.
func (d *Directory) info(ctx context.Context, ws Workspace, id string) (slack.Conversation, error) {
	d.mu.Lock()
	version := d.version(ws.team(), id)
	d.mu.Unlock()
	return ask(d, ws, call[slack.Conversation]{
		method: slack.MethodConversationInfo, subject: id, version: version,
		what: "conversation " + id, scope: "channels:read",
		do: func() (slack.Conversation, error) { return ws.API.ConversationInfo(ctx, id) },
		known: func() (slack.Conversation, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			// A little less than the time between two checks of a SlackChannel,
			// so that each check asks.
			have, ok := current(d, d.infos, conversationKey{ws.Key, id}, d.callEvery(ws.Checks)*9/10)
			return have.Conversation, ok && have.version == version
		},
		keep: func(found slack.Conversation) { d.noteConversation(ws, found, version, false) },
	})
}

// versioned is an answer about a conversation, which counts for as long as the
// version is the present one.
type versioned struct {
	slack.Conversation
	version uint64
}

// noteConversation keeps what Slack has said of one conversation, for lookups by
// name too. What was made by a call counts even if no list is there. The caller
// holds the lock.
func (d *Directory) noteConversation(ws Workspace, c slack.Conversation, version uint64, made bool) {
	now := d.clock.Now()
	makeRoom(d.infos, maxAnswers)
	d.infos[conversationKey{ws.Key, c.ID}] = known[versioned]{value: versioned{c, version}, at: now, used: now}
	l := d.convs[ws.Key]
	if l == nil && made {
		l = d.conversationList(ws)
	}
	if l == nil || version != d.version(ws.team(), c.ID) {
		return
	}
	delete(l.doubted, c.ID)
	e := compactChannel(c)
	listed, ok := l.whole.get(c.ID)
	_, differs := l.newer[c.ID]
	if c.Name == "" || ok && listed == e && !differs && l.reading == nil || !made && !l.ready() && l.reading == nil {
		return
	}
	if !differs {
		makeRoom(l.newer, maxNewer)
	}
	l.newer[c.ID] = noted[channel]{entry: e, at: now}
}
