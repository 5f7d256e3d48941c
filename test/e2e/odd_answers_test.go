package e2e

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Whoever can't be reached fails by himself, and is not tried for ever.
func TestRecipientsWhoCannotBeReached(t *testing.T) {
	for code, reason := range map[string]string{
		"cannot_dm_bot":  v1alpha1.ReasonUserNotMessageable,
		"cannot_dm_user": v1alpha1.ReasonUserNotMessageable,
		"not_allowed":    v1alpha1.ReasonPostingRestricted,
		"user_not_found": v1alpha1.ReasonUserNotFound,
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "alerts"))
			w.user(slacksim.User{ID: w.id("U", "FAR"), Name: "far", RealName: "Far Away"})
			for _, method := range []string{"chat.postMessage", "conversations.open"} {
				w.fault(slacksim.Fault{Method: method, Channel: w.id("U", "FAR"), Team: w.team, Kind: "error", Code: code, Times: -1})
			}
			n := w.notify("n", "c", to(user("ada"), user("far"), user("gone")))
			w.becomes(n, partially())
			got := ""
			for _, d := range n.Status.Deliveries {
				got += fmt.Sprintf("%s %s; ", d.State, d.Reason)
			}
			w.Expect(got).To(gomega.Equal("Delivered ; Failed " + reason + "; Failed UserDeactivated; "))
		})
	}
}

// What people type and copy reaches whom it means.
func TestNamesAsTheyAreTyped(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", " #Alerts ")
	w.ready(c)
	for name, r := range map[string]v1alpha1.Recipient{
		"wide-user": user("\uff20Ada "), "mention": user("<@ada>"), "id": user("<@" + w.id("U", "ADA") + ">"),
		"mail": email("mailto:ada@example.com"), "mail-link": email("<mailto:ada@example.com|ada@example.com>"),
		"wide-channel": room("\uff03alerts"), "channel": room("<#" + w.id("C", "ALERTS") + "|alerts>"),
		"link": room("https://acme.slack.com/archives/" + w.id("C", "ALERTS")),
	} {
		n := w.notify(name, "c", to(r))
		w.becomes(n, delivered())
		if r.Channel != "" {
			w.Expect(n.Status.Deliveries[0].ConversationID).To(gomega.Equal(w.id("C", "ALERTS")), name)
		} else {
			w.Expect(n.Status.Deliveries[0].UserID).To(gomega.Equal(w.id("U", "ADA")), name)
		}
	}
}

// Slack calls a private channel that the bot was removed from not found; the list
// has shown it before, so the way out is an invitation.
func TestPrivateChannelThatTheBotHasLeft(t *testing.T) {
	w := newWorld(t)
	id := w.id("C", "PRIV")
	private := slacksim.Channel{ID: id, Name: "board", Private: true, Members: []string{w.id("U", "BOT"), w.id("U", "ADA")}}
	w.channel(private)
	w.ready(w.webAPI("c", "#alerts"))
	w.becomes(w.notify("before", "c", to(room("board"))), delivered())
	private.Members = private.Members[1:]
	w.channel(private)
	for name, ref := range map[string]string{"by-name": "#board", "by-id": id} {
		n := w.notify(name, "c", to(room(ref)))
		w.becomes(n, stalled("Failed", v1alpha1.ReasonNotInChannel))
		w.Expect(w.message(n)).To(gomega.And(gomega.ContainSubstring(`not a member of the private channel "board"`), gomega.ContainSubstring("type /invite")))
	}
}

// What Slack refuses for its content is told after one call, and sent when it is
// changed, whatever part of the content the code is about.
func TestContentThatSlackRefuses(t *testing.T) {
	for _, c := range []struct {
		name, code string
		change     func(*v1alpha1.SlackNotification)
	}{
		{"an attachment", "invalid_attachments", func(n *v1alpha1.SlackNotification) {
			attachment := v1alpha1.RawObject{}
			attachment.Raw = []byte(`{"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]}`)
			n.Spec.Attachments = []v1alpha1.RawObject{attachment}
		}},
		{"what carries the colour", "invalid_attachments", func(n *v1alpha1.SlackNotification) { n.Spec.Severity = v1alpha1.SeverityError }},
		{"a thread that is none", "invalid_thread_ts", func(n *v1alpha1.SlackNotification) { n.Spec.Thread = &v1alpha1.Thread{Timestamp: "0.000000"} }},
	} {
		t.Run(c.code+" for "+c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			w.fault(slacksim.Fault{Method: "chat.postMessage", Channel: w.id("C", "ALERTS"), Kind: "error", Code: c.code, Times: 1})
			n := w.notify("n", "c", c.change)
			w.becomes(n, stalled("Failed", v1alpha1.ReasonMessageRejected))
			w.Expect(w.message(n)).To(gomega.ContainSubstring(c.code))
			w.Consistently(func() int { return w.teamCalls("chat.postMessage") }, "2s").Should(gomega.Equal(1))
			w.update(n, func() { n.Spec.Text, n.Spec.Thread = "corrected", nil })
			w.becomes(n, delivered())
			w.Expect(w.teamCalls("chat.postMessage")).To(gomega.Equal(2))
		})
	}
}
