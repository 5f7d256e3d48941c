package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// A delivery says through which SlackChannel it went.
func TestDeliveryNamesItsSlackChannel(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared)
	w.ready(c)
	n := w.notify("n", "c", to(room("alerts"), user("ada")))
	guest := w.notify("n", "c", w.from(w.guest()))
	for _, n := range []*v1alpha1.SlackNotification{n, guest} {
		w.becomes(n, delivered())
		for _, d := range n.Status.Deliveries {
			w.Expect(d.Via).To(gomega.Equal(w.ns+"/c"), d.Recipient)
			w.Expect(d.ViaUID).To(gomega.Equal(c.UID), d.Recipient)
		}
	}
}

// claim writes into the status of a notification what stands in another's, as
// somebody may who has rights for all of a namespace's resources.
func (w *world) claim(n, of *v1alpha1.SlackNotification) {
	w.t.Helper()
	w.Eventually(func() error {
		if err := env.client.Get(w.ctx, client.ObjectKeyFromObject(n), n); err != nil {
			return err
		}
		n.Status = *of.Status.DeepCopy()
		n.Status.ObservedGeneration = n.Generation
		return w.writer().Status().Update(w.ctx, n)
	}).Should(gomega.Succeed())
}

// A tenant claims in his status a message that another has sent through the
// same SlackChannel. It is his neither to edit nor to delete.
func TestClaimedMessageIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart bool
	}{{"of this process", false}, {"of a process before it", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			guest := w.guest()
			start := func(name string) *harness.Operator {
				o, err := env.StartOperator(w.ctx, name+w.ns, "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns+","+guest)
				w.Expect(err).NotTo(gomega.HaveOccurred())
				return o
			}
			o := start("claim-")
			w.ready(w.webAPI("c", "#alerts", shared, func(c *v1alpha1.SlackChannel) { own(c) }))
			victim := w.notify("victim", "c", owned)
			w.becomes(victim, delivered())
			evil := w.notify("evil", "c", w.from(guest), owned, deletes, func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
			w.becomes(evil, held("Suspended", v1alpha1.ReasonSuspended))
			if c.restart {
				o.Stop()
			}
			w.claim(evil, victim)
			w.update(evil, func() { evil.Spec.Suspend, evil.Spec.Text = false, "all is well" })
			if c.restart {
				o = start("claim-again-")
			}
			defer func() { o.Stop() }()
			w.settles(evil)
			untouched := func() {
				w.t.Helper()
				data, err := json.Marshal(w.alerts())
				w.Expect(err).NotTo(gomega.HaveOccurred())
				got := w.alerts()
				w.Expect(got).NotTo(gomega.BeEmpty(), "the victim's message is gone")
				w.Expect(got[0].Text).To(gomega.Equal("text of victim"), string(data))
				w.Expect(got[0].TS).To(gomega.Equal(victim.Status.Deliveries[0].Timestamp))
				w.Expect(got[0].Edits).To(gomega.BeZero())
			}
			untouched()
			w.claim(evil, victim)
			w.vanish(evil)
			untouched()
			// Its owner may.
			w.rewrite(victim, "second")
			w.Expect(w.alerts()[0].Text).To(gomega.Equal("second"))
		})
	}
}

// A namespace that is not allowed any more reaches nothing in Slack, not even
// what it sent itself when it was.
func TestDeletionAsksWhetherTheNamespaceIsAllowed(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared)
	w.ready(c)
	guest := w.guest()
	n := w.notify("n", "c", w.from(guest), deletes)
	w.becomes(n, delivered())
	w.update(c, func() { c.Spec.AllowedNamespaces = nil })
	w.ready(c)
	since := time.Now()
	w.vanish(n)
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
	w.Expect(w.callsSince(since, "chat.delete", "chat.update")).To(gomega.BeEmpty())
	w.Eventually(func() []string { return w.warningsIn(guest, "n") }).Should(gomega.ContainElement(v1alpha1.ReasonMessageNotDeleted))
}

