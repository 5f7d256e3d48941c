package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// IsMember reports whether a user is in a user group, which is named as for
// FindGroup. Groups that are known for longer than Options.MissEvery are read again
// first; while that fails in a way that passes, the old list goes on answering.
//
// It returns the errors of FindGroup, and a *slack.Error where Slack does not tell
// the members.
func (d *Directory) IsMember(ctx context.Context, ws Workspace, group, userID, owner string) (bool, error) {
	d.mu.Lock()
	at := d.groupList(ws).loadedAt
	d.mu.Unlock()
	if !at.IsZero() && d.clock.Since(at) >= d.options.MissEvery {
		if err := d.readGroups(ctx, ws, at, owner); err != nil && !passes(err) {
			return false, err
		}
	}
	g, err := d.FindGroup(ctx, ws, group, owner)
	if err != nil {
		return false, err
	}
	if g.Users == nil {
		return false, &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodUserGroupsList,
			Reason: fmt.Sprintf("Slack did not tell the members of the user group %q", strings.TrimPrefix(group, "@"))}
	}
	return slices.Contains(g.Users, userID), nil
}

// passes reports whether what went wrong may be gone at the next try.
func passes(err error) bool {
	e := slack.AsError(err)
	return e == nil || e.Class.Transient()
}
