package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// aside is what a SlackNotification says beside Ready.
func (w *world) aside(n *v1alpha1.SlackNotification, kind string) (reason, message string) {
	w.t.Helper()
	w.see(n)
	if c := meta.FindStatusCondition(n.Status.Conditions, kind); c != nil {
		return string(c.Status) + " " + c.Reason, c.Message
	}
	return "", ""
}

func says(text string) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.Text = text }
}

func under(timestamp string) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.Thread = &v1alpha1.Thread{Timestamp: timestamp} }
}

// A guest reaches the SlackChannel's own channel by whatever name, and nobody
// else: neither people nor channels, and whether they exist is not told.
func TestGuestReachesOwnChannelOnly(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared)
	w.ready(c)
	guest := w.from(w.guest())
	for i, name := range []string{"#alerts", "alerts", w.id("C", "ALERTS")} {
		w.becomes(w.notify(fmt.Sprintf("own-%d", i), "c", guest, to(room(name))), delivered())
	}
	w.Expect(w.alerts()).To(gomega.HaveLen(3))

	before := time.Now()
	var told []string
	for i, one := range []v1alpha1.Recipient{user("ada"), user("nobody-of-that-name"), email("ada@example.com"), room("#deploys"), room("no-such-channel"), room(w.id("C", "DEPLOYS")), user(w.id("U", "ADA"))} {
		n := w.notify(fmt.Sprintf("other-%d", i), "c", guest, to(one))
		w.becomes(n, stalled("Failed", v1alpha1.ReasonNotAllowed))
		told = append(told, n.Status.Deliveries[0].Message)
	}
	for _, text := range told {
		w.Expect(text).To(gomega.Equal(told[0]), "the answer tells who exists")
	}
	w.Expect(told[0]).To(gomega.And(gomega.ContainSubstring("SlackChannel "+w.ns+"/c"), gomega.ContainSubstring("spec.allowedNamespaces.recipients: Any")))
	w.Expect(w.methodsSince(before)).To(gomega.BeEmpty(), "Slack was asked for recipients that are refused")

	both := w.notify("both", "c", guest, to(user("ada"), room("#alerts")))
	w.Eventually(func() []string {
		w.see(both)
		var out []string
		for _, d := range both.Status.Deliveries {
			out = append(out, d.Recipient+" "+string(d.State)+" "+d.Reason)
		}
		return out
	}).Should(gomega.Equal([]string{"user:ada Failed NotAllowed", "channel:#alerts Delivered "}), "the rest is delivered")
	w.becomes(w.notify("own", "c", to(user("ada"), room("#deploys"))), delivered())

	// The owner changes his mind; nothing else has to change.
	w.update(c, func() { c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachAny })
	w.becomes(both, delivered())
}

// What an owner takes back while the bot is on its way into a channel: it does not
// join it for a guest any more.
func TestGuestHasNoChannelJoined(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared, func(c *v1alpha1.SlackChannel) { c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachAny })
	w.ready(c)
	w.fault(slacksim.Fault{Method: "conversations.join", Team: w.team, Kind: "http", Status: 503, Times: -1})
	n := w.notify("n", "c", w.from(w.guest()), to(room("#other")))
	w.Eventually(func() int { return len(w.callsSince(time.Time{}, "conversations.join")) }).ShouldNot(gomega.BeZero())
	w.update(c, func() { c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachOwnChannel })
	w.becomes(n, stalled("Failed", v1alpha1.ReasonNotAllowed))
	w.mend()
	before := time.Now()
	w.request(n, "look now")
	w.Eventually(func() string { w.see(n); return n.Status.LastHandledRequest }).Should(gomega.Equal("look now"))
	w.becomes(n, stalled("Failed", v1alpha1.ReasonNotAllowed))
	w.Expect(w.methodsSince(before)).To(gomega.BeEmpty())
}

// A guest replies in the SlackChannel's own channel, and in no other.
func TestGuestRepliesInOwnChannelOnly(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared, func(c *v1alpha1.SlackChannel) { c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachAny })
	w.ready(c)
	guest := w.from(w.guest())
	reply := func(name, to string) *v1alpha1.SlackNotification {
		return w.notify(name, "c", guest, func(n *v1alpha1.SlackNotification) {
			n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: to}}
		})
	}
	here := w.notify("here", "c", guest, deletes)
	there := w.notify("there", "c", guest, deletes, to(room("#deploys")))
	w.becomes(here, delivered())
	w.becomes(there, delivered())
	w.update(c, func() { c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachOwnChannel })
	w.ready(c)

	w.becomes(reply("re-here", "here"), delivered())
	w.becomes(reply("re-there", "there"), stalled("Failed", v1alpha1.ReasonNotAllowed))
	w.becomes(w.notify("ts-here", "c", guest, under(here.Status.Deliveries[0].Timestamp)), delivered())
	w.becomes(w.notify("ts-there", "c", guest, to(room("#deploys")), under(there.Status.Deliveries[0].Timestamp)), stalled("Failed", v1alpha1.ReasonNotAllowed))
	w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.HaveLen(1))

	// What is out already is still edited and deleted.
	w.update(there, func() { there.Spec.Text = "edited" })
	w.becomes(there, delivered())
	w.Expect(w.messages(w.id("C", "DEPLOYS"))[0].Text).To(gomega.Equal("edited"))
	w.vanish(there)
	w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.BeEmpty())
}

