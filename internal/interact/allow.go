package interact

import (
	"errors"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// People says whom addresses and user groups mean, as Slack knows them.
type People interface {
	// Has reports whether the active member with an e-mail address is this user. An
	// error means that it can't be told.
	Has(email, user string) (bool, error)
	// Member reports whether a user is in a group. The error is ErrNoGroup if there
	// is no such group; any other means that it can't be told.
	Member(group, user string) (bool, error)
}

// ErrNoGroup means that there is no such user group.
var ErrNoGroup = errors.New("there is no such user group")

// Home is the workspace that an app is installed in. Either may be empty.
type Home struct{ Team, Enterprise string }

// Has reports whether somebody whose own workspace is team is at home: neither from
// another organisation nor from another workspace of the same one. Where Slack
// does not say, nobody is.
func (h Home) Has(team string) bool {
	return team != "" && (team == h.Team || team == h.Enterprise)
}

// Verdict is whether a person may press.
type Verdict struct {
	// By says what in the list allows it, as status.responses[].allowedBy does;
	// empty when nothing does.
	By string
	// External means: only an ID in the list would allow somebody who is not of this
	// workspace.
	External bool
	// Unknown is why it can't be told; nil when it can.
	Unknown error
}

// Allowed reports whether the person may press.
func (v Verdict) Allowed() bool { return v.By != "" }

// May decides whether who pressed is in the list. Names do not count, since people
// can change them. Who is not at home is allowed by an ID alone.
func May(list v1alpha1.AllowedPeople, c Click, home Home, people People) Verdict {
	for _, u := range list.Users {
		if u.User != "" && u.User == c.UserID {
			return Verdict{By: "user " + u.User}
		}
	}
	if !home.Has(c.UserTeamID) {
		return Verdict{External: true}
	}
	if list.Everyone {
		return Verdict{By: "everyone"}
	}
	return lookUp(list, c.UserID, people)
}

// lookUp decides about somebody at home by what Slack knows.
func lookUp(list v1alpha1.AllowedPeople, user string, people People) Verdict {
	var v Verdict
	note := func(by string, yes bool, err error) bool {
		if yes && err == nil {
			v = Verdict{By: by}
			return true
		}
		if err != nil && (v.Unknown == nil || errors.Is(v.Unknown, ErrNoGroup)) {
			v.Unknown = err
		}
		return false
	}
	for _, group := range list.Groups {
		yes, err := people.Member(group, user)
		if note("group "+group, yes, err) {
			return v
		}
	}
	for _, u := range list.Users {
		if u.Email == "" {
			continue
		}
		yes, err := people.Has(u.Email, user)
		if note("email "+u.Email, yes, err) {
			return v
		}
	}
	return v
}

// maxWho of those who may press are told.
const maxWho = 10

// Who names those who may press, in mrkdwn. Nobody is paged by it: it is shown to
// one person alone.
func Who(list v1alpha1.AllowedPeople) string {
	var names []string
	for _, u := range list.Users {
		if u.User != "" {
			names = append(names, "<@"+u.User+">")
		} else {
			names = append(names, escape(u.Email))
		}
	}
	for _, g := range list.Groups {
		names = append(names, "members of @"+escape(strings.TrimPrefix(g, "@")))
	}
	if list.Everyone {
		names = append(names, "people of this workspace")
	}
	if len(names) > maxWho {
		names = append(names[:maxWho], "others")
	}
	switch last := len(names) - 1; last {
	case -1:
		return "nobody"
	case 0:
		return names[0]
	default:
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
}

// escape makes mrkdwn of plain text
// (docs.slack.dev/messaging/formatting-message-text).
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
