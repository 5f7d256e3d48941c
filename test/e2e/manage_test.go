package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// managed makes a SlackChannel that manages its channel.
func (w *world) managed(name, channel string, m v1alpha1.Manage, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	w.t.Helper()
	return w.webAPI(name, channel, append(changes, func(c *v1alpha1.SlackChannel) { c.Spec.Manage = &m })...)
}

// inSlack is the channel of a name, as the simulated Slack has it; an empty one
// when there is none.
func (w *world) inSlack(name string) slacksim.Channel {
	w.t.Helper()
	var state slacksim.State
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/state"), &state)).To(gomega.Succeed())
	for _, ws := range state.Workspaces {
		for _, ch := range ws.Rooms {
			if ws.ID == w.team && ch.Name == name {
				return *ch
			}
		}
	}
	return slacksim.Channel{}
}

// person changes a channel as somebody in Slack would.
func (w *world) person(change map[string]any) {
	w.t.Helper()
	w.sim("channels?team="+w.team, change)
}

// check has a SlackChannel checked: its Secret is touched.
func (w *world) check(c *v1alpha1.SlackChannel) {
	w.t.Helper()
	s := secretOf(w.ns, c.Spec.WebAPI.TokenSecretRef.Name, nil)
	w.update(s, func() {
		s.Annotations = map[string]string{"touched": fmt.Sprint(len(s.Annotations["touched"]), s.ResourceVersion)}
	})
}

// checked waits until a check has come to its end.
func (w *world) checked(c *v1alpha1.SlackChannel) {
	w.t.Helper()
	for range 2 { // when the second has begun, the first has ended
		before := w.teamCalls("conversations.info")
		w.check(c)
		w.Eventually(func() int { return w.teamCalls("conversations.info") }).Should(gomega.BeNumerically(">", before))
	}
}

// teamCalls counts the calls of a method with this test's tokens.
func (w *world) teamCalls(method string) int {
	w.t.Helper()
	var calls slacksim.Calls
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/calls"), &calls)).To(gomega.Succeed())
	count := 0
	for _, c := range calls.Log {
		if c.Team == w.team && c.Method == method {
			count++
		}
	}
	return count
}

func (w *world) remove(o client.Object) {
	w.t.Helper()
	w.Expect(env.client.Delete(w.ctx, o)).To(gomega.Succeed())
}

// members says how the condition MembersInSync is, and what it says.
func (w *world) members(c *v1alpha1.SlackChannel) func() string {
	return func() string {
		w.see(c)
		cond := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionMembersInSync)
		if cond == nil || cond.ObservedGeneration != c.Generation {
			return ""
		}
		return string(cond.Status) + " " + cond.Reason + ": " + cond.Message
	}
}

func ptr[T any](v T) *T { return &v }

func TestManageCreates(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "#made", v1alpha1.Manage{Topic: ptr("ours & <others>: https://example.com/x"), Purpose: ptr("all of it")})
	w.ready(c)
	got := w.inSlack("made")
	w.Expect(c.Status.Managed).To(gomega.Equal(got.ID))
	w.Expect(c.Status.Channel).To(gomega.Equal(&v1alpha1.ChannelInfo{ID: got.ID, Name: "made"}))
	w.Expect(got.Creator).To(gomega.Equal(w.id("U", "BOT")))
	w.Expect(got.Private).To(gomega.BeFalse())
	w.Expect(got.Topic).To(gomega.Equal("ours & <others>: https://example.com/x"))
	w.Expect(got.Purpose).To(gomega.Equal("all of it"))
	w.Expect(c.Finalizers).To(gomega.BeEmpty(), "for deletionPolicy Archive alone")

	n := w.notify("n", "c")
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
	w.checked(c)
	w.ready(c)
	for _, method := range []string{"conversations.create", "conversations.setTopic", "conversations.setPurpose"} {
		w.Expect(w.teamCalls(method)).To(gomega.Equal(1), method)
	}
	w.Expect(w.teamCalls("conversations.rename")).To(gomega.BeZero())
	w.Expect(w.teamCalls("conversations.members")).To(gomega.BeZero())
}

