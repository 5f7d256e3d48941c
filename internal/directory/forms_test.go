package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What people type and paste for users, channels and groups.
func TestForms(t *testing.T) {
	api := channels()
	api.users = [][]slack.User{append(acme[:len(acme):len(acme)], slack.User{ID: "U0000020", Name: "williams"}, slack.User{ID: "U012", Name: "short"}, slack.User{ID: "U0000021", Name: "u2"})}
	api.convs = append(api.convs, []slack.Conversation{{ID: "C0000010", Name: "gateways"}, {ID: "C0ABCDEFG", Name: "other"}, {ID: "C0000011", Name: "ci2"}})
	for _, c := range api.convs[2] {
		api.info[c.ID] = c
	}
	api.info["C123"] = slack.Conversation{ID: "C123", Name: "short"}
	api.groups = acmeGroups
	b := newBench(t, api)
	_, _ = b.channel("#general")
	b.loaded()
	for _, row := range []struct{ kind, ref, id string }{
		{"user", "yueh.liu", "U0000001"},
		{"user", "@yueh.liu", "U0000001"},
		{"user", " @Yueh.Liu\n", "U0000001"},
		{"user", "@ yueh.liu", "U0000001"},
		{"user", "\u2068@yueh.liu\u2069", "U0000001"},
		{"user", "\u00a0Yueh Liu\u200b", "U0000001"},
		{"user", "<@U0000001>", "U0000001"},
		{"user", "<@U0000001|yueh.liu>", "U0000001"},
		{"user", "U0000001", "U0000001"},
		{"user", "@U0000001", "U0000001"},
		{"user", "U0999999X", "U0999999X"},
		{"user", "WILLIAMS", "U0000020"},
		{"user", "@WILLIAMS", "U0000020"},
		{"user", "https://acme.slack.com/team/U0000001", "U0000001"},
		{"user", "acme.enterprise.slack.com/team/U0000001", "U0000001"},
		{"user", "https://slack.example.com/team/U0000001", ""},
		{"user", "https://notslack.com/team/U0000001", ""},
		{"user", "<#C0000001>", ""},
		{"user", "<@yueh.liu>", "U0000001"},
		{"user", " <@Yueh.Liu|Yueh Liu> ", "U0000001"},
		{"user", "\uff20yueh.liu", "U0000001"},
		{"user", "\uff20 Yueh.Liu ", "U0000001"},
		{"user", "<@nobody.here>", ""},
		{"user", "<@U123>", "U123"},
		{"user", "<@U123|ada>", "U123"},
		{"user", "u0000001x", ""},
		{"user", "U012", "U012"},
		{"user", "@U012", "U012"},
		{"user", "u012", ""},
		{"user", "U999", "U999"},
		{"user", "@U999", ""},
		{"user", "U2", "U0000021"},
		{"channel", "general", "C0000001"},
		{"channel", "#general", "C0000001"},
		{"channel", " # General ", "C0000001"},
		{"channel", "##general", "C0000001"},
		{"channel", "<#C0000001|general>", "C0000001"},
		{"channel", "<#C0000001|>", "C0000001"},
		{"channel", "<#C0000001>", "C0000001"},
		{"channel", "C0000001", "C0000001"},
		{"channel", "#C0000001", "C0000001"},
		{"channel", "GENERAL", "C0000001"},
		{"channel", "#GATEWAYS", "C0000010"},
		{"channel", "GATEWAYS", "C0000010"},
		{"channel", "https://acme.slack.com/archives/C0000001", "C0000001"},
		{"channel", "https://acme.slack.com/archives/C0000001/p1700000000000100?thread_ts=1700000000.000100&cid=C0000001", "C0000001"},
		{"channel", "slack.com/archives/C0000001", "C0000001"},
		{"channel", "<https://acme.slack.com/archives/C0000001|the link>", "C0000001"},
		{"channel", "https://app.slack.com/client/T0000001/C0000001", "C0000001"},
		{"channel", "https://acme.slack-gov.com/archives/C0000001", "C0000001"},
		{"channel", "\uff03general", "C0000001"},
		{"channel", " \uff03 General\n", "C0000001"},
		{"channel", "#\uff03general", "C0000001"},
		{"channel", "<#general>", "C0000001"},
		{"channel", "<#General|label>", "C0000001"},
		{"channel", "<@general>", ""},
		{"channel", "<#C123|general>", "C123"},
		{"channel", "C123", "C123"},
		{"channel", "#C123", ""},
		{"channel", "CI2", "C0000011"},
		{"channel", "https://evil.example/archives/C0000001", ""},
		{"group", "oncall", "S0000001"},
		{"group", "@OnCall", "S0000001"},
		{"group", "S0000001", "S0000001"},
		{"group", "<!subteam^S0000001>", "S0000001"},
		{"group", "<!subteam^S0000001|@oncall>", "S0000001"},
	} {
		t.Run(row.kind+" "+row.ref, func(t *testing.T) {
			id, err := "", error(nil)
			switch row.kind {
			case "user":
				var u slack.User
				u, err = b.find(row.ref)
				id = u.ID
			case "channel":
				var c slack.Conversation
				c, err = b.channel(row.ref)
				id = c.ID
			case "group":
				var g slack.UserGroup
				g, err = b.group(row.ref)
				id = g.ID
			}
			if row.id == "" && !errors.As(err, new(*NotFoundError)) {
				t.Errorf("%q: %v, %v, want nobody", row.ref, id, err)
			}
			if row.id != "" && (err != nil || id != row.id) {
				t.Errorf("%q: %v, %v, want %s", row.ref, id, err, row.id)
			}
		})
	}
	if n := api.Calls(slack.MethodLookupByEmail) + api.Calls(slack.MethodConversationsOpen); n != 0 {
		t.Errorf("%d calls for single users, want none", n)
	}
}

