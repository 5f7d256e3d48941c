package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Buttons whose answers stand in the object, with the clicks by HTTP.
func TestAnswers(t *testing.T) {
	a := newWorld(t).answers("--cluster-name=prod")
	w := a.world
	t.Run("approved", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("approve", func(n *v1alpha1.SlackNotification) {
			n.Spec.Severity, n.Spec.Title = v1alpha1.SeverityWarning, "Deploy?"
		})
		w.shown(n)
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=; ; False AwaitingAnswer"))
		w.shows(n, buttons)
		w.acked(n, "ADA", "approve")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"), "it is stored when it is acknowledged")
		r := n.Status.Responses[0]
		d := n.Status.Deliveries[0]
		w.Expect(r.User).To(gomega.Equal(v1alpha1.ResponseUser{ID: w.id("U", "ADA"), Name: "ada", TeamID: w.team}))
		w.Expect(r.AllowedBy).To(gomega.Equal("everyone"))
		w.Expect([]any{r.ConversationID, r.Timestamp, r.Generation}).To(gomega.Equal([]any{d.ConversationID, d.Timestamp, int64(1)}))
		w.Expect(r.ID).NotTo(gomega.BeEmpty())
		w.Expect(r.At.Time).To(gomega.BeTemporally("~", r.RecordedAt.Time, time.Minute))
		w.Expect(meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionAnswered).Message).To(gomega.Equal("approve by ada (" + w.id("U", "ADA") + ")"))
		w.shows(n, "✓ approved by <@"+w.id("U", "ADA")+">, <!date^", buttons)
		w.becomes(n, delivered())
		w.Expect(w.alerts()).To(gomega.HaveLen(1), "it is edited, and not posted anew")
	})
	t.Run("too late", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("late")
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.shows(n, "✓ approved", buttons)
		w.acked(n, "YUEH", "reject", stale)
		w.told("YUEH", "decided already: “approved” by <@"+w.id("U", "ADA")+">")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
	t.Run("rejected after a dialog", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("reject")
		w.shown(n)
		w.Expect(w.press(n, "ADA", "reject", func(in *slacksim.Pressing) { in.Deny = true }).Fate).To(gomega.Equal(slacksim.FateCancelled))
		w.acked(n, "ADA", "reject")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=reject; reject by UADA; True Answered"))
		w.shows(n, "✓ Reject by", buttons)
	})
	t.Run("chosen from a menu", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("menu")
		w.shown(n)
		w.acked(n, "ADA", "delay", option("1d"))
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=delay; delay=1d by UADA; True Answered"))
		w.shows(n, "✓ Later: 1 day by", buttons)
	})
	t.Run("each has one answer", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("each", decidedBy(v1alpha1.DecidedByEach))
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.acked(n, "YUEH", "reject")
		w.acked(n, "YUEH", "approve")
		w.told("YUEH", "You have answered this already: “Reject”")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=; approve by UADA, reject by UYUEH; True Answered"))
		w.shows(n, "✓ Reject by")
		w.shows(n, buttons)
	})
	t.Run("none decides", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("none", decidedBy(v1alpha1.DecidedByNone))
		w.shown(n)
		for range 2 {
			w.acked(n, "ADA", "approve")
		}
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=; approve by UADA, approve by UADA; True Answered"))
		w.shows(n, buttons)
	})
	t.Run("expired", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("expire", expiresAfter(2*time.Second))
		w.shown(n)
		w.Eventually(func() string { return w.outcome(n) }).Should(gomega.Equal("decision=Expired; ; False Expired"))
		w.Expect(time.Since(n.Status.Deliveries[0].DeliveredAt.Time)).To(gomega.BeNumerically(">=", 2*time.Second))
		w.shows(n, "nobody answered in time", buttons)
		w.acked(n, "ADA", "approve", stale)
		w.told("ADA", "Too late: the time to answer this was over")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=Expired; ; False Expired"))
	})
	t.Run("the object is deleted", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("deleted")
		w.shown(n)
		w.Expect(env.client.Delete(w.ctx, n)).To(gomega.Succeed())
		w.acked(n, "SAM1", "approve")
		w.told("SAM1", "the SlackNotification was deleted")
	})
	t.Run("to a person", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("dm", to(user("ada")))
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
		w.shows(n, "✓ approved by", buttons)
	})
	t.Run("content is changed meanwhile", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("changed", decidedBy(v1alpha1.DecidedByNone))
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.update(n, func() { n.Spec.Text = "another text" })
		w.acked(n, "ADA", "approve")
		w.shows(n, "another text")
		w.shows(n, "✓ approved by")
		w.becomes(n, delivered())
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=; approve by UADA, approve by UADA; True Answered"))
	})
}

