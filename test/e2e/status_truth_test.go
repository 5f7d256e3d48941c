package e2e

import (
	"regexp"
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// What a person has to mend is told by one rule:
//
//   - Pending: nothing of it has been tried. What must be mended lies before it:
//     the SlackChannel, its Secret, the reference to it, the parent of a reply, or
//     that it names nobody whom this SlackChannel reaches. finishedAt is empty.
//   - Failed: Slack, or its lists of users and channels, was asked about this very
//     message and refused, its time was over, or its outcome is unknown.
//     finishedAt says since when.
//
// In both Stalled is True, and the sentence says when it is sent, or that it is
// not: what is mended outside of the object needs no change of the object.
const (
	untried = "Pending"
	refused = "Failed"
)

// saysWhatFollows is how a sentence tells when the message is sent.
var saysWhatFollows = regexp.MustCompile(`\b(is|are|be) (not )?(sent|tried|delivered|posted)( again)?( by itself)?,? (as soon as|once|when|whenever|after|until|unless|only)\b`)

// truth is one thing that a person has to mend.
type truth struct {
	name, reason, phase string
	// notify makes the set-up and the notification.
	notify func(w *world) *v1alpha1.SlackNotification
	// mend what is wrong; nil where the test can't, or nothing is sent by itself.
	mend func(w *world, n *v1alpha1.SlackNotification)
}

// refuses has Slack refuse posts to #deploys.
func refuses(code string) func(w *world) *v1alpha1.SlackNotification {
	return func(w *world) *v1alpha1.SlackNotification {
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Channel: w.id("C", "DEPLOYS"), Kind: "error", Code: code, Times: -1})
		return w.notify("n", "c", to(room("deploys")))
	}
}

// sends a notification with changes through a good SlackChannel.
func sends(changes ...func(*v1alpha1.SlackNotification)) func(w *world) *v1alpha1.SlackNotification {
	return func(w *world) *v1alpha1.SlackNotification {
		w.ready(w.webAPI("c", "#alerts"))
		return w.notify("n", "c", changes...)
	}
}

// through a SlackChannel that is not ready.
func through(channel string, changes ...func(*v1alpha1.SlackChannel)) func(w *world) *v1alpha1.SlackNotification {
	return func(w *world) *v1alpha1.SlackNotification {
		w.webAPI("c", channel, changes...)
		return w.notify("n", "c")
	}
}

func withoutFault(w *world, n *v1alpha1.SlackNotification) {
	w.mend()
	w.request(n, "mended")
}

// channel "c", changed.
func channelChanged(change func(c *v1alpha1.SlackChannel)) func(w *world, _ *v1alpha1.SlackNotification) {
	return func(w *world, _ *v1alpha1.SlackNotification) {
		c := &v1alpha1.SlackChannel{}
		c.Namespace, c.Name = w.ns, "c"
		w.update(c, func() { change(c) })
	}
}

