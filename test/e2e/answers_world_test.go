package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// answersWorld is a world whose Slack app sends clicks by HTTP to an operator of the
// test's own.
type answersWorld struct {
	*intakeWorld
	channel *v1alpha1.SlackChannel
	app     slacksim.App
}

// within is the same world in a subtest, which fails alone.
func (w *world) within(t *testing.T) *world {
	out := *w
	out.t, out.ctx, out.WithT = t, t.Context(), gomega.NewWithT(t)
	out.SetDefaultEventuallyTimeout(patience)
	out.SetDefaultEventuallyPollingInterval(40 * time.Millisecond)
	return &out
}

// signingSecret of the app; it must not be seen anywhere.
func (w *world) signingSecret() string { return harness.Planted + "-signing-" + w.ns }

// answers starts an operator that takes clicks by HTTP, and the SlackChannel "c".
func (w *world) answers(flags ...string) *answersWorld {
	w.t.Helper()
	w.secret("signing", "signingSecret", w.signingSecret())
	a := &answersWorld{intakeWorld: w.intake(flags...)}
	a.channel = w.webAPI("c", "#alerts", byHTTP, func(c *v1alpha1.SlackChannel) { own(c) })
	a.app = slacksim.App{
		ID: "A" + w.id("U", "BOT")[1:], Interactivity: true, SigningSecret: w.signingSecret(),
		RequestURL: a.url + "/v1/namespaces/" + w.ns + "/channels/c/interactions",
	}
	w.sim("apps", a.app)
	w.user(slacksim.User{ID: w.id("U", "EXT"), Name: "ext", RealName: "Someone Else", Team: "T0OTHER", Stranger: true})
	w.sim("groups?team="+w.team, slacksim.Group{ID: w.id("S", "RELEASE"), Handle: "release", Name: "Release", Users: []string{w.id("U", "YUEH")}})
	w.ready(a.channel)
	return a
}

func byHTTP(c *v1alpha1.SlackChannel) {
	c.Spec.Interactions = &v1alpha1.Interactions{SigningSecretRef: &v1alpha1.SecretKeyReference{Name: "signing"}}
}

// ask makes a notification that can be approved, rejected and put off, by everyone
// unless that is changed.
func (w *world) ask(name string, changes ...func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	w.t.Helper()
	return w.notify(name, "c", append([]func(*v1alpha1.SlackNotification){func(n *v1alpha1.SlackNotification) {
		own(n)
		n.Spec.Actions = []v1alpha1.Action{
			{Name: "approve", Text: "Approve", Style: v1alpha1.ActionPrimary, Done: "approved"},
			{Name: "reject", Text: "Reject", Style: v1alpha1.ActionDanger, Confirm: "Stop this deploy?"},
			{Name: "delay", Text: "Later", Options: []v1alpha1.ActionOption{{Text: "1 hour", Value: "1h"}, {Text: "1 day", Value: "1d"}}},
		}
		n.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}}
	}}, changes...)...)
}

func allowed(people v1alpha1.AllowedPeople) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed = people }
}

func decidedBy(by v1alpha1.DecidedBy) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.Answers.DecidedBy = by }
}

func expiresAfter(d time.Duration) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) {
		n.Spec.Answers.ExpiresAfter = &metav1.Duration{Duration: d}
	}
}

// shown waits until the message of a notification is out.
func (w *world) shown(n *v1alpha1.SlackNotification) {
	w.t.Helper()
	w.becomes(n, delivered())
}

// press presses a button of a notification's message, and waits for what Slack makes
// of it.
func (w *world) press(n *v1alpha1.SlackNotification, who, action string, changes ...func(*slacksim.Pressing)) slacksim.Press {
	w.t.Helper()
	d := n.Status.Deliveries[0]
	return w.pressAt(d.ConversationID, d.Timestamp, who, action, changes...)
}

func (w *world) pressAt(channel, ts, who, action string, changes ...func(*slacksim.Pressing)) slacksim.Press {
	w.t.Helper()
	in := slacksim.Pressing{Who: w.id("U", who), Channel: channel, TS: ts, Action: "sn:" + action, Wait: true}
	for _, change := range changes {
		change(&in)
	}
	p, err := tryPress(in)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return p
}

