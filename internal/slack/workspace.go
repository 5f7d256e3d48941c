package slack

import "regexp"

// Domain is a trust domain: connections of one domain believe each other's
// answers. Whoever runs a proxy, or owns a certificate authority, answers in
// Slack's place to those who use it, and to nobody else.
//
// The zero Domain is neither the shared one nor that of a namespace, so that a
// forgotten one shares nothing with those. internal/connection makes all others.
type Domain struct {
	shared    bool
	namespace string
}

// SharedDomain is the domain of all connections that reach Slack by the
// operator's own way.
func SharedDomain() Domain { return Domain{shared: true} }

// PrivateDomain is the domain of the connections of a namespace that have a
// proxy or a certificate authority of their own.
func PrivateDomain(namespace string) Domain { return Domain{namespace: namespace} }

// Private reports whether answers come by a way that is not the operator's own.
func (d Domain) Private() bool { return !d.shared }

// Namespace that a private domain belongs to; empty for the shared one.
func (d Domain) Namespace() string { return d.namespace }

// Workspace returns the key of a workspace as the connections of d know it: by
// the ID of the team and of the app's bot in it (U…, or B…), as auth.test tells
// them. The app is empty for what is the same for all apps.
func (d Domain) Workspace(team, app string) Workspace {
	return Workspace{domain: d, team: team, app: app}
}

// Workspace is the key of all that is known of a workspace: names and IDs, pace,
// waits, readings, claims. It can't be made from a team ID alone, since a server
// may claim to be any team; its domain says whose word that is.
//
// The app is part of it because Slack counts by "method per workspace per app"
// (docs.slack.dev/apis/web-api/rate-limits).
type Workspace struct {
	domain    Domain
	team, app string
}

// Domain whose connections know the workspace.
func (w Workspace) Domain() Domain { return w.domain }

// Team is the team's ID (T…, E…), as it is told to people.
func (w Workspace) Team() string { return w.team }

// App is the ID of the app's bot; empty for what is the same for all apps.
func (w Workspace) App() string { return w.app }

// AllApps is the key of what is the same for all apps of the workspace.
func (w Workspace) AllApps() Workspace {
	w.app = ""
	return w
}

// String is different for different keys. It is for joining keys, and not for
// people.
func (w Workspace) String() string {
	domain := "?" + w.domain.namespace
	if w.domain.shared {
		domain = ""
	}
	return w.team + "@" + domain + "/" + w.app
}

var plainTeam = regexp.MustCompile(`^[TE][A-Z0-9]{1,20}$`)

// The labels of workspaces in metrics whose claimed ID is none.
const (
	LabelPrivate = "private"
	LabelOther   = "other"
)

// Label is the workspace's label in metrics: the team's ID where Slack itself has
// told it, and else one for all, since servers may claim any number of IDs.
func (w Workspace) Label() string {
	switch {
	case w.domain.Private():
		return LabelPrivate
	case plainTeam.MatchString(w.team):
		return w.team
	default:
		return LabelOther
	}
}