// A guest pages people and no channels, unless the owner says otherwise; what is
// left out stays readable, and is told.
func TestGuestMentions(t *testing.T) {
	const text = "<!here> <!channel|x> <@ada>"
	for _, c := range []struct {
		mentions v1alpha1.GuestMentions
		shows    func(ada string) string
		reason   string
	}{
		{"", func(ada string) string { return "@here @x <@" + ada + ">" }, "False NotAllowed"},
		{v1alpha1.GuestsMentionNobody, func(string) string { return "@here @x @ada" }, "False NotAllowed"},
		{v1alpha1.GuestsMentionAll, func(ada string) string { return "<!here> <!channel|x> <@" + ada + ">" }, ""},
	} {
		t.Run("mentions "+string(c.mentions), func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts", shared, func(o *v1alpha1.SlackChannel) { o.Spec.AllowedNamespaces.Mentions = c.mentions }))
			before := time.Now()
			n := w.notify("n", "c", w.from(w.guest()), says(text))
			w.becomes(n, delivered())
			w.Expect(w.alerts()[0].Text).To(gomega.Equal(c.shows(w.id("U", "ADA"))))
			reason, message := w.aside(n, v1alpha1.ConditionMentionsResolved)
			w.Expect(reason).To(gomega.Equal(c.reason))
			if reason != "" {
				w.Expect(message).To(gomega.And(gomega.ContainSubstring("@here"), gomega.ContainSubstring("spec.allowedNamespaces.mentions")))
			}
			if c.mentions == v1alpha1.GuestsMentionNobody {
				w.Expect(w.methodsSince(before)).To(gomega.Equal([]string{"chat.postMessage"}), "somebody was looked up who may not be paged")
			}

			own := w.notify("own", "c", says(text))
			w.becomes(own, delivered())
			w.Expect(w.alerts()).To(gomega.ContainElement(gomega.HaveField("Text", "<!here> <!channel|x> <@"+w.id("U", "ADA")+">")), "the owner's own notifications page whom they like")
			w.update(n, func() { n.Spec.Text = "nobody" })
			w.becomes(n, delivered())
			reason, _ = w.aside(n, v1alpha1.ConditionMentionsResolved)
			w.Expect(reason).To(gomega.BeEmpty(), "nobody is mentioned any more")
		})
	}
}

// A guest speaks under the SlackChannel's name, unless the owner lets guests
// choose their own.
func TestGuestSender(t *testing.T) {
	for _, c := range []struct {
		name            string
		allowed         bool
		shows, reported string
	}{{"by default", false, "ua-bot", "False NotAllowed"}, {"allowed", true, "The CEO", ""}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts", shared, func(o *v1alpha1.SlackChannel) {
				o.Spec.Sender = &v1alpha1.Sender{Username: "ua-bot"}
				o.Spec.AllowedNamespaces.Sender = c.allowed
			}))
			n := w.notify("n", "c", w.from(w.guest()), func(n *v1alpha1.SlackNotification) {
				n.Spec.Sender = &v1alpha1.Sender{Username: "The CEO", IconEmoji: ":crown:"}
			})
			w.becomes(n, delivered())
			w.Expect(w.alerts()[0].Username).To(gomega.Equal(c.shows))
			reason, message := w.aside(n, v1alpha1.ConditionSenderApplied)
			w.Expect(reason).To(gomega.Equal(c.reported))
			if reason != "" {
				w.Expect(message).To(gomega.ContainSubstring("spec.allowedNamespaces.sender: true"))
			}
		})
	}
}

// An incident of a rule that refers to a foreign SlackChannel is a guest as well.
func TestGuestIncident(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts", shared))
	there := *w
	there.ns = w.guest()
	spec := objectsOf("apps/v1", "Deployment", "object.metadata.name == 'web'")
	spec.ChannelRef = v1alpha1.ChannelReference{Name: "c", Namespace: w.ns}
	spec.Recipients = []v1alpha1.Recipient{user("ada")}
	rule := there.rule("r", spec)
	there.becomes(rule, watchingLook())
	there.deployment("web", nil)
	w.Eventually(func() []string {
		var out []string
		for _, n := range there.made(rule) {
			for _, c := range n.Status.Conditions {
				if c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionFalse {
					out = append(out, c.Reason)
				}
			}
		}
		return out
	}).Should(gomega.Equal([]string{v1alpha1.ReasonNotAllowed}))
}
