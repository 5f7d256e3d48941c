package silence

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// A silence is what was asked for, and is made once, wherever a process ends.
func TestMade(t *testing.T) {
	t.Run("as it was asked for", func(t *testing.T) {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		pressed := s.Cluster.Clock.Now()
		s.run(time.Minute)
		s.expect("after a minute", "Active", 1)
		got := s.am.Silences(t)[0]
		if fmt.Sprint(got.Matchers) != "[{alertname A} {namespace ns}]" || got.CreatedBy != "ada (Slack U0ADA)" || !got.EndsAt.Equal(pressed.Add(time.Hour)) {
			t.Errorf("it is %+v", got)
		}
		n := s.incident()
		if want := "[slack-notifier " + string(n.UID) + "/click1]"; !strings.HasPrefix(got.Comment, "Silenced from Slack: ") || !strings.HasSuffix(got.Comment, want) {
			t.Errorf("the comment is %q", got.Comment)
		}
		if r := n.Status.Responses[0].Silence; r.ID != got.ID || !r.EndsAt.Time.Equal(got.EndsAt) {
			t.Errorf("the status says %+v", r)
		}
	})
	t.Run("not before what others did shows", func(t *testing.T) {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		if wait := s.once(); wait <= 0 || wait > quick.Settle || len(s.calls) > 0 {
			t.Errorf("it comes again after %v, and has made the calls %v", wait, s.calls)
		}
	})
	for name, lose := range map[string]func(s *scene){
		"a process ended before it noted it": func(s *scene) {
			n := s.incident()
			n.Status.Responses[0].Silence = nil
			s.write(n)
		},
		"a process ended after it noted it": func(*scene) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.answer(incident.ActionSilence, "1h")
			s.run(10 * time.Second)
			lose(s)
			s.restart()
			s.run(time.Minute)
			s.expect("then", "Active", 1)
			if s.calls["put"] > 0 {
				t.Errorf("it was asked for again: %v", s.calls)
			}
		})
	}
	t.Run("the answer was lost", func(t *testing.T) {
		s := newScene(t)
		lost := 0
		s.gateway.spoils(func(r *http.Request) int {
			if r.Method == http.MethodPost && lost == 0 {
				lost++
				return -http.StatusBadGateway // it was carried out
			}
			return 0
		})
		s.answer(incident.ActionSilence, "1h")
		s.run(time.Minute)
		s.expect("then", "Active", 1)
		if lost != 1 || s.calls["put"] != 1 {
			t.Errorf("it was lost %d times and asked for %d times", lost, s.calls["put"])
		}
	})
	t.Run("Alertmanager is away for a while", func(t *testing.T) {
		s := newScene(t)
		s.gateway.spoils(func(*http.Request) int { return http.StatusServiceUnavailable })
		s.answer(incident.ActionSilence, "1h")
		s.run(3 * time.Minute)
		s.expect("meanwhile", "Pending Alertmanager answered 503", 0)
		s.gateway.spoils(nil)
		s.run(time.Minute)
		if s.expect("then", "Active", 1); s.became() != "Active" {
			t.Errorf("the trouble is still told: %s", s.became())
		}
	})
	t.Run("a rule that is suspended", func(t *testing.T) {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		s.Rule.Spec.Suspend = true
		s.update()
		s.run(time.Minute)
		s.expect("while it is suspended", "", 0)
		s.Rule.Spec.Suspend = false
		s.update()
		s.run(time.Minute)
		s.expect("then", "Active", 1)
	})
}

// update writes the SlackAlert.
func (s *scene) update() {
	s.T.Helper()
	if err := s.Cluster.Live.Update(s.Ctx, s.Rule); err != nil {
		s.T.Fatal(err)
	}
}