// acked presses a button until the press is acknowledged, as a person does whom Slack
// warns: on a machine that is busy the API server may not answer in Slack's three
// seconds. What it stored all the same counts, and nobody presses again.
func (w *world) acked(n *v1alpha1.SlackNotification, who, action string, changes ...func(*slacksim.Pressing)) {
	w.t.Helper()
	before := w.responses(n)
	w.Eventually(func(g gomega.Gomega) {
		p := w.press(n, who, action, changes...)
		if p.Fate == slacksim.FateAcked {
			return
		}
		text := fmt.Sprintf("the press ended as %s (%s, status %d), want it acknowledged", p.Fate, p.Shown, p.Status)
		if p.Fate != slacksim.FateWarned || p.Status != http.StatusServiceUnavailable {
			w.t.Fatal(text)
		}
		w.t.Log(text)
		g.Eventually(func() int { return w.responses(n) }).WithTimeout(lateAnswer).Should(gomega.BeNumerically(">", before), text)
	}).Should(gomega.Succeed())
}

// lateAnswer is how long an answer may take to be stored for which there was no time.
const lateAnswer = 3 * time.Second

// responses are how many answers are stored; none where the object is gone.
func (w *world) responses(n *v1alpha1.SlackNotification) int {
	w.t.Helper()
	stored := &v1alpha1.SlackNotification{}
	w.Expect(client.IgnoreNotFound(env.client.Get(w.ctx, client.ObjectKeyFromObject(n), stored))).To(gomega.Succeed())
	return len(stored.Status.Responses)
}

type pressError string

func (e pressError) Error() string { return string(e) }

func tryPress(in slacksim.Pressing) (p slacksim.Press, err error) {
	data, err := json.Marshal(in)
	if err != nil {
		return p, err
	}
	resp, err := http.Post(env.slack+"/_sim/press", "application/json", bytes.NewReader(data))
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = pressError(body)
	}
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	return p, err
}

func option(value string) func(*slacksim.Pressing) {
	return func(in *slacksim.Pressing) { in.Option = value }
}
func stale(in *slacksim.Pressing) { in.Stale = true }

// whispers are what one person alone was told in the channel.
func (w *world) whispers(who string) []string {
	w.t.Helper()
	var state slacksim.State
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/state?channel="+w.id("C", "ALERTS")), &state)).To(gomega.Succeed())
	out := []string{}
	for _, m := range state.Ephemeral {
		if m.ForUser == w.id("U", who) {
			out = append(out, m.Text)
		}
	}
	return out
}

// told waits until a person is told something.
func (w *world) told(who, what string) {
	w.t.Helper()
	w.Eventually(func() []string { return w.whispers(who) }).Should(gomega.ContainElement(gomega.ContainSubstring(what)))
}

// looksLike is what the message of a notification shows now.
func (w *world) looksLike(n *v1alpha1.SlackNotification) string {
	w.t.Helper()
	d := n.Status.Deliveries[0]
	for _, m := range w.messages(d.ConversationID) {
		if m.TS == d.Timestamp {
			return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(m.Blocks) + string(m.Attachments))
		}
	}
	return "gone"
}

// shows waits until the message has, and has not, some words.
func (w *world) shows(n *v1alpha1.SlackNotification, has string, hasNot ...string) {
	w.t.Helper()
	matchers := []gomega.OmegaMatcher{gomega.ContainSubstring(has)}
	for _, words := range hasNot {
		matchers = append(matchers, gomega.Not(gomega.ContainSubstring(words)))
	}
	w.Eventually(func() string { return w.looksLike(n) }).Should(gomega.And(matchers...))
}

// buttons is what every message with buttons has.
const buttons = `"sn1:`

// outcome is what a user sees of answers: decision, who took which action, and the
// condition Answered.
func (w *world) outcome(n *v1alpha1.SlackNotification) string {
	w.t.Helper()
	if err := env.client.Get(w.ctx, client.ObjectKeyFromObject(n), n); err != nil {
		return err.Error()
	}
	return summary(n, w.team)
}

func summary(n *v1alpha1.SlackNotification, team string) string {
	var parts []string
	for i := range n.Status.Responses {
		r := &n.Status.Responses[i]
		one := r.Action
		if r.Value != "" {
			one += "=" + r.Value
		}
		parts = append(parts, one+" by "+strings.Replace(r.User.ID, team[1:], "", 1))
	}
	cond := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionAnswered)
	answered := "?"
	if cond != nil {
		answered = string(cond.Status) + " " + cond.Reason
	}
	return "decision=" + n.Status.Decision + "; " + strings.Join(parts, ", ") + "; " + answered
}

func isAcked(t *testing.T, p slacksim.Press) {
	t.Helper()
	if p.Fate != slacksim.FateAcked {
		t.Errorf("the press ended as %s (%s, status %d), want it acknowledged", p.Fate, p.Shown, p.Status)
	}
}

func isWarned(t *testing.T, p slacksim.Press) {
	t.Helper()
	if p.Fate != slacksim.FateWarned {
		t.Errorf("the press ended as %s, want a warning", p.Fate)
	}
}
