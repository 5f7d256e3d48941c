package directory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What Slack has refused costs no call for a minute.
func TestRefusalsAreRemembered(t *testing.T) {
	open := func(user string) func(*tenant) error {
		return func(c *tenant) error {
			_, err := c.dir.DirectMessage(c.t.Context(), c.ws, user, "o")
			return err
		}
	}
	channel := func(c *tenant) error {
		_, err := c.dir.FindConversation(c.t.Context(), c.ws, "C0GONE000", "o")
		return err
	}
	email := func(c *tenant) error {
		_, err := c.dir.FindUser(c.t.Context(), c.ws, Query{Email: "gone@example.com"}, "o")
		return err
	}
	refusal := func(class slack.Class, code string) *slack.Error { return &slack.Error{Class: class, Code: code} }
	for _, row := range []struct {
		name, method string
		err          *slack.Error
		ask          func(*tenant) error
		another      func(*tenant) error
		// calls of one tenant for two lookups of each of both, and of another
		// tenant after that.
		calls, others int
	}{
		{"user_not_found", slack.MethodConversationsOpen, refusal(slack.ClassUserNotFound, "user_not_found"), open("U0000001"), open("U0000002"), 2, 0},
		{"user_disabled", slack.MethodConversationsOpen, refusal(slack.ClassUserDeactivated, "user_disabled"), open("U0000001"), open("U0000002"), 2, 0},
		{"cannot_dm_bot", slack.MethodConversationsOpen, refusal(slack.ClassUserNotMessageable, "cannot_dm_bot"), open("U0000001"), open("U0000002"), 2, 0},
		{"channel_not_found", slack.MethodConversationInfo, refusal(slack.ClassChannelNotFound, "channel_not_found"), channel, channel, 1, 0},
		{"users_not_found", slack.MethodLookupByEmail, refusal(slack.ClassUserNotFound, "users_not_found"), email, email, 1, 0},
		{"missing_scope im:write", slack.MethodConversationsOpen, refusal(slack.ClassMissingScope, "missing_scope"), open("U0000001"), open("U0000002"), 1, 1},
		{"missing_scope users:read.email", slack.MethodLookupByEmail, refusal(slack.ClassMissingScope, "missing_scope"), email, email, 1, 1},
		{"what passes is not", slack.MethodConversationsOpen, refusal(slack.ClassUnavailable, ""), open("U0000001"), open("U0000002"), 4, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			api, other := newFake(), newFake()
			b := newBench(t, api)
			one, two := b.tenant("a", api), b.tenant("b", other)
			row.err.Method = row.method
			for _, f := range []*fakeAPI{api, other} {
				f.Always(row.method, row.err)
			}
			var errs []string
			for range 2 {
				for _, ask := range []func(*tenant) error{row.ask, row.another} {
					err := ask(one)
					if err == nil {
						t.Fatal("want the refusal")
					}
					errs = append(errs, err.Error())
				}
			}
			b.Expect(errs[2:]).To(gomega.Equal(errs[:2]), "the same answer both times")
			b.Expect(api.Calls(row.method)).To(gomega.Equal(row.calls), "calls for four lookups")
			_, _ = row.ask(two), row.another(two)
			b.Expect(other.Calls(row.method)).To(gomega.Equal(row.others), "calls for another tenant's lookups")

			b.clock.Step(time.Minute)
			api.Reset()
			api.Always(row.method, nil)
			_ = row.ask(one)
			b.Expect(api.Calls(row.method)).To(gomega.Equal(1), "it is asked for again after a minute")
		})
	}
}

// What was contradicted is asked for anew, refusals as well, and an answer that
// is older than that does not count.
func TestContradictedAnswers(t *testing.T) {
	api := channels()
	b := newBench(t, api)
	_, _ = b.channel("C0000077")
	api.info["C0000077"] = slack.Conversation{ID: "C0000077", Name: "new"}
	if _, err := b.channel("C0000077"); slack.ClassOf(err) != slack.ClassChannelNotFound {
		t.Errorf("within a minute: %v, want that it is not found", err)
	}
	b.dir.Invalidate(b.ws.Key, "C0000077")
	if c, err := b.channel("C0000077"); err != nil || c.Name != "new" {
		t.Errorf("after Slack said otherwise: %+v, %v", c, err)
	}

	api.gate = make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.dir.FindConversation(b.t.Context(), b.ws, "C0000001", "o")
	}()
	b.Eventually(func() bool {
		b.limit.mu.Lock()
		defer b.limit.mu.Unlock()
		return len(b.limit.holders[slack.MethodConversationInfo]) == 2
	}).Should(gomega.BeTrue())
	b.dir.Invalidate(b.ws.Key, "C0000001")
	close(api.gate)
	<-done
	calls := api.Calls(slack.MethodConversationInfo)
	_, _ = b.channel("C0000001")
	b.Expect(api.Calls(slack.MethodConversationInfo)).To(gomega.Equal(calls + 1))
}

