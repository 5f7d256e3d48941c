package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// answersOfHis are attacks by what the attacker's own Slack says.
var answersOfHis = []attack{
	{"a Slack of his own that claims to be the others' workspace", claimsTheWorkspace},
	{"1,000 error codes, each of a workspace of its own", inventsCodes},
	{"waits of a day for the others' workspace", asksForADay},
}

// claimsTheWorkspace answers as the others' workspace: its people and channels are
// his, and what he posts is their message, which he then edits and deletes.
func claimsTheWorkspace(s *siege) func() string {
	theirs := s.notify("theirs", "alerts", owned)
	s.becomes(theirs, delivered())
	at, ts := theirs.Status.Deliveries[0].ConversationID, theirs.Status.Deliveries[0].Timestamp
	i := s.impostor(answers{
		"auth.test": say(identity(s.team, s.id("U", "BOT"))),
		"users.list": say(`{"ok":true,"members":[{"id":"UEVIL0000","name":"ada","real_name":"Ada Lovelace","profile":{"email":"ada@example.com"}},
			{"id":"UEVIL0001","name":"yueh.liu","profile":{"email":"yueh@example.com"}}]}`),
		"users.lookupByEmail":   say(`{"ok":true,"user":{"id":"UEVIL0001","name":"yueh.liu"}}`),
		"conversations.open":    say(`{"ok":true,"channel":{"id":"DEVIL0000"}}`),
		"conversations.list":    say(`{"ok":true,"channels":[{"id":"CEVIL0000","name":"alerts","is_member":true},{"id":"CEVIL0001","name":"deploys","is_member":true}]}`),
		"conversations.info":    say(fmt.Sprintf(`{"ok":true,"channel":{"id":%q,"name":"alerts","is_member":true}}`, at)),
		"conversations.history": say(`{"ok":true,"messages":[]}`),
		"chat.postMessage":      say(fmt.Sprintf(`{"ok":true,"channel":%q,"ts":%q}`, at, ts)),
		"*":                     say(`{"ok":true}`),
	})
	bot := s.private("bot", "", i)
	s.evil.becomes(bot, current("", v1alpha1.ReasonVerified))
	asks := s.tries("asks", bot, to(user("ada"), email("yueh@example.com"), room("#deploys"), room("alerts")))
	edits, removes := s.tries("edits", bot, to(room(at))), s.tries("removes", bot, to(room(at)), deletes)
	s.reached(i, 3, "chat.postMessage")
	for _, n := range []*v1alpha1.SlackNotification{edits, removes} {
		s.evil.becomes(n, delivered())
		s.Expect(n.Status.Deliveries[0].Timestamp).To(gomega.Equal(ts), "he has his claim recorded")
		// Now by the SlackChannel that the platform shares with him.
		s.evil.update(n, func() {
			n.Spec.ChannelRef = v1alpha1.ChannelReference{Name: "alerts", Namespace: s.ns}
			n.Spec.Text = "all is well"
		})
	}
	s.evil.update(asks, func() { asks.Spec.Text = "again" })
	return func() string {
		s.evil.becomes(edits, delivered())
		s.evil.vanish(removes)
		s.untouched(at, ts, "text of theirs")
		for _, d := range edits.Status.Deliveries {
			s.Expect(d.Timestamp).NotTo(gomega.Equal(ts), "what he sends by the shared SlackChannel is a message of his own")
		}
		s.Expect(s.evil.tells(edits, v1alpha1.ReasonChannelChanged)).To(gomega.BeTrue(), "that the old message stays: %+v", edits.Status)
		return "`" + v1alpha1.ReasonChannelChanged + "`: " + strings.ReplaceAll(s.evil.sentences(edits), "\n", "; ")
	}
}

// untouched holds for a message that is as it was sent.
func (s *siege) untouched(channel, ts, text string) {
	s.t.Helper()
	for _, m := range s.messages(channel) {
		if m.TS == ts {
			s.Expect(m.Text).To(gomega.Equal(text))
			s.Expect(m.Edits).To(gomega.BeZero(), text)
			return
		}
	}
	s.t.Errorf("%s is gone from Slack", text)
}

// series of the operator's metrics.
func (s *siege) series() []string {
	s.t.Helper()
	var out []string
	for line := range strings.Lines(string(fetch(s.t, s.operator.Metrics))) {
		if strings.HasPrefix(line, "slack_notifier_") {
			out = append(out, line)
		}
	}
	return out
}

// inventsCodes refuses each call with another code, as another workspace each time
// that it is asked.
func inventsCodes(s *siege) func() string {
	before := len(s.series())
	var n atomic.Int64
	code := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"ok":false,"error":"invented_%d"}`, n.Add(1))
	}
	i := s.impostor(answers{
		"auth.test": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, identity(fmt.Sprintf("TINVENTED%d", n.Add(1)), "U0EVIL000"))
		},
		"users.list": say(`{"ok":true,"members":[]}`),
		"webhook":    func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, "invented_%d", n.Add(1)) },
		"*":          code,
	})
	var last *v1alpha1.SlackNotification
	for c := range 10 {
		bot := s.private(fmt.Sprint("bot-", c), "", i)
		for m := range 3 {
			recipients := []v1alpha1.Recipient{user("nobody")}
			for r := range 49 {
				recipients = append(recipients, user(fmt.Sprintf("U%02d%02d%02d0", c, m, r)))
			}
			last = s.tries(fmt.Sprint("n-", c, "-", m), bot, to(recipients...))
		}
	}
	s.reached(i, 100, "chat.postMessage")
	return func() string {
		s.Eventually(n.Load).Should(gomega.BeNumerically(">=", 1000), "codes")
		now := s.series()
		for _, line := range now {
			s.Expect(line).NotTo(gomega.MatchRegexp("(?i)invented"), "a label of the attacker's")
		}
		s.Expect(len(now)-before).To(gomega.BeNumerically("<", 60), "series more than before")
		return fmt.Sprintf("%s (%d codes, %d series more)", s.told(last), n.Load(), len(now)-before)
	}
}

// asksForADay answers everything with a wait for the others' workspace.
func asksForADay(s *siege) func() string {
	day := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
	}
	i := s.impostor(answers{"auth.test": say(identity(s.team, s.id("U", "BOT"))), "*": day})
	var last *v1alpha1.SlackNotification
	for c := range 4 {
		bot := s.private(fmt.Sprint("bot-", c), "", i)
		s.private(fmt.Sprint("list-", c), "#alerts", i)
		last = s.tries(fmt.Sprint("n-", c), bot, to(room(s.id("C", "ALERTS")), room(s.id("C", "DEPLOYS")), user(s.id("U", "ADA")), email("yueh@example.com")))
	}
	s.reached(i, 1, "chat.postMessage") // it is asked no more after that
	return func() string {
		return s.told(last)
	}
}
