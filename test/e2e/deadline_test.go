package e2e

import (
	"math"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// overdue gives a notification a deadline that comes as soon as one can, and waits
// until it is over. What has to be before the deadline is made sure of before the
// call: a deadline in the manifest may come first, where the machine is busy.
func (w *world) overdue(n *v1alpha1.SlackNotification) {
	w.t.Helper()
	w.update(n, func() {
		n.Spec.ActiveDeadlineSeconds = ptr(int64(time.Since(n.CreationTimestamp.Time)/time.Second) + 1)
	})
	at := n.CreationTimestamp.Add(time.Duration(*n.Spec.ActiveDeadlineSeconds) * time.Second)
	w.Eventually(time.Now).Should(gomega.BeTemporally(">", at.Add(time.Second)))
}

// What may be in Slack when the deadline comes is looked up, and nothing that is
// there is told to be undelivered.
func TestDeadlineAmidADoubt(t *testing.T) {
	t.Run("it is there", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		n := w.notify("n", "c")
		w.Eventually(w.alerts).Should(gomega.HaveLen(1))
		w.overdue(n) // before the outcome can be read
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
		w.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(w.alerts()[0].TS))
		w.update(n, func() { n.Spec.ActiveDeadlineSeconds = ptr(int64(600)) })
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1), "more time sends nothing twice")
	})
	t.Run("it is not there", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_before", Times: -1})
		n := w.notify("n", "c", deadline(2))
		w.becomes(n, stalled("Failed", v1alpha1.ReasonDeadlineExceeded))
		w.mend()
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.BeEmpty())
		w.update(n, func() { n.Spec.ActiveDeadlineSeconds = ptr(int64(600)) })
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1), "with more time it is sent, once")
	})
	t.Run("it can't be seen for a while", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		w.fault(slacksim.Fault{Method: "conversations.history", Team: w.team, Kind: "http", Status: 503, Times: -1})
		n := w.notify("n", "c", deletes)
		w.Eventually(w.alerts).Should(gomega.HaveLen(1))
		w.overdue(n)
		since := time.Now()
		w.Eventually(func() []slacksim.Call { return w.callsSince(since, "conversations.history") }).ShouldNot(gomega.BeEmpty(), "it goes on looking")
		w.Expect(w.tells(n, v1alpha1.ReasonDeadlineExceeded)).To(gomega.BeFalse(), "%+v", n.Status)
		w.Expect(n.Status.Deliveries[0].State).NotTo(gomega.Equal(v1alpha1.DeliveryFailed))
		w.mend()
		w.becomes(n, delivered())
		w.Expect(w.callsSince(since, "chat.postMessage")).To(gomega.BeEmpty())
		w.vanish(n)
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.BeEmpty(), "what was found is deleted with its object")
	})
	t.Run("it can never be seen", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		w.fault(slacksim.Fault{Method: "webhook", Team: w.team, Kind: "close_after", Times: -1})
		n := w.notify("n", "c", giveUp)
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.mend()
		w.overdue(n)
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.update(n, func() { n.Spec.ActiveDeadlineSeconds = ptr(int64(600)) })
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
}

// A deadline may be as far as a time can be told; the schema refuses what is
// beyond (TestDeliverySchema).
func TestFarDeadline(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", deadline(math.MaxInt64/int64(time.Second)))
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
}

// The deadline is for the delivery. A later edit is made after it, unless the
// notification is suspended.
func TestEditAfterTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c")
	w.becomes(n, delivered())
	w.overdue(n)
	w.update(n, func() { n.Spec.Suspend, n.Spec.Text = true, "second" })
	w.Eventually(func() string { return w.see(n).Reason }).Should(gomega.Equal(v1alpha1.ReasonSuspended))
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
	w.update(n, func() { n.Spec.Suspend = false })
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
	// What goes wrong with an edit is mended by what mends it at any time.
	w.fault(slacksim.Fault{Method: "chat.update", Team: w.team, Kind: "http", Status: 503, Times: 2})
	w.rewrite(n, "third")
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"third"}))
}

// An edit that failed after the deadline is no delivery that was given up: it is
// made when the credentials are mended.
func TestFailedEditAfterTheDeadline(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	n := w.notify("n", "c")
	w.becomes(n, delivered())
	w.overdue(n)
	w.fault(slacksim.Fault{Method: "chat.update", Team: w.team, Kind: "error", Code: "token_revoked", Times: -1})
	w.update(n, func() { n.Spec.Text = "second" })
	w.Eventually(func() bool { return w.tells(n, v1alpha1.ReasonInvalidToken) }).Should(gomega.BeTrue())
	w.Expect(n.Status.Summary).To(gomega.Equal("1/1"), "the message is out, though with an older content")
	w.mend()
	w.grant(slacksim.Token{Token: w.token + "2"})
	secret := secretOf(w.ns, "c-token", nil)
	w.update(secret, func() { secret.Data["token"] = []byte(w.token + "2") })
	w.becomes(n, delivered()) // by itself, as its status says
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
}