func TestManageCreatesPrivately(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "hidden", v1alpha1.Manage{Private: true})
	w.ready(c)
	w.Expect(w.inSlack("hidden").Private).To(gomega.BeTrue())
	w.Expect(c.Status.Channel.Private).To(gomega.BeTrue())
}

// What can't be managed, and what the message tells to do.
func TestManageReasons(t *testing.T) {
	cases := []struct {
		name    string
		channel string
		manage  v1alpha1.Manage
		scopes  string
		want    look
		says    []string
	}{
		{"name taken", "other", v1alpha1.Manage{}, "", stalled("", v1alpha1.ReasonNameTaken), []string{`"other"`, "spec.manage.adopt"}},
		{"name taken by a channel that is not seen", "secret", v1alpha1.Manage{Adopt: true}, "", stalled("", v1alpha1.ReasonNameTaken), []string{"name_taken", "can't see", "invite the bot"}},
		{"name taken by an archived channel", "old", v1alpha1.Manage{}, "", stalled("", v1alpha1.ReasonNameTaken), []string{"archived", `"old"`}},
		{"adopting an archived channel", "old", v1alpha1.Manage{Adopt: true}, "", stalled("", v1alpha1.ReasonChannelArchived), []string{"unarchive"}},
		{"not to be created", "nowhere", v1alpha1.Manage{Create: ptr(false)}, "", stalled("", v1alpha1.ReasonChannelNotFound), []string{"spec.manage.create is false"}},
		{"without the scope", "made", v1alpha1.Manage{}, "chat:write,channels:read", stalled("", v1alpha1.ReasonMissingScope), []string{"channels:manage", "conversations.create"}},
		{"private without the scope", "made", v1alpha1.Manage{Private: true}, "chat:write,channels:read,groups:read,channels:manage", stalled("", v1alpha1.ReasonMissingScope), []string{"groups:write"}},
		{"a name that Slack refuses", "--", v1alpha1.Manage{}, "", stalled("", v1alpha1.ReasonManageFailed), []string{"invalid_name_punctuation", "spec.webAPI.channel"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.scopes != "" {
				w.grant(slacksim.Token{Token: w.token, Scopes: strings.Split(c.scopes, ",")})
			}
			got := w.managed("c", c.channel, c.manage)
			w.becomes(got, c.want)
			for _, part := range c.says {
				w.Expect(w.message(got)).To(gomega.ContainSubstring(part))
			}
			w.Expect(got.Status.Managed).To(gomega.BeEmpty())
			w.Expect(got.Status.Channel).To(gomega.BeNil())
		})
	}
}

func TestManageAdopts(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "other", v1alpha1.Manage{Topic: ptr("taken over")})
	w.becomes(c, stalled("", v1alpha1.ReasonNameTaken))
	w.Expect(w.inSlack("other").Topic).To(gomega.BeEmpty())
	w.update(c, func() { c.Spec.Manage.Adopt = true })
	w.ready(c)
	w.Expect(c.Status.Managed).To(gomega.Equal(w.id("C", "OTHER")))
	w.Expect(w.inSlack("other").Topic).To(gomega.Equal("taken over"))
	w.Expect(w.teamCalls("conversations.create")).To(gomega.BeZero())

	// Slack lets a bot rename only what it has created.
	w.update(c, func() { c.Spec.WebAPI.Channel = "another" })
	w.becomes(c, stalled("", v1alpha1.ReasonManageFailed))
	w.Expect(w.message(c)).To(gomega.SatisfyAll(gomega.ContainSubstring("not_authorized"), gomega.ContainSubstring("rename the channel")))

	// Without manage it owns nothing, and changes nothing.
	w.update(c, func() { c.Spec.WebAPI.Channel, c.Spec.Manage = "other", nil })
	w.Eventually(func() string { w.see(c); return c.Status.Managed }).Should(gomega.BeEmpty())
	w.ready(c)
}

