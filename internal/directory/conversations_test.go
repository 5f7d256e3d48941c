package directory

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func (b *bench) channel(ref string) (slack.Conversation, error) {
	return settle(b, func() (slack.Conversation, error) {
		return b.dir.FindConversation(b.t.Context(), b.ws, ref, "owner-"+ref)
	})
}

func channels() *fakeAPI {
	api := newFake()
	api.convs = [][]slack.Conversation{
		{{ID: "C0000001", Name: "general"}, {ID: "C0000002", Name: "alerts", Archived: true}},
		{{ID: "C0000003", Name: "alerts"}, {ID: "C0000004", Name: "old", Archived: true}, {ID: "G0000005", Name: "ops", Private: true, Member: true}},
	}
	for _, page := range api.convs {
		for _, c := range page {
			api.info[c.ID] = c
		}
	}
	return api
}

func TestFindConversation(t *testing.T) {
	b := newBench(t, channels())
	for ref, id := range map[string]string{"#general": "C0000001", "general": "C0000001", " #General": "C0000001", "alerts": "C0000003", "ops": "G0000005", "C0000001": "C0000001"} {
		if c, err := b.channel(ref); err != nil || c.ID != id {
			t.Errorf("%q: %+v, %v", ref, c, err)
		}
	}
	if c, err := b.channel("#old"); !errors.As(err, new(*ArchivedError)) || c.ID != "C0000004" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := b.channel("#nowhere"); !errors.As(err, new(*NotFoundError)) || !strings.Contains(err.Error(), `"#nowhere"`) {
		t.Error(err)
	}
	if _, err := b.channel("C9999999"); slack.ClassOf(err) != slack.ClassChannelNotFound {
		t.Error(err)
	}
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(2))
}

// Who answers may not know conversations.info; the list tells as well.
func TestConversationsThatCannotBeAskedFor(t *testing.T) {
	b := newBench(t, channels())
	b.api.Always(slack.MethodConversationInfo, &slack.Error{Class: slack.ClassAmbiguous, Code: "http_404", Unserved: true})
	find := func(ref string) (slack.Conversation, error) {
		return settle(b, func() (slack.Conversation, error) { return b.channel(ref) })
	}
	for range 2 { // the second time Slack has contradicted the list
		for _, ref := range []string{"C0000001", "general"} {
			if c, err := find(ref); err != nil || c.Name != "general" {
				t.Errorf("%s: %+v, %v", ref, c, err)
			}
		}
		for _, ref := range []string{"C0000004", "#old"} {
			if c, err := find(ref); !errors.As(err, new(*ArchivedError)) || c.ID != "C0000004" {
				t.Errorf("%s: %+v, %v", ref, c, err)
			}
		}
		b.dir.Invalidate(b.ws.Key, "C0000001")
	}
	if _, err := find("C9999999"); !errors.As(err, new(*NotFoundError)) {
		t.Error(err)
	}
}

func TestConversationIsAskedForOnce(t *testing.T) {
	b := newBench(t, channels())
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := b.dir.FindConversation(t.Context(), b.ws, "C0000001", fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.Expect(b.api.Calls(slack.MethodConversationInfo)).To(gomega.Equal(1))
	b.dir.Invalidate(b.ws.Key, "C0000001")
	_, _ = b.channel("C0000001")
	b.Expect(b.api.Calls(slack.MethodConversationInfo)).To(gomega.Equal(2), "what Slack contradicts is asked anew")
	b.clock.Step(10 * time.Minute)
	_, _ = b.channel("C0000001")
	b.Expect(b.api.Calls(slack.MethodConversationInfo)).To(gomega.Equal(3), "and what is old")
}

// A channel of the list that Slack then contradicts is asked for by ID.
func TestDoubtedChannel(t *testing.T) {
	b := newBench(t, channels())
	_, err := b.channel("#general")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.api.info["C0000001"] = slack.Conversation{ID: "C0000001", Name: "general", Archived: true}
	b.dir.Invalidate(b.ws.Key, "C0000001")
	if _, err := b.channel("#general"); !errors.As(err, new(*ArchivedError)) {
		t.Error(err)
	}
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(2), "without reading the list again")
}

func TestWithoutTheScopeForPrivateChannels(t *testing.T) {
	api := channels()
	api.private = false
	b := newBench(t, api)
	if c, err := b.channel("#general"); err != nil || c.ID != "C0000001" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestDirectMessage(t *testing.T) {
	b := newBench(t, newFake(), func(o *Options) { o.MaxDirectMessages = 3 })
	open := func(user string) (string, error) { return b.dir.DirectMessage(t.Context(), b.ws, user, "o") }
	for range 3 {
		if id, err := open("U0000001"); err != nil || id != "D0000001" {
			t.Errorf("%q %v", id, err)
		}
	}
	b.Expect(b.api.Calls(slack.MethodConversationsOpen)).To(gomega.Equal(1))
	b.dir.Invalidate(b.ws.Key, "D0000001")
	_, _ = open("U0000001")
	b.Expect(b.api.Calls(slack.MethodConversationsOpen)).To(gomega.Equal(2))
	for i := range 10 {
		_, _ = open(fmt.Sprintf("U000001%d", i))
	}
	b.Expect(len(b.dir.dms)).To(gomega.Equal(3), "no more than are to be kept")

	b.api.NextErr(slack.MethodConversationsOpen, &slack.Error{Class: slack.ClassRateLimited, RetryAfter: 9 * time.Second})
	_, err := open("U0000077")
	var wait *WaitError
	b.Expect(errors.As(err, &wait)).To(gomega.BeTrue())
	b.Expect(wait.At.Sub(b.clock.Now())).To(gomega.Equal(9 * time.Second))
	b.api.NextErr(slack.MethodConversationsOpen, &slack.Error{Class: slack.ClassUserDeactivated, Code: "user_disabled"})
	if _, err := open("U0000078"); slack.ClassOf(err) != slack.ClassUserDeactivated {
		t.Error(err)
	}
	other := b.ws
	other.Key = slack.SharedDomain().Workspace("T1", "UOTHER")
	calls := b.api.Calls(slack.MethodConversationsOpen)
	_, _ = b.dir.DirectMessage(t.Context(), other, "U0000019", "o")
	b.Expect(b.api.Calls(slack.MethodConversationsOpen)).To(gomega.Equal(calls+1), "another bot has conversations of its own")
}

func TestStats(t *testing.T) {
	api := channels()
	api.users = [][]slack.User{acme}
	b := newBench(t, api)
	b.loaded()
	_, _ = b.channel("#general")
	got := b.dir.Stats()
	b.Expect(got).To(gomega.HaveLen(2))
	b.Expect(got[0].List).To(gomega.Equal("conversations"))
	b.Expect(got[0].Entries).To(gomega.Equal(5))
	b.Expect(got[1].Entries).To(gomega.Equal(len(acme)))
	b.Expect(got[1].LoadedAt).To(gomega.Equal(b.clock.Now()))
}
