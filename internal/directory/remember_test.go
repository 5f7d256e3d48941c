package directory

import (
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What was just made is found without a call.
func TestRememberedChannel(t *testing.T) {
	b := newBench(t, channels())
	_, err := b.channel("#general")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.dir.Remember(b.ws, slack.Conversation{ID: "C0000009", Name: "made", Member: true})
	b.dir.Remember(b.ws, slack.Conversation{ID: "C0000001", Name: "renamed"})
	for ref, id := range map[string]string{"made": "C0000009", "#renamed": "C0000001", "C0000009": "C0000009"} {
		if c, err := b.channel(ref); err != nil || c.ID != id {
			t.Errorf("%q: %+v, %v", ref, c, err)
		}
	}
	if _, err := b.channel("#general"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("the old name is still found: %v", err)
	}
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(2))
	b.Expect(b.api.Calls(slack.MethodConversationInfo)).To(gomega.BeZero())
}

// A list whose reading began before does not make it forgotten.
func TestRememberedWhileTheListIsRead(t *testing.T) {
	api := channels()
	api.gate = make(chan struct{})
	b := newBench(t, api)
	_, err := b.dir.FindConversation(t.Context(), b.ws, "#made", "owner")
	b.Expect(errors.As(err, new(*LoadingError))).To(gomega.BeTrue())
	b.dir.Remember(b.ws, slack.Conversation{ID: "C0000009", Name: "made"})
	close(api.gate)
	if c, err := b.channel("#made"); err != nil || c.ID != "C0000009" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A list that Slack contradicts is read again, once, however young it is.
func TestRenewConversations(t *testing.T) {
	b := newBench(t, channels())
	_, err := b.channel("#general")
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.clock.Step(time.Second)
	since := b.clock.Now()
	renew := func() (struct{}, error) { return struct{}{}, b.dir.RenewConversations(b.ws, since, "", "owner") }
	_, err = renew()
	b.Expect(errors.As(err, new(*LoadingError))).To(gomega.BeTrue())
	_, err = settle(b, renew)
	b.Expect(err).NotTo(gomega.HaveOccurred())
	b.Eventually(b.wakes("owner")).Should(gomega.Equal(1))
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(4))

	b.clock.Step(time.Second)
	since = b.clock.Now()
	b.api.NextErr(slack.MethodConversationsList, &slack.Error{Class: slack.ClassMissingScope, Needed: "channels:read"})
	for range 2 {
		if _, err = settle(b, renew); slack.ClassOf(err) != slack.ClassMissingScope {
			t.Errorf("a refusal is told: %v", err)
		}
	}
	b.Expect(b.api.Calls(slack.MethodConversationsList)).To(gomega.Equal(5), "and not tried at once")
}