func TestManageRenames(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "before", v1alpha1.Manage{})
	w.ready(c)
	id := c.Status.Managed
	w.update(c, func() { c.Spec.WebAPI.Channel = "#after" })
	w.ready(c)
	w.Expect(w.inSlack("after").ID).To(gomega.Equal(id))
	w.Expect(c.Status.Channel.Name).To(gomega.Equal("after"))

	// Somebody in Slack renames it.
	w.person(map[string]any{"id": id, "name": "mine"})
	w.check(c)
	w.Eventually(func() string { return w.inSlack("after").ID }).Should(gomega.Equal(id))
	w.ready(c)

	w.update(c, func() { c.Spec.WebAPI.Channel = "deploys" })
	w.becomes(c, stalled("", v1alpha1.ReasonNameTaken))
	w.Expect(w.message(c)).To(gomega.ContainSubstring(`"deploys"`))
	w.Expect(c.Status.Managed).To(gomega.Equal(id), "it still owns what it owned")
	w.update(c, func() { c.Spec.WebAPI.Channel = "after" })
	w.ready(c)
}

func TestManageMendsDrift(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "drifting", v1alpha1.Manage{Topic: ptr("as it should be")})
	w.ready(c)
	id := c.Status.Managed
	w.person(map[string]any{"id": id, "topic": "as I like it", "purpose": "mine to say"})
	w.check(c)
	w.Eventually(func() string { return w.inSlack("drifting").Topic }).Should(gomega.Equal("as it should be"))
	w.update(c, func() { c.Spec.Manage.Topic = ptr("") })
	w.Eventually(func() string { return w.inSlack("drifting").Topic }).Should(gomega.BeEmpty())
	w.ready(c)
	w.Expect(w.inSlack("drifting").Purpose).To(gomega.Equal("mine to say"), "what is left out is left alone")

	// A person who archives it is not fought with.
	w.person(map[string]any{"id": id, "is_archived": true})
	w.check(c)
	w.becomes(c, stalled("", v1alpha1.ReasonChannelArchived))
	w.Expect(w.message(c)).To(gomega.ContainSubstring("unarchive it"))
	w.Expect(w.teamCalls("conversations.unarchive")).To(gomega.BeZero())
	w.person(map[string]any{"id": id, "is_archived": false})
	w.check(c)
	w.ready(c)

	// One that is gone is made again.
	w.person(map[string]any{"id": id, "name": "gone-" + id, "is_private": true, "members": []string{}})
	w.check(c)
	w.Eventually(func() string { return w.inSlack("drifting").ID }).ShouldNot(gomega.BeEmpty())
	w.ready(c)
	w.Expect(c.Status.Managed).To(gomega.Equal(w.inSlack("drifting").ID))
}

func TestManageMembers(t *testing.T) {
	w := newWorld(t)
	bot, yueh, ada, sam := w.id("U", "BOT"), w.id("U", "YUEH"), w.id("U", "ADA"), w.id("U", "SAM1")
	c := w.managed("c", "team", v1alpha1.Manage{Members: []v1alpha1.Member{
		{User: "yueh.liu"}, {Email: "ada@example.com"}, {User: "nobody"}, {User: "U0UNKNOWN1"}, {User: "Sam"},
	}})
	w.ready(c)
	w.Eventually(w.members(c)).Should(gomega.SatisfyAll(gomega.HavePrefix("False InviteFailed"),
		gomega.ContainSubstring(`"nobody"`), gomega.ContainSubstring(`"U0UNKNOWN1"`), gomega.ContainSubstring(`called "Sam"`)))
	w.Expect(w.inSlack("team").Members).To(gomega.ConsistOf(bot, yueh, ada), "the others are invited")

	w.update(c, func() { c.Spec.Manage.Members = []v1alpha1.Member{{User: "yueh.liu"}, {Email: "nobody@example.com"}} })
	w.Eventually(w.members(c)).Should(gomega.SatisfyAll(gomega.HavePrefix("False MembersNotFound"), gomega.ContainSubstring("nobody@example.com")))
	w.ready(c)

	w.update(c, func() { c.Spec.Manage.Members = []v1alpha1.Member{{User: "yueh.liu"}} })
	w.Eventually(w.members(c)).Should(gomega.HavePrefix("True InSync"))
	w.Expect(w.inSlack("team").Members).To(gomega.ContainElement(ada), "nobody is removed")

	// Who left is invited again, and a guest stays.
	w.person(map[string]any{"id": c.Status.Managed, "members": []string{bot, sam}})
	w.check(c)
	w.Eventually(func() []string { return w.inSlack("team").Members }).Should(gomega.ConsistOf(bot, sam, yueh))
	w.Expect(w.teamCalls("conversations.kick")).To(gomega.BeZero())
}

