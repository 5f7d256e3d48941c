package incident

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// incidentOf returns the SlackNotification of the only incident.
func (g *rig) incidentOf() v1alpha1.SlackNotification {
	g.T.Helper()
	for _, n := range g.List() {
		if _, ok := StateOf(&n); ok {
			return n
		}
	}
	g.T.Fatal("there is no incident")
	return v1alpha1.SlackNotification{}
}

// press stores an answer to the incident now, as who takes clicks does.
func (g *rig) press(who, action, value string) string {
	g.T.Helper()
	n := g.incidentOf()
	r := pressed(len(n.Status.Responses)+1, who, action, value, g.Clock.Now().Sub(start))
	n.Status.Responses = append(n.Status.Responses, r)
	if err := g.Live.Status().Update(g.Ctx, &n); err != nil {
		g.T.Fatal(err)
	}
	return r.ID
}

// silenced stores what became of a silence.
func (g *rig) silenced(id string, result v1alpha1.SilenceResult) {
	g.T.Helper()
	n := g.incidentOf()
	for i := range n.Status.Responses {
		if n.Status.Responses[i].ID == id {
			n.Status.Responses[i].Silence = &result
		}
	}
	if err := g.Live.Status().Update(g.Ctx, &n); err != nil {
		g.T.Fatal(err)
	}
}

func names(actions []v1alpha1.Action) string {
	var out []string
	for _, a := range actions {
		out = append(out, a.Name)
	}
	return strings.Join(out, " ")
}

// opened is a rig with an incident whose message is out.
func opened(t *testing.T, change func(*v1alpha1.SlackAlertSpec)) *rig {
	g := newRig(t)
	g.Rule.Spec.Actions = allActions()
	g.Rule.Spec.RepeatInterval = &metav1.Duration{Duration: time.Hour}
	if change != nil {
		change(&g.Rule.Spec)
	}
	g.store.Offer = offerDown
	g.apply(g.news("a", "one"))
	g.Deliver()
	return g
}

func offerDown(*v1alpha1.SlackAlert, json.RawMessage) Offer {
	return Offer{Matchers: []Matcher{{"alertname", "Down"}}}
}

// count how many SlackNotifications have a part of a name.
func (g *rig) count(part string) int {
	n := 0
	for _, o := range g.List() {
		if strings.Contains(o.Name, part) {
			n++
		}
	}
	return n
}

func TestButtonsOfAnIncident(t *testing.T) {
	g := opened(t, nil)
	shown := func(want string) {
		t.Helper()
		n := g.incidentOf()
		if got := names(n.Spec.Actions); got != want {
			t.Errorf("the buttons are %q, want %q", got, want)
		}
		if (n.Spec.Answers == nil) != (want == "") || n.Spec.Answers != nil && n.Spec.Answers.DecidedBy != v1alpha1.DecidedByNone {
			t.Errorf("answers is %+v", n.Spec.Answers)
		}
	}
	shown("acknowledge snooze resolve silence")
	g.press("U0ADA", ActionAcknowledge, "")
	if m := g.tend(); m.Acknowledged != 1 || m.Firing != 1 {
		t.Errorf("%+v", m)
	}
	shown("unacknowledge snooze resolve silence")
	if n := g.writes(func() { g.tend(); g.restart(); g.store.Offer = offerDown; g.tend() }); n != 0 {
		t.Errorf("%d writes for an answer that was counted", n)
	}
	g.apply(g.news("a", "two"))
	shown("unacknowledge snooze resolve silence")
	g.Pass(4 * time.Hour)
	if m := g.tend(); m.Acknowledged != 0 {
		t.Errorf("four hours later %+v", m)
	}
	shown("acknowledge snooze resolve silence")
	g.Rule.Spec.Actions = &v1alpha1.AlertActions{Acknowledge: &v1alpha1.AcknowledgeAction{}}
	g.tend()
	shown("acknowledge")
	g.apply(g.news("a", ""))
	shown("")
}

// Who has answered is not reminded, until that holds no more.
func TestAnswersStopReminders(t *testing.T) {
	for name, c := range map[string]struct {
		action, value string
		// next is when the next reminder is made; 0 for never.
		next time.Duration
	}{
		"nothing":     {"", "", time.Hour},
		"acknowledge": {ActionAcknowledge, "", 4 * time.Hour},
		"snooze":      {ActionSnooze, "90m", 90 * time.Minute},
		"silence":     {ActionSilence, UntilResolved, 0},
		"resolve":     {ActionResolve, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := opened(t, nil)
			if c.action != "" {
				g.press("U0ADA", c.action, c.value)
			}
			g.tend()
			for after := time.Duration(0); after < 6*time.Hour; after += 10 * time.Minute {
				g.tend()
				g.Deliver()
				if made, want := g.count("reminder") > 0, c.next > 0 && after >= c.next; made != want {
					t.Fatalf("after %s a reminder is made: %v, want %v", after, made, want)
				}
				g.Pass(10 * time.Minute)
			}
		})
	}
}

