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
	// byName has them by handle and by ID, in lower case. It is not changed
	// once it is there.
	byName map[string]slack.UserGroup
	// loadedAt is when they were read, and used when somebody asked last.
	loadedAt, used time.Time
	// refused are the credentials that Slack has lately refused the groups.
	refused refusals
	// missing owners did not find what they looked for; they are woken when
	// the list has been read again.
	missing map[string]struct{}
}

// FindGroup finds a user group by its handle, with or without "@", by its ID
// (S…) or by <!subteam^S…>.
//
// It returns *WaitError (ask again at its At), *NotFoundError (there is no such
// group; owner is woken when somebody has had the groups read again),
// *ScopeError (it can't be known whether there is one), or the *slack.Error of
// the call.
func (d *Directory) FindGroup(ctx context.Context, ws Workspace, handle, owner string) (slack.UserGroup, error) {
	r := parseGroup(handle)
	want := r.name
	if r.id != "" {
		want = strings.ToLower(r.id)
	}
	group, found, err := d.knownGroup(ctx, ws, want, owner)
	if err != nil && !found {
		return slack.UserGroup{}, err
	} // else an old list goes on answering
	if found {
		return group, nil
	}
	d.mu.Lock()
	l := d.groupList(ws)
	makeRoom(l.missing, maxMissing)
	l.missing[owner] = struct{}{}
	groups := l.byName
	d.mu.Unlock()
	return slack.UserGroup{}, &NotFoundError{What: "user group", Ref: handle, In: place(ws), Near: nearGroups(groups, want)}
}

// nearGroups returns the handles that are most like one that was not found.
func nearGroups(groups map[string]slack.UserGroup, want string) []string {
	n := newNearest(want)
	if !n.possible() {
		return nil
	}
	for name, g := range groups {
		if name != strings.ToLower(g.ID) {
			n.look(g.Handle, g.ID)
		}
	}
	return n.names()
}

// groupList returns the groups of a workspace. The caller holds the lock.
func (d *Directory) groupList(ws Workspace) *groupList {
	l := d.groups[ws.team()]
	if l == nil {
		l = &groupList{missing: map[string]struct{}{}, refused: refusals{}}
		d.groups[ws.team()] = l
	}
	l.used = d.clock.Now()
	return l
}

// knownGroup looks in the groups that are known, which are read before that
// when they are too old for this name.
func (d *Directory) knownGroup(ctx context.Context, ws Workspace, want, owner string) (slack.UserGroup, bool, error) {
	look := func() (group slack.UserGroup, found bool, at time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		l := d.groupList(ws)
		group, found = l.byName[want]
		return group, found, l.loadedAt
	}
	group, found, at := look()
	keep := d.options.MissEvery
	if found {
		keep = d.options.RefreshEvery
	}
	if !at.IsZero() && d.clock.Since(at) < keep {
		return group, found, nil
	}
	if err := d.readGroups(ctx, ws, at, owner); err != nil {
		return group, found, err
	}
	group, found, _ = look()
	return group, found, nil
}

// groupsRefused is why the groups can't be read with these credentials, nil
// when it may be tried. What a person has to mend is remembered, so that not
// every notification asks again.
func (d *Directory) groupsRefused(ws Workspace) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.groupList(ws).refused.of(ws.Credential, d.clock.Now().Add(-d.options.MissEvery))
	if e == nil {
		return nil
	}
	return refusedFor("the user groups", groupsScope, ws, e)
}

const groupsScope = "usergroups:read"

// readGroups reads the groups, once for all who ask at the same time with the
// same credentials, unless that was done since they were seen as of a time.
func (d *Directory) readGroups(ctx context.Context, ws Workspace, seen time.Time, owner string) error {
	if err := d.groupsRefused(ws); err != nil {
		return err
	}
	leave, err := d.enter(ws, slack.MethodUserGroupsList)
	if err != nil {
		return err
	}
	defer leave()
	_, err, _ = d.flight.Do("groups/"+ws.Key.String()+"/"+ws.Namespace+"/"+ws.Credential, func() (any, error) {
		if err := d.groupsRefused(ws); err != nil {
			return nil, err
		}
		d.mu.Lock()
		done := !d.groupList(ws).loadedAt.Equal(seen)
		d.mu.Unlock()
		if done {
			return nil, nil
		}
		return nil, d.askGroups(ctx, ws, owner)
	})
	return err
}

func (d *Directory) askGroups(ctx context.Context, ws Workspace, owner string) error {
	// All of a namespace who wait want the same list, so one slot does.
	end, err := d.slot(ws, slack.MethodUserGroupsList, "directory/"+ws.Namespace)
	if err != nil {
		return err
	}
	begin := d.clock.Now()
	groups, err := ws.API.ListUserGroups(ctx)
	end()
	load := Load{Workspace: ws.team(), List: "usergroups", Entries: len(groups), Took: d.clock.Since(begin)}
	if e := slack.AsError(err); e != nil && e.Code == "unknown_method" {
		err = nil // where there is no such method, there are no groups
	}
	if err == nil {
		d.options.Observe(load)
		for _, waiting := range d.takeGroups(ws, groups) {
			if waiting != owner {
				d.options.Wake(waiting)
			}
		}
		return nil
	}
	e := slack.AsError(err)
	if e.Class == slack.ClassRateLimited {
		return d.refused(ws, slack.MethodUserGroupsList, e)
	}
	if !e.Class.Transient() {
		d.mu.Lock()
		d.groupList(ws).refused.add(ws.Credential, e, begin)
		d.mu.Unlock()
	}
	load.Err = e
	d.options.Observe(load)
	return refusedFor("the user groups", groupsScope, ws, e)
}

// takeGroups stores the groups and returns who had missed one.
func (d *Directory) takeGroups(ws Workspace, groups []slack.UserGroup) []string {
	byName := make(map[string]slack.UserGroup, 2*len(groups))
	for _, g := range groups[:min(len(groups), maxAnswers)] {
		byName[strings.ToLower(g.ID)] = g
	}
	for _, g := range groups[:min(len(groups), maxAnswers)] {
		byName[strings.ToLower(g.Handle)] = g
	}
	delete(byName, "")
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.groupList(ws)
	l.byName, l.loadedAt = byName, d.clock.Now()
	delete(l.refused, ws.Credential)
	owners := make([]string, 0, len(l.missing))
	for owner := range l.missing {
		owners = append(owners, owner)
	}
	clear(l.missing)
	return owners
}