func TestManagePrunes(t *testing.T) {
	w := newWorld(t)
	bot, yueh, ada, sam := w.id("U", "BOT"), w.id("U", "YUEH"), w.id("U", "ADA"), w.id("U", "SAM1")
	w.channel(slacksim.Channel{ID: w.id("C", "PRUNE"), Name: "prune", Members: []string{sam, bot, ada}, Creator: sam})
	c := w.managed("c", "prune", v1alpha1.Manage{Adopt: true, PruneMembers: true, Members: []v1alpha1.Member{{User: "yueh.liu"}, {User: "nobody"}}})
	w.Eventually(w.members(c)).Should(gomega.SatisfyAll(gomega.HavePrefix("False MembersNotFound"), gomega.ContainSubstring("nobody is removed until")))
	w.checked(c)
	w.Expect(w.inSlack("prune").Members).To(gomega.ConsistOf(bot, yueh, ada, sam), "while somebody is not found")

	w.update(c, func() { c.Spec.Manage.Members = []v1alpha1.Member{{User: "yueh.liu"}, {Email: "ada@example.com"}} })
	w.Eventually(w.members(c)).Should(gomega.HavePrefix("True InSync"))
	w.Expect(w.inSlack("prune").Members).To(gomega.ConsistOf(bot, yueh, ada))
	w.ready(c)
}

// Without the scope to invite, the channel itself is ready.
func TestManageMembersWithoutScope(t *testing.T) {
	w := newWorld(t)
	w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read", "channels:history", "users:read"}})
	c := w.managed("c", "alerts", v1alpha1.Manage{Adopt: true, Members: []v1alpha1.Member{{User: "yueh.liu"}}})
	w.ready(c)
	w.Eventually(w.members(c)).Should(gomega.SatisfyAll(gomega.HavePrefix("False MissingScope"), gomega.ContainSubstring("channels:manage")))
	w.becomes(w.notify("n", "c"), current("Delivered", v1alpha1.ReasonDelivered))
}

// Of two that claim one channel the older has it, in whatever order they are
// seen, and the younger has it when the older is gone.
func TestManageClaims(t *testing.T) {
	w := newWorld(t)
	a := w.managed("a", "claimed", v1alpha1.Manage{Topic: ptr("of a")})
	w.ready(a)
	id := a.Status.Managed
	other := w.ns + "-other"
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}})
	w.create(secretOf(other, "b-token", map[string]string{"token": w.token}))
	b := a.DeepCopy()
	b.ObjectMeta, b.Status = metav1.ObjectMeta{Namespace: other, Name: "b"}, v1alpha1.SlackChannelStatus{}
	b.Spec.WebAPI.TokenSecretRef.Name = "b-token"
	b.Spec.Manage = &v1alpha1.Manage{Adopt: true, Topic: ptr("of b"), DeletionPolicy: v1alpha1.ChannelArchive}
	w.create(b)
	w.becomes(b, stalled("", v1alpha1.ReasonChannelClaimed))
	w.Expect(w.message(b)).To(gomega.ContainSubstring(w.ns + "/a"))
	w.Expect(b.Status.Managed).To(gomega.BeEmpty())
	w.checked(a)
	w.ready(a)
	w.Expect(w.inSlack("claimed").Topic).To(gomega.Equal("of a"))

	w.remove(a)
	w.becomes(b, current("", v1alpha1.ReasonVerified))
	w.Expect(b.Status.Managed).To(gomega.Equal(id))
	w.Expect(w.inSlack("claimed").Topic).To(gomega.Equal("of b"))
	w.remove(b)
	w.Eventually(w.gone(b)).Should(gomega.BeTrue())
	w.Expect(w.inSlack("claimed").Archived).To(gomega.BeTrue())
}