func TestKnownDirectMessage(t *testing.T) {
	b := newBench(t, newFake())
	for _, row := range []struct{ name, user, dm, want string }{
		{"a direct message", "U0000001", "D0000001", "D0000001"},
		{"a guest of another workspace", "W0000001", "D0000002", "D0000002"},
		{"a channel", "U0000002", "C0000001", ""},
		{"nothing", "U0000003", "", ""},
		{"too short", "U0000004", "D1", ""},
		{"more than an ID", "U0000005", "D0000001/x", ""},
		{"another line", "U0000006", "D0000001\n", ""},
		{"no user", "C0000001", "D0000001", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.dir.RememberDirectMessage(b.ws, row.user, row.dm)
			if dm, ok := b.dir.KnownDirectMessage(b.ws, row.user); dm != row.want || ok != (row.want != "") {
				t.Errorf("%q, %v, want %q", dm, ok, row.want)
			}
		})
	}
	b.Expect(b.api.Calls(slack.MethodConversationsOpen)).To(gomega.BeZero())
	if dm, err := b.dir.DirectMessage(t.Context(), b.ws, "U0000001", "o"); err != nil || dm != "D0000001" {
		t.Errorf("%q, %v, want what was remembered", dm, err)
	}
	b.Expect(b.api.Calls(slack.MethodConversationsOpen)).To(gomega.BeZero())
	other := b.ws
	other.Key = slack.SharedDomain().Workspace("T1", "UOTHER")
	if dm, ok := b.dir.KnownDirectMessage(other, "U0000001"); ok {
		t.Errorf("another bot has %q, want none", dm)
	}
	b.dir.Invalidate(b.ws.Key, "D0000001")
	if dm, ok := b.dir.KnownDirectMessage(b.ws, "U0000001"); ok {
		t.Errorf("%q, want that it is forgotten", dm)
	}
	b.dir.RememberDirectMessage(b.ws, "U0000001", "D0000001")
	if dm, ok := b.dir.KnownDirectMessage(b.ws, "U0000001"); !ok {
		t.Errorf("%q, want that it is known again", dm)
	}
}

// openChannel answers with a channel where it was asked for a direct message.
type openChannel struct{ slack.API }

func (openChannel) OpenDirectMessage(context.Context, string) (string, error) {
	return "C0PUBLIC0", nil
}

func TestAChannelIsNoDirectMessage(t *testing.T) {
	b := newBench(t, newFake())
	b.ws.API = openChannel{}
	if dm, err := b.dir.DirectMessage(t.Context(), b.ws, "U0000001", "o"); err == nil || dm != "" || !slack.ClassOf(err).Transient() {
		t.Errorf("%q, %v, want a failure", dm, err)
	}
}

// What nobody has asked for in an hour is dropped; what is used stays.
func TestUnusedIsDropped(t *testing.T) {
	api := channels()
	api.users, api.groups = [][]slack.User{acme}, acmeGroups
	api.byEmail["new@example.com"] = slack.User{ID: "U0000100", Name: "new"}
	b := newBench(t, api)
	use := func() {
		b.loaded()
		_, _ = b.channel("#general")
		_, _ = b.channel("C0000003")
		_, _ = b.email("new@example.com")
		_, _ = b.group("oncall")
		b.Eventually(func() bool {
			for _, s := range b.dir.Stats() {
				if s.Loading {
					return false
				}
			}
			return true
		}).Should(gomega.BeTrue())
	}
	kept := func() string {
		b.dir.mu.Lock()
		defer b.dir.mu.Unlock()
		d := b.dir
		return fmt.Sprint(len(d.users), len(d.convs), len(d.groups), len(d.infos), len(d.emails))
	}
	const all, none = "1 1 1 1 1", "0 0 0 0 0"
	use()
	for range 30 {
		b.Eventually(b.clock.HasWaiters).Should(gomega.BeTrue())
		b.clock.Step(5 * time.Minute)
		use()
		b.Expect(kept()).To(gomega.Equal(all), "while they are used")
	}
	// Somebody looked for a name in vain, and then went away.
	_, _ = b.find("nobody")
	for i := range 13 {
		if i < 11 {
			b.Expect(kept()).To(gomega.Equal(all), "after %d minutes", i*5)
		}
		b.Eventually(b.clock.HasWaiters).Should(gomega.BeTrue())
		b.clock.Step(5 * time.Minute)
		b.dir.sweep()
	}
	b.Expect(kept()).To(gomega.Equal(none), "after an hour")
	b.Eventually(b.clock.Waiters).Should(gomega.Equal(1), "timers but for the sweep")
	calls := api.Calls(slack.MethodUsersList)
	b.clock.Step(time.Hour)
	b.Expect(api.Calls(slack.MethodUsersList)).To(gomega.Equal(calls), "no list is read for nobody")
	b.loaded()
}

