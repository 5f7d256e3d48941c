package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// opened are the incidents of the world's rules, each with its state.
func (w *world) opened() []v1alpha1.SlackNotification {
	w.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
	var out []v1alpha1.SlackNotification
	for _, n := range list.Items {
		if _, ok := incident.StateOf(&n); ok {
			out = append(out, n)
		}
	}
	return out
}

// answer stores an answer to the only incident, as who takes clicks does.
func (w *world) answer(action, value string) {
	w.t.Helper()
	w.respond(fmt.Sprint("click", len(w.opened()[0].Status.Responses)), action, value)
}

// respond stores an answer of this ID; others write the same status meanwhile.
func (w *world) respond(id, action, value string) {
	w.t.Helper()
	w.Eventually(func() error {
		n := w.opened()[0]
		now := metav1.NowMicro()
		n.Status.Responses = append(n.Status.Responses, v1alpha1.Response{
			ID: id, Action: action, Value: value, Generation: n.Generation,
			User: v1alpha1.ResponseUser{ID: "U0ADA", Name: "ada"}, At: now, RecordedAt: now,
		})
		return env.client.Status().Update(w.ctx, &n)
	}).Should(gomega.Succeed())
}

// result is what became of the last silence, as in "Active".
func (w *world) result() string {
	w.t.Helper()
	list := w.opened()
	for i := len(list[0].Status.Responses) - 1; i >= 0; i-- {
		if s := list[0].Status.Responses[i].Silence; s != nil {
			return strings.TrimSpace(string(s.State) + " " + s.Message)
		}
	}
	return ""
}

// actions are the buttons of the only incident.
func (w *world) actions() string {
	w.t.Helper()
	var out []string
	for _, a := range w.opened()[0].Spec.Actions {
		out = append(out, a.Name)
	}
	return strings.Join(out, " ")
}

// silenceWorld is a rule with two Alertmanagers of a cluster, and an alert that fires.
type silenceWorld struct {
	*intakeWorld
	rule     *v1alpha1.SlackAlert
	one, two *monitor
	since    time.Time
}

func newSilenceWorld(t *testing.T) *silenceWorld {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	s := w.silences("look=1s,length=9s,rest=5s,settle=1s,uptime=1s,patience=5s")
	s.fire()
	w.Eventually(func() int { return len(w.opened()) }).Should(gomega.Equal(1))
	return s
}

// silences adds the rule and the Alertmanagers to a world that has the SlackChannel
// "c".
func (w *world) silences(times string) *silenceWorld {
	s := &silenceWorld{since: time.Now().Add(-time.Minute)}
	s.intakeWorld = w.intake("--alertmanager-hosts=127.0.0.1", "--silence-times="+times)
	token := w.tokenOf(w.poster("alertmanager"))
	url := s.url + "/v1/namespaces/" + w.ns + "/alerts/am"
	s.one = w.monitor(url, token)
	s.two = w.monitor(url, token, s.one)
	s.rule = w.rule("am", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, Actions: &v1alpha1.AlertActions{
		Acknowledge: &v1alpha1.AcknowledgeAction{},
		Silence: &v1alpha1.SilenceAction{
			Allowed: v1alpha1.AllowedPeople{Everyone: true}, Durations: []v1alpha1.ActionDuration{"1h"}, UntilResolved: true,
			Alertmanager: v1alpha1.AlertmanagerAPI{URL: s.one.URL},
		},
	}}, func(a *v1alpha1.SlackAlert) { a.Labels = map[string]string{"shard": "own"} })
	w.becomes(s.rule, current("", v1alpha1.ReasonListening))
	return s
}

func (s *silenceWorld) fire() {
	for _, m := range []*monitor{s.one, s.two} {
		m.alert("Down", "web-0", s.since, time.Time{})
	}
}

func (s *silenceWorld) end() {
	now := time.Now()
	for _, m := range []*monitor{s.one, s.two} {
		m.alert("Down", "web-0", s.since, now)
	}
}

// held is how many silences hold in each of the Alertmanagers.
func (s *silenceWorld) held() string {
	return fmt.Sprint(len(s.one.Silences(s.t)), len(s.two.Silences(s.t)))
}