func TestManageClaimsAtOnce(t *testing.T) {
	w := newWorld(t)
	// The older has no token yet, so the younger creates the channel.
	a := w.managed("a", "rushed", v1alpha1.Manage{}, func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "later" })
	w.becomes(a, stalled("", v1alpha1.ReasonSecretNotFound))
	b := w.managed("b", "rushed", v1alpha1.Manage{})
	w.ready(b)
	id := b.Status.Managed
	w.secret("later", "token", w.token)
	w.becomes(b, stalled("", v1alpha1.ReasonChannelClaimed))
	w.ready(a)
	w.Expect(a.Status.Managed).To(gomega.Equal(id))
	w.Expect(b.Status.Managed).To(gomega.BeEmpty())
}

func TestManageArchives(t *testing.T) {
	w := newWorld(t)
	kept := w.managed("kept", "kept", v1alpha1.Manage{DeletionPolicy: v1alpha1.ChannelArchive})
	c := w.managed("c", "closed", v1alpha1.Manage{})
	w.ready(kept)
	w.ready(c)
	w.Expect(kept.Finalizers).To(gomega.HaveLen(1))
	w.update(kept, func() { kept.Spec.Manage.DeletionPolicy = v1alpha1.ChannelRetain })
	w.Eventually(func() []string { w.see(kept); return kept.Finalizers }).Should(gomega.BeEmpty())
	w.remove(kept)
	w.Eventually(w.gone(kept)).Should(gomega.BeTrue())

	w.update(c, func() { c.Spec.Manage.DeletionPolicy, c.Spec.Suspend = v1alpha1.ChannelArchive, true })
	w.becomes(c, held("", v1alpha1.ReasonSuspended))
	w.Expect(c.Finalizers).To(gomega.HaveLen(1))
	w.fault(slacksim.Fault{Method: "conversations.archive", Team: w.team, Kind: "http", Status: 503, Times: 2})
	w.remove(c)
	w.Eventually(w.gone(c)).Should(gomega.BeTrue())
	w.Expect(w.inSlack("closed").Archived).To(gomega.BeTrue())
	w.Expect(w.inSlack("kept").Archived).To(gomega.BeFalse())
	w.Expect(w.teamCalls("conversations.archive")).To(gomega.Equal(3))
}

// Nothing that is wrong with Slack or its credentials keeps a namespace.
func TestManageLetsGo(t *testing.T) {
	cases := map[string]func(w *world, c *v1alpha1.SlackChannel){
		"Secret gone": func(w *world, _ *v1alpha1.SlackChannel) { w.remove(secretOf(w.ns, "c-token", nil)) },
		"token revoked": func(w *world, _ *v1alpha1.SlackChannel) {
			w.grant(slacksim.Token{Token: w.token, Error: "token_revoked"})
		},
		"channel gone": func(w *world, c *v1alpha1.SlackChannel) {
			w.person(map[string]any{"id": c.Status.Managed, "is_private": true, "members": []string{}})
		},
		"refused": func(w *world, _ *v1alpha1.SlackChannel) {
			w.fault(slacksim.Fault{Method: "conversations.archive", Team: w.team, Kind: "error", Code: "restricted_action", Times: -1})
		},
	}
	for name, harm := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.managed("c", "kept", v1alpha1.Manage{DeletionPolicy: v1alpha1.ChannelArchive})
			w.ready(c)
			harm(w, c)
			w.remove(c)
			w.Eventually(w.gone(c)).Should(gomega.BeTrue())
			w.Expect(w.inSlack("kept").Archived).To(gomega.BeFalse())
			w.Eventually(func() []string {
				list := &eventsv1.EventList{}
				w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
				var reasons []string
				for i := range list.Items {
					reasons = append(reasons, list.Items[i].Reason)
				}
				return reasons
			}).Should(gomega.ContainElement(v1alpha1.ReasonChannelNotArchived))
			w.mend()
		})
	}
}