// Who may press.
func TestWhoMayAnswer(t *testing.T) {
	a := newWorld(t).answers()
	w := a.world
	people := func(ids ...string) (out v1alpha1.AllowedPeople) {
		for _, id := range ids {
			out.Users = append(out.Users, v1alpha1.AllowedUser{User: w.id("U", id)})
		}
		return out
	}
	for name, c := range map[string]struct {
		list v1alpha1.AllowedPeople
		who  string
		by   string // empty for a refusal, which is told as in says
		says string
	}{
		"by ID":             {people("ADA"), "ADA", "user " + w.id("U", "ADA"), ""},
		"by-address":        {v1alpha1.AllowedPeople{Users: []v1alpha1.AllowedUser{{Email: "ada@example.com"}}}, "ADA", "email ada@example.com", ""},
		"by-group":          {v1alpha1.AllowedPeople{Groups: []string{"release"}}, "YUEH", "group release", ""},
		"external-by-ID":    {people("EXT"), "EXT", "user " + w.id("U", "EXT"), ""},
		"not-in-the-list":   {people("ADA"), "YUEH", "", "only <@" + w.id("U", "ADA") + "> may"},
		"another-address":   {v1alpha1.AllowedPeople{Users: []v1alpha1.AllowedUser{{Email: "ada@example.com"}}}, "YUEH", "", "only ada@example.com may"},
		"not-in-the-group":  {v1alpha1.AllowedPeople{Groups: []string{"@release"}}, "ADA", "", "only members of @release may"},
		"no-such-group":     {v1alpha1.AllowedPeople{Groups: []string{"nobodys"}}, "ADA", "", "only members of @nobodys may"},
		"external-everyone": {v1alpha1.AllowedPeople{Everyone: true}, "EXT", "", "people from outside of this workspace may only when they are named by their ID"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.within(t)
			n := w.ask("who-"+strings.ToLower(strings.ReplaceAll(name, " ", "-")), allowed(c.list))
			w.shown(n)
			w.acked(n, c.who, "approve")
			if c.by != "" {
				w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=approve; approve by U" + c.who))
				w.Expect(n.Status.Responses[0].AllowedBy).To(gomega.Equal(c.by))
				return
			}
			w.told(c.who, c.says)
			w.Expect(w.outcome(n)).To(gomega.Equal("decision=; ; False AwaitingAnswer"))
			w.Eventually(func() []string { return w.denials(n) }).Should(gomega.ContainElement(gomega.HavePrefix("ResponseDenied")))
			w.shows(n, buttons)
		})
	}
	t.Run("an action's own list goes before that of all", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("own-list", func(n *v1alpha1.SlackNotification) {
			list := people("YUEH")
			n.Spec.Actions[1].Allowed = &list
		})
		w.shown(n)
		w.acked(n, "ADA", "reject")
		w.told("ADA", "You may not press “Reject”: only <@"+w.id("U", "YUEH")+"> may")
		w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=; ;"))
		w.acked(n, "ADA", "approve")
		w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=approve; approve by UADA"))
	})
	t.Run("a group that is not there is told beforehand", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("groups", allowed(v1alpha1.AllowedPeople{Groups: []string{"releese", "release"}}))
		w.shown(n)
		w.Eventually(func() string { return w.conditionLine(n, v1alpha1.ConditionAllowedGroupsFound) }).Should(gomega.And(
			gomega.HavePrefix("False GroupsNotFound"), gomega.ContainSubstring(`did you mean "release"`), gomega.ContainSubstring("answers.allowed.groups")))
	})
}

// conditionLine is a condition of a notification in a line.
func (w *world) conditionLine(n *v1alpha1.SlackNotification, kind string) string {
	w.t.Helper()
	c := w.condition(n, kind)
	if c == nil {
		return "none"
	}
	return string(c.Status) + " " + c.Reason + " " + c.Message
}

// denials are the Events about a notification.
func (w *world) denials(n *v1alpha1.SlackNotification) []string {
	w.t.Helper()
	list := &eventsv1.EventList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
	out := []string{}
	for i := range list.Items {
		if e := &list.Items[i]; e.Regarding.UID == n.UID {
			out = append(out, e.Reason+" "+e.Note)
		}
	}
	return out
}

