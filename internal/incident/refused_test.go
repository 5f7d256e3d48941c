package incident

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

const quotaWords = `exceeded quota: q, requested: count/slacknotifications.slack.notify.dev=1, used: count/slacknotifications.slack.notify.dev=5, limited: count/slacknotifications.slack.notify.dev=5`

// byQuota refuses to create what matches.
func byQuota(matches func(client.Object) bool) func(string, client.Object) error {
	return func(verb string, o client.Object) error {
		if verb == "create" && matches(o) {
			return apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), errors.New(quotaWords))
		}
		return nil
	}
}

// What the API server refuses to store is told, and stops nothing else; when it
// is stored, nothing more is told.
func TestRefusedMessagesStopNoOthers(t *testing.T) {
	g := newRig(t)
	a := alerting.KeyOf(string(g.rule.UID), []string{"a"}).ID
	g.fail = byQuota(func(o client.Object) bool { return strings.Contains(o.GetName(), a) })
	out := g.apply(g.news("a", "one"), g.news("b", "one"), g.news("c", "one"))
	g.expect("+b one, +c one")
	if words := out.Refused[a]; !strings.Contains(words, quotaWords) || len(out.Refused) != 1 {
		t.Errorf("refused is %v, want the words of the API server", out.Refused)
	}
	if got := g.store.Refused(g.rule.UID); !strings.Contains(got, quotaWords) {
		t.Errorf("the rule says %q", got)
	}
	g.apply(g.news("b", "two"))
	g.expect("+b two, +c one")
	g.fail = nil
	if out := g.apply(g.news("a", "one")); len(out.Refused) != 0 {
		t.Errorf("%v is refused", out.Refused)
	}
	g.expect("+a one, +b two, +c one")
	if got := g.store.Refused(g.rule.UID); got != "" {
		t.Errorf("the rule still says %q", got)
	}
}

// What is beyond maxIncidents is tried again too.
func TestRefusedRollup(t *testing.T) {
	g := newRig(t)
	g.rule.Spec.MaxIncidents = 1
	g.fail = byQuota(func(o client.Object) bool { return strings.Contains(o.GetName(), "rollup") })
	if out := g.apply(g.news("a", "one"), g.news("b", "one"), g.news("c", "one")); len(out.Refused) != 2 {
		t.Errorf("%d are refused, want the 2 beyond maxIncidents", len(out.Refused))
	}
	g.expect("+a one")
	g.fail = nil
	g.apply(g.news("b", "one"), g.news("c", "one"))
	if got := g.told(); !strings.Contains(got, "and 2 more") {
		t.Errorf("there is %q", got)
	}
}

// A reminder that is refused stops no others, and is told for as long as it is
// tried.
func TestRefusedReminders(t *testing.T) {
	g := newRig(t)
	g.rule.Spec.RepeatInterval = &metav1.Duration{Duration: time.Hour}
	g.apply(g.news("a", "one"), g.news("b", "one"))
	g.deliver()
	first := g.list()[0].Name
	g.fail = byQuota(func(o client.Object) bool { return strings.HasPrefix(o.GetName(), first) })
	g.pass(2 * time.Hour)
	if next := g.tend().Next; next.Sub(g.clock.Now()) > time.Hour {
		t.Errorf("it is tried again in %s", next.Sub(g.clock.Now()))
	}
	if got := strings.Count(g.told(), "reply"); got != 1 {
		t.Errorf("%d reminders, want that of the other incident", got)
	}
	if got := g.store.Refused(g.rule.UID); !strings.Contains(got, quotaWords) {
		t.Errorf("the rule says %q", got)
	}
	g.fail = nil
	g.tend()
	if got := g.store.Refused(g.rule.UID); got != "" {
		t.Errorf("the rule still says %q", got)
	}
}

// Nobody keeps an incident for longer than 30 days, whatever an old object says.
func TestLongestTTL(t *testing.T) {
	g := newRig(t)
	g.rule.Spec.NotificationTTL = &metav1.Duration{Duration: 10000 * time.Hour}
	g.apply(g.news("a", "one"))
	g.apply(g.news("a", ""))
	g.deliver()
	g.pass(30*24*time.Hour + time.Minute)
	g.tend()
	g.expect("")
}

// Who posts to a rule is told that it is not stored, or that the rule is not at
// work, and the rule is woken to say so.
func TestReceiverTellsOfRefusals(t *testing.T) {
	g := newRig(t)
	woken := 0
	r := &Receiver{Store: g.store, Clock: g.clock, Rules: &alerting.Cache{}, Refused: func(n client.ObjectKey) {
		if n != client.ObjectKeyFromObject(g.rule) {
			t.Errorf("%s is woken", n)
		}
		woken++
	}}
	post := posts.Raw{Body: []byte(`{"version":"4","groupKey":"g","status":"firing","receiver":"r","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-24T08:00:00Z","fingerprint":"f"}]}`)}
	g.fail = byQuota(func(client.Object) bool { return true })
	var refused *RefusedError
	if _, err := r.Receive(t.Context(), g.rule, post); !errors.As(err, &refused) || !strings.Contains(refused.Words, quotaWords) || woken != 1 {
		t.Errorf("ends with %v, woken %d times", err, woken)
	}
	g.fail = nil
	if _, err := r.Receive(t.Context(), g.rule, post); err != nil || len(g.list()) != 1 {
		t.Errorf("ends with %v", err)
	}
	g.rule.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTooManyAlerts}}
	if _, err := r.Receive(t.Context(), g.rule, post); !errors.Is(err, ErrTooManyAlerts) {
		t.Errorf("ends with %v", err)
	}
}
