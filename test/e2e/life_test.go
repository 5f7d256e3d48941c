package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// alerts are the messages of the channel #alerts.
func (w *world) alerts() []slacksim.Message { return w.messages(w.id("C", "ALERTS")) }

func (w *world) texts(channel string) []string {
	var out []string
	for _, m := range w.messages(channel) {
		out = append(out, m.Text)
	}
	return out
}

// rewrite changes the text of a notification, and waits until that is out.
func (w *world) rewrite(n *v1alpha1.SlackNotification, text string) {
	w.t.Helper()
	w.update(n, func() { n.Spec.Text = text })
	w.becomes(n, delivered())
}

func (w *world) condition(n *v1alpha1.SlackNotification, kind string) *metav1.Condition {
	w.see(n)
	return meta.FindStatusCondition(n.Status.Conditions, kind)
}

// A change of the content edits the message in place, at every recipient.
func TestEdit(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", to(room("alerts"), user("ada")))
	w.becomes(n, delivered())
	was := n.DeepCopy()
	w.rewrite(n, "second text")
	for i, d := range n.Status.Deliveries {
		got := w.messages(d.ConversationID)
		w.Expect(got).To(gomega.HaveLen(1))
		w.Expect(got[0].Text).To(gomega.Equal("second text"))
		w.Expect(got[0].Edited).NotTo(gomega.BeNil())
		w.Expect(string(got[0].Metadata)).To(gomega.ContainSubstring(d.ContentHash), "a later reading back recognises what is out")
		w.Expect(d.Timestamp).To(gomega.Equal(was.Status.Deliveries[i].Timestamp))
		w.Expect(d.ContentHash).NotTo(gomega.Equal(was.Status.Deliveries[i].ContentHash))
		w.Expect(d.EditedAt).NotTo(gomega.BeNil())
		w.Expect(n.Status.FinishedAt.Before(d.EditedAt)).To(gomega.BeFalse(), "the time to live begins anew")
	}
	// A recipient who is added gets it, one who is removed keeps it.
	w.update(n, func() { n.Spec.Recipients = []v1alpha1.Recipient{room("alerts"), room("deploys")} })
	w.becomes(n, delivered())
	w.Expect(w.texts(w.id("C", "DEPLOYS"))).To(gomega.Equal([]string{"second text"}))
	w.Expect(w.texts(was.Status.Deliveries[1].ConversationID)).To(gomega.Equal([]string{"second text"}))
	w.Expect(w.alerts()).To(gomega.HaveLen(1))
	w.Expect(w.alerts()[0].Edits).To(gomega.Equal(1))
	// One who comes back has it already.
	w.update(n, func() { n.Spec.Recipients = append(n.Spec.Recipients, user("ada")) })
	w.becomes(n, delivered())
	w.Expect(w.texts(was.Status.Deliveries[1].ConversationID)).To(gomega.Equal([]string{"second text"}))
	w.Expect(n.Status.Deliveries[2].Timestamp).To(gomega.Equal(was.Status.Deliveries[1].Timestamp))
}

// Whatever the form of the content was and becomes, nothing old is left over.
func TestEditChangesTheForm(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) {
		n.Spec.Severity, n.Spec.Title, n.Spec.Fields = v1alpha1.SeverityError, "Down", []v1alpha1.Field{{Title: "a", Value: "b"}}
	})
	w.becomes(n, delivered())
	forms := []struct {
		content v1alpha1.Content
		is      func(m slacksim.Message) bool
	}{
		{v1alpha1.Content{Text: "plain"}, func(m slacksim.Message) bool { return m.Text == "plain" && m.Blocks == nil && m.Attachments == nil }},
		{v1alpha1.Content{Blocks: []v1alpha1.Block{block(`{"type":"divider"}`)}}, func(m slacksim.Message) bool {
			return strings.Contains(string(m.Blocks), "divider") && m.Attachments == nil
		}},
		{v1alpha1.Content{Markdown: "# Up"}, func(m slacksim.Message) bool { return m.Markdown == "# Up" && m.Attachments == nil }},
		{v1alpha1.Content{Title: "Up", Severity: v1alpha1.SeveritySuccess, Text: "again"}, func(m slacksim.Message) bool {
			return strings.Contains(string(m.Attachments), "#2EB67D") && m.Markdown == ""
		}},
	}
	for _, f := range forms {
		w.update(n, func() { n.Spec.Content = f.content })
		w.becomes(n, delivered())
		got := w.alerts()
		w.Expect(got).To(gomega.HaveLen(1))
		w.Expect(f.is(got[0])).To(gomega.BeTrue(), "%+v", got[0])
	}
}

