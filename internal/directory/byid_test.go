package directory

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// manyChannels are n channels on pages of 50.
func manyChannels(n int) *fakeAPI {
	api := newFake()
	for i := range n {
		c := slack.Conversation{ID: fmt.Sprintf("C%07d", i), Name: fmt.Sprintf("team-%d", i), Member: true}
		if i%50 == 0 {
			api.convs = append(api.convs, nil)
		}
		last := len(api.convs) - 1
		api.convs[last] = append(api.convs[last], c)
		api.info[c.ID] = c
	}
	return api
}

// Of many channels that are asked for by ID, most are answered by the list, at
// once and whenever they are asked for again.
func TestManyIDsAreAnsweredByTheList(t *testing.T) {
	b := newBench(t, manyChannels(500))
	ask := func(rounds int) {
		for range rounds {
			for i := range 500 {
				if i == manyIDs {
					b.read() // else the calls are faster than the list
				}
				id := fmt.Sprintf("C%07d", i)
				c, err := b.channel(id)
				if err != nil || c.ID != id || c.Name != fmt.Sprintf("team-%d", i) || !c.Member {
					t.Fatalf("%s: %+v, %v", id, c, err)
				}
			}
			b.clock.Step(10 * time.Minute)
			_, _ = b.channel("C0000000")
			b.read()
		}
	}
	ask(1)
	first := b.api.Calls(slack.MethodConversationInfo)
	if first > 60 {
		t.Errorf("%d calls of conversations.info for 500 channels, want few beyond %d", first, manyIDs)
	}
	ask(5)
	if again := b.api.Calls(slack.MethodConversationInfo) - first; again > 0 {
		t.Errorf("%d calls of conversations.info more in an hour, want none", again)
	}
	t.Logf("500 channels by ID, checked 6 times: %d calls of conversations.info, %d of conversations.list",
		b.api.Calls(slack.MethodConversationInfo), b.api.Calls(slack.MethodConversationsList))
}

// read has a reading of the list of channels that is under way come to its end.
func (b *bench) read() {
	b.t.Helper()
	b.Eventually(func() bool {
		b.clock.Step(time.Second)
		b.dir.mu.Lock()
		defer b.dir.mu.Unlock()
		return b.dir.convs[b.ws.Key].reading == nil
	}).Should(gomega.BeTrue(), "the list of channels is read to its end")
}

// What the list does not tell, and what Slack contradicts, is asked for.
func TestIDsBeyondTheList(t *testing.T) {
	b := newBench(t, manyChannels(100))
	for i := range 100 {
		_, _ = b.channel(fmt.Sprintf("C%07d", i))
	}
	b.api.info["C0SHARED00"] = slack.Conversation{ID: "C0SHARED00", Name: "shared"}
	if c, err := b.channel("C0SHARED00"); err != nil || c.Name != "shared" {
		t.Errorf("%+v, %v, want the channel that the list does not have", c, err)
	}
	if _, err := b.channel("C0NOWHERE0"); slack.ClassOf(err) != slack.ClassChannelNotFound {
		t.Errorf("%v, want channel_not_found", err)
	}
	b.api.info["C0000007"] = slack.Conversation{ID: "C0000007", Name: "team-7", Archived: true}
	if _, err := b.channel("C0000007"); err != nil {
		t.Errorf("%v: the list holds until Slack contradicts it", err)
	}
	b.dir.Invalidate(b.ws.Key, "C0000007")
	if _, err := b.channel("C0000007"); !errors.As(err, new(*ArchivedError)) {
		t.Errorf("%v, want that it is archived", err)
	}
}

// Few IDs cost a call each, and no list.
func TestFewIDsReadNoList(t *testing.T) {
	b := newBench(t, manyChannels(500))
	for range 6 {
		for i := range manyIDs - 1 {
			_, _ = b.channel(fmt.Sprintf("C%07d", i))
		}
		b.clock.Step(10 * time.Minute)
	}
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(0))
}