// A short ID could be a name in capitals. Where the list can't be read, it is taken
// as it is; where the list is still to come, it is waited for.
func TestShortIDs(t *testing.T) {
	for _, row := range []struct {
		name          string
		refused       bool
		user, channel string
	}{
		{"the lists come", false, "U0000021", "C0000011"},
		{"no list may be read", true, "U2", "CI2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			api := newFake([]slack.User{{ID: "U0000021", Name: "u2"}})
			api.convs = [][]slack.Conversation{{{ID: "C0000011", Name: "ci2"}}}
			api.info["CI2"] = slack.Conversation{ID: "CI2", Name: "short"}
			if row.refused {
				api.NextErr(slack.MethodUsersList, &slack.Error{Class: slack.ClassMissingScope, Needed: "users:read"})
				api.NextErr(slack.MethodConversationsList, &slack.Error{Class: slack.ClassMissingScope, Needed: "channels:read"})
			}
			b := newBench(t, api)
			if u, err := settle(b, func() (slack.User, error) { return b.find("U2") }); err != nil || u.ID != row.user {
				t.Errorf("%v, %v, want %s", u.ID, err, row.user)
			}
			if c, err := settle(b, func() (slack.Conversation, error) { return b.channel("CI2") }); err != nil || c.ID != row.channel {
				t.Errorf("%v, %v, want %s", c.ID, err, row.channel)
			}
		})
	}
}

