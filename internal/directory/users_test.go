package directory

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

var acme = []slack.User{
	{ID: "U0000001", Name: "yueh.liu", DisplayName: "yueh", RealName: "Yueh Liu", Email: "yueh@example.com"},
	{ID: "U0000002", Name: "ada", DisplayName: "Countess", RealName: "Ada Lovelace", Email: "Ada@Example.com"},
	{ID: "U0000003", Name: "sam.one", DisplayName: "Sam", RealName: "Sam One"},
	{ID: "U0000004", Name: "sam.two", DisplayName: "sam", RealName: "Sam Two"},
	{ID: "U0000005", Name: "gone", DisplayName: "gone", RealName: "Gone Away", Deleted: true, Email: "gone@example.com"},
	{ID: "U0000006", Name: "botty", RealName: "Bot Ty", Bot: true},
	{ID: "U0000007", Name: "countess", RealName: "Other Person"},
	{ID: "U0000008", Name: "ex.grace", DisplayName: "Grace", Deleted: true},
	{ID: "U0000009", Name: "grace.h", DisplayName: "Grace", RealName: "Grace Hopper"},
	{ID: "U0000010", Name: "deploy", RealName: "Deploy", Bot: true},
	{ID: "U0000011", Name: "d.ploy", RealName: "Deploy"},
	{ID: "U0000012", Name: "ünal", DisplayName: "Ünal", RealName: "Ünal Öz"},
	{ID: "U0000013", Name: "", DisplayName: "", RealName: ""},
	{ID: "U0000014", Name: "hopper", Deleted: true},
	{ID: "U0000015", Name: "h.opper", DisplayName: "Hopper"},
}

func TestFindUser(t *testing.T) {
	b := newBench(t, newFake(acme[:5], acme[5:]))
	for _, c := range []struct{ ref, id, says string }{
		{"yueh.liu", "U0000001", ""},
		{"@yueh.liu", "U0000001", ""},
		{" YUEH.LIU ", "U0000001", ""},
		{"Yueh Liu", "U0000001", ""},
		{"yueh", "U0000001", ""},
		{"U0000001", "U0000001", ""},
		{"ÜNAL", "U0000012", ""},
		// A handle goes before a display name.
		{"countess", "U0000007", ""},
		// Who has left does not make a name ambiguous, nor does a bot.
		{"Grace", "U0000009", ""},
		{"hopper", "U0000015", ""},
		{"Deploy ", "", "is a bot"},
		{"Sam", "", `2 users in workspace Acme (T1) are called "Sam": Sam One (@sam.one, U0000003), Sam Two (@sam.two, U0000004); give the handle or the ID of one`},
		{"gone", "", "is deactivated"},
		{"U0000005", "", "is deactivated"},
		{"botty", "", "bots can't be sent direct messages"},
		{"nobody", "", `no user "nobody" in workspace Acme (T1): give the handle, the e-mail address, or the ID`},
		{"", "", "no user"},
		{"U9999999", "U9999999", ""}, // Slack decides
	} {
		u, err := settle(b, func() (slack.User, error) { return b.find(c.ref) })
		if c.says == "" && (err != nil || u.ID != c.id) {
			t.Errorf("%q: %+v, %v", c.ref, u, err)
		}
		if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q: %v, want %q", c.ref, err, c.says)
		}
	}
}

// A lookup is answered as soon as the page that has it has come.
func TestAnsweredByTheFirstPageThatHasIt(t *testing.T) {
	api := newFake(acme[:2], acme[2:5], acme[5:])
	api.gate = make(chan struct{})
	b := newBench(t, api)
	for _, name := range []string{"yueh.liu", "sam.one", "nobody"} {
		var loading *LoadingError
		_, err := b.find(name)
		b.Expect(errors.As(err, &loading)).To(gomega.BeTrue(), "%s: %v", name, err)
	}
	api.gate <- struct{}{}
	b.Eventually(b.wakes("owner-yueh.liu")).Should(gomega.Equal(1))
	u, err := b.find("yueh.liu")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(u.ID).To(gomega.Equal("U0000001"))
	b.Expect(b.wakes("owner-sam.one")()).To(gomega.BeZero())
	api.gate <- struct{}{}
	b.Eventually(b.wakes("owner-sam.one")).Should(gomega.Equal(1))
	// A display name may turn up twice, so it has to wait for the end.
	_, err = b.find("Countess")
	b.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("waits for the users of workspace Acme")))
	close(api.gate)
	b.Eventually(b.wakes("owner-nobody")).Should(gomega.Equal(1))
	b.Expect(api.Calls(slack.MethodUsersList)).To(gomega.Equal(3))
}

