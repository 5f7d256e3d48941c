package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// A reply outlives the object that it replies to: what is out stands in its own
// status.
func TestReplyWithoutItsParent(t *testing.T) {
	t.Run("both are deleted, the parent first", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", to(user("ada")), deletes)
		w.becomes(parent, delivered())
		reply := w.notify("reply", "c", repliesTo("parent"), deletes)
		w.becomes(reply, delivered())
		dm := direct(reply)
		w.Expect(w.messages(dm)).To(gomega.HaveLen(2))
		w.vanish(parent)
		w.vanish(reply)
		w.Expect(w.messages(dm)).To(gomega.BeEmpty())
		w.Expect(w.warningsIn(w.ns, "reply")).To(gomega.BeEmpty())
	})
	t.Run("a reply in doubt is deleted with its parent", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", to(user("ada")), deletes)
		w.becomes(parent, delivered())
		dm := direct(parent)
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		reply := w.notify("reply", "c", repliesTo("parent"), deletes)
		w.passesThrough(reply, retrying("Delivering", v1alpha1.ReasonSlackUnavailable), "")
		w.vanish(parent)
		w.vanish(reply)
		w.Expect(w.messages(dm)).To(gomega.BeEmpty())
	})
	t.Run("it is edited after the parent is gone", func(t *testing.T) {
		for name, recipients := range map[string][]v1alpha1.Recipient{"its own recipients": {user("ada")}, "the parent's recipients": nil} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.ready(w.webAPI("c", "#alerts"))
				parent := w.notify("parent", "c", to(user("ada")))
				w.becomes(parent, delivered())
				reply := w.notify("reply", "c", repliesTo("parent"), to(recipients...))
				w.becomes(reply, delivered())
				was := reply.Status.Deliveries[0]
				w.vanish(parent)
				w.rewrite(reply, "second")
				w.Expect(w.texts(was.ConversationID)).To(gomega.Equal([]string{"text of parent", "second"}))
				w.Expect(reply.Status.Deliveries).To(gomega.HaveLen(1))
				is := reply.Status.Deliveries[0]
				w.Expect(is.ConversationID).To(gomega.Equal(was.ConversationID))
				w.Expect(is.Timestamp).To(gomega.Equal(was.Timestamp))
				w.Expect(is.ThreadTimestamp).To(gomega.Equal(was.ThreadTimestamp))
				w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.BeEmpty())
			})
		}
	})
	t.Run("it stays delivered when the parent goes", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c")
		w.becomes(parent, delivered())
		reply := w.notify("reply", "c", repliesTo("parent"))
		w.becomes(reply, delivered())
		w.vanish(parent)
		w.request(reply, "once") // has it looked at
		w.handled(reply, "once")
		w.Expect(w.see(reply)).To(gomega.Equal(delivered()))
	})
	t.Run("a new recipient still needs the thread", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", to(room("alerts")))
		w.becomes(parent, delivered())
		reply := w.notify("reply", "c", repliesTo("parent"), to(room("alerts")))
		w.becomes(reply, delivered())
		w.vanish(parent)
		w.update(reply, func() {
			reply.Spec.Text, reply.Spec.Recipients = "second", append(reply.Spec.Recipients, room("deploys"))
		})
		w.Eventually(func() bool { return w.tells(reply, v1alpha1.ReasonThreadNotFound) }).Should(gomega.BeTrue())
		w.Eventually(func() []string { return w.texts(w.id("C", "ALERTS")) }).Should(gomega.Equal([]string{"text of parent", "second"}),
			"who has the reply has its edit")
		w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.BeEmpty())
	})
}

// Whom a reply went to does not change because its SlackChannel gets another
// channel.
func TestInheritedRecipientsStay(t *testing.T) {
	for name, parentTo := range map[string][]v1alpha1.Recipient{"of the SlackChannel": nil, "of the parent": {room("ops"), user("ada")}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.webAPI("c", "#alerts")
			w.ready(c)
			parent := w.notify("parent", "c", to(parentTo...))
			w.becomes(parent, delivered())
			reply := w.notify("reply", "c", repliesTo("parent"))
			w.becomes(reply, delivered())
			was := reply.Status.DeepCopy()
			w.update(c, func() { c.Spec.WebAPI.Channel = "#deploys" })
			w.Eventually(func() string { w.ready(c); return c.Status.Channel.ID }).Should(gomega.Equal(w.id("C", "DEPLOYS")))
			since := time.Now()
			w.rewrite(reply, "second")
			w.Expect(w.callsSince(since, "chat.postMessage")).To(gomega.BeEmpty())
			w.Expect(reply.Status.Deliveries).To(gomega.HaveLen(len(was.Deliveries)))
			for i, d := range reply.Status.Deliveries {
				w.Expect(d.Recipient).To(gomega.Equal(was.Deliveries[i].Recipient))
				w.Expect(d.Timestamp).To(gomega.Equal(was.Deliveries[i].Timestamp))
				w.Expect(w.texts(d.ConversationID)).To(gomega.Equal([]string{"text of parent", "second"}))
			}
			w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.BeEmpty())
		})
	}
}