// Silenced from the message: seen in both Alertmanagers, renewed while the alert fires;
// the message turns green when it ends unseen, and the silence is ended.
func TestSilenceUntilResolved(t *testing.T) {
	w := newSilenceWorld(t)
	w.Eventually(w.actions).Should(gomega.Equal("acknowledge silence"))
	w.answer(incident.ActionSilence, incident.UntilResolved)
	w.Eventually(w.result).Should(gomega.Equal("Active"))
	w.Eventually(w.held).Should(gomega.Equal("1 1"))
	first := w.one.Silences(t)[0]
	w.Expect(fmt.Sprint(first.Matchers)).To(gomega.And(gomega.ContainSubstring("alertname Down"), gomega.ContainSubstring("namespace "+w.ns)))
	w.Expect(first.CreatedBy).To(gomega.Equal("ada (Slack U0ADA)"))
	w.Expect(first.Comment).To(gomega.ContainSubstring("[slack-notifier " + string(w.opened()[0].UID) + "/click0]"))
	w.Eventually(w.actions).Should(gomega.Equal("acknowledge unsilence"))
	w.Eventually(func() int32 { w.message(w.rule); return w.rule.Status.Silenced }).Should(gomega.BeEquivalentTo(1))
	// It is renewed while the alert fires, and there is never another one.
	w.Eventually(func() bool {
		w.fire()
		list := w.one.Silences(t)
		return len(list) == 1 && list[0].EndsAt.After(first.EndsAt.Add(3*time.Second))
	}).Should(gomega.BeTrue())
	w.end()
	w.Eventually(func() v1alpha1.Severity { return w.opened()[0].Spec.Severity }).Should(gomega.Equal(v1alpha1.SeveritySuccess))
	w.Eventually(w.held).Should(gomega.Equal("0 0"))
	w.Eventually(w.result).Should(gomega.Equal("Ended"))
	w.Expect(w.opened()).To(gomega.HaveLen(1))
	w.Expect(w.actions()).To(gomega.BeEmpty())
	w.Eventually(func() int32 { w.message(w.rule); return w.rule.Status.Firing }).Should(gomega.BeZero())
}

// Ended with the button or in Alertmanager's own page, the silence is over, which is
// said where a person would not know, and the incident goes on.
func TestSilenceEnds(t *testing.T) {
	w := newSilenceWorld(t)
	w.answer(incident.ActionSilence, "1h")
	w.Eventually(w.held).Should(gomega.Equal("1 1"))
	w.Eventually(w.result).Should(gomega.Equal("Active"))
	w.answer(incident.ActionUnsilence, "")
	w.Eventually(w.held).Should(gomega.Equal("0 0"))
	w.Eventually(w.actions).Should(gomega.Equal("acknowledge silence"))

	w.answer(incident.ActionSilence, "1h")
	w.Eventually(w.held).Should(gomega.Equal("1 1"))
	w.Eventually(w.result).Should(gomega.Equal("Active"))
	w.two.Expire(t, w.two.Silences(t)[0].ID)
	w.Eventually(w.result).Should(gomega.Equal("Ended somebody has ended it in Alertmanager"))
	w.Eventually(w.actions).Should(gomega.Equal("acknowledge silence"))
	w.Eventually(func() []string {
		var out []string
		for _, m := range w.messages(w.id("C", "ALERTS")) {
			out = append(out, m.Text+string(m.Attachments))
		}
		return out
	}).Should(gomega.ContainElement(gomega.ContainSubstring("The silence has ended: somebody has ended it in Alertmanager")))
	w.Expect(w.opened()).To(gomega.HaveLen(1))
	s, _ := incident.StateOf(&w.opened()[0])
	w.Expect(s.Open()).To(gomega.BeTrue())
}

// Wherever the operator is killed, there is one silence, and it is ended.
func TestSilenceSurvivesKills(t *testing.T) {
	w := newSilenceWorld(t)
	w.Eventually(w.actions).Should(gomega.Equal("acknowledge silence"))
	w.operator.Kill() // before the answer is counted
	w.answer(incident.ActionSilence, "1h")
	w.start()
	w.Eventually(func() int { return len(w.one.Silences(t)) }).Should(gomega.Equal(1))
	w.operator.Kill() // when Alertmanager has it, whether or not that was noted
	w.forgetResult()
	w.start()
	w.Eventually(w.result).Should(gomega.Equal("Active"))
	w.Consistently(w.held, "2s").Should(gomega.Equal("1 1"))
	w.operator.Kill() // while it holds, and the alert ends
	w.end()
	w.start()
	w.Eventually(func() v1alpha1.Severity { return w.opened()[0].Spec.Severity }).Should(gomega.Equal(v1alpha1.SeveritySuccess))
	w.operator.Kill() // before the silence is ended, or after
	w.start()
	w.Eventually(w.held).Should(gomega.Equal("0 0"))
	w.Eventually(w.result).Should(gomega.Equal("Ended"))
	w.Expect(w.opened()).To(gomega.HaveLen(1))
}