// However the answer to the creation gets lost, there is one channel, and it
// is this one's.
func TestManageCreatesOnce(t *testing.T) {
	for _, kind := range []string{"close_after", "http_after", "garbage_after"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			w.fault(slacksim.Fault{Method: "conversations.create", Team: w.team, Kind: kind, Times: 1})
			c := w.managed("c", "once", v1alpha1.Manage{})
			w.ready(c)
			w.Expect(c.Status.Managed).To(gomega.Equal(w.inSlack("once").ID))
			w.Expect(w.teamCalls("conversations.create")).To(gomega.Equal(1))
		})
	}
}

// Slack that asks to wait is waited for, and nothing is done twice.
func TestManageWaits(t *testing.T) {
	w := newWorld(t)
	methods := []string{"conversations.create", "conversations.info", "conversations.setTopic", "conversations.members", "conversations.invite"}
	for _, method := range methods {
		w.fault(slacksim.Fault{Method: method, Team: w.team, Kind: "ratelimit", RetryAfter: 1, Times: 1})
	}
	c := w.managed("c", "patient", v1alpha1.Manage{Topic: ptr("in time"), Members: []v1alpha1.Member{{User: "ada"}}})
	w.ready(c)
	w.Eventually(w.members(c)).Should(gomega.HavePrefix("True InSync"))
	w.Expect(w.inSlack("patient").Topic).To(gomega.Equal("in time"))
	w.Expect(w.inSlack("patient").Members).To(gomega.ConsistOf(w.id("U", "BOT"), w.id("U", "ADA")))
	for _, method := range []string{"conversations.create", "conversations.setTopic", "conversations.invite"} {
		w.Expect(w.teamCalls(method)).To(gomega.Equal(2), method)
	}
}

// A suspended SlackChannel leaves its channel alone.
func TestManageSuspended(t *testing.T) {
	w := newWorld(t)
	c := w.managed("c", "paused", v1alpha1.Manage{Topic: ptr("ours")}, func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
	w.becomes(c, held("", v1alpha1.ReasonSuspended))
	w.Expect(w.inSlack("paused").ID).To(gomega.BeEmpty())
	w.update(c, func() { c.Spec.Suspend = false })
	w.ready(c)
	w.update(c, func() { c.Spec.Suspend, c.Spec.Manage.Topic = true, ptr("changed") })
	w.becomes(c, held("", v1alpha1.ReasonSuspended))
	w.Expect(c.Status.Managed).NotTo(gomega.BeEmpty(), "it still owns it")
	w.Expect(w.inSlack("paused").Topic).To(gomega.Equal("ours"))
}

func TestManageKilledAmidTheCreation(t *testing.T) {
	w := newWorld(t)
	w.fault(slacksim.Fault{Method: "conversations.create", Team: w.team, Kind: "hang_after", Times: 1})
	o := w.operator("manage")
	c := w.managed("c", "once", v1alpha1.Manage{Topic: ptr("ours")}, func(c *v1alpha1.SlackChannel) { own(c) })
	w.Eventually(func() string { return w.inSlack("once").ID }).ShouldNot(gomega.BeEmpty())
	o.Kill()
	w.see(c)
	w.Expect(c.Status.Managed).To(gomega.BeEmpty())
	o = w.operator("manage")
	w.ready(c)
	w.Expect(c.Status.Managed).To(gomega.Equal(w.inSlack("once").ID))
	w.Expect(w.inSlack("once").Topic).To(gomega.Equal("ours"))
	w.Expect(w.teamCalls("conversations.create")).To(gomega.Equal(1))
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