// whatIsBefore a message.
var whatIsBefore = []truth{
	{"no SlackChannel", v1alpha1.ReasonSlackChannelNotFound, untried, func(w *world) *v1alpha1.SlackNotification { return w.notify("n", "c") },
		func(w *world, _ *v1alpha1.SlackNotification) { w.webAPI("c", "#alerts") }},
	{"no Secret", v1alpha1.ReasonSecretNotFound, untried,
		through("#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "later" }),
		func(w *world, _ *v1alpha1.SlackNotification) { w.secret("later", "token", w.token) }},
	{"no key in the Secret", v1alpha1.ReasonSecretKeyNotFound, untried,
		through("#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Key = "bot" }),
		channelChanged(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Key = "token" })},
	{"token revoked", v1alpha1.ReasonInvalidToken, untried, func(w *world) *v1alpha1.SlackNotification {
		w.grant(slacksim.Token{Token: w.token, Error: "token_revoked"})
		return through("#alerts")(w)
	}, func(w *world, _ *v1alpha1.SlackNotification) {
		w.grant(slacksim.Token{Token: w.token + "2"})
		secret := secretOf(w.ns, "c-token", nil)
		w.update(secret, func() { secret.Data["token"] = []byte(w.token + "2") })
	}},
	{"token expired, and rotated", v1alpha1.ReasonInvalidToken, untried, func(w *world) *v1alpha1.SlackNotification {
		w.grant(slacksim.Token{Token: w.token, Error: "token_expired"})
		return through("#alerts")(w)
	}, func(w *world, n *v1alpha1.SlackNotification) {
		w.Expect(w.message(n)).To(gomega.ContainSubstring(`have what rotates the token write each new one into key "token" of Secret ` + w.ns + "/c-token"))
		w.grant(slacksim.Token{Token: w.token + "2"})
		secret := secretOf(w.ns, "c-token", nil)
		w.update(secret, func() { secret.Data["token"] = []byte(w.token + "2") })
	}},
	{"channel of the SlackChannel unknown", v1alpha1.ReasonChannelNotFound, untried, through("nowhere"),
		channelChanged(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#alerts" })},
	{"channel of the SlackChannel archived", v1alpha1.ReasonChannelArchived, untried, through("old"),
		channelChanged(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#alerts" })},
	{"namespace not allowed", v1alpha1.ReasonNamespaceNotAllowed, untried, func(w *world) *v1alpha1.SlackNotification {
		w.ready(w.webAPI("c", "#alerts"))
		return w.notify("n", "c", w.from(w.guest()))
	}, channelChanged(shared)},
	{"no channel and no recipients", v1alpha1.ReasonChannelRequired, untried, through(""),
		channelChanged(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#alerts" })},
	{"recipients by a webhook", v1alpha1.ReasonRecipientsNotSupported, untried, func(w *world) *v1alpha1.SlackNotification {
		w.hooked("c", w.hook)
		return w.notify("n", "c", to(user("ada")))
	}, func(w *world, n *v1alpha1.SlackNotification) { w.update(n, func() { n.Spec.Recipients = nil }) }},
	{"no parent", v1alpha1.ReasonThreadNotFound, untried, sends(repliesTo("parent")),
		func(w *world, _ *v1alpha1.SlackNotification) { w.notify("parent", "c") }},
}

// whatIsRefused of a message.
var whatIsRefused = []truth{
	{"unknown user", v1alpha1.ReasonUserNotFound, refused, sends(to(user("nobody"))), nil},
	{"unknown e-mail", v1alpha1.ReasonUserNotFound, refused, sends(to(email("nobody@example.com"))), nil},
	{"ambiguous name", v1alpha1.ReasonUserAmbiguous, refused, sends(to(user("Sam"))),
		func(w *world, n *v1alpha1.SlackNotification) {
			w.update(n, func() { n.Spec.Recipients[0].User = "sam.one" })
		}},
	{"deactivated user", v1alpha1.ReasonUserDeactivated, refused, sends(to(user("gone"))), nil},
	{"messages tab off", v1alpha1.ReasonUserNotMessageable, refused, sends(to(user("shy"))),
		func(w *world, n *v1alpha1.SlackNotification) {
			w.user(slacksim.User{ID: w.id("U", "SHY"), Name: "shy", RealName: "Shy Person"})
			w.request(n, "mended")
		}},
	{"unknown channel", v1alpha1.ReasonChannelNotFound, refused, sends(to(room("nowhere"))), nil},
	{"archived channel", v1alpha1.ReasonChannelArchived, refused, sends(to(room("old"))), nil},
	{"read-only channel", v1alpha1.ReasonPostingRestricted, refused, sends(to(room("readonly"))),
		func(w *world, n *v1alpha1.SlackNotification) {
			w.channel(slacksim.Channel{ID: w.id("C", "READONLY"), Name: "readonly", Members: []string{w.id("U", "BOT")}})
			w.request(n, "mended")
		}},
	{"not in the channel", v1alpha1.ReasonNotInChannel, refused, refuses("not_in_channel"), withoutFault},
	{"scope", v1alpha1.ReasonMissingScope, refused, refuses("missing_scope"), withoutFault},
	{"quota", v1alpha1.ReasonQuotaExceeded, refused, refuses("message_limit_exceeded"), withoutFault},
	{"content", v1alpha1.ReasonMessageRejected, refused, refuses("invalid_blocks"), func(w *world, n *v1alpha1.SlackNotification) {
		w.mend()
		w.update(n, func() { n.Spec.Text = "another" })
	}},
	{"fault of the operator", v1alpha1.ReasonInternalError, refused, refuses("invalid_arg_name"), nil},
	{"parent that has failed", v1alpha1.ReasonThreadFailed, refused, func(w *world) *v1alpha1.SlackNotification {
		w.ready(w.webAPI("c", "#alerts"))
		w.becomes(w.notify("parent", "c", to(user("nobody"), room("alerts"))), partially())
		return w.notify("n", "c", repliesTo("parent"), to(user("ada")))
	}, func(w *world, _ *v1alpha1.SlackNotification) {
		parent := &v1alpha1.SlackNotification{}
		parent.Namespace, parent.Name = w.ns, "parent"
		w.update(parent, func() { parent.Spec.Recipients[0].User = "ada" })
	}},
	{"deadline", v1alpha1.ReasonDeadlineExceeded, refused, func(w *world) *v1alpha1.SlackNotification {
		return w.notify("n", "c", deadline(1))
	}, func(w *world, n *v1alpha1.SlackNotification) {
		w.webAPI("c", "#alerts")
		w.update(n, func() { n.Spec.ActiveDeadlineSeconds = nil })
	}},
	{"unknown outcome", v1alpha1.ReasonOutcomeUnknown, refused, func(w *world) *v1alpha1.SlackNotification {
		w.hooked("c", w.hook)
		w.fault(slacksim.Fault{Method: "webhook", Team: w.team, Kind: "close_after"})
		return w.notify("n", "c", giveUp)
	}, func(w *world, n *v1alpha1.SlackNotification) {
		w.update(n, func() { n.Spec.OnUnknownOutcome = ptr(v1alpha1.UnknownOutcomeRetry) })
	}},
}

func TestStatusTellsWhatFollows(t *testing.T) {
	for _, c := range append(append([]truth{}, whatIsBefore...), whatIsRefused...) {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			n := c.notify(w)
			w.becomes(n, stalled(c.phase, c.reason))
			w.Expect(n.Status.FinishedAt != nil).To(gomega.Equal(c.phase == refused), "finishedAt is %v", n.Status.FinishedAt)
			w.Expect(n.Status.Deliveries[0].Reason).To(gomega.Equal(c.reason))
			says := w.message(n)
			w.Eventually(func() []string { return w.warningsIn(n.Namespace, "n") }).Should(gomega.ContainElement(c.reason))
			if c.mend != nil {
				c.mend(w, n)
				w.becomes(n, delivered())
			}
			w.Expect(says).To(gomega.MatchRegexp(saysWhatFollows.String()))
		})
	}
}
