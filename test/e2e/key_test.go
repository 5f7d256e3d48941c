package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// again deletes a notification and makes it anew, as a prune and the next sync
// do.
func (w *world) again(n *v1alpha1.SlackNotification, changes ...func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	w.t.Helper()
	made := &v1alpha1.SlackNotification{Spec: *n.Spec.DeepCopy()}
	made.Namespace, made.Name, made.Labels = n.Namespace, n.Name, n.Labels
	for _, change := range changes {
		change(made)
	}
	w.vanish(n)
	w.create(made)
	return made
}

// An object that was deleted and made again repeats nothing.
func TestMadeAgain(t *testing.T) {
	t.Run("as it was", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", keyed("deploy-42"), to(room("alerts"), user("ada")))
		w.becomes(n, delivered())
		was := n.DeepCopy()
		for range 3 {
			since := time.Now()
			n = w.again(n)
			w.becomes(n, delivered())
			w.Expect(w.callsSince(since, "chat.postMessage", "chat.update")).To(gomega.BeEmpty())
			for i, d := range n.Status.Deliveries {
				w.Expect(d.Timestamp).To(gomega.Equal(was.Status.Deliveries[i].Timestamp), d.Recipient)
				w.Expect(d.Reason).To(gomega.Equal(v1alpha1.ReasonAdopted), d.Recipient)
				w.Expect(d.Permalink).NotTo(gomega.BeEmpty())
				w.Expect(w.texts(d.ConversationID)).To(gomega.Equal([]string{"text of n"}))
			}
		}
		// It is this object's now: it may edit and delete it.
		w.rewrite(n, "second")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
		w.update(n, func() { n.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
		w.Eventually(func() []string { w.see(n); return n.Finalizers }).ShouldNot(gomega.BeEmpty())
		w.vanish(n)
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.BeEmpty())
	})
	t.Run("with another content", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", keyed("deploy-42"))
		w.becomes(n, delivered())
		ts := n.Status.Deliveries[0].Timestamp
		n = w.again(n, func(n *v1alpha1.SlackNotification) { n.Spec.Text = "second" })
		w.becomes(n, delivered())
		got := w.alerts()
		w.Expect(got).To(gomega.HaveLen(1))
		w.Expect(got[0].Text).To(gomega.Equal("second"))
		w.Expect(got[0].TS).To(gomega.Equal(ts))
		w.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(ts))
	})
	t.Run("under another name", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", keyed("deploy-42"))
		w.becomes(n, delivered())
		n = w.again(n, func(n *v1alpha1.SlackNotification) { n.Name = "other" })
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("while the operator was away", func(t *testing.T) {
		w := newWorld(t)
		o := w.operator("key-" + w.ns)
		w.ready(w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) }))
		n := w.notify("n", "c", keyed("deploy-42"), owned)
		w.becomes(n, delivered())
		o.Kill()
		n = w.again(n)
		o = w.operator("key-" + w.ns)
		defer o.Stop()
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("amid a doubt", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		n := w.notify("n", "c", keyed("deploy-42"))
		w.Eventually(w.alerts).Should(gomega.HaveLen(1))
		n = w.again(n)
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
	t.Run("with another key", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", keyed("deploy-42"))
		w.becomes(n, delivered())
		n = w.again(n, keyed("deploy-43"))
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
	})
	t.Run("with a thread below it", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", keyed("deploy-42"))
		w.becomes(parent, delivered())
		reply := w.notify("reply", "c", keyed("deploy-42-reply"), repliesTo("parent"))
		w.becomes(reply, delivered())
		reply = w.again(reply)
		w.becomes(reply, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
	})
}

// The key is the namespace's own: another one that shares the SlackChannel can
// neither have its message taken for the first one's nor get at that.
func TestKeyOfAnotherNamespace(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts", shared))
	n := w.notify("n", "c", keyed("deploy-42"))
	w.becomes(n, delivered())
	guest := w.notify("n", "c", w.from(w.guest()), keyed("deploy-42"), deletes, func(n *v1alpha1.SlackNotification) { n.Spec.Text = "of a guest" })
	w.becomes(guest, delivered())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n", "of a guest"}))
	w.Expect(w.tells(guest, v1alpha1.ReasonAdopted)).To(gomega.BeFalse())
	w.vanish(guest)
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
	w.Expect(w.alerts()[0].Edits).To(gomega.BeZero())
}

// A message of more than seven days ago is another one.
func TestKeyAges(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		age  time.Duration
		want []string
	}{
		{"six days", 6 * day, []string{"text of n"}},
		{"eight days", 8 * day, []string{"text of n", "text of n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			n := w.notify("n", "c", keyed("deploy-42"))
			w.becomes(n, delivered())
			ts := w.age(w.id("C", "ALERTS"), n.Status.Deliveries[0].Timestamp, c.age)
			n = w.again(n)
			w.becomes(n, delivered())
			w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal(c.want))
			w.Expect(n.Status.Deliveries[0].Timestamp == ts).To(gomega.Equal(len(c.want) == 1))
		})
	}
}

// A message of another bot counts for nothing, whatever it carries.
func TestKeyOfAnotherBot(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", keyed("deploy-42"))
	w.becomes(n, delivered())
	other := "xoxb-other-plantedsecret" + w.team
	w.channel(slacksim.Channel{ID: w.id("C", "ALERTS"), Name: "alerts", Members: []string{w.id("U", "BOT"), w.id("U", "OTHER")}})
	w.sim("tokens?team="+w.team, slacksim.Token{Token: other, Team: w.team, BotUser: w.id("U", "OTHER"), BotID: w.id("B", "OTHER"), Scopes: slacksim.AllScopes})
	w.secret("other-token", "token", other)
	c := &v1alpha1.SlackChannel{Spec: v1alpha1.SlackChannelSpec{
		WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "other-token"}, Channel: "#alerts"},
	}}
	c.Name = "other"
	w.create(c)
	w.ready(c)
	n = w.again(n, func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = "other" })
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
}

// A webhook can't be asked what it has taken, and the status says that the key
// is of no use there.
func TestKeyByAWebhook(t *testing.T) {
	w := newWorld(t)
	w.hooked("c", w.hook)
	n := w.notify("n", "c", keyed("deploy-42"))
	w.becomes(n, delivered())
	w.Expect(w.sentences(n)).To(gomega.And(gomega.ContainSubstring("idempotencyKey"), gomega.ContainSubstring("webhook")))
}
