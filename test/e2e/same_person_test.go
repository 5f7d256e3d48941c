package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// One person, or one channel, by several names gets one message; the other names
// say whose message they share.
func TestOneMessageForOneRecipient(t *testing.T) {
	for _, c := range []struct {
		name       string
		recipients func(w *world) []v1alpha1.Recipient
		first      string
	}{
		{"a person", func(w *world) []v1alpha1.Recipient {
			return []v1alpha1.Recipient{user("yueh.liu"), email("yueh@example.com"), user(w.id("U", "YUEH")), user("@yueh.liu")}
		}, "yueh.liu"},
		{"a channel", func(w *world) []v1alpha1.Recipient {
			return []v1alpha1.Recipient{room("#deploys"), room("deploys"), room(w.id("C", "DEPLOYS"))}
		}, "#deploys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			recipients := c.recipients(w)
			since := time.Now()
			n := w.notify("n", "c", to(recipients...), deletes)
			w.becomes(n, delivered())
			w.Expect(n.Status.Summary).To(gomega.Equal(fmt.Sprintf("%d/%d", len(recipients), len(recipients))))
			place := direct(n)
			w.Expect(w.texts(place)).To(gomega.Equal([]string{"text of n"}))
			w.Expect(w.callsSince(since, "chat.postMessage")).To(gomega.HaveLen(1))
			w.Expect(n.Status.Deliveries[0].Reason).To(gomega.BeEmpty())
			for _, d := range n.Status.Deliveries[1:] {
				w.Expect(d.State).To(gomega.Equal(v1alpha1.DeliveryDelivered), d.Recipient)
				w.Expect(d.Reason).To(gomega.Equal(v1alpha1.ReasonSameAs), d.Recipient)
				w.Expect(d.Message).To(gomega.ContainSubstring(c.first), "it names the first")
			}
			// An edit edits once, and a deletion deletes once.
			since = time.Now()
			w.rewrite(n, "second")
			w.Expect(w.callsSince(since, "chat.update")).To(gomega.HaveLen(1))
			w.Expect(w.callsSince(since, "chat.postMessage")).To(gomega.BeEmpty())
			w.Expect(w.texts(place)).To(gomega.Equal([]string{"second"}))
			w.vanish(n)
			w.Expect(w.callsSince(since, "chat.delete")).To(gomega.HaveLen(1))
			w.Expect(w.messages(place)).To(gomega.BeEmpty())
			w.Expect(w.warningsIn(w.ns, "n")).To(gomega.BeEmpty())
		})
	}
	t.Run("a name that is added later", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", to(user("ada")))
		w.becomes(n, delivered())
		w.update(n, func() { n.Spec.Recipients = append(n.Spec.Recipients, email("ada@example.com")) })
		w.becomes(n, delivered())
		w.Expect(n.Status.Summary).To(gomega.Equal("2/2"))
		w.Expect(n.Status.Deliveries[1].Reason).To(gomega.Equal(v1alpha1.ReasonSameAs))
		w.Expect(w.messages(direct(n))).To(gomega.HaveLen(1))
		// The first name goes, and the person keeps the message.
		w.update(n, func() { n.Spec.Recipients = n.Spec.Recipients[1:] })
		w.becomes(n, delivered())
		w.Expect(n.Status.Summary).To(gomega.Equal("1/1"))
		w.Expect(w.messages(direct(n))).To(gomega.HaveLen(1))
	})
}
