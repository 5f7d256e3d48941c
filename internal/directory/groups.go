package directory

import (
	"context"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// groupList are the user groups of a workspace. Slack does not page them, so
// who asks makes the call and has the answer at once. Its fields are guarded
// by the Directory's lock.
type groupList struct {
	byHandle map[string]slack.UserGroup
	loadedAt time.Time
	// failure is why the last reading was refused, and for which credential.
	failure    *slack.Error
	failedAt   time.Time
	failedWith string
	// missing owners did not find what they looked for; they are woken when
	// the list has been read again.
	missing map[string]struct{}
}

// FindGroup finds a user group by its handle, with or without "@".
//
// It returns *WaitError (ask again at its At), *NotFoundError (owner is woken
// when somebody has had the groups read again), or the *slack.Error of the call.
func (d *Directory) FindGroup(ctx context.Context, ws Workspace, handle, owner string) (slack.UserGroup, error) {
	want := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(handle), "@"))
	group, found, fresh := d.knownGroup(ws, want)
	if !fresh {
		err := d.readGroups(ctx, ws, owner)
		if err != nil && !found {
			return slack.UserGroup{}, err
		}
		if err == nil {
			group, found, _ = d.knownGroup(ws, want)
		} // else the old list goes on answering
	}
	if found {
		return group, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groupList(ws).missing[owner] = struct{}{}
	return slack.UserGroup{}, &NotFoundError{What: "user group", Ref: handle, In: place(ws)}
}

// groupList returns the groups of a workspace. The caller holds the lock.
func (d *Directory) groupList(ws Workspace) *groupList {
	l := d.groups[ws.TeamID]
	if l == nil {
		l = &groupList{missing: map[string]struct{}{}}
		d.groups[ws.TeamID] = l
	}
	return l
}

// knownGroup answers from the cache; not fresh when the groups are to be read
// for this name.
func (d *Directory) knownGroup(ws Workspace, want string) (group slack.UserGroup, found, fresh bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.groupList(ws)
	group, found = l.byHandle[want]
	keep := d.options.MissEvery
	if found {
		keep = d.options.RefreshEvery
	}
	return group, found, !l.loadedAt.IsZero() && d.clock.Since(l.loadedAt) < keep
}

// readGroups reads the groups, once for all who ask at the same time.
func (d *Directory) readGroups(ctx context.Context, ws Workspace, owner string) error {
	d.mu.Lock()
	l := d.groupList(ws)
	refused := l.failure
	if l.failedWith != ws.Credential || d.clock.Since(l.failedAt) >= d.options.MissEvery {
		refused = nil
	}
	d.mu.Unlock()
	if refused != nil {
		return refused
	}
	_, err := single(d, "groups/"+ws.TeamID+"/"+ws.Credential, func() (struct{}, error) {
		return struct{}{}, d.askGroups(ctx, ws, owner)
	})
	return err
}

func (d *Directory) askGroups(ctx context.Context, ws Workspace, owner string) error {
	// All who wait want the same list, so one slot does.
	if err := d.slot(ws, slack.MethodUserGroupsList, "groups/"+ws.TeamID); err != nil {
		return err
	}
	begin := d.clock.Now()
	groups, err := ws.API.ListUserGroups(ctx)
	load := Load{TeamID: ws.TeamID, List: "usergroups", Entries: len(groups), Took: d.clock.Since(begin)}
	if err != nil {
		err = d.refused(ws, slack.MethodUserGroupsList, err)
		d.groupsRefused(ws, err)
		if load.Err = slack.AsError(err); load.Err != nil {
			d.options.Observe(load)
		}
		return err
	}
	d.options.Observe(load)
	for _, waiting := range d.takeGroups(ws, groups) {
		if waiting != owner {
			d.options.Wake(waiting)
		}
	}
	return nil
}

// groupsRefused remembers what a person has to mend, so that not every
// notification asks again.
func (d *Directory) groupsRefused(ws Workspace, err error) {
	e := slack.AsError(err)
	if e == nil || e.Class.Transient() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.groupList(ws)
	l.failure, l.failedAt, l.failedWith = e, d.clock.Now(), ws.Credential
}

// takeGroups stores the groups and returns who had missed one.
func (d *Directory) takeGroups(ws Workspace, groups []slack.UserGroup) []string {
	byHandle := make(map[string]slack.UserGroup, len(groups))
	for _, g := range groups {
		if g.Handle != "" {
			byHandle[strings.ToLower(g.Handle)] = g
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.groupList(ws)
	l.byHandle, l.loadedAt, l.failure = byHandle, d.clock.Now(), nil
	owners := make([]string, 0, len(l.missing))
	for owner := range l.missing {
		owners = append(owners, owner)
	}
	clear(l.missing)
	return owners
}