// A rapid series of changes ends in few edits, the last of which counts.
func TestEditsCoalesce(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c")
	w.becomes(n, delivered())
	const changes = 30
	for i := range changes {
		w.update(n, func() { n.Spec.Text = fmt.Sprint("version ", i) })
	}
	last := fmt.Sprint("version ", changes-1)
	w.Eventually(func() []string { return w.texts(w.id("C", "ALERTS")) }).Should(gomega.Equal([]string{last}))
	w.becomes(n, delivered())
	w.Expect(w.alerts()[0].Edits).To(gomega.BeNumerically("<", changes/2))
}

func TestUpdatePolicies(t *testing.T) {
	policy := func(p v1alpha1.UpdatePolicy) func(*v1alpha1.SlackNotification) {
		return func(n *v1alpha1.SlackNotification) { n.Spec.UpdatePolicy = p }
	}
	t.Run("Repost posts anew", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", policy(v1alpha1.UpdateRepost))
		w.becomes(n, delivered())
		w.rewrite(n, "second")
		w.rewrite(n, "text of n")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n", "second", "text of n"}))
		w.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(w.alerts()[2].TS))
	})
	t.Run("Ignore leaves it", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", policy(v1alpha1.UpdateIgnore))
		w.becomes(n, delivered())
		hash := n.Status.Deliveries[0].ContentHash
		w.rewrite(n, "second")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
		w.Expect(n.Status.Deliveries[0].ContentHash).To(gomega.Equal(hash))
		w.Expect(w.condition(n, v1alpha1.ConditionUpToDate).Reason).To(gomega.Equal(v1alpha1.ReasonUpdateIgnored))
		w.update(n, func() { n.Spec.UpdatePolicy = v1alpha1.UpdateEdit })
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
		w.Expect(w.condition(n, v1alpha1.ConditionUpToDate)).To(gomega.BeNil())
	})
	t.Run("a webhook can't edit", func(t *testing.T) {
		w := newWorld(t)
		w.hooked("c", w.hook)
		n := w.notify("n", "c")
		w.becomes(n, delivered())
		w.rewrite(n, "second")
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n"}))
		cond := w.condition(n, v1alpha1.ConditionUpToDate)
		w.Expect(cond.Reason).To(gomega.Equal(v1alpha1.ReasonEditNotSupported))
		w.Expect(cond.Message).To(gomega.ContainSubstring("Repost"))
		w.update(n, func() { n.Spec.UpdatePolicy = v1alpha1.UpdateRepost })
		w.becomes(n, delivered())
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of n", "second"}))
	})
}

// Where the message is gone or closed, the new content is posted anew, and the
// status says why.
func TestEditOfWhatIsGone(t *testing.T) {
	for _, c := range []struct{ action, reason string }{{"delete", v1alpha1.ReasonMessageGone}, {"close", v1alpha1.ReasonEditClosed}} {
		t.Run(c.action, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			n := w.notify("n", "c")
			w.becomes(n, delivered())
			w.sim(c.action, map[string]string{"channel": w.id("C", "ALERTS"), "ts": n.Status.Deliveries[0].Timestamp})
			w.rewrite(n, "second")
			got := w.alerts()
			w.Expect(got[len(got)-1].Text).To(gomega.Equal("second"))
			w.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(got[len(got)-1].TS))
			w.Expect(n.Status.Deliveries[0].Reason).To(gomega.Equal(c.reason))
			w.Expect(w.message(n)).To(gomega.ContainSubstring("posted as a new message"))
			w.rewrite(n, "third")
			after := w.alerts()
			w.Expect(after).To(gomega.HaveLen(len(got)))
			w.Expect(after[len(after)-1].Text).To(gomega.Equal("third"))
		})
	}
}

