package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Somebody whom the bot has never written to gets a first direct message by one
// call: Slack takes a user's ID, and says which conversation it opened.
func TestFirstDirectMessageCostsOneCall(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	w.proven(c)
	ada := w.id("U", "ADA")
	since := time.Now()
	n := w.notify("n", "c", to(user(ada)))
	w.becomes(n, delivered())
	w.Expect(w.methodsSince(since)).To(gomega.Equal([]string{"chat.postMessage"}))
	w.Expect(w.callsSince(since, "chat.postMessage")[0].Channel).To(gomega.Equal(ada))
	d := n.Status.Deliveries[0]
	w.Expect(d.ConversationID).To(gomega.HavePrefix("D"), "what Slack has answered")
	w.Expect(d.UserID).To(gomega.Equal(ada))
	w.Expect(d.Permalink).To(gomega.ContainSubstring("/archives/" + d.ConversationID + "/"))
	got := w.messages(d.ConversationID)
	w.Expect(got).To(gomega.HaveLen(1))
	w.Expect(got[0].TS).To(gomega.Equal(d.Timestamp))
	// It is edited where it went.
	w.rewrite(n, "second")
	w.Expect(w.texts(d.ConversationID)).To(gomega.Equal([]string{"second"}))
}

// With a name or picture of its own, a message to a user's ID would land with
// Slackbot, so the conversation is opened first.
func TestDirectMessageWithASender(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	w.proven(c)
	since := time.Now()
	n := w.notify("n", "c", to(user(w.id("U", "ADA"))), func(n *v1alpha1.SlackNotification) {
		n.Spec.Sender = &v1alpha1.Sender{Username: "ua-bot"}
	})
	w.becomes(n, delivered())
	w.Expect(w.methodsSince(since)).To(gomega.Equal([]string{"conversations.open", "chat.postMessage"}))
	w.Expect(direct(n)).To(gomega.HavePrefix("D"))
	got := w.messages(direct(n))
	w.Expect(got).To(gomega.HaveLen(1))
	w.Expect(got[0].Username).To(gomega.Equal("ua-bot"))
	plain := w.notify("plain", "c", to(user(w.id("U", "ADA"))))
	w.becomes(plain, delivered())
	w.Expect(direct(plain)).To(gomega.Equal(direct(n)), "the same conversation, the bot's own")
}

// An answer that got lost is found again, though the conversation was not known
// when the message was sent.
func TestLostAnswerOfAFirstDirectMessage(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault slacksim.Fault
	}{
		{"taken", slacksim.Fault{Kind: "close_after"}},
		{"taken, twice in a row", slacksim.Fault{Kind: "http_after", Status: 500, Times: 2}},
		{"not taken", slacksim.Fault{Kind: "close_before"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			c.fault.Method, c.fault.Team = "chat.postMessage", w.team
			w.fault(c.fault)
			n := w.notify("n", "c", to(user(w.id("U", "ADA"))))
			w.becomes(n, delivered())
			w.Expect(direct(n)).To(gomega.HavePrefix("D"))
			got := w.messages(direct(n))
			w.Expect(got).To(gomega.HaveLen(1))
			w.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(got[0].TS))
			w.mend()
		})
	}
}