// An incident that was ended by hand is a new one only when it was over once.
func TestResolvedByHand(t *testing.T) {
	g := opened(t, nil)
	g.press("U0ADA", ActionResolve, "")
	if m := g.tend(); m.Firing != 0 {
		t.Errorf("%d fire", m.Firing)
	}
	g.expect("Resolved: a")
	const said = "one\n_Resolved by <@U0ADA> with the button. Nothing has said that it is over; once that was said, a later firing is a new incident._"
	if n := g.incidentOf(); len(n.Spec.Actions) > 0 || n.Spec.Severity != v1alpha1.SeveritySuccess || n.Spec.Text != said {
		t.Errorf("%+v", n.Spec)
	}
	open, err := g.store.Open(g.Ctx, g.Rule)
	if err != nil || len(open) != 1 || !open[0].Ended || !open[0].Current.Open {
		t.Errorf("%+v, %v", open, err)
	}
	before := g.told()
	g.restart()
	g.apply(g.news("a", "it goes on"))
	g.Pass(50 * time.Hour) // longer than its object is kept otherwise
	g.tend()
	g.expect(before)
	g.apply(g.news("a", ""))
	g.expect(before)
	g.apply(g.news("a", "anew"))
	g.expect("+a anew, " + before)
}

// An answer that comes when the incident is over does nothing.
func TestAnswersThatComeTooLate(t *testing.T) {
	for _, action := range []string{ActionAcknowledge, ActionSnooze, ActionResolve, ActionSilence, ActionUnsilence} {
		t.Run(action, func(t *testing.T) {
			g := opened(t, nil)
			g.apply(g.news("a", ""))
			g.press("U0ADA", action, "1h")
			if n := g.writes(func() { g.tend() }); n != 0 {
				t.Errorf("%d writes", n)
			}
			g.apply(g.news("a", "again"))
			if s, _ := StateOf(&g.List()[1]); s.Number != 2 || s.Answers != (Answers{}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What became of a silence is in the thread where a person would not know, and its
// button comes back.
func TestSilenceOfAnIncident(t *testing.T) {
	end := metav1.NewTime(start.Add(15 * time.Minute))
	for name, c := range map[string]struct {
		result  v1alpha1.SilenceResult
		buttons string
		thread  string
		holds   int
	}{
		"active":                {v1alpha1.SilenceResult{State: v1alpha1.SilenceActive, ID: "x", EndsAt: &end}, "unsilence", "", 1},
		"pending":               {v1alpha1.SilenceResult{State: v1alpha1.SilencePending}, "unsilence", "", 0},
		"ended by its time":     {v1alpha1.SilenceResult{State: v1alpha1.SilenceEnded}, "silence", "", 0},
		"ended in Alertmanager": {v1alpha1.SilenceResult{State: v1alpha1.SilenceEnded, Message: "somebody"}, "silence", "The silence has ended: somebody", 0},
		"failed":                {v1alpha1.SilenceResult{State: v1alpha1.SilenceFailed, Message: "<!channel> no"}, "silence", "Not silenced: &lt;!channel&gt; no", 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Actions = &v1alpha1.AlertActions{Silence: s.Actions.Silence} })
			id := g.press("U0ADA", ActionSilence, UntilResolved)
			g.tend()
			g.silenced(id, c.result)
			m := g.tend()
			g.restart()
			g.tend()
			if got := names(g.incidentOf().Spec.Actions); got != c.buttons || m.Silenced != c.holds {
				t.Errorf("the buttons are %q, %d silenced", got, m.Silenced)
			}
			var thread []string
			for _, n := range g.List() {
				if n.Spec.Thread != nil {
					thread = append(thread, n.Spec.Text)
				}
			}
			if got := strings.Join(thread, "|"); got != c.thread {
				t.Errorf("the thread says %q, want %q", got, c.thread)
			}
		})
	}
	t.Run("the object is kept while it holds", func(t *testing.T) {
		g := opened(t, nil)
		zero := metav1.Duration{}
		g.Rule.Spec.NotificationTTL = &zero
		id := g.press("U0ADA", ActionSilence, "1h")
		g.tend()
		g.silenced(id, v1alpha1.SilenceResult{State: v1alpha1.SilenceActive, ID: "x", EndsAt: &end})
		g.apply(g.news("a", ""))
		g.Deliver()
		g.tend()
		if len(g.List()) != 1 {
			t.Error("nothing knows of the silence any more")
		}
		g.silenced(id, v1alpha1.SilenceResult{State: v1alpha1.SilenceEnded})
		g.tend()
		if len(g.List()) != 0 {
			t.Error("it is kept for ever")
		}
	})
}

// A replica that has an older SlackAlert in its cache does not change what a silence
// matches.
func TestOfferOfAnOlderRule(t *testing.T) {
	g := opened(t, nil)
	g.store.Offer = func(rule *v1alpha1.SlackAlert, _ json.RawMessage) Offer {
		return Offer{Matchers: []Matcher{{"generation", fmt.Sprint(rule.Generation)}}}
	}
	offered := func() string {
		n := g.incidentOf()
		s, _ := StateOf(&n)
		return s.offered().Matchers[0].Value
	}
	older := g.Rule.DeepCopy()
	g.Rule.Generation = older.Generation + 1
	g.apply(g.news("a", "two"))
	if got, want := offered(), fmt.Sprint(g.Rule.Generation); got != want {
		t.Fatalf("a silence matches what generation %s says, want %s", got, want)
	}
	for _, text := range []string{"two", "three"} {
		if _, err := g.store.Apply(g.Ctx, older, []Update{g.news("a", text)}, Options{}); err != nil {
			t.Fatal(err)
		}
		if got, want := offered(), fmt.Sprint(g.Rule.Generation); got != want {
			t.Errorf("after %q by an older rule a silence matches what generation %s says, want %s", text, got, want)
		}
	}
}