// A channel is not found by the name that it had before.
func TestRenamedChannel(t *testing.T) {
	b := newBench(t, channels())
	_, _ = b.channel("#general")
	b.clock.Step(time.Second)
	b.api.info["C0000001"] = slack.Conversation{ID: "C0000001", Name: "lobby"}
	_, _ = b.channel("C0000001")
	if c, err := b.channel("#general"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("by the old name: %+v, %v, want that it is not found", c, err)
	}
	if c, err := b.channel("#lobby"); err != nil || c.ID != "C0000001" {
		t.Errorf("by the new name: %+v, %v", c, err)
	}

	// The same where a refusal has made the list doubtful.
	b.api.info["C0000003"] = slack.Conversation{ID: "C0000003", Name: "alarms"}
	b.dir.Invalidate(b.ws.Key, "C0000003")
	if c, err := b.channel("#alerts"); !errors.As(err, new(*ArchivedError)) || c.ID != "C0000002" {
		t.Errorf("by the old name, which an archived one has: %+v, %v", c, err)
	}
	if c, err := b.channel("#alarms"); err != nil || c.ID != "C0000003" {
		t.Errorf("by the new name: %+v, %v", c, err)
	}
}

// Slack's pages may overlap.
func TestAUserOnTwoPages(t *testing.T) {
	changed := acme[1]
	changed.DisplayName = "Duchess"
	b := newBench(t, newFake(acme[:2], append([]slack.User{changed}, acme[2:]...)))
	b.loaded()
	if u, err := b.find("Duchess"); err != nil || u.ID != changed.ID {
		t.Errorf("%+v, %v, want the user as on the later page", u, err)
	}
	if u, err := b.find("Ada Lovelace"); err != nil || u.ID != changed.ID {
		t.Errorf("%+v, %v, want one user", u, err)
	}
	b.Expect(b.dir.Stats()[0].Entries).To(gomega.Equal(len(acme)))
}

// What the errors say is what a person can do.
func TestWhatTheErrorsSay(t *testing.T) {
	gone := slack.User{ID: "U0000005", Name: "gone", RealName: "Gone Away"}
	const in = "Acme (T1)"
	for _, row := range []struct {
		err  error
		says string
	}{
		{&DeactivatedError{Ref: "gone", In: in, User: gone}, `Gone Away (@gone, U0000005) is deactivated in workspace Acme (T1): name somebody else, or have the account activated again`},
		{&DeactivatedError{Ref: "@Gone", In: in, User: gone}, `Gone Away (@gone, U0000005) is deactivated in workspace Acme (T1): name somebody else, or have the account activated again`},
		{&DeactivatedError{Ref: "gone@example.com", In: in, User: gone}, `Gone Away (@gone, U0000005), whom "gone@example.com" names, is deactivated in workspace Acme (T1): name somebody else, or have the account activated again`},
		{&NotMessageableError{Ref: "gone", In: in, User: gone}, `Gone Away (@gone, U0000005) is a bot in workspace Acme (T1), and bots can't be sent direct messages: name a person or a channel`},
		{&NotFoundError{What: "channel", Ref: "#x", In: in}, `no channel "#x" is visible to the bot in workspace Acme (T1): check the name and, when the channel is private, invite the bot with /invite (its ID is of no help without that)`},
		{&NotFoundError{What: "user", Ref: "yueh.lu", In: in, Near: []string{"yueh.liu"}, Every: 10 * time.Minute}, `no user "yueh.lu" in workspace Acme (T1); did you mean "yueh.liu"? Else give the handle, the e-mail address, or the ID (in Slack: the profile, then "Copy member ID"); the list of users is read again every 10 minutes`},
		{&NotFoundError{What: "user", Ref: "a\nb", In: in}, `no user "a\nb" in workspace Acme (T1): give the handle, the e-mail address, or the ID (in Slack: the profile, then "Copy member ID")`},
		{&NotFoundError{What: "user group", Ref: "okk", In: in, Near: []string{"ok", "okay"}}, `no user group "okk" in workspace Acme (T1); did you mean "ok" or "okay"? Else check the handle, and that the group is not disabled`},
		{&ScopeError{What: "the users", Scope: "users:read", In: in}, `the app may not read the users of workspace Acme (T1): add the bot scope users:read to the Slack app, and reinstall the app there`},
	} {
		if got := row.err.Error(); got != row.says {
			t.Errorf("got  %s\nwant %s", got, row.says)
		}
	}
}

// A list that nobody waits for any more is not read on.
func TestAReadingThatNobodyWaitsForEnds(t *testing.T) {
	a, _ := twoTenants(t)
	a.loads("hopper")
	a.Eventually(a.clock.Waiters).Should(gomega.Equal(1))
	a.clock.Step(time.Hour)
	a.dir.sweep()
	a.Expect(a.dir.Stats()).To(gomega.BeEmpty())
	close(a.api.gate)
	a.Consistently(func() int { return len(a.api.Cursors()) }, "50ms").Should(gomega.BeNumerically("<=", 1))
}
