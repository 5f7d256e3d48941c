package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// unavailable holds for a Deployment that is not available.
const unavailable = "object.status.conditions.exists(c, c.type == 'Available' && c.status == 'False')"

// rule makes a SlackAlert of the test's channel.
func (w *world) rule(name string, spec v1alpha1.SlackAlertSpec, changes ...func(*v1alpha1.SlackAlert)) *v1alpha1.SlackAlert {
	w.t.Helper()
	a := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if a.Spec.ChannelRef.Name == "" {
		a.Spec.ChannelRef.Name = "c"
	}
	for _, change := range changes {
		change(a)
	}
	w.create(a)
	return a
}

func objectsOf(apiVersion, kind, when string) v1alpha1.SlackAlertSpec {
	return v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Objects: &v1alpha1.ObjectsSource{APIVersion: apiVersion, Kind: kind, When: when}}}
}

// deployment makes a Deployment that nothing runs; its status is the test's.
func (w *world) deployment(name string, labels map[string]string) *appsv1.Deployment {
	w.t.Helper()
	pod := map[string]string{"app": name}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: pod},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod}, Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "web", Image: "web"}},
		}},
	}}
	w.create(d)
	return d
}

// available sets the condition that the alerts of these tests look at.
func (w *world) available(d *appsv1.Deployment, status corev1.ConditionStatus, message string) {
	w.t.Helper()
	w.Eventually(func() error {
		if err := env.client.Get(w.ctx, client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: status, Reason: "MinimumReplicas", Message: message}}
		return env.client.Status().Update(w.ctx, d)
	}).Should(gomega.Succeed())
}

// told is what a test looks at of an incident.
type told struct {
	Name     string
	Open     bool
	Severity v1alpha1.Severity
	Title    string
}

// incidents of a rule, in the order of their names.
func (w *world) incidents(rule *v1alpha1.SlackAlert) []told {
	w.t.Helper()
	var out []told
	for _, n := range w.made(rule) {
		if s, ok := incident.StateOf(&n); ok {
			out = append(out, told{n.Name, s.Open(), n.Spec.Severity, n.Spec.Title})
		}
	}
	return out
}

// made are the SlackNotifications of a rule.
func (w *world) made(rule *v1alpha1.SlackAlert) []v1alpha1.SlackNotification {
	w.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns), client.MatchingLabels{v1alpha1.LabelAlert: rule.Name})).To(gomega.Succeed())
	slices.SortFunc(list.Items, func(a, b v1alpha1.SlackNotification) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// titles of the incidents of a rule, the open ones only.
func (w *world) open(rule *v1alpha1.SlackAlert) []string {
	w.t.Helper()
	out := []string{}
	for _, i := range w.incidents(rule) {
		if i.Open {
			out = append(out, i.Title)
		}
	}
	slices.Sort(out)
	return out
}

func watchingLook() look { return current("", v1alpha1.ReasonWatching) }

// A Deployment is not available: it is told when that has held for long enough,
// the same message says when it is over, and the next time is a new one.
func TestAlertOfADeployment(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	spec := objectsOf("apps/v1", "Deployment", unavailable)
	spec.Source.Objects.For = &metav1.Duration{Duration: 2 * time.Second}
	spec.Source.Objects.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "web"}}
	spec.Message = &v1alpha1.AlertMessage{
		Title: "{{ .object.metadata.name }} is down", Text: "{{ (index .object.status.conditions 0).message }}, {{ .object.spec.nothing }}, <!here>",
		Fields: []v1alpha1.AlertField{{Title: "State", Value: "{{ .state }}"}},
	}
	rule := w.rule("rollouts", spec)
	w.becomes(rule, watchingLook())
	d := w.deployment("web", map[string]string{"team": "web"})
	other := w.deployment("other", nil)
	w.available(other, corev1.ConditionFalse, "not selected")

	started := time.Now()
	w.available(d, corev1.ConditionFalse, "0 of 3 <!channel>")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"web is down"}))
	w.Expect(time.Since(started)).To(gomega.BeNumerically(">=", 2*time.Second), "spec.source.objects.for")
	n := w.made(rule)[0]
	w.Expect(n.Spec.Text).To(gomega.Equal("0 of 3 &lt;!channel&gt;, (no such field: .object.spec.nothing), <!here>"))
	w.Expect(n.Spec.Severity).To(gomega.Equal(v1alpha1.SeverityError))
	w.Expect(metav1.IsControlledBy(&n, rule)).To(gomega.BeTrue())
	w.Expect(n.Labels).To(gomega.HaveKey(v1alpha1.LabelIncident))
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.Equal(int32(1)))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(1))

	// What changes is edited into it.
	w.available(d, corev1.ConditionFalse, "1 of 3")
	w.Eventually(func() string { return w.made(rule)[0].Spec.Text }).Should(gomega.HavePrefix("1 of 3"))

	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Eventually(func() []told { return w.incidents(rule) }).Should(gomega.Equal([]told{
		{n.Name, false, v1alpha1.SeveritySuccess, "Resolved: web is down"},
	}))
	w.Expect(w.made(rule)[0].Spec.Fields).To(gomega.Equal([]v1alpha1.Field{{Title: "State", Value: "resolved"}}))
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.BeZero())

	// One that does not hold for long enough is not told.
	w.available(d, corev1.ConditionFalse, "0 of 3")
	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Consistently(func() int { return len(w.incidents(rule)) }, "3s").Should(gomega.Equal(1))

	// A later one is a new one, and a deletion ends it.
	w.available(d, corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"web is down"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(2))
	w.Expect(env.client.Delete(w.ctx, d)).To(gomega.Succeed())
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.BeEmpty())
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(2))
	w.Expect(w.incidents(rule)[1].Title).To(gomega.Equal("Resolved: web is down"))
}

