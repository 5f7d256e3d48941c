package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func after(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }

var twoSteps = []v1alpha1.Escalation{
	{After: after(10 * time.Minute), Text: "<@oncall> nobody is on this"},
	{After: after(30 * time.Minute), Recipients: []v1alpha1.Recipient{{Channel: "#incidents"}}},
}

// steps are the names of the steps that were made, without the incident's.
func (g *rig) steps() string {
	g.T.Helper()
	var out []string
	for _, n := range g.List() {
		if _, name, ok := strings.Cut(n.Name, "-escalation-"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// When which steps are made, by what was pressed when.
func TestEscalation(t *testing.T) {
	type press struct {
		at            time.Duration
		action, value string
	}
	for name, c := range map[string]struct {
		presses []press
		// want is when steps are made, in minutes: "10m@10".
		want string
	}{
		"nobody is on it":           {nil, "10m@10 30m@30"},
		"acknowledged at once":      {[]press{{time.Minute, ActionAcknowledge, ""}}, "10m@241 30m@241"},
		"acknowledged between":      {[]press{{12 * time.Minute, ActionAcknowledge, ""}}, "10m@10 30m@252"},
		"unacknowledged":            {[]press{{time.Minute, ActionAcknowledge, ""}, {20 * time.Minute, ActionUnacknowledge, ""}}, "10m@20 30m@30"},
		"snoozed":                   {[]press{{5 * time.Minute, ActionSnooze, "1h"}}, "10m@70 30m@90"},
		"snoozed and woken":         {[]press{{5 * time.Minute, ActionSnooze, "1h"}, {7 * time.Minute, ActionUnsnooze, ""}}, "10m@12 30m@32"},
		"silenced":                  {[]press{{5 * time.Minute, ActionSilence, UntilResolved}}, ""},
		"resolved by hand":          {[]press{{15 * time.Minute, ActionResolve, ""}}, "10m@10"},
		"an answer that is nothing": {[]press{{5 * time.Minute, "approve", ""}}, "10m@10 30m@30"},
	} {
		t.Run(name, func(t *testing.T) {
			g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval = twoSteps, nil })
			var made []string
			for minute := range 300 {
				for _, p := range c.presses {
					if p.at == time.Duration(minute)*time.Minute {
						g.press("U0ADA", p.action, p.value)
					}
				}
				before := g.steps()
				g.restart() // nothing of it is in memory
				g.store.Offer = offerDown
				g.tend()
				if now := g.steps(); now != before {
					for _, step := range strings.Fields(now) {
						if !slices.Contains(strings.Fields(before), step) {
							made = append(made, step+"@"+time.Duration(minute).String()[:len(time.Duration(minute).String())-2])
						}
					}
				}
				g.Pass(time.Minute)
			}
			if got := strings.Join(made, " "); got != c.want {
				t.Errorf("the steps are %q, want %q", got, c.want)
			}
		})
	}
}

// What a step says, where, and what becomes of it at the end.
func TestStepsOfAnEscalation(t *testing.T) {
	g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval = twoSteps, nil })
	n := g.incidentOf()
	n.Status.Deliveries = []v1alpha1.Delivery{{Recipient: "default", State: v1alpha1.DeliveryDelivered, Permalink: "https://x.slack.com/archives/C1/p1"}}
	if err := g.Live.Status().Update(g.Ctx, &n); err != nil {
		t.Fatal(err)
	}
	g.Pass(time.Hour)
	g.tend()
	list := g.List()
	if len(list) != 3 {
		t.Fatalf("%d SlackNotifications", len(list))
	}
	thread, others := list[1], list[2]
	if thread.Spec.Thread == nil || thread.Spec.Thread.NotificationRef.Name != list[0].Name || thread.Spec.Text != "<@oncall> nobody is on this" || len(thread.Spec.Actions) > 0 {
		t.Errorf("in the thread: %+v", thread.Spec)
	}
	if others.Spec.Thread != nil || others.Spec.Title != "a" || others.Spec.Text != "one\n<https://x.slack.com/archives/C1/p1|The incident's message>" ||
		others.Spec.Recipients[0].Channel != "#incidents" || len(others.Spec.Actions) > 0 {
		t.Errorf("to others: %+v", others.Spec)
	}
	g.apply(g.news("a", ""))
	g.tend()
	if others := g.List()[2]; others.Spec.Severity != v1alpha1.SeveritySuccess || others.Spec.Title != "Resolved: a" {
		t.Errorf("others are not told of the end: %+v", others.Spec.Content)
	}
	if n := g.writes(func() { g.tend() }); n != 0 {
		t.Errorf("%d writes more", n)
	}
}