// Who looks for several is woken by the first page that has any of them.
func TestOwnerOfSeveralLookups(t *testing.T) {
	api := newFake(acme[:2], acme[2:5], acme[5:])
	api.gate = make(chan struct{})
	b := newBench(t, api)
	for _, name := range []string{"yueh.liu", "sam.one", "nobody"} {
		_, err := b.dir.FindUser(t.Context(), b.ws, Query{User: name}, "one")
		b.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("waits for")))
	}
	api.gate <- struct{}{}
	b.Eventually(b.wakes("one")).Should(gomega.Equal(1))
	close(api.gate)
}

// One list serves everybody, whatever the token.
func TestOneListForAWorkspace(t *testing.T) {
	api := newFake(acme)
	b := newBench(t, api)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			ws := b.ws
			ws.Credential = fmt.Sprint("token", i%3)
			_, err := settle(b, func() (slack.User, error) {
				return b.dir.FindUser(t.Context(), ws, Query{User: "ada"}, fmt.Sprint("o", i))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.Expect(api.Calls(slack.MethodUsersList)).To(gomega.Equal(1))
	other := b.ws
	other.Key = slack.SharedDomain().Workspace("T2", "UBOT")
	_, _ = b.dir.FindUser(t.Context(), other, Query{User: "ada"}, "o")
	b.Eventually(func() int { return api.Calls(slack.MethodUsersList) }).Should(gomega.Equal(2))
}

func (b *bench) loads() int { return b.api.Calls(slack.MethodUsersList) }

func (b *bench) loaded() {
	b.t.Helper()
	_, _ = settle(b, func() (slack.User, error) { return b.find("ada") })
}

// For somebody who is not there the list is read again at most once a minute,
// and from then on every 10 minutes.
func TestMissingNameRefreshes(t *testing.T) {
	b := newBench(t, newFake(acme))
	b.loaded()
	for range 50 {
		if _, err := b.find("newcomer"); !errors.As(err, new(*NotFoundError)) {
			t.Fatal(err)
		}
	}
	b.Expect(b.loads()).To(gomega.Equal(1), "within the first minute")
	b.ticking()
	b.clock.Step(time.Minute)
	b.Eventually(b.wakes("owner-newcomer")).Should(gomega.Equal(1), "the owner is woken by the refresh")
	b.Expect(b.loads()).To(gomega.Equal(2))

	_, _ = b.find("newcomer")
	b.ticking()
	b.clock.Step(5 * time.Minute)
	_, _ = b.find("newcomer")
	b.Consistently(b.loads, "100ms").Should(gomega.Equal(2), "the same name makes no further refresh")

	b.api.mu.Lock()
	b.api.users = [][]slack.User{append(acme[:len(acme):len(acme)], slack.User{ID: "U0000099", Name: "newcomer"})}
	b.api.mu.Unlock()
	b.clock.Step(5 * time.Minute)
	b.Eventually(b.wakes("owner-newcomer")).Should(gomega.BeNumerically(">=", 2), "the owner is woken again")
	u, err := b.find("newcomer")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(u.ID).To(gomega.Equal("U0000099"))
}

func TestOldListIsReadAgainAndAnswersMeanwhile(t *testing.T) {
	b := newBench(t, newFake(acme))
	b.loaded()
	b.clock.Step(9 * time.Minute)
	b.loaded()
	b.Expect(b.loads()).To(gomega.Equal(1))
	b.clock.Step(2 * time.Minute)
	if _, err := b.find("ada"); err != nil {
		t.Errorf("while the list is read again: %v", err)
	}
	b.Eventually(b.loads).Should(gomega.Equal(2))
}

func TestFailuresOfTheList(t *testing.T) {
	b := newBench(t, newFake(acme[:3], acme[3:6], acme[6:]))
	b.api.NextErr(slack.MethodUsersList, &slack.Error{Class: slack.ClassRateLimited, RetryAfter: 7 * time.Second})
	_, err := settle(b, func() (slack.User, error) { return b.find("grace.h") })
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(b.limit.penalties).To(gomega.Equal([]time.Duration{7 * time.Second}))
	b.Expect(b.api.cursors).To(gomega.Equal([]string{"", "page-1", "page-2"}))

	// A cursor that has expired: from the beginning.
	b.api.Reset()
	b.clock.Step(11 * time.Minute)
	b.loaded()
	b.Eventually(b.loads).Should(gomega.Equal(3))
	b.api.Reset()
	b.api.mu.Lock()
	b.api.nextErr[slack.MethodUsersList] = []error{nil, &slack.Error{Class: slack.ClassInvalidCursor}}
	b.api.mu.Unlock()
	b.clock.Step(11 * time.Minute)
	b.loaded()
	b.Eventually(func() []string { b.api.mu.Lock(); defer b.api.mu.Unlock(); return b.api.cursors }).Should(gomega.Equal([]string{"", "", "page-1", "page-2"}))
}

func TestSlackIsDownWhileTheListIsRead(t *testing.T) {
	b := newBench(t, newFake(acme))
	down := &slack.Error{Class: slack.ClassAmbiguous, Code: "http_503"}
	b.api.NextErr(slack.MethodUsersList, down, &slack.Error{Class: slack.ClassAmbiguous, Code: "http_503"})
	_, _ = b.find("ada")
	b.Eventually(func() string { _, err := b.find("ada"); return fmt.Sprint(err) }).Should(gomega.ContainSubstring("http_503"))
	b.Expect(b.wakes("owner-ada")()).To(gomega.BeNumerically("<=", 1), "told of the first failure alone")
	for range 2 {
		b.ticking()
		b.clock.Step(time.Minute)
	}
	b.Eventually(func() error { _, err := b.find("ada"); return err }).Should(gomega.Succeed())
}

// A refusal is told to who asked with that token, and not held against another.
func TestRefusedTokenIsNotHeldAgainstAnother(t *testing.T) {
	b := newBench(t, newFake(acme))
	b.api.NextErr(slack.MethodUsersList, &slack.Error{Class: slack.ClassMissingScope, Code: "missing_scope", Needed: "users:read"})
	_, err := settle(b, func() (slack.User, error) { return b.find("ada") })
	if e := slack.AsError(err); e == nil || e.Class != slack.ClassMissingScope {
		t.Fatalf("%v", err)
	}
	for range 10 {
		_, _ = b.find("ada")
	}
	b.Expect(b.loads()).To(gomega.Equal(1), "a refused token is not tried over and over")
	b.ws.Credential = "c2"
	_, err = settle(b, func() (slack.User, error) { return b.find("ada") })
	b.Expect(err).NotTo(gomega.HaveOccurred())
}

// A page without anybody, but with a cursor, ends no list.
func TestEmptyPagesEndNoList(t *testing.T) {
	api := channels()
	api.users = [][]slack.User{{}, acme[:1], {}, {}, acme[1:], {}}
	api.convs = append([][]slack.Conversation{{}}, append(api.convs, nil, []slack.Conversation{{ID: "C0000077", Name: "late"}})...)
	b := newBench(t, api)
	_, _ = b.find("nobody")
	_, _ = b.channel("#nowhere")
	b.loaded()
	if u, err := b.find("ada"); err != nil || u.ID != "U0000002" {
		t.Errorf("%v, %v, want U0000002", u, err)
	}
	if c, err := b.channel("#late"); err != nil || c.ID != "C0000077" {
		t.Errorf("%v, %v, want C0000077", c, err)
	}
}

// What people type and paste for e-mail addresses.
func TestEmailForms(t *testing.T) {
	for _, ref := range []string{
		"new@example.com", " New@Example.com\n", "mailto:new@example.com", "MAILTO:New@example.com", "<mailto:new@example.com>",
		"<mailto:new@example.com|new@example.com>", "<new@example.com>", "new\uff20example.com", "\u200bnew@example.com",
	} {
		t.Run(ref, func(t *testing.T) {
			api := newFake(nil)
			api.byEmail["new@example.com"] = slack.User{ID: "U0000100", Name: "new"}
			b := newBench(t, api)
			if u, err := b.email(ref); err != nil || u.ID != "U0000100" {
				t.Errorf("%v, %v, want U0000100", u, err)
			}
		})
	}
}

func TestEmail(t *testing.T) {
	api := newFake(acme)
	api.byEmail["new@example.com"] = slack.User{ID: "U0000100", Name: "new"}
	b := newBench(t, api)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if u, err := b.email("New@example.com"); err != nil || u.ID != "U0000100" {
				t.Errorf("%+v %v", u, err)
			}
		})
	}
	wg.Wait()
	b.Expect(api.Calls(slack.MethodLookupByEmail)).To(gomega.Equal(1), "without a list one call for all")
	b.Expect(b.loads()).To(gomega.BeZero(), "an e-mail address loads no list")

	for range 10 {
		if _, err := b.email("nobody@example.com"); !errors.As(err, new(*NotFoundError)) {
			t.Fatal(err)
		}
	}
	b.Expect(api.Calls(slack.MethodLookupByEmail)).To(gomega.Equal(2), "a miss is remembered")
	b.clock.Step(time.Minute)
	_, _ = b.email("nobody@example.com")
	b.Expect(api.Calls(slack.MethodLookupByEmail)).To(gomega.Equal(3), "for a minute")

	b.loaded()
	api.Reset()
	if u, err := b.email("ada@EXAMPLE.com"); err != nil || u.ID != "U0000002" {
		t.Errorf("%+v %v", u, err)
	}
	b.Expect(api.Calls(slack.MethodLookupByEmail)).To(gomega.BeZero(), "the list has it")
	// users.lookupByEmail does not know who has left; the list does.
	if _, err := b.email("gone@example.com"); !errors.As(err, new(*DeactivatedError)) {
		t.Error(err)
	}
}

