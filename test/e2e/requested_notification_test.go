package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// handled waits until the status repeats a request.
func (w *world) handled(n *v1alpha1.SlackNotification, value string) {
	w.t.Helper()
	w.Eventually(func() string { w.see(n); return n.Status.LastHandledRequest }).Should(gomega.Equal(value))
}

// A request to look now has what waits tried at once. The pauses that it cuts
// short are minutes long, and so longer than any test's patience.
func TestRequestedNotification(t *testing.T) {
	t.Run("one that has failed", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "error", Code: "message_limit_exceeded", Times: -1})
		n := w.notify("n", "c")
		w.becomes(n, stalled("Failed", v1alpha1.ReasonQuotaExceeded))
		w.request(n, "once")
		w.handled(n, "once")
		w.Expect(w.see(n)).To(gomega.Equal(stalled("Failed", v1alpha1.ReasonQuotaExceeded)))
		w.Expect(n.Status.Deliveries[0].Attempts).To(gomega.BeEquivalentTo(2))
		w.mend()
		w.request(n, "twice")
		w.becomes(n, delivered())
		w.handled(n, "twice")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("one of several recipients", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Channel: w.id("C", "DEPLOYS"), Kind: "error", Code: "restricted_action", Times: -1})
		n := w.notify("n", "c", to(room("alerts"), room("deploys")))
		w.becomes(n, partially())
		since := time.Now()
		w.request(n, "once")
		w.handled(n, "once")
		w.Eventually(func() int { return len(w.callsSince(since, "chat.postMessage")) }).Should(gomega.Equal(1), "for the one that failed")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("one that is delivered", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c")
		w.becomes(n, delivered())
		since := time.Now()
		w.request(n, "once")
		w.handled(n, "once")
		w.Expect(w.see(n)).To(gomega.Equal(delivered()))
		w.Expect(w.callsSince(since, "chat.postMessage", "chat.update")).To(gomega.BeEmpty())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("one whose outcome is unknown", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		w.fault(slacksim.Fault{Method: "webhook", Team: w.team, Kind: "close_after"})
		n := w.notify("n", "c", giveUp)
		w.becomes(n, stalled("Failed", v1alpha1.ReasonOutcomeUnknown))
		w.request(n, "once")
		w.handled(n, "once")
		w.Expect(w.see(n)).To(gomega.Equal(stalled("Failed", v1alpha1.ReasonOutcomeUnknown)))
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1), "to look is not to send")
	})
	t.Run("one that waits for its SlackChannel", func(t *testing.T) {
		w := newWorld(t)
		n := w.notify("n", "nowhere")
		w.becomes(n, stalled("Pending", v1alpha1.ReasonSlackChannelNotFound))
		w.request(n, "once")
		w.handled(n, "once")
	})
	t.Run("one that is suspended", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
		w.becomes(n, held("Suspended", v1alpha1.ReasonSuspended))
		w.request(n, "once")
		w.handled(n, "once")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.BeEmpty())
	})
	t.Run("one that waits for its back-off", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "http", Status: http.StatusServiceUnavailable, Times: -1})
		n := w.notify("n", "c")
		w.becomes(n, retrying("Delivering", v1alpha1.ReasonSlackUnavailable))
		was := n.Status.Deliveries[0].Attempts
		w.request(n, "once")
		w.handled(n, "once")
		w.Eventually(func() int32 { w.see(n); return n.Status.Deliveries[0].Attempts }).Should(gomega.BeNumerically(">", was))
		w.mend()
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
}