// What can't be made is told with the way out, at once where a person must act, and
// nothing is left in Alertmanager.
func TestNotMade(t *testing.T) {
	answers := func(code int) func(s *scene) {
		return func(s *scene) {
			s.gateway.spoils(func(r *http.Request) int {
				if r.Method == http.MethodPost {
					return code
				}
				return 0
			})
		}
	}
	for name, row := range map[string]struct {
		prepare func(s *scene)
		after   time.Duration
		want    string
	}{
		"Alertmanager refuses it": {answers(http.StatusBadRequest), 10 * time.Second, "Failed Alertmanager answered 400: silence storage is away"},
		"it may not be asked":     {answers(http.StatusForbidden), 10 * time.Second, "Failed Alertmanager answered 403 (check actions.silence.alertmanager.authSecretRef)"},
		"it is away too long": {func(s *scene) { s.gateway.spoils(func(*http.Request) int { return http.StatusServiceUnavailable }) }, 7 * time.Minute,
			"Failed Alertmanager answered 503: silence storage is away; it was tried for 5m0s"},
		"another Alertmanager, which has no such alert": {func(s *scene) {
			s.Rule.Spec.Actions.Silence.Alertmanager.URL = amtest.Start(s.T, amtest.Options{}).URL
			s.update()
		}, 10 * time.Second, "Failed that Alertmanager has no alert of this incident that the silence would match: check spec.actions.silence.alertmanager.url"},
		"a host that is not allowed": {func(s *scene) {
			s.Rule.Spec.Actions.Silence.Alertmanager.URL = "http://localhost:1"
			s.update()
		}, 10 * time.Second, "Failed spec.actions.silence.alertmanager of the SlackAlert: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.once() // it leads before somebody presses
			row.prepare(s)
			s.answer(incident.ActionSilence, "1h")
			s.run(row.after)
			s.expect("then", row.want, 0)
			calls := len(s.calls)
			s.run(time.Minute)
			s.expect("later", row.want, 0)
			if len(s.calls) != calls {
				t.Errorf("it goes on to ask: %v", s.calls)
			}
		})
	}
	t.Run("what the state refuses", func(t *testing.T) {
		s := newScene(t, func(a *v1alpha1.SlackAlert) { a.Spec.Actions.Silence.Labels = []string{"job"} })
		s.answer(incident.ActionSilence, "1h")
		s.run(time.Minute)
		s.expect("then", "Failed ", 0)
		if !strings.Contains(s.became(), `the label "job"`) || len(s.calls) > 0 {
			t.Errorf("%s, with the calls %v", s.became(), s.calls)
		}
	})
}

// A silence holds as long as the incident: it is renewed in time and ended with it.
func TestUntilResolved(t *testing.T) {
	silenced := func(t *testing.T) *scene {
		s := newScene(t)
		s.answer(incident.ActionSilence, incident.UntilResolved)
		s.run(10 * time.Second)
		s.expect("at first", "Active", 1)
		return s
	}
	t.Run("renewed", func(t *testing.T) {
		s := silenced(t)
		first := s.am.Silences(t)[0]
		s.run(9 * time.Minute)
		if got := s.am.Silences(t)[0]; got.ID != first.ID || !got.EndsAt.Equal(first.EndsAt) {
			t.Errorf("it is renewed too early: %+v", got)
		}
		s.run(2 * time.Minute)
		s.expect("after eleven minutes", "Active", 1)
		if got := s.am.Silences(t)[0]; !got.EndsAt.After(first.EndsAt.Add(5*time.Minute)) || s.calls["put"] != 2 {
			t.Errorf("it is not renewed in time: %+v, %v", got, s.calls)
		}
		s.run(time.Hour)
		s.expect("after an hour", "Active", 1)
		if !s.open() {
			t.Error("the incident is over, though its alert fires")
		}
	})
	t.Run("the alert ends", func(t *testing.T) {
		s := silenced(t)
		s.end()
		s.run(20 * time.Second)
		if !s.open() {
			t.Error("one look is enough to end the incident")
		}
		s.run(2 * time.Minute)
		if s.open() {
			t.Error("the incident goes on, though Alertmanager has no alert of it")
		}
		s.expect("then", "Ended", 0)
	})
	t.Run("an Alertmanager that has just been started", func(t *testing.T) {
		s := silenced(t)
		s.Times.Uptime = 10 * time.Minute
		s.end()
		s.run(5 * time.Minute)
		if !s.open() {
			t.Error("it knows no alert yet, and the incident is over")
		}
		s.run(10 * time.Minute)
		if s.open() {
			t.Error("the incident goes on for ever")
		}
	})
	t.Run("a rule that is suspended ends nothing", func(t *testing.T) {
		s := silenced(t)
		s.Rule.Spec.Suspend = true
		s.update()
		s.end()
		s.run(10 * time.Minute)
		if !s.open() {
			t.Error("the incident is over")
		}
		s.expect("while it is suspended", "Active", 1)
	})
	t.Run("an alert that comes back between two looks", func(t *testing.T) {
		s := silenced(t)
		s.end()
		s.run(20 * time.Second)
		s.fire()
		s.run(30 * time.Second)
		s.end()
		s.run(20 * time.Second)
		if !s.open() {
			t.Error("two looks that do not follow each other end the incident")
		}
	})
	t.Run("Alertmanager is away while it ends by itself", func(t *testing.T) {
		s := silenced(t)
		s.gateway.spoils(func(*http.Request) int { return http.StatusServiceUnavailable })
		s.run(20 * time.Minute)
		s.expect("meanwhile", "Active Alertmanager answered 503", 1)
		s.am.Expire(t, s.am.Silences(t)[0].ID) // as its own clock would have it by now
		n := s.incident()
		n.Status.Responses[0].Silence.EndsAt.Time = time.Now().Add(-time.Minute)
		s.write(n)
		s.gateway.spoils(nil)
		s.run(time.Minute)
		s.expect("then it is made anew", "Active", 1)
	})
}

