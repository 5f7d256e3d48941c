package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// user is a slack.User in one piece.
type user struct {
	// text is the ID, handle, display name, real name and e-mail address; ends
	// are the ends of all but the last.
	text         string
	ends         [4]uint16
	deleted, bot bool
	// stranger is somebody of another organisation whom the workspace meets in
	// shared channels, and foreign whoever is of another workspace.
	stranger, foreign bool
}

func compact(u slack.User) user {
	fields := [...]*string{&u.ID, &u.Name, &u.DisplayName, &u.RealName, &u.Email}
	out := user{text: pack(fields[:]...), deleted: u.Deleted, bot: u.Bot, stranger: u.Stranger}
	end := 0
	for i := range out.ends {
		end += len(*fields[i])
		out.ends[i] = uint16(end) //nolint:gosec // see maxField
	}
	return out
}

func (u user) id() string      { return u.text[:u.ends[0]] }
func (u user) name() string    { return u.text[u.ends[0]:u.ends[1]] }
func (u user) display() string { return u.text[u.ends[1]:u.ends[2]] }
func (u user) real() string    { return u.text[u.ends[2]:u.ends[3]] }
func (u user) email() string   { return u.text[u.ends[3]:] }
func (u user) live() bool      { return !u.deleted }
func (u user) size() int       { return len(u.text) + entryBytes }

func (u user) slack() slack.User {
	return slack.User{
		ID: u.id(), Name: u.name(), DisplayName: u.display(), RealName: u.real(), Email: u.email(), Deleted: u.deleted, Bot: u.bot,
	}
}

// The other keys of users.
const (
	byDisplay = 2
	byReal    = 3
	byEmail   = 4
)

var userKeys = []func(user) string{byID: user.id, byName: user.name, byDisplay: user.display, byReal: user.real, byEmail: user.email}

// userList returns the list of a workspace. The caller holds the lock.
func (d *Directory) userList(ws Workspace) *list[user] {
	l := d.users[ws.team()]
	if l == nil {
		l = newList(d, source[user]{
			team: ws.team(), kind: "users", noun: "users", method: slack.MethodUsersList, scope: "users:read",
			holder: "list", keys: userKeys, fetch: fetchUsers,
		})
		d.users[ws.team()] = l
	}
	return l
}

func fetchUsers(ctx context.Context, ws Workspace, p pageQuery) ([]user, string, error) {
	page, next, err := ws.API.ListUsers(ctx, p.cursor, p.limit)
	out := make([]user, len(page))
	for i := range page {
		out[i] = compact(page[i])
		out[i].foreign = page[i].Team != "" && page[i].Team != ws.Key.Team()
	}
	return out, next, err
}

// FindUser finds who is to get a message. An ID is taken as it is, without a
// call, unless the list of users knows better.
//
// It returns *LoadingError (owner is woken), *WaitError (ask again at its At),
// *NotFoundError (owner is woken after each refresh), *AmbiguousError,
// *DeactivatedError, *NotMessageableError, *ScopeError, or the *slack.Error of
// a call. A refusal is that of the credentials that are asked with.
func (d *Directory) FindUser(ctx context.Context, ws Workspace, q Query, owner string) (slack.User, error) {
	if q.Email != "" {
		return d.findEmail(ctx, ws, q.Email, owner)
	}
	found, l, err := d.findName(ws, q.User, owner)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		tell := func(u user) bool { return !u.deleted && !u.bot && !u.stranger }
		missing.Near = l.like(parseUser(q.User).name, tell, byName, byDisplay, byReal)
	}
	return found, err
}

// findName finds a user by handle, name or ID.
func (d *Directory) findName(ws Workspace, ref, owner string) (slack.User, *list[user], error) {
	r := parseUser(ref)
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.userList(ws)
	l.use(ws)
	if r.id == "" && r.maybe != "" && !l.isName(r) && (!r.short || l.ready()) {
		r.id = r.maybe
	}
	if r.id != "" {
		if found, ok := l.whole.get(r.id); ok {
			u, err := judge(ws, trim(ref), found)
			return u, l, err
		}
		return slack.User{ID: r.id}, l, nil
	}
	u, err := d.findHandle(l, ws, trim(ref), r.name, owner)
	if r.maybe != "" && errors.As(err, new(*ScopeError)) {
		return slack.User{ID: r.maybe}, l, nil // the list won't tell, but Slack will
	}
	return u, l, err
}

