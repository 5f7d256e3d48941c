package e2e

import (
	"fmt"
	"time"

	"github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// objectsOfHis are attacks by objects, and by what is written into them.
var objectsOfHis = []attack{
	{"statuses that name the others' messages", forges},
	{"40 messages to 50 people that are not there", unknownPeople},
	{"300 messages that can't be sent", hopeless},
}

// forges has the attacker write whole statuses, as a Role with a wildcard lets him:
// deliveries that name the others' messages, by every way that he knows of.
func forges(s *siege) func() string {
	role := &rbacv1.Role{Rules: []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	role.Name, role.Namespace = "all", s.evil.ns
	s.Expect(env.client.Create(s.ctx, role)).To(gomega.Succeed())
	binding := &rbacv1.RoleBinding{RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "all"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "editor-" + s.evil.ns}}}
	binding.Name, binding.Namespace = "all", s.evil.ns
	s.Expect(env.client.Create(s.ctx, binding)).To(gomega.Succeed())

	theirs := s.notify("theirs-too", "alerts", owned)
	s.becomes(theirs, delivered())
	alerts := &v1alpha1.SlackChannel{}
	alerts.Name, alerts.Namespace = "alerts", s.ns
	s.see(alerts)
	i := s.impostor(answers{
		"auth.test": say(identity(s.team, s.id("U", "BOT"))), "*": say(`{"ok":true}`),
		"conversations.history": say(fmt.Sprintf(`{"ok":true,"messages":[{"ts":%q,"text":"x"}]}`, theirs.Status.Deliveries[0].Timestamp)),
	})
	bot := s.private("bot", "", i)
	s.evil.becomes(bot, current("", v1alpha1.ReasonVerified))
	var edits, removes []*v1alpha1.SlackNotification
	for name, change := range map[string]func(*v1alpha1.Delivery){
		"as-it-is":  func(*v1alpha1.Delivery) {},
		"by-none":   func(d *v1alpha1.Delivery) { d.Via, d.ViaUID = "", "" },
		"by-his":    func(d *v1alpha1.Delivery) { d.Via, d.ViaUID = bot.Namespace+"/"+bot.Name, bot.UID },
		"by-a-lie":  func(d *v1alpha1.Delivery) { d.Via = "nobody/else" },
		"unsettled": func(d *v1alpha1.Delivery) { d.State, d.DeliveredAt = v1alpha1.DeliveryUnknown, nil },
	} {
		suspended := func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true }
		of := theirs.DeepCopy()
		change(&of.Status.Deliveries[0])
		edit, remove := s.tries("edit-"+name, alerts, suspended, deletes), s.tries("remove-"+name, alerts, suspended, deletes)
		for _, n := range []*v1alpha1.SlackNotification{edit, remove} {
			s.evil.becomes(n, held("Suspended", v1alpha1.ReasonSuspended))
			s.evil.claim(n, of)
		}
		s.evil.update(edit, func() { edit.Spec.Suspend, edit.Spec.Text = false, "all is well" })
		s.Expect(s.evil.as.Delete(s.ctx, remove)).To(gomega.Succeed())
		edits, removes = append(edits, edit), append(removes, remove)
	}
	return func() string {
		at, ts := theirs.Status.Deliveries[0].ConversationID, theirs.Status.Deliveries[0].Timestamp
		for _, n := range edits {
			s.evil.settles(n)
		}
		s.untouched(at, ts, "text of theirs-too")
		for _, n := range edits {
			s.evil.claim(n, theirs)
			s.Expect(s.evil.as.Delete(s.ctx, n)).To(gomega.Succeed())
		}
		// An object of his that contradicts itself may wait for a while; the message is
		// nothing to it.
		for _, n := range append(removes, edits...) {
			s.Eventually(func() bool { return s.evil.gone(n)() || s.evil.see(n).Reconciling }).Should(gomega.BeTrue(), n.Name)
		}
		s.untouched(at, ts, "text of theirs-too")
		return "his text goes out as a message of his own; on deletion an Event `" + v1alpha1.ReasonMessageNotDeleted + "`"
	}
}

