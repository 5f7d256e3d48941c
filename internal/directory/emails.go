package directory

import (
	"context"
	"slices"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// findEmail finds a user by e-mail address: in the list when there is one, and
// else by a call for this one.
func (d *Directory) findEmail(ctx context.Context, ws Workspace, email, owner string) (slack.User, error) {
	want := parseEmail(email)
	listed := d.listedEmail(ws, want)
	if at := slices.IndexFunc(listed, isActive); at >= 0 {
		return judge(ws, email, listed[at])
	}
	key := emailKey{ws.team(), want}
	u, err := ask(d, ws, call[slack.User]{
		method: slack.MethodLookupByEmail, subject: want, what: "users by e-mail address", scope: "users:read.email", general: true,
		do: func() (slack.User, error) { return ws.API.LookupUserByEmail(ctx, want) },
		known: func() (slack.User, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return current(d, d.emails, key, d.options.RefreshEvery)
		},
		keep: func(u slack.User) {
			at := d.clock.Now()
			makeRoom(d.emails, maxAnswers)
			d.emails[key] = known[slack.User]{value: u, at: at, used: at}
		},
	})
	switch {
	case err == nil:
		return judge(ws, email, compact(u))
	case isUnserved(err): // the list tells as well
		if err := d.readUsers(ws, want, owner); err != nil {
			return slack.User{}, err
		}
		// It may have come meanwhile.
		listed = d.listedEmail(ws, want)
		if at := slices.IndexFunc(listed, isActive); at >= 0 {
			return judge(ws, email, listed[at])
		}
	case slack.ClassOf(err) != slack.ClassUserNotFound:
		return slack.User{}, err
	}
	d.wakeByList(ws, owner)
	if len(listed) > 0 {
		return judge(ws, email, listed[0])
	}
	return slack.User{}, &NotFoundError{What: "e-mail address", Ref: email, In: place(ws), Every: d.options.RefreshEvery}
}

func isActive(u user) bool { return !u.deleted }

// listedEmail finds an address in the list of users. One that is there is kept
// up to date, but none is read for this.
func (d *Directory) listedEmail(ws Workspace, want string) []user {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.users[ws.team()]
	if l == nil {
		return nil
	}
	l.use(ws)
	return l.whole.find(byEmail, want)
}

// wakeByList has owner woken when the list of users has been read again.
func (d *Directory) wakeByList(ws Workspace, owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.users[ws.team()]; l != nil && l.ready() {
		l.remind(owner, ws)
	}
}