// A message that waits for the end of a muted time has been told to nobody, and
// nothing is escalated in one.
func TestEscalationInMutedTimes(t *testing.T) {
	g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval, s.MuteTimes = twoSteps, nil, untilTen })
	for range 14 { // until 10:20
		g.Pass(10 * time.Minute)
		if made, due := g.steps(), g.Clock.Now().Sub(start); made != "" && due < 2*time.Hour+10*time.Minute {
			t.Fatalf("after %s there is %q", due, made)
		}
		g.tend()
	}
	if made := g.steps(); made != "10m" {
		t.Errorf("ten minutes after the muted time there is %q", made)
	}
}

// A step is made once, whatever ends the process when, and whatever is added to the
// rule. An answer that the cache does not show yet stops it.
func TestEscalationHappensOnce(t *testing.T) {
	t.Run("the process ends before it notes the step", func(t *testing.T) {
		g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval = twoSteps[:1], nil })
		g.Pass(10 * time.Minute)
		g.store.Forget(g.Rule.UID)
		g.Freeze() // the cache does not show the step
		g.tend()
		g.Lag = nil
		g.restart()
		g.tend()
		g.tend()
		if made := g.steps(); made != "10m" {
			t.Errorf("there is %q", made)
		}
	})
	t.Run("a step is added", func(t *testing.T) {
		g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval = twoSteps[:1], nil })
		g.Pass(10 * time.Minute)
		g.tend()
		g.Rule.Spec.Escalate = append([]v1alpha1.Escalation{{After: after(5 * time.Minute), Text: "new"}}, twoSteps[0])
		g.tend()
		if made := g.steps(); made != "10m 5m" {
			t.Errorf("there is %q", made)
		}
	})
	t.Run("two at once", func(t *testing.T) {
		g := opened(t, func(s *v1alpha1.SlackAlertSpec) {
			s.Escalate, s.RepeatInterval = []v1alpha1.Escalation{twoSteps[0], {After: twoSteps[0].After, Recipients: twoSteps[1].Recipients}}, nil
		})
		g.Pass(10 * time.Minute)
		g.tend()
		if made := g.steps(); made != "10m 10m-2" {
			t.Errorf("there is %q", made)
		}
	})
	t.Run("an answer that the cache does not show", func(t *testing.T) {
		g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval = twoSteps, nil })
		g.Freeze()
		g.Pass(time.Hour)
		g.press("U0ADA", ActionAcknowledge, "")
		g.tend()
		if made := g.steps(); made != "" {
			t.Errorf("there is %q", made)
		}
		g.Lag = nil
		g.tend()
		if made := g.steps(); made != "" {
			t.Errorf("then there is %q", made)
		}
	})
	t.Run("beyond maxIncidents", func(t *testing.T) {
		g := opened(t, func(s *v1alpha1.SlackAlertSpec) { s.Escalate, s.RepeatInterval, s.MaxIncidents = twoSteps, nil, 1 })
		g.apply(g.news("b", "one"))
		for _, n := range g.List() {
			if s, _ := StateOf(&n); s.Key == overflowKey && len(n.Spec.Actions) > 0 {
				t.Errorf("the overflow has buttons: %+v", n.Spec.Actions)
			}
		}
		g.Pass(10 * time.Minute)
		g.tend()
		if made := g.steps(); made != "10m" {
			t.Errorf("there is %q", made)
		}
	})
}
