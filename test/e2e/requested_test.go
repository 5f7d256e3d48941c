package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

func (w *world) channelHandled(c *v1alpha1.SlackChannel) func() string {
	return func() string { w.see(c); return c.Status.LastHandledRequest }
}

// What was mended in Slack, which tells nobody, is seen when somebody asks.
func TestRequestedAtVerifiesASlackChannelNow(t *testing.T) {
	cases := []struct {
		name, channel string
		was           look
		mend          func(w *world)
	}{
		{"a token let in again", "alerts", stalled("", v1alpha1.ReasonInvalidToken), func(w *world) { w.grant(slacksim.Token{Token: w.token}) }},
		{"a channel unarchived", "old", stalled("", v1alpha1.ReasonChannelArchived), func(w *world) {
			w.channel(slacksim.Channel{ID: w.id("C", "OLD"), Name: "old"})
		}},
		{"a channel created", "later", stalled("", v1alpha1.ReasonChannelNotFound), func(w *world) {
			w.channel(slacksim.Channel{ID: w.id("C", "LATER"), Name: "later"})
		}},
	}
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			w := newWorld(t)
			if one.was.Reason == v1alpha1.ReasonInvalidToken {
				w.grant(slacksim.Token{Token: w.token, Error: "account_inactive"})
			}
			c := w.webAPI("c", one.channel)
			w.becomes(c, one.was)
			one.mend(w)
			w.request(c, "now")
			w.Eventually(w.channelHandled(c)).Should(gomega.Equal("now"))
			w.ready(c)
		})
	}
}

// A request that finds all to be well says that it was handled, and changes
// nothing else.
func TestRequestedAtIsAnsweredWithTheSameResult(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	before := c.DeepCopy()
	for _, value := range []string{time.Now().Format(time.RFC3339Nano), "again"} {
		calls := w.teamCalls("auth.test")
		w.request(c, value)
		w.Eventually(w.channelHandled(c)).Should(gomega.Equal(value))
		w.Expect(w.teamCalls("auth.test")).To(gomega.BeNumerically(">", calls), "Slack is asked")
	}
	before.Status.LastHandledRequest = c.Status.LastHandledRequest
	w.Expect(c.Status).To(gomega.Equal(before.Status))
}
