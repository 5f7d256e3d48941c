package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// evil answers in the place of the workspace T1, with its own people and
// channels under the names of others'.
func evil() *fakeAPI {
	f := newFake([]slack.User{{ID: "UEVIL0000", Name: "ada", RealName: "Ada", Email: "ada@example.com"}})
	f.convs = [][]slack.Conversation{{{ID: "CEVIL0000", Name: "alerts"}}}
	f.groups = []slack.UserGroup{{ID: "SEVIL0000", Handle: "oncall"}}
	f.byEmail["ada@example.com"] = slack.User{ID: "UEVIL0000", Name: "ada"}
	f.byEmail["grace@example.com"] = slack.User{ID: "UEVIL0001", Name: "grace"}
	f.info["C0000001"] = slack.Conversation{ID: "C0000001", Name: "stolen", Archived: true}
	return f
}

// What a tenant's own server says of a workspace is told to nobody but him.
func TestAClaimedWorkspaceAnswersNobodyElse(t *testing.T) {
	api := newFake([]slack.User{{ID: "UADA0000", Name: "ada", RealName: "Ada", Email: "ada@example.com"}})
	api.convs = [][]slack.Conversation{{{ID: "C0000001", Name: "alerts", Member: true}}}
	api.groups = []slack.UserGroup{{ID: "S0000001", Handle: "oncall"}}
	api.byEmail["grace@example.com"] = slack.User{ID: "UGRACE00", Name: "grace"}
	api.info["C0000001"] = slack.Conversation{ID: "C0000001", Name: "alerts", Member: true}
	b := newBench(t, api)
	claim := b.ws
	claim.Key = slack.PrivateDomain("evil").Workspace("T1", "UBOT")
	claim.API, claim.Credential, claim.Namespace = evil(), "evil", "evil"
	ctx := t.Context()

	// He asks first, so that his answers are in every cache.
	for _, ask := range []func() (any, error){
		func() (any, error) { return b.dir.FindUser(ctx, claim, Query{User: "ada"}, "e") },
		func() (any, error) { return b.dir.FindUser(ctx, claim, Query{Email: "grace@example.com"}, "e") },
		func() (any, error) { return b.dir.FindConversation(ctx, claim, "#alerts", "e") },
		func() (any, error) { return b.dir.FindGroup(ctx, claim, "oncall", "e") },
	} {
		_, err := settle(b, ask)
		b.Expect(err).NotTo(gomega.HaveOccurred())
	}
	_, _ = b.dir.FindConversation(ctx, claim, "C0000001", "e")
	b.dir.RememberDirectMessage(claim, "UADA0000", "DEVIL0000")
	b.dir.Remember(claim, slack.Conversation{ID: "CEVIL0000", Name: "alerts"})

	user, err := settle(b, func() (slack.User, error) { return b.find("ada") })
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(user.ID).To(gomega.Equal("UADA0000"), "by handle")
	user, err = b.email("grace@example.com")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(user.ID).To(gomega.Equal("UGRACE00"), "by e-mail address")
	found, err := settle(b, func() (slack.Conversation, error) { return b.dir.FindConversation(ctx, b.ws, "#alerts", "o") })
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(found.ID).To(gomega.Equal("C0000001"), "by channel name")
	found, err = b.dir.FindConversation(ctx, b.ws, "C0000001", "o")
	b.Expect(err).NotTo(gomega.HaveOccurred(), "by channel ID")
	b.Expect(found.Name).To(gomega.Equal("alerts"))
	group, err := b.dir.FindGroup(ctx, b.ws, "oncall", "o")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(group.ID).To(gomega.Equal("S0000001"), "by group handle")
	_, known := b.dir.KnownDirectMessage(b.ws, "UADA0000")
	b.Expect(known).To(gomega.BeFalse(), "the tenant's direct message is nobody else's")

	// What he says of a conversation makes nobody ask anew.
	asked := api.Calls(slack.MethodConversationInfo)
	b.dir.Invalidate(claim.Key, "C0000001")
	_, _ = b.dir.FindConversation(ctx, b.ws, "C0000001", "o")
	b.Expect(api.Calls(slack.MethodConversationInfo)).To(gomega.Equal(asked), "a tenant's contradiction is his own")

	// People see which workspace is meant, and no trust domain.
	_, err = settle(b, func() (slack.User, error) { return b.dir.FindUser(ctx, claim, Query{User: "nobody"}, "e") })
	b.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring("Acme (T1)"), gomega.Not(gomega.ContainSubstring("evil")))))
}