// isName reports whether what could be an ID is a name that somebody wrote in
// capitals.
func (l *list[E]) isName(r reference) bool {
	if _, known := l.whole.get(r.maybe); known {
		return r.marked && len(l.whole.find(byName, r.name)) > 0
	}
	if r.marked {
		return true
	}
	for k := byName; k < len(l.keys); k++ {
		if len(l.whole.find(k, r.name)) > 0 {
			return true
		}
	}
	return false
}

func (d *Directory) findHandle(l *list[user], ws Workspace, ref, want, owner string) (slack.User, error) {
	if l.ready() {
		u, err, ok := decide(l.whole, ws, ref, want)
		if ok {
			return u, err
		}
		if waits := l.miss(ws, want, owner, false); waits != nil {
			return slack.User{}, waits
		}
		var missing *NotFoundError
		if errors.As(err, &missing) {
			missing.Every = d.options.RefreshEvery
		}
		return slack.User{}, err
	}
	// A handle is unique among the workspace's own, so the first active one who
	// has it is the one.
	if r := l.reading; r != nil {
		if at, ok := r.fresh[want]; ok && r.entries[at].live() && !r.entries[at].foreign && !r.entries[at].stranger {
			return judge(ws, ref, r.entries[at])
		}
	}
	return slack.User{}, l.await(ws, owner, want, true)
}

// judge accepts a user, or says why a message can't be sent.
func judge(ws Workspace, ref string, u user) (slack.User, error) {
	switch {
	case u.deleted:
		return slack.User{}, &DeactivatedError{Ref: ref, In: place(ws), User: u.slack()}
	case u.bot:
		return slack.User{}, &NotMessageableError{Ref: ref, In: place(ws), User: u.slack()}
	default:
		return u.slack(), nil
	}
}

// candidatesShown of an ambiguous name.
const candidatesShown = 5

// decide answers from a whole list; not ok when the answer may be another one
// once the list has been read again.
//
//nolint:revive // the flag goes with both of the others
func decide(users *snapshot[user], ws Workspace, ref, want string) (slack.User, error, bool) {
	named := users.find(byName, want)
	shown := users.find(byDisplay, want)
	for _, u := range users.find(byReal, want) {
		if !slices.ContainsFunc(shown, func(other user) bool { return other.id() == u.id() }) {
			shown = append(shown, u)
		}
	}
	named, shown = nameable(named, shown)
	switch live := slices.DeleteFunc(slices.Clone(named), func(u user) bool { return u.deleted }); {
	case len(live) == 1:
		out, err := judge(ws, ref, live[0])
		return out, err, true
	case len(live) > 1:
		return slack.User{}, ambiguous(ws, ref, live), true
	}
	active := slices.DeleteFunc(slices.Clone(shown), func(u user) bool { return u.deleted })
	// People go before bots of the same name.
	if people := slices.DeleteFunc(slices.Clone(active), func(u user) bool { return u.bot }); len(people) > 0 {
		active = people
	}
	switch {
	case len(active) == 1:
		out, err := judge(ws, ref, active[0])
		return out, err, true
	case len(active) > 1:
		return slack.User{}, ambiguous(ws, ref, active), true
	case len(named) > 0:
		_, err := judge(ws, ref, named[0])
		return slack.User{}, err, false
	case len(shown) > 0:
		_, err := judge(ws, ref, shown[0])
		return slack.User{}, err, false
	}
	return slack.User{}, &NotFoundError{What: "user", Ref: ref, In: place(ws)}, false
}

// nameable are those whom a name can mean: no strangers, whose names nobody here
// gives out, and nobody of another workspace while one of this has the name.
func nameable(named, shown []user) (byHandle, others []user) {
	stranger := func(u user) bool { return u.stranger }
	named, shown = slices.DeleteFunc(slices.Clone(named), stranger), slices.DeleteFunc(slices.Clone(shown), stranger)
	native := func(u user) bool { return !u.foreign }
	if slices.ContainsFunc(named, native) || slices.ContainsFunc(shown, native) {
		foreign := func(u user) bool { return u.foreign }
		named, shown = slices.DeleteFunc(named, foreign), slices.DeleteFunc(shown, foreign)
	}
	return named, shown
}

func ambiguous(ws Workspace, ref string, users []user) error {
	slices.SortFunc(users, func(a, b user) int { return strings.Compare(a.id(), b.id()) })
	e := &AmbiguousError{Ref: ref, In: place(ws), Total: len(users)}
	for _, u := range users[:min(len(users), candidatesShown)] {
		e.Candidates = append(e.Candidates, u.slack())
	}
	return e
}
