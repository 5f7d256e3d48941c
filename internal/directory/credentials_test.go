package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// tenant looks people up with a token of its own.
type tenant struct {
	*bench
	api *fakeAPI
	ws  Workspace
}

func (b *bench) tenant(name string, api *fakeAPI) *tenant {
	ws := b.ws
	ws.Credential, ws.API, ws.Namespace = "token of "+name, api, name
	return &tenant{b, api, ws}
}

func (c *tenant) find(name string) (slack.User, error) {
	return c.dir.FindUser(c.t.Context(), c.ws, Query{User: name}, c.ws.Namespace+"/"+name)
}

func (c *tenant) settled(name string) (slack.User, error) {
	c.t.Helper()
	return settle(c.bench, func() (slack.User, error) { return c.find(name) })
}

func (c *tenant) loads(name string) {
	c.t.Helper()
	var loading *LoadingError
	if _, err := c.find(name); !errors.As(err, &loading) || loading.Cause != nil {
		c.t.Fatalf("%s looks for %q: %v, want that the list is being read", c.ws.Namespace, name, err)
	}
}

func noScope() *slack.Error {
	return &slack.Error{Class: slack.ClassMissingScope, Method: slack.MethodUsersList, Code: "missing_scope", Needed: "users:read"}
}

func revoked() *slack.Error {
	return &slack.Error{Class: slack.ClassInvalidCredentials, Method: slack.MethodUsersList, Code: "token_revoked"}
}

// Two tenants of one workspace read its list of users in three pages.
func twoTenants(t *testing.T) (a, b *tenant) {
	pages := [][]slack.User{acme[:2], acme[2:5], acme[5:]}
	first, second := newFake(pages...), newFake(pages...)
	first.gate, second.gate = make(chan struct{}), make(chan struct{})
	bench := newBench(t, first)
	return bench.tenant("a", first), bench.tenant("b", second)
}