// unknownPeople asks for many who are not there, by a SlackChannel of the platform
// that lets guests write to anybody.
func unknownPeople(s *siege) func() string {
	open := s.webAPI("open", "#ops", ownChannel, shared, func(c *v1alpha1.SlackChannel) {
		c.Spec.AllowedNamespaces.Recipients = v1alpha1.GuestsReachAny
	})
	s.ready(open)
	var last *v1alpha1.SlackNotification
	for n := range 40 {
		var recipients []v1alpha1.Recipient
		for r := range 50 {
			name := fmt.Sprintf("%02d%02d", n, r)
			recipients = append(recipients, []v1alpha1.Recipient{user("U0NOBODY" + name), user("nobody-" + name), email(name + "@example.com"), room("C0NOBODY" + name)}[r%4])
		}
		last = s.tries(fmt.Sprint("n-", n), open, to(recipients...))
	}
	s.Eventually(func() int {
		s.evil.see(last)
		return len(last.Status.Deliveries)
	}).Should(gomega.Equal(50), "the attack is under way")
	return func() string { return s.told(last) }
}

// hopeless makes many objects that wait for ever.
func hopeless(s *siege) func() string {
	missing := &v1alpha1.SlackChannel{}
	missing.Name, missing.Namespace = "not-there", s.evil.ns
	var last *v1alpha1.SlackNotification
	for n := range 300 {
		last = s.tries(fmt.Sprint("n-", n), missing, deletes)
	}
	s.Eventually(func() string { return s.evil.see(last).Reason }).Should(gomega.Equal(v1alpha1.ReasonSlackChannelNotFound), "the attack is under way")
	return func() string { return s.told(last) }
}

// flood has the attacker fill a shared channel with Critical messages for longer
// than all rows take. What it returns looks at who had his turn meanwhile.
func (s *siege) flood() func(*siege) func() string {
	busy := s.webAPI("busy", "#other", ownChannel, shared)
	s.ready(busy)
	place := s.id("C", "OTHER")
	const many = 200
	fill := func(n *v1alpha1.SlackNotification) {
		own(n)
		n.Spec.ChannelRef.Namespace, n.Spec.Severity = s.ns, v1alpha1.SeverityCritical
	}
	for n := range many {
		s.evil.notify(fmt.Sprint("flood-", n), "busy", fill)
	}
	s.Eventually(func() int { return len(s.messages(place)) }).ShouldNot(gomega.BeZero(), "the attack is under way")
	send := func(name string, severity v1alpha1.Severity) (n *v1alpha1.SlackNotification, before int) {
		n = s.tenant.notify(name, "busy", s.from(s.tenant.ns), func(n *v1alpha1.SlackNotification) { own(n); n.Spec.Severity = severity })
		return n, len(s.messages(place))
	}
	urgent, beforeUrgent := send("urgent", v1alpha1.SeverityCritical)
	less, beforeLess := send("less-urgent", v1alpha1.SeverityError)
	return func(s *siege) func() string {
		// Of the same severity the namespaces take turns; every fourth turn goes by age,
		// for which a minute counts as much as one level of severity. A turn takes a
		// second at the least.
		turns := func(n *v1alpha1.SlackNotification, before, most int) int {
			s.Eventually(func() look { return s.see(n) }, 3*time.Minute).Should(gomega.Equal(delivered()), n.Name)
			for i, m := range s.messages(place) {
				if m.TS == n.Status.Deliveries[0].Timestamp {
					s.Expect(i-before).To(gomega.BeNumerically("<=", most), "messages before %s, made at %s, delivered at %s", n.Name, n.CreationTimestamp.UTC(), m.TS)
					return i - before
				}
			}
			s.t.Errorf("%s is not in Slack", n.Name)
			return 0
		}
		same, after := turns(urgent, beforeUrgent, 6), turns(less, beforeLess, 60+4*3)
		return func() string {
			return fmt.Sprintf("nothing: his are sent, one a second; another's Critical had the turn %d, an Error the turn %d", same+1, after+1)
		}
	}
}
