package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// quota of SlackNotifications in the namespace.
func (w *world) quota(most string) *corev1.ResourceQuota {
	w.t.Helper()
	const counted = corev1.ResourceName("count/slacknotifications.slack.notify.dev")
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "messages"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{counted: resource.MustParse(most)}}}
	w.create(quota)
	// No kube-controller-manager counts here.
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{counted: resource.MustParse("0")}}
	w.Expect(env.client.Status().Update(w.ctx, quota)).To(gomega.Succeed())
	return quota
}

// A quota of the namespace is told with the API server's words, stops no other
// incident, and what waited for it is told when it allows that.
func TestAlertBeyondAQuota(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	quota := w.quota("1")
	rule := w.rule("rollouts", objectsOf("apps/v1", "Deployment", unavailable))
	w.becomes(rule, watchingLook())
	one, two := w.deployment("one", nil), w.deployment("two", nil)
	w.available(one, corev1.ConditionFalse, "no replicas")
	w.Eventually(func() int { return len(w.open(rule)) }).Should(gomega.Equal(1))
	w.available(two, corev1.ConditionFalse, "no replicas")
	w.becomes(rule, stalled("", v1alpha1.ReasonStoreRefused))
	w.Expect(w.message(rule)).To(gomega.And(gomega.ContainSubstring("exceeded quota: messages"), gomega.ContainSubstring("have the quota or policy allow them")))
	// The one that is stored goes on meanwhile.
	w.available(one, corev1.ConditionTrue, "")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.BeEmpty())
	w.Expect(env.client.Delete(w.ctx, quota)).To(gomega.Succeed())
	w.Eventually(func() int { return len(w.open(rule)) }, 2*time.Minute).Should(gomega.Equal(1))
	w.becomes(rule, watchingLook())
}

// More rules than the operator takes of a namespace wait for room, and those
// that are broken by the hundred hold up no other namespace.
func TestAlertsBeyondTheLimit(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	crowd := *w
	crowd.ns = w.ns + "-crowd"
	crowd.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: crowd.ns}})
	selector, give := w.apart()
	o, err := env.StartOperator(w.ctx, "limit", selector, "--max-alerts-per-namespace=2")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	mine := func(a *v1alpha1.SlackAlert) { give(a); a.Spec.ChannelRef.Namespace = w.ns }
	var rules []*v1alpha1.SlackAlert
	for i := range 300 {
		spec := objectsOf(fmt.Sprintf("none%d.example.com/v1", i), "None", strings.Repeat("object.x == 1 || ", 100)+"true")
		rules = append(rules, crowd.rule(fmt.Sprintf("r%03d", i), spec, mine))
	}
	rule := w.rule("rollouts", objectsOf("apps/v1", "Deployment", unavailable), mine)
	w.becomes(rule, watchingLook())
	d := w.deployment("web", nil)
	w.available(d, corev1.ConditionFalse, "no replicas")
	w.Eventually(func() int { return len(w.open(rule)) }).Should(gomega.Equal(1))
	working := func() (n int) {
		for _, r := range rules {
			if w.see(r) == retrying("", v1alpha1.ReasonKindNotFound) {
				n++
			}
		}
		return n
	}
	w.Eventually(func() look { return w.see(rules[299]) }).Should(gomega.Equal(stalled("", v1alpha1.ReasonTooManyAlerts)))
	w.Eventually(working).Should(gomega.Equal(2))
	for _, r := range rules[:299] {
		w.Expect(env.client.Delete(w.ctx, r)).To(gomega.Succeed())
	}
	rules = rules[299:]
	w.Eventually(working).Should(gomega.Equal(1))
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