// A message is asked for in the thread while an incident goes on, and when it is
// over; then all of it is deleted in time.
func TestAlertRepliesAndExpiry(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	spec := objectsOf("apps/v1", "Deployment", unavailable)
	spec.OnResolve = v1alpha1.ResolveEditAndReply
	spec.NotificationTTL = &metav1.Duration{}
	rule := w.rule("replies", spec)
	d := w.deployment("web", nil)
	w.available(d, corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"Deployment web: MinimumReplicas"}))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(1))
	watch, err := env.client.Watch(w.ctx, &v1alpha1.SlackNotificationList{}, client.InNamespace(w.ns))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer watch.Stop()
	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Eventually(func() int { return len(w.made(rule)) }).Should(gomega.BeZero(), "spec.notificationTTL")
	replies := map[string]bool{}
	for {
		select {
		case e := <-watch.ResultChan():
			if n, ok := e.Object.(*v1alpha1.SlackNotification); ok && n.Spec.Thread != nil {
				replies[n.Spec.Title+" in "+n.Spec.Thread.NotificationRef.Name] = true
			}
			continue
		case <-time.After(100 * time.Millisecond):
		}
		break
	}
	w.Expect(replies).To(gomega.HaveLen(1))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(2))
	said := w.messages(w.id("C", "ALERTS"))
	w.Expect(said[0].Text).To(gomega.ContainSubstring(":white_check_mark: Resolved: Deployment web"))
	w.Expect(said[1].ThreadTS).To(gomega.Equal(said[0].TS))
	for reply := range replies {
		w.Expect(reply).To(gomega.HavePrefix("Resolved: Deployment web: MinimumReplicas in replies-"))
	}
}

// Who deletes an open incident is not told of it again before it was over once.
func TestAlertDeletedByAPerson(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	rule := w.rule("quiet", objectsOf("apps/v1", "Deployment", unavailable))
	d := w.deployment("web", nil)
	w.available(d, corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.HaveLen(1))
	n := w.made(rule)[0]
	w.Expect(env.client.Delete(w.ctx, &n)).To(gomega.Succeed())
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.BeZero())
	w.available(d, corev1.ConditionFalse, "1 of 3")
	w.Consistently(func() []string { return w.open(rule) }, "3s").Should(gomega.BeEmpty())
	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Eventually(func() error {
		w.available(d, corev1.ConditionFalse, "2 of 3")
		if len(w.open(rule)) != 1 {
			w.available(d, corev1.ConditionTrue, "3 of 3")
			return fmt.Errorf("%d are open", len(w.open(rule)))
		}
		return nil
	}).Should(gomega.Succeed())
}

// A restart neither repeats nor forgets, and what ended meanwhile is over.
func TestAlertRestart(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	spec := objectsOf("apps/v1", "Deployment", unavailable)
	spec.Source.Objects.For = &metav1.Duration{Duration: time.Second}
	rule := w.rule("restarts", spec, func(a *v1alpha1.SlackAlert) { own(a) })
	o := w.operator("alert-1")
	w.ready(c)
	w.becomes(rule, watchingLook())
	stays, ends, goes := w.deployment("stays", nil), w.deployment("ends", nil), w.deployment("goes", nil)
	for _, d := range []*appsv1.Deployment{stays, ends, goes} {
		w.available(d, corev1.ConditionFalse, "0 of 3")
	}
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.HaveLen(3))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(3))
	o.Kill()
	w.available(ends, corev1.ConditionTrue, "3 of 3")
	w.Expect(env.client.Delete(w.ctx, goes)).To(gomega.Succeed())
	late := w.deployment("late", nil)
	w.available(late, corev1.ConditionFalse, "0 of 3")
	o = w.operator("alert-2")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"Deployment late: MinimumReplicas", "Deployment stays: MinimumReplicas"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(4))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(4))
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}

// Who suspends a rule finds it as it was.
func TestAlertSuspended(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	rule := w.rule("held", objectsOf("apps/v1", "Deployment", unavailable))
	d := w.deployment("web", nil)
	w.available(d, corev1.ConditionFalse, "0 of 3")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.HaveLen(1))
	w.update(rule, func() { rule.Spec.Suspend = true })
	w.becomes(rule, held("", v1alpha1.ReasonSuspended))
	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Consistently(func() []string { return w.open(rule) }, "1s").Should(gomega.HaveLen(1))
	w.Expect(rule.Status.Firing).To(gomega.Equal(int32(1)))
	w.update(rule, func() { rule.Spec.Suspend = false })
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.BeEmpty())
	w.becomes(rule, watchingLook())
}

// By a webhook the end of an incident is a message of its own.
func TestAlertByWebhook(t *testing.T) {
	w := newWorld(t)
	w.hooked("c", w.hook)
	rule := w.rule("hooked", objectsOf("apps/v1", "Deployment", unavailable))
	w.becomes(rule, watchingLook())
	d := w.deployment("web", nil)
	w.available(d, corev1.ConditionFalse, "0 of 3")
	channel := w.id("C", "ALERTS")
	w.Eventually(func() int { return len(w.messages(channel)) }).Should(gomega.Equal(1))
	w.available(d, corev1.ConditionTrue, "3 of 3")
	w.Eventually(func() int { return len(w.messages(channel)) }).Should(gomega.Equal(2))
	w.Expect(w.messages(channel)[1].Text).To(gomega.ContainSubstring("Resolved: Deployment web"))
}