// forgetResult takes what became of the silence out of the status, as if the operator
// had been killed before it wrote that.
func (s *silenceWorld) forgetResult() {
	s.t.Helper()
	s.Eventually(func() error {
		n := s.opened()[0]
		for i := range n.Status.Responses {
			n.Status.Responses[i].Silence = nil
		}
		return env.client.Status().Update(s.ctx, &n)
	}).Should(gomega.Succeed())
}

// Pressed on the message, with the operator killed between each two steps: what is
// done is done once, and the world is as if nobody had been killed.
func TestSilencePressedBetweenKills(t *testing.T) {
	w := newWorld(t)
	w.app()
	w.socketed("c", w.appToken(), func(c *v1alpha1.SlackChannel) { own(c) })
	s := w.silences("look=1s,length=60s,rest=56s,settle=1s,uptime=1s,patience=1m")
	var first amtest.Silence
	severity := func(w *silenceWorld) func() v1alpha1.Severity {
		return func() v1alpha1.Severity { return w.opened()[0].Spec.Severity }
	}
	colours := func(w *silenceWorld) func() string {
		return func() string {
			var out []string
			for _, m := range w.messages(w.id("C", "ALERTS")) {
				var attachments []struct{ Color string }
				_ = json.Unmarshal(m.Attachments, &attachments)
				if m.ThreadTS == "" {
					out = append(out, fmt.Sprint(attachments))
				}
			}
			return strings.Join(out, " ")
		}
	}
	for i, step := range []struct {
		name string
		do   func(w *silenceWorld)
	}{
		{"it fires", func(w *silenceWorld) {
			w.fire()
			w.Eventually(func() int { return len(w.opened()) }).Should(gomega.Equal(1))
			w.Eventually(colours(w)).Should(gomega.Equal("[{#8B0000}]"))
		}},
		{"silenced by a press on the message", func(w *silenceWorld) {
			n := &w.opened()[0]
			w.shown(n)
			w.shows(n, `"sn:silence"`)
			w.Eventually(func() int { return w.socketsOf(w.appID()) }).Should(gomega.Equal(1))
			w.Eventually(func() int { w.fate(n); return len(w.opened()[0].Status.Responses) }).Should(gomega.Equal(1))
			w.Expect(w.opened()[0].Status.Responses[0].Value).To(gomega.Equal(incident.UntilResolved))
		}},
		{"seen in both Alertmanagers", func(w *silenceWorld) {
			w.Eventually(w.result).Should(gomega.Equal("Active"))
			w.Eventually(w.held).Should(gomega.Equal("1 1"))
			first = w.one.Silences(w.t)[0]
			w.Expect(first.CreatedBy).To(gomega.Equal("ada (Slack " + w.id("U", "ADA") + ")"))
			w.shows(&w.opened()[0], "✓ silenced until it is over by <@"+w.id("U", "ADA")+">")
		}},
		{"extended while it fires", func(w *silenceWorld) {
			w.Eventually(func() bool {
				w.fire()
				list := w.two.Silences(w.t)
				return len(list) == 1 && list[0].EndsAt.After(first.EndsAt.Add(2*time.Second))
			}).Should(gomega.BeTrue())
			w.Expect(w.held()).To(gomega.Equal("1 1"))
			w.Expect(severity(w)()).To(gomega.Equal(v1alpha1.SeverityCritical))
		}},
		{"green when the alert ends during the silence", func(w *silenceWorld) {
			w.Expect(w.held()).To(gomega.Equal("1 1"), "so that no post tells of the end")
			w.end()
			w.Eventually(severity(w)).Should(gomega.Equal(v1alpha1.SeveritySuccess))
			w.Eventually(colours(w)).Should(gomega.Equal("[{#2EB67D}]"))
		}},
		{"the silence ends", func(w *silenceWorld) {
			w.Eventually(w.held).Should(gomega.Equal("0 0"))
			w.Eventually(w.result).Should(gomega.Equal("Ended"))
		}},
		{"and that is all", func(w *silenceWorld) {
			w.Consistently(w.held, "2s").Should(gomega.Equal("0 0"))
			w.Expect(w.opened()).To(gomega.HaveLen(1))
			w.Expect(w.opened()[0].Status.Responses).To(gomega.HaveLen(1))
			w.Expect(colours(w)()).To(gomega.Equal("[{#2EB67D}]"))
			w.shows(&w.opened()[0], "", buttons)
			w.Eventually(func() int32 { w.message(w.rule); return w.rule.Status.Firing + w.rule.Status.Silenced }).Should(gomega.BeZero())
		}},
	} {
		if i > 0 {
			s.operator.Kill()
			s.start()
		}
		if !t.Run(step.name, func(t *testing.T) {
			inner, within := *s, *s.intakeWorld
			within.world = s.within(t)
			inner.intakeWorld = &within
			step.do(&inner)
		}) {
			return // the next step goes on from here
		}
	}
}

