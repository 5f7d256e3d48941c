package e2e

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

func giveUp(n *v1alpha1.SlackNotification) {
	n.Spec.OnUnknownOutcome = ptr(v1alpha1.UnknownOutcomeGiveUp)
}

// What becomes of a message whose outcome can't be known.
func TestOnUnknownOutcome(t *testing.T) {
	takenButCut := func(w *world) slacksim.Fault {
		return slacksim.Fault{Method: "webhook", Team: w.team, Kind: "close_after"}
	}
	t.Run("Retry by a webhook sends it again", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		w.fault(takenButCut(w))
		w.becomes(w.notify("n", "c"), delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2), "which the page says")
	})
	t.Run("GiveUp by a webhook does not", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		w.fault(takenButCut(w))
		n := w.notify("n", "c", giveUp)
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.Expect(n.Status.Deliveries[0].State).To(gomega.Equal(v1alpha1.DeliveryUnknown))
		w.Expect(n.Status.Deliveries[0].Attempts).To(gomega.BeEquivalentTo(1))
		w.Expect(w.message(n)).To(gomega.And(gomega.ContainSubstring("may or may not"), gomega.ContainSubstring("onUnknownOutcome")))
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
		// A person has looked, and wants it sent again.
		w.update(n, func() { n.Spec.OnUnknownOutcome = ptr(v1alpha1.UnknownOutcomeRetry) })
		w.becomes(n, delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
	})
	t.Run("GiveUp tries again what was certainly not taken", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		w.fault(slacksim.Fault{Method: "webhook", Team: w.team, Kind: "ratelimit", RetryAfter: 1})
		w.becomes(w.notify("n", "c", giveUp), delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("GiveUp where it can be asked is delivered once", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after", Times: 2})
		w.becomes(w.notify("n", "c", giveUp), delivered())
		w.becomes(w.notify("dm", "c", giveUp, to(user("ada"))), delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("GiveUp without the scope to look", func(t *testing.T) {
		w := newWorld(t)
		w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "http_after", Status: 500})
		n := w.notify("n", "c", giveUp)
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.Expect(w.message(n)).To(gomega.ContainSubstring("missing_scope"))
		w.becomes(w.notify("next", "c", giveUp), delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
	})
}

// An answer that never came is looked for wherever the message went: a
// channel, a private one, a direct message.
func TestNothingTwiceInAnyKindOfConversation(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	// The conversations must be known before anything goes wrong.
	first := w.notify("first", "c", to(user("ada"), room("ops"), room("alerts")))
	w.becomes(first, delivered())
	w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after", Times: 3})
	n := w.notify("n", "c", to(user("ada"), room("ops"), room("alerts")))
	w.becomes(n, delivered())
	for i, d := range n.Status.Deliveries {
		got := w.messages(d.ConversationID)
		w.Expect(got).To(gomega.HaveLen(2), d.Recipient)
		w.Expect(d.Timestamp).To(gomega.Equal(got[1].TS), "the message that was found is the one that is recorded")
		w.Expect(first.Status.Deliveries[i].Timestamp).To(gomega.Equal(got[0].TS))
	}
}

// The intent is in the status before the post, so a crash amid it is known.
func TestGiveUpAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.secret("c-url", "url", env.slack+w.hook)
	o := w.operator("giveup")
	c := &v1alpha1.SlackChannel{Spec: v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "c-url"}}}}
	c.Name = "c"
	own(c)
	w.create(c)
	w.becomes(c, current("", v1alpha1.ReasonWebhookNotVerified))
	w.fault(slacksim.Fault{Method: "webhook", Team: w.team, Kind: "hang_after"})
	n := w.notify("n", "c", giveUp, func(n *v1alpha1.SlackNotification) { own(n) })
	w.Eventually(func() string { w.see(n); return w.message(n) }).Should(gomega.Equal("it is being sent"))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(1))
	o.Kill()
	late := w.notify("late", "c", giveUp, func(n *v1alpha1.SlackNotification) { own(n) })
	o = w.operator("giveup")
	w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
	w.becomes(late, delivered())
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2), "the one that was taken, and the one that was not tried before the crash")
	o.Stop()
}

// The first message is read back, to see that what it is recognised by returns.
func TestFirstMessageProvesExactlyOnce(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	says := func() string {
		w.see(c)
		return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionExactlyOnce).Message
	}
	w.Expect(says()).To(gomega.ContainSubstring("the first message will show"))
	w.becomes(w.notify("n", "c"), delivered())
	w.Eventually(says).Should(gomega.ContainSubstring("as a message has shown"))
}

// One reading of a conversation serves all of its messages that are in doubt.
func TestOneReadingForAllInDoubt(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	o := w.operator("reading")
	w.ready(c)
	o.Stop()
	var list []*v1alpha1.SlackNotification
	for i := range 12 {
		list = append(list, w.notify(fmt.Sprint("n", i), "c", func(n *v1alpha1.SlackNotification) { own(n) }))
	}
	before := w.callsOf("conversations.history")
	o = w.operator("reading")
	for _, n := range list {
		w.becomes(n, delivered())
	}
	w.Expect(w.callsOf("conversations.history")-before).To(gomega.BeNumerically("<=", 3), "one for all in doubt, and one to prove the first message")
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(12))
	o.Stop()
}

// A workspace that does not answer is not tried by every message.
func TestBreakerSparesADeadSlack(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "")
	w.ready(c)
	const n = 20 // each is looked up anew, 45 a minute
	for i := range n {
		w.channel(slacksim.Channel{ID: w.id("C", fmt.Sprint("B", i)), Name: fmt.Sprint("b", i), Members: []string{w.id("U", "BOT")}})
	}
	w.fault(slacksim.Fault{Method: "*", Team: w.team, Kind: "http", Status: 503, Times: -1})
	var list []*v1alpha1.SlackNotification
	for i := range n {
		list = append(list, w.notify(fmt.Sprint("n", i), "c", to(room(w.id("C", fmt.Sprint("B", i))))))
	}
	w.becomes(c, retrying("", v1alpha1.ReasonSlackUnreachable))
	w.becomes(list[n-1], retrying("Pending", v1alpha1.ReasonSlackUnreachable))
	w.mend()
	for _, one := range list {
		w.becomes(one, delivered())
	}
}
