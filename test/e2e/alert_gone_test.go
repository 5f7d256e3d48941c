package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// forbid takes back what allow gave.
func (k thing) forbid() {
	k.w.t.Helper()
	for _, o := range []client.Object{&rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRole{}} {
		o.SetName(k.plural())
		k.w.Expect(env.client.Delete(k.w.ctx, o)).To(gomega.Succeed())
	}
}

// uninstall has the API server know the kind no more, with all objects of it.
func (k thing) uninstall() {
	k.w.t.Helper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	crd.SetName(k.plural() + "." + k.kind.Group)
	k.w.Expect(env.client.Delete(k.w.ctx, crd)).To(gomega.Succeed())
	k.w.Eventually(func() bool {
		return apierrors.IsNotFound(env.client.Get(k.w.ctx, client.ObjectKeyFromObject(crd), crd))
	}).Should(gomega.BeTrue())
}

// reason is why a rule is as it is, of the present generation.
func (w *world) reason(rule *v1alpha1.SlackAlert) func() string {
	return func() string {
		look := w.see(rule)
		if rule.Status.ObservedGeneration != rule.Generation {
			return ""
		}
		return look.Reason
	}
}

// mayWatch asks the API server what the operator may do with the kind.
func (k thing) mayWatch() bool {
	k.w.t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: harness.OperatorUser, Groups: []string{"system:serviceaccounts"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "watch", Group: k.kind.Group, Version: k.kind.Version, Resource: k.plural()},
	}}
	k.w.Expect(env.client.Create(k.w.ctx, review)).To(gomega.Succeed())
	return review.Status.Allowed
}

// watcher is a rule that watches a kind of its own, of which two objects are bad.
func (w *world) watcher(change ...func(*v1alpha1.SlackAlert)) (thing, *v1alpha1.SlackAlert) {
	w.t.Helper()
	w.ready(w.webAPI("c", "#alerts"))
	k := w.kind()
	k.install()
	k.allow()
	spec := objectsOf(k.apiVersion(), k.kind.Kind, "object.state == 'bad'")
	spec.Message = &v1alpha1.AlertMessage{Title: "{{ .object.metadata.name }}"}
	rule := w.rule("watcher", spec, change...)
	w.becomes(rule, watchingLook())
	k.put("gets-well", "bad")
	k.put("stays", "bad")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"gets-well", "stays"}))
	return k, rule
}

// The operator may not watch a kind for a while: that is told, nothing of it counts as
// over by that, and what has happened meanwhile is seen when it may again.
func TestRightsThatAreTakenResolveNothing(t *testing.T) {
	suspended := func(w *world, rule *v1alpha1.SlackAlert, _ *harness.SlowAPI) {
		w.update(rule, func() { rule.Spec.Suspend = true })
		w.Eventually(w.reason(rule)).Should(gomega.Equal(v1alpha1.ReasonSuspended))
		w.update(rule, func() { rule.Spec.Suspend = false })
	}
	asked := func(w *world, rule *v1alpha1.SlackAlert, _ *harness.SlowAPI) {
		w.request(rule, "now")
		w.Eventually(w.ruleHandled(rule)).Should(gomega.Equal("now"))
		w.Expect(rule.Status.Conditions).To(gomega.ContainElement(gomega.HaveField("Reason", v1alpha1.ReasonWatchForbidden)), "the answer comes with it")
	}
	for _, row := range []struct {
		name string
		// A watch goes on until something ends it: the API server does within 10 minutes.
		end func(*world, *v1alpha1.SlackAlert, *harness.SlowAPI)
		own bool
	}{
		{name: "the rule is suspended for a moment", end: suspended},
		{name: "somebody asks", end: asked},
		{name: "the watch ends", own: true, end: func(_ *world, _ *v1alpha1.SlackAlert, api *harness.SlowAPI) { api.Cut() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			var api *harness.SlowAPI
			var give []func(*v1alpha1.SlackAlert)
			if row.own {
				api = w.through()
				give = append(give, func(a *v1alpha1.SlackAlert) { _, label := w.apart(); label(a) })
			}
			k, rule := w.watcher(give...)
			open := func() []string { return w.open(rule) }
			before := w.incidents(rule)

			k.forbid()
			w.Eventually(k.mayWatch).Should(gomega.BeFalse())
			row.end(w, rule, api)
			w.becomes(rule, stalled("", v1alpha1.ReasonWatchForbidden))
			k.put("gets-well", "good")
			k.put("gets-bad", "bad")
			w.Consistently(open, "2s").Should(gomega.Equal([]string{"gets-well", "stays"}))
			w.Expect(w.see(rule)).To(gomega.Equal(stalled("", v1alpha1.ReasonWatchForbidden)))
			w.Expect(rule.Status.Firing).To(gomega.Equal(int32(2)))

			k.allow()
			w.becomes(rule, watchingLook())
			w.Eventually(open).Should(gomega.Equal([]string{"gets-bad", "stays"}))
			w.Expect(w.incidents(rule)).To(gomega.HaveLen(len(before)+1), "what stays bad goes on, and is not told anew")
		})
	}
}