// An ID is taken without a list, and none is read for it.
func TestIDsMakeNoCall(t *testing.T) {
	b := newBench(t, newFake(acme))
	for _, ref := range []string{"U0000001", "W0000001", "<@U0000001>", "WILLIAMS"} {
		if _, err := b.find(ref); err != nil {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if n := b.loads(); n != 0 {
		t.Errorf("%d calls of users.list, want none", n)
	}
}

func FuzzForms(f *testing.F) {
	for _, s := range []string{
		"", "@", "#general", " @Yueh.Liu ", "<@U0000001|x>", "<#C0000001>", "https://a.slack.com/archives/C0000001/p1?x=1",
		"U0000001", "U012", "<!subteam^S0000001|@x>", "#C0000001", "@@#@x", "\u200bx", "İ", "\xff@",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for mark, parse := range map[string]func(string) reference{"@": parseUser, "#": parseConversation} {
			r := parse(s)
			form := userIDForm
			if mark == "#" {
				form = conversationIDForm
			}
			for _, id := range []string{r.id, r.maybe} {
				short := (strings.Contains(s, "<") || r.short) && shortForms[form].MatchString(id)
				if id != "" && !form.MatchString(id) && !short {
					t.Errorf("%q: %q is taken for an ID", s, id)
				}
				if id != "" && !strings.Contains(s, id) {
					t.Errorf("%q: %q does not stand there", s, id)
				}
			}
			if r.id != "" && r.name != "" {
				t.Errorf("%q is both the ID %q and the name %q", s, r.id, r.name)
			}
			if r.name != strings.ToLower(r.name) || strings.HasPrefix(r.name, mark) || r.name != trim(r.name) {
				t.Errorf("%q: the name %q is not bare", s, r.name)
			}
			if again := parse(r.name); r.name != "" && again.name != r.name {
				t.Errorf("%q: the name %q is read as %+v", s, r.name, again)
			}
			if marked := parse(mark + " " + r.name); r.name != "" && marked.name != r.name {
				t.Errorf("%q: %q with a mark is read as %+v", s, r.name, marked)
			}
		}
	})
}

func FuzzCompareFold(f *testing.F) {
	for _, s := range [][2]string{{"", "a"}, {"Ünal", "ünal"}, {"a.b", "A_B"}, {"İ", "i"}, {"K", "k"}, {"aé", "AÉx"}, {"\xff", "\ufffd"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		want := strings.Compare(strings.ToLower(strings.ToValidUTF8(a, "?")), strings.ToLower(strings.ToValidUTF8(b, "?")))
		got := compareFold(strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?"))
		if (got < 0) != (want < 0) || (got > 0) != (want > 0) {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
		// Also what is no UTF-8 needs an order, for searching by it.
		if x, y := compareFold(a, b), compareFold(b, a); (x < 0) != (y > 0) || (x == 0) != (y == 0) {
			t.Errorf("%q and %q: %d one way, %d the other", a, b, x, y)
		}
	})
}

func TestNearNames(t *testing.T) {
	api := channels()
	api.users = [][]slack.User{append(acme[:len(acme):len(acme)],
		slack.User{ID: "U0000030", Name: "mail", DisplayName: "max@example.com"},
		slack.User{ID: "U0000031", Name: "jürgen", RealName: "Jürgen Weiß"},
		slack.User{ID: "U0000032", Name: "jurgens", RealName: "Somebody Else"})}
	api.convs[1] = append(api.convs[1], slack.Conversation{ID: "C0000020", Name: "secret-plan", Private: true, Member: true})
	api.groups = acmeGroups
	b := newBench(t, api)
	_, _ = b.channel("#general")
	b.loaded()
	for _, row := range []struct{ kind, ref, says string }{
		{"user", "yueh.lu", `did you mean "yueh.liu"?`},
		{"user", "@yueh.lu", `did you mean "yueh.liu"?`},
		{"user", "YUEH.LIUU", `did you mean "yueh.liu"?`},
		{"user", "Grace Hoper", `did you mean "Grace Hopper"?`},
		{"user", "sam.thre", `: give the handle`},
		{"user", "sam.on", `did you mean "sam.one"?`},
		{"user", "sam.oo", `did you mean "sam.one" or "sam.two"?`},
		{"user", "jurgen", `did you mean "jurgens" or "jürgen"?`},
		{"user", "gonee", `: give the handle`},                     // who has left is no help
		{"user", "bottyy", `: give the handle`},                    // nor is a bot
		{"user", "max@example.co", `is given in the field email`},  // an address is nobody's to tell
		{"user", "yueh@example.co", `is given in the field email`}, // neither from the profile
		{"user", "a", `: give the handle`},                         // anything is like it
		{"user", strings.Repeat("x", 255), `: give the h`},         // nothing is
		{"channel", "#genral", `did you mean "general"? Else check the name and, when the channel is private, invite the bot with /invite (its ID is of no help without that); it is looked for again every 10 minutes`},
		{"channel", "alert", `did you mean "alerts"?`},
		{"channel", "olt", `: check the name`},          // it is archived
		{"channel", "secret-plans", `: check the name`}, // it is private
		{"group", "oncal", `did you mean "oncall"?`},
		{"group", "ops.team", `did you mean "Ops-Team"?`},
	} {
		t.Run(row.kind+" "+row.ref, func(t *testing.T) {
			var err error
			switch row.kind {
			case "user":
				_, err = b.find(row.ref)
			case "channel":
				_, err = b.channel(row.ref)
			case "group":
				_, err = b.group(row.ref)
			}
			if err == nil || !containsText(err, row.says) {
				t.Errorf("%q: %v, want %q", row.ref, err, row.says)
			}
			if strings.Contains(strings.ReplaceAll(fmt.Sprint(err), row.ref, ""), "@example.com") {
				t.Errorf("%q: %v, want no e-mail address", row.ref, err)
			}
		})
	}
}

// Near names are those that a plain reckoning gives.
func FuzzNear(f *testing.F) {
	f.Add("yueh.lu", "yueh.liu yueh yueh.li Yueh.Lu other")
	f.Add("oncall", "oncal on-call onkall ocnall")
	f.Add("äöü12", "äöü1 äöü12 aöü12 ÄÖÜ1")
	f.Fuzz(func(t *testing.T, want, all string) {
		var entries []channel
		for i, name := range strings.Fields(strings.ToValidUTF8(all, "?")) {
			entries = append(entries, compactChannel(slack.Conversation{ID: fmt.Sprintf("C%07d", i), Name: name}))
		}
		want = strings.ToLower(strings.ToValidUTF8(want, "?"))
		s := newSnapshot(entries, channelKeys)
		got := near(s, want, channel.live, byName)
		n := newNearest(want)
		best := 0
		for _, e := range entries {
			letters := []rune(strings.ToLower(e.name()))
			d := distance(n.want, letters)
			if d > 0 && d <= n.limit && len(letters) <= maxCompared && !strings.Contains(e.name(), "@") {
				best++
			}
			for _, name := range got {
				if name == e.name() && (d == 0 || d > n.limit) {
					t.Errorf("%q is %d away from %q", name, d, want)
				}
			}
		}
		if n.possible() && best > 0 && len(got) == 0 {
			t.Errorf("nothing is near %q in %q, want one of %d", want, all, best)
		}
	})
}

// distance is the edit distance, worked out without any haste.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before := row[0]
		row[0] = i + 1
		for j := range b {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