// What goes wrong with an edit is told and repeated as with a post.
func TestEditRetries(t *testing.T) {
	for _, f := range []slacksim.Fault{
		{Kind: "http", Status: 503, Times: 2}, {Kind: "close_after"}, {Kind: "garbage_after"}, {Kind: "ratelimit", RetryAfter: 2},
	} {
		t.Run(f.Kind, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			n := w.notify("n", "c")
			w.becomes(n, delivered())
			f.Method, f.Team = "chat.update", w.team
			w.fault(f)
			w.rewrite(n, "second")
			w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"second"}))
		})
	}
	t.Run("a content that Slack refuses", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c")
		w.becomes(n, delivered())
		w.update(n, func() {
			n.Spec.Blocks = []v1alpha1.Block{block(`{"type":"section","text":{"type":"mrkdwn","text":""}}`)}
		})
		w.becomes(n, stalled("Delivered", v1alpha1.ReasonMessageRejected)) // everybody has it, with the older content
		w.Expect(n.Status.Deliveries[0].Timestamp).NotTo(gomega.BeEmpty())
		w.update(n, func() { n.Spec.Blocks = nil })
		w.becomes(n, delivered())
	})
}

// deleted reports that an object is gone.
func (w *world) gone(o client.Object) func() bool {
	return func() bool { return apierrors.IsNotFound(env.client.Get(w.ctx, client.ObjectKeyFromObject(o), o)) }
}

func deletes(n *v1alpha1.SlackNotification) { n.Spec.DeletionPolicy = v1alpha1.DeletionDelete }

func TestDeletion(t *testing.T) {
	remove := func(w *world, o client.Object) {
		w.Expect(env.client.Delete(w.ctx, o)).To(gomega.Succeed())
		w.Eventually(w.gone(o)).Should(gomega.BeTrue())
	}
	t.Run("deletes the messages, or retains them", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n, stays := w.notify("n", "c", deletes, to(room("alerts"), user("ada"))), w.notify("stays", "c")
		w.becomes(n, delivered())
		w.becomes(stays, delivered())
		dm := n.Status.Deliveries[1].ConversationID
		remove(w, n)
		remove(w, stays)
		w.Expect(w.texts(w.id("C", "ALERTS"))).To(gomega.Equal([]string{"text of stays"}))
		w.Expect(w.messages(dm)).To(gomega.BeEmpty())
		w.Expect(w.warnings("SlackNotification", "n")).To(gomega.BeEmpty())
	})
	t.Run("repeats what failed", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", deletes)
		w.becomes(n, delivered())
		w.fault(slacksim.Fault{Method: "chat.delete", Team: w.team, Kind: "http", Status: 503, Times: 2})
		w.fault(slacksim.Fault{Method: "chat.delete", Team: w.team, Kind: "close_after"})
		remove(w, n)
		w.Expect(w.alerts()).To(gomega.BeEmpty())
	})
	t.Run("a message of unknown outcome is looked for", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		n := w.notify("n", "c", deletes)
		w.passesThrough(n, retrying("Delivering", v1alpha1.ReasonSlackUnavailable), "")
		remove(w, n)
		w.Expect(w.alerts()).To(gomega.BeEmpty())
	})
	t.Run("lets go with an Event", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.hooked("hook", w.hook)
		refused, hook := w.notify("refused", "c", deletes), w.notify("hook", "hook", deletes)
		w.becomes(refused, delivered())
		w.becomes(hook, delivered())
		w.fault(slacksim.Fault{Method: "chat.delete", Team: w.team, Kind: "error", Code: "cant_delete_message"})
		remove(w, refused)
		remove(w, hook)
		for _, name := range []string{"refused", "hook"} {
			w.Eventually(func() []string { return w.warnings("SlackNotification", name) }).Should(gomega.ContainElement(v1alpha1.ReasonMessageNotDeleted))
		}
	})
	t.Run("credentials or SlackChannel gone", func(t *testing.T) {
		w := newWorld(t)
		c := w.webAPI("c", "#alerts")
		w.ready(c)
		n, m := w.notify("n", "c", deletes), w.notify("m", "c", deletes)
		w.becomes(n, delivered())
		w.becomes(m, delivered())
		w.Expect(env.client.Delete(w.ctx, secretOf(w.ns, "c-token", nil))).To(gomega.Succeed())
		w.becomes(c, stalled("", v1alpha1.ReasonSecretNotFound))
		remove(w, n)
		remove(w, c)
		remove(w, m)
		w.Expect(w.alerts()).To(gomega.HaveLen(2))
	})
	t.Run("the policy changes its mind", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		n := w.notify("n", "c", deletes)
		w.becomes(n, delivered())
		w.update(n, func() { n.Spec.DeletionPolicy = v1alpha1.DeletionRetain })
		w.Eventually(func() []string { w.see(n); return n.Finalizers }).Should(gomega.BeEmpty())
		remove(w, n)
		w.Expect(w.alerts()).To(gomega.HaveLen(1))
	})
	t.Run("never sent", func(t *testing.T) {
		w := newWorld(t)
		n := w.notify("n", "nowhere", deletes)
		w.becomes(n, stalled("Pending", v1alpha1.ReasonSlackChannelNotFound))
		remove(w, n)
	})
}