// Where there can be no buttons, there are none, and the object says why.
func TestNoButtons(t *testing.T) {
	a := newWorld(t).answers()
	w := a.world
	t.Run("webhook", func(t *testing.T) {
		w := w.within(t)
		c := w.hooked("hooked", w.hook)
		w.update(c, func() { own(c) })
		w.becomes(c, current("", v1alpha1.ReasonWebhookNotVerified))
		n := w.ask("webhook", func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = "hooked" })
		w.shown(n)
		w.Expect(w.conditionLine(n, v1alpha1.ConditionActionsAvailable)).To(gomega.And(gomega.HavePrefix("False ActionsNotSupported"), gomega.ContainSubstring("spec.webAPI")))
		w.Expect(string(w.alerts()[0].Blocks)).NotTo(gomega.ContainSubstring(buttons))
	})
	t.Run("interactions are set later, and removed", func(t *testing.T) {
		w := w.within(t)
		c := w.webAPI("plain", "#deploys", func(c *v1alpha1.SlackChannel) { own(c) })
		w.ready(c)
		n := w.ask("plain", func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = "plain" })
		w.shown(n)
		w.Expect(w.conditionLine(n, v1alpha1.ConditionActionsAvailable)).To(gomega.And(gomega.HavePrefix("False InteractionsNotSet"), gomega.ContainSubstring("spec.interactions")))
		w.Expect(w.looksLike(n)).NotTo(gomega.ContainSubstring(buttons))
		w.update(c, func() { byHTTP(c) })
		w.shows(n, buttons)
		w.Eventually(func() string { return w.conditionLine(n, v1alpha1.ConditionActionsAvailable) }).Should(gomega.Equal("none"))
		t.Run("answered through another SlackChannel's address of the same app", func(t *testing.T) {
			w := w.within(t)
			w.acked(n, "ADA", "approve")
			w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=approve; approve by UADA"))
		})
		m := w.ask("plain-2", func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = "plain" })
		w.shown(m)
		w.shows(m, buttons)
		w.update(c, func() { c.Spec.Interactions = nil })
		w.Eventually(func() string { return w.looksLike(m) }).ShouldNot(gomega.ContainSubstring(buttons))
	})
}

// What somebody makes up changes nothing.
func TestForgedButtons(t *testing.T) {
	a := newWorld(t).answers()
	w := a.world
	victim := w.ask("victim")
	w.shown(victim)
	var blocks []json.RawMessage
	w.Expect(json.Unmarshal(w.alerts()[0].Blocks, &blocks)).To(gomega.Succeed())
	copied := blocks[len(blocks)-1]
	t.Run("a copy of the buttons in another message", func(t *testing.T) {
		w := w.within(t)
		n := w.notify("forger", "c", func(n *v1alpha1.SlackNotification) {
			own(n)
			n.Spec.Text = ""
			n.Spec.Blocks = []v1alpha1.Block{{}}
			w.Expect(json.Unmarshal(copied, &n.Spec.Blocks[0])).To(gomega.Succeed())
		})
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.told("ADA", "belongs to an older message, or to another one")
		w.Expect(w.outcome(victim)).To(gomega.Equal("decision=; ; False AwaitingAnswer"))
	})
	t.Run("a user's own button", func(t *testing.T) {
		w := w.within(t)
		n := w.notify("own-button", "c", func(n *v1alpha1.SlackNotification) {
			own(n)
			n.Spec.Text = ""
			n.Spec.Blocks = []v1alpha1.Block{{}}
			w.Expect(json.Unmarshal([]byte(`{"type":"actions","block_id":"mine","elements":[{"type":"button","action_id":"sn:approve","text":{"type":"plain_text","text":"x"}}]}`), &n.Spec.Blocks[0])).To(gomega.Succeed())
		})
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=; ; ?"))
	})
	for name, overlay := range map[string]map[string]string{
		"another app":       {"api_app_id": `"A0OTHERAPP"`},
		"another workspace": {"team": `{"id":"T0OTHER"}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.within(t)
			in := func(in *slacksim.Pressing) {
				in.Payload = map[string]json.RawMessage{}
				for k, v := range overlay {
					in.Payload[k] = json.RawMessage(v)
				}
			}
			w.Eventually(func() string { w.see(a.channel); return a.channel.Status.AppID }).ShouldNot(gomega.BeEmpty(), "the SlackChannel says which app it is")
			w.press(victim, "ADA", "approve", in)
			w.Expect(w.outcome(victim)).To(gomega.Equal("decision=; ; False AwaitingAnswer"))
		})
	}
	t.Run("another cluster's", func(t *testing.T) {
		w := w.within(t)
		p := w.press(victim, "YUEH", "approve", func(in *slacksim.Pressing) {
			in.Payload = map[string]json.RawMessage{"actions": json.RawMessage(`[{"action_id":"sn:approve","block_id":"sn1:00000000:` + string(victim.UID) + `:00000000","type":"button","action_ts":"1700000000.000001"}]`)}
		})
		isWarned(t, p)
		w.told("YUEH", "This button belongs to another cluster")
		w.Expect(w.outcome(victim)).To(gomega.Equal("decision=; ; False AwaitingAnswer"))
	})
	t.Run("the one that is right", func(t *testing.T) {
		w := w.within(t)
		w.acked(victim, "ADA", "approve")
		w.Expect(w.outcome(victim)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
}