// Who answers may not know users.lookupByEmail; the list tells as well.
func TestEmailThatCannotBeAskedFor(t *testing.T) {
	b := newBench(t, newFake([]slack.User{{ID: "U0000001", Name: "ada", Email: "ada@example.com"}}))
	b.api.Always(slack.MethodLookupByEmail, &slack.Error{Class: slack.ClassInvalidCall, Code: "unknown_method", Unserved: true})
	find := func(address string) (slack.User, error) {
		return settle(b, func() (slack.User, error) { return b.email(address) })
	}
	if u, err := find("Ada@example.com"); err != nil || u.ID != "U0000001" {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := find("nobody@example.com"); !errors.As(err, new(*NotFoundError)) {
		t.Error(err)
	}
}

func TestEmailWaitsForItsSlot(t *testing.T) {
	limiter := pacing.NewLimiter(pacing.LimiterOptions{Methods: map[string][]pacing.Limit{
		slack.MethodLookupByEmail: {{Events: 1, Per: time.Minute}},
	}})
	b := newBench(t, newFake(), func(o *Options) { o.Limiter = limiter })
	b.api.byEmail["a@example.com"] = slack.User{ID: "U0000001"}
	b.api.byEmail["b@example.com"] = slack.User{ID: "U0000002"}
	_, err := b.email("a@example.com")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	_, err = b.email("b@example.com")
	var wait *WaitError
	b.Expect(errors.As(err, &wait)).To(gomega.BeTrue())
	b.Expect(wait.At).To(gomega.Equal(b.clock.Now().Add(time.Minute)))
	b.clock.Step(time.Minute)
	_, err = b.email("b@example.com")
	b.Expect(err).NotTo(gomega.HaveOccurred())
}