func repliesTo(parent string) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) {
		n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: parent}}
	}
}

func TestThreads(t *testing.T) {
	t.Run("a reply waits for its parent, and follows it", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		reply := w.notify("reply", "c", repliesTo("parent"), to(user("ada"), room("alerts")))
		w.becomes(reply, stalled("Pending", v1alpha1.ReasonThreadNotFound))
		parent := w.notify("parent", "c", to(room("alerts"), user("ada")), func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
		w.becomes(reply, progressing("Pending", v1alpha1.ReasonWaitingForThread))
		w.update(parent, func() { parent.Spec.Suspend = false })
		w.becomes(parent, delivered())
		w.becomes(reply, delivered())
		for i, d := range reply.Status.Deliveries {
			p := parent.Status.Deliveries[1-i]
			w.Expect(d.ConversationID).To(gomega.Equal(p.ConversationID))
			w.Expect(d.ThreadTimestamp).To(gomega.Equal(p.Timestamp))
			w.Expect(w.messages(d.ConversationID)[1].ThreadTS).To(gomega.Equal(p.Timestamp))
		}
		// A reply to the reply goes into the same thread, and a reply that names
		// nobody goes where its parent went.
		again := w.notify("again", "c", repliesTo("reply"))
		w.becomes(again, delivered())
		w.Expect(again.Status.Deliveries[0].ThreadTimestamp).To(gomega.Equal(parent.Status.Deliveries[0].Timestamp))
	})
	t.Run("to whom the parent went, when it names nobody", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", to(user("ada")))
		w.becomes(parent, delivered())
		reply := w.notify("reply", "c", repliesTo("parent"))
		w.becomes(reply, delivered())
		w.Expect(reply.Status.Deliveries[0].ConversationID).To(gomega.Equal(parent.Status.Deliveries[0].ConversationID))
	})
	t.Run("by timestamp, shown in the channel too", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c")
		w.becomes(parent, delivered())
		ts := parent.Status.Deliveries[0].Timestamp
		w.becomes(w.notify("reply", "c", func(n *v1alpha1.SlackNotification) {
			n.Spec.Thread = &v1alpha1.Thread{Timestamp: ts, Broadcast: true}
		}), delivered())
		got := w.alerts()[1]
		w.Expect(got.ThreadTS).To(gomega.Equal(ts))
		w.Expect(got.Broadcast).To(gomega.BeTrue())
	})
	t.Run("the parent has failed", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c", to(user("nobody"), room("alerts")))
		w.becomes(parent, look{Phase: "PartiallyDelivered", Ready: "False", Reason: v1alpha1.ReasonPartiallyDelivered, Stalled: true, Kstatus: "Failed"})
		w.becomes(w.notify("there", "c", repliesTo("parent"), to(room("alerts"))), delivered())
		elsewhere := w.notify("elsewhere", "c", repliesTo("parent"), to(user("ada")))
		w.becomes(elsewhere, stalled("Failed", v1alpha1.ReasonThreadFailed))
		w.update(parent, func() { parent.Spec.Recipients[0].User = "ada" })
		w.becomes(elsewhere, delivered())
	})
	t.Run("the message to reply to is gone", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		parent := w.notify("parent", "c")
		w.becomes(parent, delivered())
		w.sim("delete", map[string]string{"channel": w.id("C", "ALERTS"), "ts": parent.Status.Deliveries[0].Timestamp})
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		reply := w.notify("reply", "c", repliesTo("parent"))
		w.becomes(reply, delivered())
		w.Expect(reply.Status.Deliveries[0].Reason).To(gomega.Equal(v1alpha1.ReasonThreadGone))
		w.Expect(w.alerts()).To(gomega.HaveLen(1), "and it is found where it went, though the answer was cut")
	})
	t.Run("a reply whose answer is cut is not sent twice", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.becomes(w.notify("parent", "c"), delivered())
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
		w.becomes(w.notify("reply", "c", repliesTo("parent")), delivered())
		w.Expect(w.alerts()).To(gomega.HaveLen(2))
	})
	t.Run("to itself", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.becomes(w.notify("n", "c", repliesTo("n")), stalled("Pending", v1alpha1.ReasonThreadNotFound))
	})
}

