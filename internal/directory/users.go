package directory

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// user is a slack.User in a form that 100,000 of do not weigh much: the strings
// of a page would otherwise keep the whole page alive.
type user struct {
	id, name, display, real, email string
	deleted, bot                   bool
}

func compact(u slack.User) user {
	all := strings.Clone(u.ID + u.Name + u.DisplayName + u.RealName + u.Email)
	next := func(n int) string {
		part := all[:n]
		all = all[n:]
		return part
	}
	return user{
		id: next(len(u.ID)), name: next(len(u.Name)), display: next(len(u.DisplayName)),
		real: next(len(u.RealName)), email: next(len(u.Email)), deleted: u.Deleted, bot: u.Bot,
	}
}

func (u user) slack() slack.User {
	return slack.User{ID: u.id, Name: u.name, DisplayName: u.display, RealName: u.real, Email: u.email, Deleted: u.deleted, Bot: u.bot}
}

// userList is the list of a workspace's users, with the index of the last
// complete one.
type userList struct {
	*list[user]
	index userIndex
}

// userIndex finds users by name in a whole list. An index of numbers is a
// fifth of the size of maps.
type userIndex struct{ id, name, display, real, email []int32 }

func newUserIndex(users []user) userIndex {
	by := func(key func(user) string) []int32 {
		keys := make([]string, len(users))
		order := make([]int32, 0, len(users))
		for i := range users {
			if keys[i] = strings.ToLower(key(users[i])); keys[i] != "" {
				order = append(order, int32(i)) //nolint:gosec // a workspace has fewer than 2³¹ users
			}
		}
		slices.SortFunc(order, func(a, b int32) int { return strings.Compare(keys[a], keys[b]) })
		return slices.Clip(order)
	}
	return userIndex{
		id: by(userID), name: by(userName), display: by(userDisplay), real: by(userReal), email: by(userEmail),
	}
}

func userID(u user) string      { return u.id }
func userName(u user) string    { return u.name }
func userDisplay(u user) string { return u.display }
func userReal(u user) string    { return u.real }
func userEmail(u user) string   { return u.email }

// match returns the users whose key is the wanted one, in lower case.
func match(users []user, order []int32, key func(user) string, want string) []user {
	i, _ := slices.BinarySearchFunc(order, want, func(at int32, want string) int {
		return strings.Compare(strings.ToLower(key(users[at])), want)
	})
	var out []user
	for ; i < len(order) && strings.ToLower(key(users[order[i]])) == want; i++ {
		out = append(out, users[order[i]])
	}
	return out
}

var userIDForm = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)

// findName finds a user by handle, name or ID.
func (d *Directory) findName(ws Workspace, ref, owner string) (slack.User, error) {
	ref = strings.TrimSpace(ref)
	want := strings.ToLower(strings.TrimPrefix(ref, "@"))
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.userList(ws)
	l.use(ws)
	if userIDForm.MatchString(ref) {
		if l.ready() {
			if found := match(l.complete, l.index.id, userID, strings.ToLower(ref)); len(found) == 1 {
				return judge(ws, ref, found[0])
			}
		}
		return slack.User{ID: ref}, nil
	}
	if l.ready() {
		u, err, ok := l.decide(ws, ref, want)
		if ok {
			return u, err
		}
		if waits := l.miss(want, owner); waits != nil {
			return slack.User{}, waits
		}
		return slack.User{}, err
	}
	// A handle is unique, so the first active user who has it is the one.
	byHandle := func(u user) bool { return !u.deleted && strings.EqualFold(u.name, want) }
	if i := slices.IndexFunc(l.partial, byHandle); i >= 0 {
		return judge(ws, ref, l.partial[i])
	}
	return slack.User{}, l.await(owner, want, byHandle)
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
func (l *userList) decide(ws Workspace, ref, want string) (slack.User, error, bool) {
	users := l.complete
	named := match(users, l.index.name, userName, want)
	shown := match(users, l.index.display, userDisplay, want)
	for _, u := range match(users, l.index.real, userReal, want) {
		if !slices.ContainsFunc(shown, func(other user) bool { return other.id == u.id }) {
			shown = append(shown, u)
		}
	}
	gone := func(u user) bool { return u.deleted }
	for _, u := range named {
		if !u.deleted {
			out, err := judge(ws, ref, u)
			return out, err, true
		}
	}
	active := slices.DeleteFunc(slices.Clone(shown), gone)
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

func ambiguous(ws Workspace, ref string, users []user) error {
	slices.SortFunc(users, func(a, b user) int { return strings.Compare(a.id, b.id) })
	e := &AmbiguousError{Ref: ref, In: place(ws), Total: len(users)}
	for _, u := range users[:min(len(users), candidatesShown)] {
		e.Candidates = append(e.Candidates, u.slack())
	}
	return e
}

// findEmail finds a user by e-mail address: in the list when there is one, and
// else by a call for this one.
func (d *Directory) findEmail(ctx context.Context, ws Workspace, email, owner string) (slack.User, error) {
	want := strings.ToLower(strings.TrimSpace(email))
	key := emailKey{ws.TeamID, want}
	d.mu.Lock()
	l := d.userList(ws)
	l.use(ws)
	found := match(l.complete, l.index.email, userEmail, want)
	for _, u := range found {
		if !u.deleted {
			d.mu.Unlock()
			return judge(ws, email, u)
		}
	}
	have, asked := d.emails[key]
	fresh := asked && (have.value != nil && d.clock.Since(have.at) < d.options.RefreshEvery ||
		have.value == nil && d.clock.Since(have.at) < d.options.MissEvery)
	if l.ready() {
		l.missing[owner] = struct{}{}
	}
	d.mu.Unlock()
	if fresh {
		return answerEmail(ws, email, have.value, found)
	}
	u, err := single(d, "email/"+ws.TeamID+"/"+want, func() (*slack.User, error) { return d.askEmail(ctx, ws, key, owner) })
	if err != nil {
		return slack.User{}, err
	}
	return answerEmail(ws, email, u, found)
}

func answerEmail(ws Workspace, email string, u *slack.User, deleted []user) (slack.User, error) {
	switch {
	case u != nil:
		return judge(ws, email, compact(*u))
	case len(deleted) > 0:
		return judge(ws, email, deleted[0])
	default:
		return slack.User{}, &NotFoundError{What: "e-mail address", Ref: email, In: place(ws)}
	}
}

// askEmail makes the call; nil for somebody who is not there.
func (d *Directory) askEmail(ctx context.Context, ws Workspace, key emailKey, owner string) (*slack.User, error) {
	if err := d.slot(ws, slack.MethodLookupByEmail, owner+"/"+key.email); err != nil {
		return nil, err
	}
	u, err := ws.API.LookupUserByEmail(ctx, key.email)
	var answer *slack.User
	switch {
	case err == nil:
		answer = &u
	case slack.ClassOf(err) != slack.ClassUserNotFound:
		return nil, d.refused(ws, slack.MethodLookupByEmail, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.emails) > 50_000 {
		clear(d.emails)
	}
	d.emails[key] = known[*slack.User]{value: answer, at: d.clock.Now()}
	return answer, nil
}
