package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func (w *world) ruleHandled(rule *v1alpha1.SlackAlert) func() string {
	return func() string { w.see(rule); return rule.Status.LastHandledRequest }
}

// What a rule waits for with ever longer pauses is tried when somebody asks: the
// request is answered together with what came of it.
func TestRequestedAtHasASlackAlertLookNow(t *testing.T) {
	for _, row := range []struct {
		name string
		// begin makes a rule that waits, and returns what mends that.
		begin func(*world) (*v1alpha1.SlackAlert, look, func())
	}{
		{"a quota is lifted", func(w *world) (*v1alpha1.SlackAlert, look, func()) {
			quota := w.quota("0")
			rule := w.rule("r", objectsOf("apps/v1", "Deployment", unavailable))
			w.available(w.deployment("one", nil), corev1.ConditionFalse, "no replicas")
			return rule, stalled("", v1alpha1.ReasonStoreRefused), func() {
				w.Expect(env.client.Delete(w.ctx, quota)).To(gomega.Succeed())
				w.Eventually(func() error {
					trial := &v1alpha1.SlackNotification{Spec: v1alpha1.SlackNotificationSpec{
						ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Content: v1alpha1.Content{Text: "x"}}}
					trial.Namespace, trial.Name = w.ns, "trial"
					return env.client.Create(w.ctx, trial, client.DryRunAll)
				}).Should(gomega.Succeed())
			}
		}},
		{"a kind may be watched", func(w *world) (*v1alpha1.SlackAlert, look, func()) {
			k := w.kind()
			k.install()
			k.put("one", "bad")
			rule := w.rule("r", objectsOf(k.apiVersion(), k.kind.Kind, "object.state == 'bad'"))
			return rule, stalled("", v1alpha1.ReasonWatchForbidden), func() { k.allow(); w.Eventually(k.mayWatch).Should(gomega.BeTrue()) }
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			rule, was, mend := row.begin(w)
			w.becomes(rule, was)
			mend()
			w.request(rule, "now")
			w.Eventually(w.ruleHandled(rule)).Should(gomega.Equal("now"))
			w.Expect(rule.Status.Conditions).NotTo(gomega.ContainElement(gomega.HaveField("Reason", was.Reason)), "the answer comes with it")
			w.Eventually(func() []string { return w.open(rule) }).Should(gomega.HaveLen(1))
			w.becomes(rule, watchingLook())
		})
	}
}

// A request to a rule that waits for nothing is answered, and changes nothing else.
func TestRequestedAtLeavesASlackAlertAsItIs(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.SlackAlert){
		"objects":   func(*v1alpha1.SlackAlert) {},
		"suspended": func(a *v1alpha1.SlackAlert) { a.Spec.Suspend = true },
		"Events":    func(a *v1alpha1.SlackAlert) { a.Spec.Source = v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{}} },
		"Alertmanager": func(a *v1alpha1.SlackAlert) {
			a.Spec.Source = v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			rule := w.rule("r", objectsOf("apps/v1", "Deployment", unavailable), change)
			w.Eventually(w.reason(rule)).ShouldNot(gomega.Or(gomega.BeEmpty(), gomega.Equal(v1alpha1.ReasonWatchStarting)))
			before := rule.DeepCopy().Status.Conditions
			for _, value := range []string{"now", "again"} {
				w.request(rule, value)
				w.Eventually(w.ruleHandled(rule)).Should(gomega.Equal(value))
			}
			w.Expect(rule.Status.Conditions).To(gomega.Equal(before))
		})
	}
}