func TestAReadingKeepsItsCredentials(t *testing.T) {
	for name, row := range map[string]func(t *testing.T, a, b *tenant){
		"whoever else asks meanwhile": func(t *testing.T, a, b *tenant) {
			b.api.Always(slack.MethodUsersList, noScope())
			close(b.api.gate)
			a.loads("nobody")
			for range 3 {
				b.loads("somebody else")
				a.api.gate <- struct{}{}
			}
			_, err := a.settled("nobody")
			a.Expect(errors.As(err, new(*NotFoundError))).To(gomega.BeTrue(), "a: %v", err)
			a.Expect(a.api.Cursors()).To(gomega.Equal([]string{"", "page-1", "page-2"}), "pages read by a")
			a.Expect(b.api.Calls(slack.MethodUsersList)).To(gomega.BeZero(), "pages asked for with the token of b")
		},
		"until they fail, and another's read on from the same page": func(t *testing.T, a, b *tenant) {
			a.api.nextErr[slack.MethodUsersList] = []error{nil, revoked()}
			a.loads("nobody")
			b.loads("somebody else")
			close(a.api.gate)
			a.Eventually(a.wakes("a/nobody")).Should(gomega.Equal(1))
			if _, err := a.find("nobody"); slack.ClassOf(err) != slack.ClassInvalidCredentials {
				t.Errorf("a is told %v, want that its token was revoked", err)
			}
			b.loads("somebody else")
			close(b.api.gate)
			if _, err := b.settled("countess"); err != nil {
				t.Errorf("b: %v", err)
			}
			a.Expect(b.api.Cursors()).To(gomega.Equal([]string{"page-1", "page-2"}), "pages read by b")
			// The list is there now, for a as well.
			if u, err := a.find("yueh.liu"); err != nil || u.ID != "U0000001" {
				t.Errorf("a: %+v, %v", u, err)
			}
			a.Eventually(a.wakes("a/nobody")).Should(gomega.Equal(2), "a is woken by the whole list")
		},
		"and another's begin anew where the page can't be had": func(_ *testing.T, a, b *tenant) {
			a.api.nextErr[slack.MethodUsersList] = []error{nil, revoked()}
			b.api.NextErr(slack.MethodUsersList, &slack.Error{Class: slack.ClassInvalidCursor})
			a.loads("nobody")
			b.loads("somebody else")
			close(a.api.gate)
			close(b.api.gate)
			_, _ = b.settled("countess")
			a.Expect(b.api.Cursors()).To(gomega.Equal([]string{"", "page-1", "page-2"}))
		},
		"each is told of its own refusal": func(t *testing.T, a, b *tenant) {
			b.api.Always(slack.MethodUsersList, noScope())
			b.loads("ada")
			a.loads("hopper")
			close(b.api.gate)
			a.Eventually(a.wakes("b/ada")).Should(gomega.Equal(1))
			_, err := b.find("ada")
			var scope *ScopeError
			if !errors.As(err, &scope) || scope.Scope != "users:read" || slack.ClassOf(err) != slack.ClassMissingScope {
				t.Errorf("b is told %v, want that users:read is missing", err)
			}
			a.loads("hopper")
			a.Expect(a.wakes("a/hopper")()).To(gomega.BeZero(), "a is not woken by what concerns b")
			close(a.api.gate)
			if u, err := a.settled("hopper"); err != nil || u.ID != "U0000015" {
				t.Errorf("a: %+v, %v", u, err)
			}
			a.Expect(b.api.Calls(slack.MethodUsersList)).To(gomega.Equal(1), "tries with the token of b")
		},
		"a proxy that is down holds up nobody else": func(t *testing.T, a, b *tenant) {
			a.api.Always(slack.MethodUsersList, &slack.Error{Class: slack.ClassUnavailable, Reason: "the proxy of a is down"})
			a.loads("ada")
			b.loads("ada")
			close(a.api.gate)
			close(b.api.gate)
			a.Eventually(a.wakes("a/ada")).Should(gomega.Equal(1))
			if _, err := a.find("ada"); err == nil || !errors.As(err, new(*LoadingError)) || !errors.As(err.(*LoadingError).Cause, new(*slack.Error)) { //nolint:errorlint // just checked
				t.Errorf("a is told %v, want its own trouble", err)
			}
			b.loads("ada") // knows nothing of it
			a.Expect(a.wakes("b/ada")()).To(gomega.BeZero(), "b is not woken by what concerns a")
			a.ticking()
			a.clock.Step(time.Second)
			if _, err := b.settled("ada"); err != nil {
				t.Errorf("b: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := twoTenants(t)
			row(t, a, b)
		})
	}
}

// A token without the scope keeps no list from being read again.
func TestAWholeListIsReadAgainInSpiteOfARefusedToken(t *testing.T) {
	a, b := twoTenants(t)
	close(a.api.gate)
	close(b.api.gate)
	b.api.Always(slack.MethodUsersList, noScope())
	_, _ = a.settled("ada")
	a.clock.Step(11 * time.Minute)
	for range 5 {
		if _, err := b.find("ada"); err != nil {
			t.Fatalf("b has the old list: %v", err)
		}
	}
	a.Eventually(func() int { return b.api.Calls(slack.MethodUsersList) }).Should(gomega.Equal(1))
	a.Eventually(func() bool { return a.dir.Stats()[0].Loading }).Should(gomega.BeFalse())
	_, _ = a.find("ada")
	a.Eventually(func() int { return len(a.api.Cursors()) }).Should(gomega.Equal(6), "the list was read again with the token of a")
	a.Eventually(func() time.Time { return a.dir.Stats()[0].LoadedAt }).Should(gomega.Equal(a.clock.Now()))

	// What b has looked for in vain is no reason not to read it for a.
	a.clock.Step(2 * time.Minute)
	for range 3 {
		if _, err := b.settled("newcomer"); !errors.As(err, new(*NotFoundError)) {
			t.Fatalf("b: %v", err)
		}
	}
	pages := len(a.api.Cursors())
	a.loads("newcomer")
	a.Eventually(func() int { return len(a.api.Cursors()) }).Should(gomega.Equal(pages + 3))
}

// The groups are refused to one token alone.
func TestRefusedGroupsOfTwoTokens(t *testing.T) {
	api := newFake()
	api.groups = acmeGroups
	bench := newBench(t, api)
	var tenants []*tenant
	for _, name := range []string{"a", "b"} {
		c := bench.tenant(name, newFake())
		c.api.Always(slack.MethodUserGroupsList, &slack.Error{Class: slack.ClassMissingScope, Method: slack.MethodUserGroupsList, Code: "missing_scope"})
		tenants = append(tenants, c)
	}
	for range 5 {
		for _, c := range tenants {
			_, err := bench.dir.FindGroup(t.Context(), c.ws, "oncall", "o")
			if want := "the app may not read the user groups of workspace Acme (T1): add the bot scope usergroups:read"; !errors.As(err, new(*ScopeError)) || !containsText(err, want) {
				t.Fatalf("%v, want %q", err, want)
			}
		}
	}
	for _, c := range tenants {
		bench.Expect(c.api.Calls(slack.MethodUserGroupsList)).To(gomega.Equal(1), "calls of %s", c.ws.Namespace)
	}
	if g, err := bench.group("oncall"); err != nil || g.ID != "S0000001" {
		t.Errorf("with the scope: %+v, %v", g, err)
	}
	// That the list lacks it is another thing.
	_, err := bench.dir.FindGroup(t.Context(), tenants[0].ws, "oncal", "o")
	if errors.As(err, new(*ScopeError)) || !errors.As(err, new(*NotFoundError)) {
		t.Errorf("%v, want that there is no such group", err)
	}
}

// A deleted SlackChannel's token is not used any more.
func TestForget(t *testing.T) {
	for name, row := range map[string]func(t *testing.T, a, b *tenant){
		"a reading goes on with another's": func(_ *testing.T, a, b *tenant) {
			a.loads("ada")
			a.api.gate <- struct{}{}
			a.Eventually(a.wakes("a/ada")).Should(gomega.Equal(1))
			b.loads("hopper")
			a.dir.Forget(a.ws.Credential)
			a.api.gate <- struct{}{} // the page that is under way
			close(b.api.gate)
			_, _ = b.settled("hopper")
			a.Expect(a.api.Cursors()).To(gomega.Equal([]string{"", "page-1"}))
			a.Expect(b.api.Cursors()).To(gomega.Equal([]string{"page-2"}))
		},
		"a reading that nobody else waits for ends": func(_ *testing.T, a, _ *tenant) {
			a.loads("hopper")
			a.dir.Forget(a.ws.Credential)
			a.Expect(a.wakes("a/hopper")()).To(gomega.Equal(1), "who waited is woken")
			a.Expect(a.dir.Stats()[0].Loading).To(gomega.BeFalse())
			close(a.api.gate)
			a.Consistently(func() int { return len(a.api.Cursors()) }, "50ms").Should(gomega.BeNumerically("<=", 1))
		},
		"no timer reads for it": func(t *testing.T, a, _ *tenant) {
			close(a.api.gate)
			if _, err := a.settled("nobody"); !errors.As(err, new(*NotFoundError)) {
				t.Fatal(err)
			}
			a.ticking()
			a.dir.Forget(a.ws.Credential)
			a.Eventually(a.clock.Waiters).Should(gomega.Equal(1), "timers but for the sweep")
			a.clock.Step(4 * time.Minute)
			a.Expect(a.api.Cursors()).To(gomega.HaveLen(3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := twoTenants(t)
			row(t, a, b)
		})
	}
}

// A list without an end is given up, for all who wait.
func TestAListWithoutAnEnd(t *testing.T) {
	a, b := twoTenants(t)
	loop := &looping{gate: make(chan struct{})}
	a.ws.API, b.ws.API = loop, loop
	a.loads("nobody")
	b.loads("nobody")
	close(loop.gate)
	for _, c := range []*tenant{a, b} {
		if _, err := c.settled("nobody"); err == nil || !containsText(err, "the list does not end") {
			t.Errorf("%s: %v, want that the list does not end", c.ws.Namespace, err)
		}
	}
	a.Expect(loop.calls).To(gomega.Equal(2))
}

// looping gives the same cursor for ever.
type looping struct {
	slack.API
	gate  chan struct{}
	calls int
}

func (l *looping) ListUsers(context.Context, string, int) ([]slack.User, string, error) {
	<-l.gate
	l.calls++
	return acme[:1], "again", nil
}

// Slots are those of the namespace, and no two callers share one by chance.
func TestWhoAsksForSlots(t *testing.T) {
	api := newFake(acme)
	api.info["C0000001"] = slack.Conversation{ID: "C0000001", Name: "general"}
	bench := newBench(t, api)
	a, b := bench.tenant("a", api), bench.tenant("b", api)
	_, _ = a.settled("ada")
	for _, c := range []*tenant{a, b} {
		for _, id := range []string{"C0000001", "C0000002"} {
			_, _ = bench.dir.FindConversation(t.Context(), c.ws, id, "o")
		}
		for _, id := range []string{"U0000001", "U0000002"} {
			_, _ = bench.dir.DirectMessage(t.Context(), c.ws, id, "o")
		}
		_, _ = bench.dir.FindUser(t.Context(), c.ws, Query{Email: c.ws.Namespace + "@example.com"}, "o")
		_, _ = bench.dir.FindGroup(t.Context(), c.ws, "nobody", "o")
		bench.clock.Step(time.Minute) // what is refused is asked for again
	}
	for method, holders := range bench.limit.holders {
		names := map[string]bool{}
		for _, h := range holders {
			if h.Group != "a" && h.Group != "b" || names[h.Name] {
				t.Errorf("%s: holders %+v, want distinct names and their namespaces", method, holders)
			}
			names[h.Name] = true
		}
	}
	methods := []string{slack.MethodUsersList, slack.MethodConversationInfo, slack.MethodConversationsOpen, slack.MethodLookupByEmail, slack.MethodUserGroupsList}
	for _, m := range methods {
		if len(bench.limit.holders[m]) == 0 {
			t.Errorf("nobody asked for a slot of %s", m)
		}
	}
	groups := func(method string) (out []string) {
		for _, h := range bench.limit.holders[method] {
			out = append(out, h.Group)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	bench.Expect(groups(slack.MethodLookupByEmail)).To(gomega.Equal([]string{"a", "b"}))
}

func containsText(err error, text string) bool { return strings.Contains(err.Error(), text) }