// An edit asks too.
func TestEditAsksWhetherTheNamespaceIsAllowed(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared)
	w.ready(c)
	n := w.notify("n", "c", w.from(w.guest()))
	w.becomes(n, delivered())
	w.update(c, func() { c.Spec.AllowedNamespaces = nil })
	w.ready(c)
	since := time.Now()
	w.update(n, func() { n.Spec.Text = "second" })
	w.Eventually(func() bool { return w.tells(n, v1alpha1.ReasonNamespaceNotAllowed) }).Should(gomega.BeTrue())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
	w.Expect(w.callsSince(since, "chat.delete", "chat.update", "chat.postMessage")).To(gomega.BeEmpty())
	w.update(c, func() { shared(c) })
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
}

// After a change of channelRef the content goes out through the new
// SlackChannel; the old message stays as it is, and the status says so.
func TestChannelRefChanges(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	d := w.webAPI("d", "#deploys")
	w.ready(d)
	n := w.notify("n", "c", deletes)
	w.becomes(n, delivered())
	w.update(n, func() { n.Spec.ChannelRef.Name, n.Spec.Text = "d", "second" })
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "DEPLOYS"))).To(gomega.Equal([]string{"second"}))
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
	w.Expect(w.alerts()[0].Edits).To(gomega.BeZero())
	w.Expect(w.tells(n, v1alpha1.ReasonChannelChanged)).To(gomega.BeTrue(), "%+v", n.Status)
	w.Expect(n.Status.Deliveries[0].Via).To(gomega.Equal(w.ns + "/d"))
	w.Expect(n.Status.Deliveries[0].ViaUID).To(gomega.Equal(d.UID))
	w.Expect(n.Status.Deliveries[0].ConversationID).To(gomega.Equal(w.id("C", "DEPLOYS")))
	// From now on the new message is the one.
	w.rewrite(n, "third")
	w.Expect(w.texts(w.id("C", "DEPLOYS"))).To(gomega.Equal([]string{"third"}))
	w.vanish(n)
	w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.BeEmpty())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
}

// The same recipients through another SlackChannel get the content anew, too.
func TestChannelRefChangesForARecipient(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	w.ready(w.webAPI("d", "#alerts"))
	n := w.notify("n", "c", to(user("ada"), room("deploys")))
	w.becomes(n, delivered())
	dm := direct(n)
	w.update(n, func() { n.Spec.ChannelRef.Name = "d" })
	w.becomes(n, delivered())
	for _, place := range []string{dm, w.id("C", "DEPLOYS")} {
		w.Expect(w.texts(place)).To(gomega.Equal([]string{"text of n", "text of n"}))
	}
	w.Expect(w.tells(n, v1alpha1.ReasonChannelChanged)).To(gomega.BeTrue())
	for _, d := range n.Status.Deliveries {
		w.Expect(d.Via).To(gomega.Equal(w.ns + "/d"))
	}
}

// A SlackChannel that was made again under its name is another one: what went
// through the first is nothing that may be deleted through it. Nor is it sent
// again, since nothing of the notification has changed.
func TestSlackChannelMadeAgain(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	n := w.notify("n", "c", deletes)
	w.becomes(n, delivered())
	w.vanish(c)
	again := &v1alpha1.SlackChannel{Spec: c.Spec}
	again.Name = "c"
	w.create(again)
	w.ready(again)
	w.becomes(w.notify("later", "c"), delivered())
	w.Expect(w.see(n)).To(gomega.Equal(delivered()))
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n", "text of later"}))
	since := time.Now()
	w.vanish(n)
	w.Expect(w.callsSince(since, "chat.delete")).To(gomega.BeEmpty())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
	w.Eventually(func() []string { return w.warningsIn(w.ns, "n") }).Should(gomega.ContainElement(v1alpha1.ReasonMessageNotDeleted))
}