func TestMentions(t *testing.T) {
	w := newWorld(t)
	w.sim("groups?team="+w.team, slacksim.Group{ID: w.id("S", "ONCALL"), Handle: "oncall", Name: "On call"})
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) {
		n.Spec.Text = "<@ada> <@yueh@example.com> <@oncall> <@nobody> <!here> <@" + w.id("U", "SAM1") + ">"
		n.Spec.Fields = []v1alpha1.Field{{Title: "who", Value: "<@sam.two>"}}
	})
	w.becomes(n, delivered())
	data, err := json.Marshal(w.alerts()[0])
	w.Expect(err).NotTo(gomega.HaveOccurred())
	got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(data))
	for _, token := range []string{"<@" + w.id("U", "ADA") + ">", "<@" + w.id("U", "YUEH") + ">", "<!subteam^" + w.id("S", "ONCALL") + ">",
		"@nobody", "<!here>", "<@" + w.id("U", "SAM1") + ">", "<@" + w.id("U", "SAM2") + ">"} {
		w.Expect(got).To(gomega.ContainSubstring(token))
	}
	w.Expect(got).NotTo(gomega.ContainSubstring("<@nobody"))
	cond := w.condition(n, v1alpha1.ConditionMentionsResolved)
	w.Expect(cond).NotTo(gomega.BeNil())
	w.Expect(cond.Status).To(gomega.Equal(metav1.ConditionFalse))
	w.Expect(cond.Message).To(gomega.ContainSubstring("nobody"))
	w.Expect(cond.Message).NotTo(gomega.ContainSubstring("ada"))

	w.hooked("hook", w.hook)
	hook := w.notify("hook", "hook", func(n *v1alpha1.SlackNotification) { n.Spec.Text = "hello <@ada>" })
	w.becomes(hook, delivered())
	w.Expect(w.condition(hook, v1alpha1.ConditionMentionsResolved).Reason).To(gomega.Equal(v1alpha1.ReasonMentionsNotSupported))
}

// A content beyond Slack's limits is cut, and the status says so.
func TestLongContentIsShortened(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.Text = strings.Repeat("a long alert & more\n", 1500) })
	w.becomes(n, delivered())
	w.Expect(w.condition(n, v1alpha1.ConditionShortened).Status).To(gomega.Equal(metav1.ConditionTrue))
}

// A namespace goes even if its messages can't be deleted any more.
func TestNamespaceIsNotHeldUp(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	n := w.notify("n", "c", deletes)
	w.becomes(n, delivered())
	// There is no namespace controller here; this is what it does.
	w.Expect(env.client.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}})).To(gomega.Succeed())
	w.Expect(env.client.DeleteAllOf(w.ctx, &corev1.Secret{}, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Expect(env.client.DeleteAllOf(w.ctx, &v1alpha1.SlackChannel{}, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Expect(env.client.DeleteAllOf(w.ctx, &v1alpha1.SlackNotification{}, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Eventually(w.gone(n)).Should(gomega.BeTrue())
}
