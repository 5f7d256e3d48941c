package directory

import (
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// A handle that somebody of another workspace has as well means one's own
// people, in whichever order Slack lists them.
func TestHandlesOfOthersDoNotCount(t *testing.T) {
	own := slack.User{ID: "U0OURS001", Name: "ada", DisplayName: "Ada", Team: "T1"}
	second := slack.User{ID: "U0OURS002", Name: "ada", DisplayName: "Ada B", Team: "T1"}
	left := slack.User{ID: "U0OURS003", Name: "ada", Deleted: true, Team: "T1"}
	shown := slack.User{ID: "U0OURS004", Name: "lovelace", DisplayName: "ada", Team: "T1"}
	stranger := slack.User{ID: "U0PARTNR1", Name: "ada", Team: "T0PARTNER", Stranger: true}
	partner := slack.User{ID: "U0PARTNR2", Name: "ada", Team: "T0PARTNER"}
	other := slack.User{ID: "U0PARTNR3", Name: "ada", Team: "T0OTHER"}
	for name, c := range map[string]struct {
		users    []slack.User
		id, says string
	}{
		"a stranger and one's own":     {[]slack.User{stranger, own}, own.ID, ""},
		"a partner and one's own":      {[]slack.User{partner, own}, own.ID, ""},
		"a partner and a display name": {[]slack.User{partner, shown}, shown.ID, ""},
		"a partner and one who left":   {[]slack.User{partner, left}, "", "is deactivated"},
		"a partner alone":              {[]slack.User{partner}, partner.ID, ""},
		"two partners":                 {[]slack.User{partner, other}, "", "U0PARTNR2), @ada (U0PARTNR3"},
		"a stranger alone":             {[]slack.User{stranger}, "", `no user "@ada"`},
		"two of one's own":             {[]slack.User{own, second, partner}, "", "Ada (@ada, U0OURS001), Ada B (@ada, U0OURS002)"},
	} {
		for order, users := range map[string][]slack.User{"as listed": c.users, "the other way round": reversed(c.users)} {
			t.Run(name+", "+order, func(t *testing.T) {
				var pages [][]slack.User
				for _, u := range users {
					pages = append(pages, []slack.User{u})
				}
				if name == "two of one's own" {
					pages = [][]slack.User{users} // one alone would be an answer
				}
				b := newBench(t, newFake(pages...))
				u, err := settle(b, func() (slack.User, error) { return b.find("@ada") })
				if c.says == "" && (err != nil || u.ID != c.id) {
					t.Errorf("finds %+v, %v; want %s", u, err, c.id)
				}
				if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("finds %+v, %v; want %q", u, err, c.says)
				}
			})
		}
	}
}

func reversed(users []slack.User) []slack.User {
	var out []slack.User
	for _, u := range users {
		out = append([]slack.User{u}, out...)
	}
	return out
}
