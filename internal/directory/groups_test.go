package directory

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

var acmeGroups = []slack.UserGroup{
	{ID: "S0000001", Handle: "oncall", Name: "On call"},
	{ID: "S0000002", Handle: "Ops-Team", Name: "Operations"},
	{ID: "S0000009"},
}

func groupBench(t *testing.T, change ...func(*Options)) *bench {
	api := newFake(acme)
	api.groups = acmeGroups
	return newBench(t, api, change...)
}

func (b *bench) group(handle string) (slack.UserGroup, error) {
	return b.dir.FindGroup(b.t.Context(), b.ws, handle, "owner-"+handle)
}

func (b *bench) groupCalls() int { return b.api.Calls(slack.MethodUserGroupsList) }

func TestFindGroup(t *testing.T) {
	b := groupBench(t)
	for _, c := range []struct{ handle, id string }{
		{"oncall", "S0000001"}, {"@oncall", "S0000001"}, {" OnCall ", "S0000001"}, {"ops-team", "S0000002"}, {"nobody", ""}, {"On call", ""}, {"", ""},
	} {
		g, err := b.group(c.handle)
		if c.id != "" && (err != nil || g.ID != c.id) {
			t.Errorf("%q: %+v, %v", c.handle, g, err)
		}
		if c.id == "" && !errors.As(err, new(*NotFoundError)) {
			t.Errorf("%q: %+v, %v", c.handle, g, err)
		}
	}
	_, err := b.group("@nobody")
	b.Expect(err).To(gomega.MatchError(`no user group "@nobody" in workspace Acme (T1): check the handle, and that the group is not disabled`))
	b.Expect(b.groupCalls()).To(gomega.Equal(1), "one list for all")
}

// One list serves everybody, whatever the token.
func TestOneListOfGroupsForAWorkspace(t *testing.T) {
	b := groupBench(t)
	b.api.gate = make(chan struct{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if g, err := b.group("oncall"); err != nil || g.ID != "S0000001" {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
	close(b.api.gate)
	wg.Wait()
	other := b.ws
	other.Credential = "c2"
	_, err := b.dir.FindGroup(t.Context(), other, "oncall", "o")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(b.groupCalls()).To(gomega.Equal(1))
	other.Key = slack.SharedDomain().Workspace("T2", "UBOT")
	_, err = b.dir.FindGroup(t.Context(), other, "oncall", "o")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(b.groupCalls()).To(gomega.Equal(2))
}

func TestGroupsAreReadAgain(t *testing.T) {
	b := groupBench(t)
	_, _ = b.group("oncall")
	b.clock.Step(9 * time.Minute)
	_, _ = b.group("oncall")
	b.Expect(b.groupCalls()).To(gomega.Equal(1), "younger than ten minutes")
	b.clock.Step(2 * time.Minute)
	_, _ = b.group("oncall")
	b.Expect(b.groupCalls()).To(gomega.Equal(2), "older than ten minutes")
}

func TestMissingGroup(t *testing.T) {
	b := groupBench(t)
	for range 20 {
		if _, err := b.group("new"); !errors.As(err, new(*NotFoundError)) {
			t.Fatal(err)
		}
	}
	b.Expect(b.groupCalls()).To(gomega.Equal(1), "within the first minute")
	b.clock.Step(time.Minute)
	_, _ = b.group("other")
	b.Expect(b.groupCalls()).To(gomega.Equal(2), "once a minute")
	b.Expect(b.wakes("owner-new")()).To(gomega.Equal(1), "whoever missed one is woken by a refresh")
	b.Expect(b.wakes("owner-other")()).To(gomega.BeZero(), "who asked has the answer")

	b.api.mu.Lock()
	b.api.groups = append(acmeGroups[:3:3], slack.UserGroup{ID: "S0000003", Handle: "new"})
	b.api.mu.Unlock()
	b.clock.Step(time.Minute)
	g, err := b.group("new")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(g.ID).To(gomega.Equal("S0000003"))
}

// A missing scope isn't asked about by every notification, and is not held
// against another token.
func TestRefusedGroups(t *testing.T) {
	b := groupBench(t)
	b.api.NextErr(slack.MethodUserGroupsList, &slack.Error{Class: slack.ClassMissingScope, Code: "missing_scope", Needed: "usergroups:read"})
	for range 20 {
		_, err := b.group("oncall")
		if e := slack.AsError(err); e == nil || e.Class != slack.ClassMissingScope {
			t.Fatal(err)
		}
	}
	b.Expect(b.groupCalls()).To(gomega.Equal(1))
	first := b.ws
	b.ws.Credential = "c2"
	_, err := b.group("nobody")
	b.Expect(errors.As(err, new(*NotFoundError))).To(gomega.BeTrue(), "%v", err)
	b.ws = first
	b.clock.Step(time.Minute)
	_, err = b.group("oncall")
	b.Expect(err).NotTo(gomega.HaveOccurred())
}

func TestFailuresOfTheGroups(t *testing.T) {
	b := groupBench(t)
	b.api.NextErr(slack.MethodUserGroupsList,
		&slack.Error{Class: slack.ClassRateLimited, RetryAfter: 7 * time.Second}, &slack.Error{Class: slack.ClassUnavailable, Code: "service_unavailable"})
	_, err := b.group("oncall")
	var wait *WaitError
	b.Expect(errors.As(err, &wait)).To(gomega.BeTrue(), "%v", err)
	b.Expect(wait.At).To(gomega.Equal(b.clock.Now().Add(7 * time.Second)))
	b.Expect(b.limit.penalties).To(gomega.Equal([]time.Duration{7 * time.Second}))
	_, err = b.group("oncall")
	b.Expect(slack.ClassOf(err)).To(gomega.Equal(slack.ClassUnavailable))
	_, err = b.group("oncall")
	b.Expect(err).NotTo(gomega.HaveOccurred(), "what passes is tried again at once")

	// An old list goes on answering while it can't be read again.
	b.clock.Step(50 * time.Minute)
	b.api.NextErr(slack.MethodUserGroupsList, &slack.Error{Class: slack.ClassUnavailable})
	g, err := b.group("oncall")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(g.ID).To(gomega.Equal("S0000001"))
}

// All who wait for the groups share one slot.
func TestGroupsWaitForTheirSlot(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limiter := pacing.NewLimiter(pacing.LimiterOptions{Methods: map[string][]pacing.Limit{
		slack.MethodUserGroupsList: {{Events: 1, Per: time.Minute}},
	}})
	b := groupBench(t, func(o *Options) { o.Limiter = limiter; o.MissEvery = time.Second })
	_, _ = b.group("oncall")
	b.clock.Step(10 * time.Second)
	for _, handle := range []string{"a", "b", "c"} {
		_, err := b.group(handle)
		var wait *WaitError
		b.Expect(errors.As(err, &wait)).To(gomega.BeTrue(), "%v", err)
		b.Expect(wait.At).To(gomega.Equal(start.Add(time.Minute)))
	}
	b.clock.Step(50 * time.Second)
	for _, handle := range []string{"c", "a", "b"} {
		if _, err := b.group(handle); !errors.As(err, new(*NotFoundError)) {
			t.Error(err)
		}
	}
	b.Expect(b.groupCalls()).To(gomega.Equal(2))
}
