package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident/incidenttest"
)

// What the API server refuses to store is told, and stops nothing else; when it
// is stored, nothing more is told.
func TestRefusedMessagesStopNoOthers(t *testing.T) {
	g := newRig(t)
	a := alerting.KeyOf(string(g.Rule.UID), []string{"a"}).ID
	g.Fail = incidenttest.ByQuota(func(o client.Object) bool { return strings.Contains(o.GetName(), a) })
	out := g.apply(g.news("a", "one"), g.news("b", "one"), g.news("c", "one"))
	g.expect("+b one, +c one")
	if words := out.Refused[a]; !strings.Contains(words, incidenttest.QuotaWords) || len(out.Refused) != 1 {
		t.Errorf("refused is %v, want the words of the API server", out.Refused)
	}
	if got := g.store.Refused(g.Rule.UID); !strings.Contains(got, incidenttest.QuotaWords) {
		t.Errorf("the rule says %q", got)
	}
	g.apply(g.news("b", "two"))
	g.expect("+b two, +c one")
	g.Fail = nil
	if out := g.apply(g.news("a", "one")); len(out.Refused) != 0 {
		t.Errorf("%v is refused", out.Refused)
	}
	g.expect("+a one, +b two, +c one")
	if got := g.store.Refused(g.Rule.UID); got != "" {
		t.Errorf("the rule still says %q", got)
	}
}

// An admission webhook that does not answer refuses too; any other error of the API
// server's own is one.
func TestRefusedByAWebhookThatIsDown(t *testing.T) {
	g := newRig(t)
	failing := func(words string) {
		g.Fail = func(verb string, _ client.Object) error {
			if verb == "create" {
				return apierrors.NewInternalError(errors.New(words))
			}
			return nil
		}
	}
	failing(`failed calling webhook "policy.example.com": connection refused`)
	out := g.apply(g.news("a", "one"))
	if words := out.Refused[alerting.KeyOf(string(g.Rule.UID), []string{"a"}).ID]; !strings.Contains(words, "policy.example.com") {
		t.Errorf("refused is %v, want the name of the webhook", out.Refused)
	}
	failing("etcd has no leader")
	if _, err := g.store.Apply(t.Context(), g.Rule, []Update{g.news("a", "one")}, Options{}); err == nil {
		t.Error("an error of the API server is taken for a refusal")
	}
}

// Groups for which the list of those beyond maxIncidents has no room are told of as what
// is not stored, and take a place that becomes free.
func TestMoreThanOneObjectHasRoomFor(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.MaxIncidents = 1
	large := func(i int, firing bool) Update {
		return Update{Key: alerting.KeyOf(string(g.Rule.UID), []string{fmt.Sprint("group", i)}), Next: func(Current) Desired {
			data, _ := json.Marshal(strings.Repeat("x", 1900))
			return Desired{Firing: firing, Data: data, Small: data, Count: 1, Render: func(string) v1alpha1.Content { return v1alpha1.Content{Text: "x"} }}
		}}
	}
	var all, ends []Update
	for i := range 200 {
		all, ends = append(all, large(i, true)), append(ends, large(i, false))
	}
	out := g.apply(all...)
	stored := len(all) - len(out.Refused)
	t.Logf("%d of %d groups have room", stored, len(all))
	if stored < 50 || stored == len(all) {
		t.Fatalf("%d of %d are stored, want as many as one object has room for", stored, len(all))
	}
	if words := g.store.Refused(g.Rule.UID); !strings.Contains(words, "spec.maxIncidents") {
		t.Errorf("the rule says %q, want the way out", words)
	}
	g.apply(ends[:100]...)
	if out := g.apply(all[100:]...); len(out.Refused) >= len(all)-stored {
		t.Errorf("%d are refused still, want those stored for whom there is room by now", len(out.Refused))
	}
}

// What is beyond maxIncidents is tried again too.
func TestRefusedRollup(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.MaxIncidents = 1
	g.Fail = incidenttest.ByQuota(func(o client.Object) bool { return strings.Contains(o.GetName(), "rollup") })
	if out := g.apply(g.news("a", "one"), g.news("b", "one"), g.news("c", "one")); len(out.Refused) != 2 {
		t.Errorf("%d are refused, want the 2 beyond maxIncidents", len(out.Refused))
	}
	g.expect("+a one")
	g.Fail = nil
	g.apply(g.news("b", "one"), g.news("c", "one"))
	if got := g.told(); !strings.Contains(got, "and 2 more") {
		t.Errorf("there is %q", got)
	}
}

// A reminder that is refused stops no others, and is told for as long as it is
// tried.
func TestRefusedReminders(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.RepeatInterval = &metav1.Duration{Duration: time.Hour}
	g.apply(g.news("a", "one"), g.news("b", "one"))
	g.Deliver()
	first := g.List()[0].Name
	g.Fail = incidenttest.ByQuota(func(o client.Object) bool { return strings.HasPrefix(o.GetName(), first) })
	g.Pass(2 * time.Hour)
	if next := g.tend().Next; next.Sub(g.Clock.Now()) > time.Hour {
		t.Errorf("it is tried again in %s", next.Sub(g.Clock.Now()))
	}
	if got := strings.Count(g.told(), "reply"); got != 1 {
		t.Errorf("%d reminders, want that of the other incident", got)
	}
	if got := g.store.Refused(g.Rule.UID); !strings.Contains(got, incidenttest.QuotaWords) {
		t.Errorf("the rule says %q", got)
	}
	g.Fail = nil
	g.tend()
	if got := g.store.Refused(g.Rule.UID); got != "" {
		t.Errorf("the rule still says %q", got)
	}
}

// Nobody keeps an incident for longer than 30 days, whatever an old object says.
func TestLongestTTL(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.NotificationTTL = &metav1.Duration{Duration: 10000 * time.Hour}
	g.apply(g.news("a", "one"))
	g.apply(g.news("a", ""))
	g.Deliver()
	g.Pass(30*24*time.Hour + time.Minute)
	g.tend()
	g.expect("")
}
