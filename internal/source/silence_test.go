package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// stored is what a rule has stored of an incident after a post with these labels.
func (d *desk) stored() json.RawMessage {
	d.T.Helper()
	n := d.List()[0]
	s, _ := incident.StateOf(&n)
	return s.Data
}

// A silence never leaves the rule's namespace, but for rules that may.
func TestOffer(t *testing.T) {
	for name, test := range map[string]struct {
		labels  string
		asked   []string
		central bool
		want    string
		refused string
	}{
		"the group's":                        {`"alertname":"A"`, nil, false, `alertname="A", namespace="ns"`, ""},
		"of the own namespace":               {`"alertname":"A","namespace":"ns"`, []string{"alertname", "namespace"}, false, `alertname="A", namespace="ns"`, ""},
		"of another":                         {`"alertname":"A","namespace":"other"`, []string{"namespace"}, false, "", `these alerts are of namespace "other"`},
		"of another, by the group":           {`"alertname":"A","namespace":"other"`, nil, false, `alertname="A", namespace="ns"`, ""},
		"central":                            {`"alertname":"A"`, nil, true, `alertname="A"`, ""},
		"of another, central":                {`"alertname":"A","namespace":"other"`, []string{"namespace"}, true, `namespace="other"`, ""},
		"a label that there is not":          {`"alertname":"A"`, []string{"job"}, false, "", `the label "job"`},
		"a label that there is not, central": {`"alertname":"A"`, []string{"alertname", "job"}, true, "", `the label "job"`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.Rule.Spec.Actions = &v1alpha1.AlertActions{Silence: &v1alpha1.SilenceAction{Labels: test.asked}}
			body := fmt.Sprintf(`{"version":"4","groupKey":"g","groupLabels":{"alertname":"A"},"status":"firing","alerts":[{"status":"firing","labels":{%s},"startsAt":"2025-01-10T10:00:00Z"}]}`, test.labels)
			if _, err := d.Receive(d.Ctx, d.Rule, posts.Raw{Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
			var central []string
			if test.central {
				central = []string{"ns"}
			}
			offer := Offer(central)(d.Rule, d.stored())
			var list []string
			for _, m := range offer.Matchers {
				list = append(list, m.String())
			}
			if got := strings.Join(list, ", "); got != test.want || (offer.Refused != "") != (test.refused != "") || !strings.Contains(offer.Refused, test.refused) {
				t.Errorf("it matches %q, %q, not %q, %q", got, offer.Refused, test.want, test.refused)
			}
		})
	}
}

// An incident whose alerts are silenced goes on until Alertmanager has none of them
// any more, and what is posted after the silence belongs to it.
func TestSilencedIncident(t *testing.T) {
	silenced := func(t *testing.T) *desk {
		d := newDesk(t)
		d.Rule.Spec.ResolveAfter = hours(2)
		d.Rule.Spec.Actions = &v1alpha1.AlertActions{Silence: &v1alpha1.SilenceAction{UntilResolved: true, Labels: []string{"alertname"}}}
		d.store.Offer = Offer(nil)
		d.take("g", "firing", "a", "b")
		n := d.List()[0]
		at := metav1.NewMicroTime(d.rig.Clock.Now())
		n.Status.Responses = []v1alpha1.Response{{ID: "1", Action: incident.ActionSilence, Value: incident.UntilResolved, At: at, RecordedAt: at,
			Silence: &v1alpha1.SilenceResult{State: v1alpha1.SilenceActive, ID: "x"}}}
		if err := d.Live.Status().Update(d.Ctx, &n); err != nil {
			t.Fatal(err)
		}
		d.maintain()
		return d
	}
	t.Run("a resolved post leaves it out", func(t *testing.T) {
		d := silenced(t)
		d.take("g", "resolved", "b")
		d.expectOpen("while a is silenced", "[FIRING] A")
	})
	t.Run("no news", func(t *testing.T) {
		d := silenced(t)
		d.end()
		d.Pass(30 * time.Hour)
		d.end()
		d.expectOpen("after a day", "[FIRING:2] A")
	})
	t.Run("it is gone", func(t *testing.T) {
		d := silenced(t)
		n := d.List()[0]
		s, _ := incident.StateOf(&n)
		if err := d.Vanish(d.Ctx, d.Rule, s.Key); err != nil {
			t.Fatal(err)
		}
		d.expectOpen("then", "")
		n = d.List()[0]
		if n.Spec.Severity != v1alpha1.SeveritySuccess || !strings.Contains(n.Spec.Text, "Alertmanager has no alert of it any more") || len(n.Spec.Actions) > 0 {
			t.Errorf("%+v", n.Spec)
		}
		if err := d.Vanish(d.Ctx, d.Rule, s.Key); err != nil || len(d.List()) != 1 {
			t.Errorf("once more: %v", err)
		}
	})
	t.Run("it goes on after the silence", func(t *testing.T) {
		d := silenced(t)
		d.take("g", "resolved", "b")
		n := d.List()[0]
		n.Status.Responses[0].Silence.State = v1alpha1.SilenceEnded
		if err := d.Live.Status().Update(d.Ctx, &n); err != nil {
			t.Fatal(err)
		}
		d.maintain()
		d.Pass(10 * time.Minute)
		d.take("g", "firing", "a")
		d.expectOpen("after the silence", "[FIRING] A")
		if len(d.List()) != 1 {
			t.Error("it is another incident")
		}
		d.take("g", "resolved", "a")
		d.expectOpen("at its end", "")
	})
}

func (d *desk) maintain() {
	d.T.Helper()
	if _, err := d.store.Maintain(d.Ctx, d.Rule, nil); err != nil {
		d.T.Fatal(err)
	}
}
