package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// What opens in a muted time is told when it ends, and what is over by then is
// told to nobody.
func TestAlertInMutedTimes(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	spec := objectsOf("apps/v1", "Deployment", unavailable)
	spec.Message = &v1alpha1.AlertMessage{Title: "{{ .object.metadata.name }} is down"}
	spec.MuteTimes = []v1alpha1.TimeInterval{{Weekdays: []string{"sunday:saturday"}}}
	rule := w.rule("muted", spec)
	w.becomes(rule, watchingLook())
	stays, ends := w.deployment("stays", nil), w.deployment("ends", nil)
	w.available(stays, corev1.ConditionFalse, "0 of 3")
	w.available(ends, corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"ends is down", "stays is down"}))
	w.Expect(w.made(rule)).To(gomega.HaveEach(gomega.HaveField("Spec.NotBefore", gomega.Not(gomega.BeNil()))))
	w.available(ends, corev1.ConditionTrue, "3 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"stays is down"}))
	w.Expect(w.alerts()).To(gomega.BeEmpty())

	w.update(rule, func() { rule.Spec.MuteTimes[0].TimeZone = "Europe/Atlantis" })
	w.becomes(rule, stalled("", v1alpha1.ReasonInvalidMuteTimes))
	w.Expect(w.message(rule)).To(gomega.ContainSubstring("spec.muteTimes[0].timeZone: \"Europe/Atlantis\""))

	w.update(rule, func() { rule.Spec.MuteTimes = nil })
	w.Eventually(w.alerts).Should(gomega.ConsistOf(gomega.HaveField("Text", gomega.ContainSubstring("stays is down"))))
	w.available(stays, corev1.ConditionTrue, "3 of 3")
	w.Eventually(w.alerts).Should(gomega.ConsistOf(gomega.HaveField("Text", gomega.ContainSubstring("Resolved: stays is down"))))
}