// through starts an operator for the rules that are set apart, whose connections to
// the API server can be cut.
func (w *world) through() *harness.SlowAPI {
	w.t.Helper()
	config, err := env.Cluster.UserConfig(harness.OperatorUser, "system:serviceaccounts", "system:serviceaccounts:"+harness.OperatorNamespace)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	api, err := harness.NewSlowAPI(config, w.t.TempDir())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.t.Cleanup(api.Close)
	selector, _ := w.apart()
	o, err := env.StartOperator(w.ctx, "through-"+w.ns, selector, "--kubeconfig="+api.Kubeconfig)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.t.Cleanup(o.Stop)
	return api
}

// A kind goes with its objects, which are over by that, and comes back. While it is
// not there, nobody has seen that an object is gone.
func TestAlertOfAKindThatGoesAndComesBack(t *testing.T) {
	w := newWorld(t)
	k, rule := w.watcher()
	open := func() []string { return w.open(rule) }

	k.uninstall()
	w.Eventually(open).Should(gomega.BeEmpty(), "the objects were deleted, which the watch has seen")
	w.becomes(rule, retrying("", v1alpha1.ReasonKindNotFound))
	k.install()
	w.becomes(rule, watchingLook())
	k.put("stays", "bad")
	w.Eventually(open).Should(gomega.Equal([]string{"stays"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(3), "what is bad in the kind that is back is told anew")

	w.update(rule, func() { rule.Spec.Suspend = true })
	w.Eventually(w.reason(rule)).Should(gomega.Equal(v1alpha1.ReasonSuspended))
	k.uninstall()
	w.update(rule, func() { rule.Spec.Suspend = false })
	w.becomes(rule, retrying("", v1alpha1.ReasonKindNotFound))
	w.Consistently(open, "2s").Should(gomega.Equal([]string{"stays"}))
	k.install()
	w.becomes(rule, watchingLook())
	w.Eventually(open).Should(gomega.BeEmpty(), "it is gone, which is seen by now")
}

// What an Alertmanager posts in a muted time is told when it ends, and what is over by
// then is told to nobody, however late a post comes.
func TestPostsInMutedTimes(t *testing.T) {
	w := newWorld(t)
	d := w.desk(func(a *v1alpha1.SlackAlert) {
		a.Spec.MuteTimes = []v1alpha1.TimeInterval{{Weekdays: []string{"sunday:saturday"}}}
	})
	group := func(name, status string) wire {
		a := disk(name, status)
		a["labels"] = map[string]string{"alertname": name}
		return wire{"groupKey": name, "status": status, "groupLabels": map[string]string{"alertname": name}, "alerts": []any{a}}
	}
	d.take(group("Stays", "firing").body())
	d.take(group("Ends", "firing").body())
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING] Ends", "[FIRING] Stays"}))
	w.Expect(w.made(d.rule)).To(gomega.HaveEach(gomega.HaveField("Spec.NotBefore", gomega.Not(gomega.BeNil()))))
	d.take(group("Ends", "resolved").body())
	d.take(group("Ends", "firing").body()) // late
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING] Stays"}))
	w.Eventually(d.firing).Should(gomega.Equal(int32(1)))
	w.Consistently(w.alerts, "1s").Should(gomega.BeEmpty())

	w.update(d.rule, func() { d.rule.Spec.MuteTimes = nil })
	w.Eventually(w.alerts).Should(gomega.ConsistOf(gomega.HaveField("Text", gomega.ContainSubstring("[FIRING] Stays"))))
	d.take(group("Stays", "resolved").body())
	w.Eventually(w.alerts).Should(gomega.ConsistOf(gomega.HaveField("Text", gomega.ContainSubstring("[RESOLVED] Stays"))))
	w.Consistently(func() int { return len(w.alerts()) }, "1s").Should(gomega.Equal(1))
}