// fate presses the menu of an incident once, and returns what came of it; pressed
// again it changes nothing.
func (s *silenceWorld) fate(n *v1alpha1.SlackNotification) string {
	d := n.Status.Deliveries[0]
	p, err := tryPress(slacksim.Pressing{Who: s.id("U", "ADA"), Channel: d.ConversationID, TS: d.Timestamp, Action: "sn:" + incident.ActionSilence, Option: incident.UntilResolved, Wait: true})
	if err != nil {
		return err.Error() // the menu has gone
	}
	return p.Fate
}

// What can't be silenced is said in the thread, and the button comes back.
func TestSilenceIsRefused(t *testing.T) {
	w := newSilenceWorld(t)
	for name, c := range map[string]struct {
		change func(*v1alpha1.SilenceAction)
		want   string
	}{
		"a host that the operator may not call": {func(a *v1alpha1.SilenceAction) { a.Alertmanager.URL = "http://localhost:1" }, "start it with --alertmanager-hosts=localhost:1"},
		"a label that there is not":             {func(a *v1alpha1.SilenceAction) { a.Labels = []string{"job"} }, `the same value of the label "job"`},
		"a Secret that there is not": {func(a *v1alpha1.SilenceAction) {
			a.Alertmanager.AuthSecretRef = &v1alpha1.SecretReference{Name: "nope"}
		}, `Secret "nope"`},
	} {
		before := *w.rule.Spec.Actions.Silence.DeepCopy()
		w.update(w.rule, func() { c.change(w.rule.Spec.Actions.Silence) })
		generation := w.rule.Generation
		w.Eventually(func() int64 { w.message(w.rule); return w.rule.Status.ObservedGeneration }).Should(gomega.Equal(generation), name)
		w.answer(incident.ActionSilence, "1h")
		w.Eventually(w.result).Should(gomega.And(gomega.HavePrefix("Failed"), gomega.ContainSubstring(c.want)), name)
		w.Eventually(w.actions).Should(gomega.Equal("acknowledge silence"), name)
		w.update(w.rule, func() { *w.rule.Spec.Actions.Silence = before })
	}
	w.Expect(w.held()).To(gomega.Equal("0 0"))
}

// Who edits the annotation of an incident silences nobody else's alerts.
func TestSilenceForged(t *testing.T) {
	w := newSilenceWorld(t)
	w.answer(incident.ActionAcknowledge, "")
	w.Eventually(w.actions).Should(gomega.Equal("unacknowledge silence"))
	forge := func(response string) {
		w.Eventually(func() error {
			n := w.opened()[0]
			s, _ := incident.StateOf(&n)
			s.Answers.Silence = &incident.Silence{Answer: incident.Answer{By: "U0ADA", At: time.Now()}, Response: response, Matchers: []incident.Matcher{{Name: "alertname", Value: "Down"}}}
			data, err := json.Marshal(s)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			n.Annotations[incident.StateAnnotation] = string(data)
			return env.client.Update(w.ctx, &n)
		}).Should(gomega.Succeed())
	}
	forge("click0") // an acknowledgement
	w.Consistently(w.held, "2s").Should(gomega.Equal("0 0"))
	// By a silence that failed for another reason, and was pressed again.
	w.respond("x", incident.ActionSilence, "nothing")
	forge("x")
	w.Eventually(w.result).Should(gomega.HavePrefix("Failed a silence of this SlackAlert must match its own namespace"))
	w.Expect(w.held()).To(gomega.Equal("0 0"))
}