// Who finds too many waiting for a server is told to come again, also when an
// equal question is under way, for whose answer it would wait.
func TestFewWaitForATenantsServer(t *testing.T) {
	const most = 3
	inside := make(chan struct{}, most)
	api := evil()
	api.gate = make(chan struct{})
	b := newBench(t, api, func(o *Options) {
		o.Enter = func(d slack.Domain) func() {
			select {
			case inside <- struct{}{}:
				return func() { <-inside }
			default:
				return nil
			}
		}
	})
	b.ws.Key = slack.PrivateDomain("evil").Workspace("T1", "UBOT")
	var group sync.WaitGroup
	for range most {
		group.Go(func() { _, _ = b.dir.FindConversation(t.Context(), b.ws, "C0000001", "o") })
	}
	b.Eventually(func() int { return len(inside) }).Should(gomega.Equal(most))
	for name, ask := range map[string]func() (any, error){
		"a conversation":    func() (any, error) { return b.dir.FindConversation(t.Context(), b.ws, "C0000001", "o") },
		"an e-mail address": func() (any, error) { return b.email("grace@example.com") },
		"a group":           func() (any, error) { return b.dir.FindGroup(t.Context(), b.ws, "oncall", "o") },
		"a direct message":  func() (any, error) { return b.dir.DirectMessage(t.Context(), b.ws, "UADA0000", "o") },
	} {
		_, err := ask()
		var wait *WaitError
		b.Expect(errors.As(err, &wait)).To(gomega.BeTrue(), "%s: got %v, want to be told to come again", name, err)
		b.Expect(wait.At.After(b.clock.Now())).To(gomega.BeTrue(), name)
	}
	close(api.gate)
	group.Wait()
	b.Expect(inside).To(gomega.BeEmpty(), "who has an answer makes room")
}

// endless is a server that goes on for ever, with a new cursor each time.
type endless struct {
	slack.API
	n atomic.Int64
}

func (e *endless) ListUsers(context.Context, string, int) ([]slack.User, string, error) {
	page := make([]slack.User, 10_000)
	for i := range page {
		page[i] = slack.User{ID: fmt.Sprintf("U%09d", e.n.Add(1)), Name: strings.Repeat("x", 300), RealName: strings.Repeat("y", 300)}
	}
	return page, fmt.Sprint(e.n.Load()), nil
}

// A tenant's lists take what one namespace may, however many workspaces his server
// claims to be; the others' go on.
func TestATenantsListsHaveAnEnd(t *testing.T) {
	b := newBench(t, newFake([]slack.User{{ID: "UADA0000", Name: "ada"}}))
	server := &endless{}
	read := int64(0)
	for i := range 3 {
		ws := b.ws
		ws.Key, ws.API, ws.Credential = slack.PrivateDomain("evil").Workspace(fmt.Sprint("T", i), "UBOT"), server, fmt.Sprint("evil", i)
		_, err := settle(b, func() (slack.User, error) { return b.dir.FindUser(t.Context(), ws, Query{User: "ada"}, "e") })
		b.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("24 MiB")))
		if now := server.n.Load(); now-read > maxPrivateWeight/600+10_000 {
			t.Errorf("%d entries were read of the list %d", now-read, i)
		}
		read = server.n.Load()
	}
	user, err := settle(b, func() (slack.User, error) { return b.find("ada") })
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Expect(user.ID).To(gomega.Equal("UADA0000"))
}
