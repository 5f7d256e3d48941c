package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// A server in Slack's place that tells no more than nobody can do without, and knows
// no methods that can be done without.
func TestTerseSlack(t *testing.T) {
	for name, missing := range map[string]slacksim.Fault{
		"unknown_method": {Kind: "error", Code: "unknown_method"},
		"404":            {Kind: "http", Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, method := range []string{"conversations.info", "conversations.join", "conversations.history", "conversations.replies", "bots.info", "usergroups.list", "users.lookupByEmail", "chat.getPermalink"} {
				missing.Method, missing.Team, missing.Times = method, w.team, -1
				w.fault(missing)
			}
			w.fault(slacksim.Fault{Method: "*", Team: w.team, Kind: "terse", Times: -1})
			w.ready(w.webAPI("c", "#alerts"))
			w.ready(w.webAPI("by-id", w.id("C", "ALERTS")))
			n := w.notify("n", "by-id", to(user("ada"), email("yueh@example.com"), room("alerts"), room(w.id("C", "ALERTS"))), func(n *v1alpha1.SlackNotification) {
				n.Spec.Text, n.Spec.Severity = "for <@ada>", v1alpha1.SeverityError
			})
			w.becomes(n, delivered())
			w.update(n, func() { n.Spec.Text = "changed" })
			w.becomes(n, delivered())
			w.Eventually(func() int { return w.teamCalls("chat.update") }).Should(gomega.BeNumerically(">=", 3))
			reply := w.notify("reply", "c", func(r *v1alpha1.SlackNotification) {
				r.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "n"}}
			})
			w.becomes(reply, delivered())
			gone := w.notify("gone", "c", func(n *v1alpha1.SlackNotification) { n.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
			w.becomes(gone, delivered())
			w.vanish(gone)
		})
	}
}