// A silence that ends in another way ends for Slack too, and is said where a person
// would not know.
func TestEnds(t *testing.T) {
	silenced := func(t *testing.T) *scene {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		s.run(10 * time.Second)
		s.expect("at first", "Active", 1)
		return s
	}
	t.Run("with the button", func(t *testing.T) {
		s := silenced(t)
		s.answer(incident.ActionUnsilence, "")
		s.run(time.Minute)
		if s.expect("then", "Ended", 0); s.became() != "Ended" || !s.open() {
			t.Errorf("%s, and the incident is open: %v", s.became(), s.open())
		}
	})
	t.Run("with the button, before it was made", func(t *testing.T) {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		s.answer(incident.ActionUnsilence, "")
		s.run(time.Minute)
		s.expect("then", "Ended", 0)
		if s.calls["put"] > 0 {
			t.Errorf("it was made all the same: %v", s.calls)
		}
	})
	t.Run("twins too", func(t *testing.T) {
		s := silenced(t)
		n := s.incident()
		n.Status.Responses[0].Silence = nil
		s.write(n)
		s.restart()
		s.gateway.spoils(func(r *http.Request) int {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/silences") {
				return http.StatusOK // as a peer that has not heard of it yet
			}
			return 0
		})
		s.run(10 * time.Second)
		s.expect("with a twin", "Active", 2)
		s.gateway.spoils(nil)
		s.answer(incident.ActionUnsilence, "")
		s.run(time.Minute)
		s.expect("then", "Ended", 0)
	})
	t.Run("in Alertmanager's own page", func(t *testing.T) {
		s := silenced(t)
		s.am.Expire(t, s.am.Silences(t)[0].ID)
		s.run(time.Minute)
		s.expect("then", "Ended somebody has ended it in Alertmanager", 0)
	})
	t.Run("Alertmanager has lost it", func(t *testing.T) {
		s := silenced(t)
		fresh := amtest.Start(t, amtest.Options{})
		s.Rule.Spec.Actions.Silence.Alertmanager.URL = fresh.URL
		s.update()
		s.am = fresh
		s.fire()
		s.run(time.Minute)
		s.expect("then", "Ended Alertmanager does not know it any more", 0)
	})
	t.Run("by its time", func(t *testing.T) {
		s := silenced(t)
		s.Pass(time.Hour)
		s.am.Expire(t, s.am.Silences(t)[0].ID) // as its own clock would have it by now
		s.run(time.Minute)
		if s.expect("then", "Ended", 0); s.became() != "Ended" {
			t.Errorf("it is told as %s", s.became())
		}
		// The alert fires unsilenced, so posts tell of its end.
		s.run(30 * time.Second)
		before := s.calls["alerts"]
		s.run(10 * time.Minute)
		if s.calls["alerts"] != before {
			t.Errorf("it goes on to look: %v", s.calls)
		}
	})
	t.Run("by its time, and the alert unseen before", func(t *testing.T) {
		s := silenced(t)
		s.end()
		s.Pass(time.Hour)
		s.am.Expire(t, s.am.Silences(t)[0].ID)
		s.run(5 * time.Minute)
		if s.open() {
			t.Error("nobody tells of the end of the alert")
		}
		s.expect("then", "Ended", 0)
	})
	t.Run("the rule has no such action any more", func(t *testing.T) {
		s := silenced(t)
		s.Rule.Spec.Actions.Silence = nil
		s.update()
		s.run(5 * time.Minute)
		s.expect("then", "Active the SlackAlert has no actions.silence any more", 1)
	})
}
