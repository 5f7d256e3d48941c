package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// thing makes a kind that no other test has, and objects of it.
type thing struct {
	w    *world
	kind schema.GroupVersionKind
}

// kind declares a kind, which is installed later.
func (w *world) kind() thing {
	name := "Thing" + strings.ToLower(w.team[1:])
	return thing{w, schema.GroupVersionKind{Group: strings.ToLower(w.team) + ".example.com", Version: "v1", Kind: name}}
}

func (k thing) plural() string     { return strings.ToLower(k.kind.Kind) + "s" }
func (k thing) apiVersion() string { return k.kind.GroupVersion().String() }

// install has the API server serve the kind.
func (k thing) install() {
	k.w.t.Helper()
	crd := fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s}
spec:
  group: %[2]s
  scope: Namespaced
  names: {kind: %[3]s, listKind: %[3]sList, plural: %[1]s, singular: %[4]s}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
`, k.plural(), k.kind.Group, k.kind.Kind, strings.ToLower(k.kind.Kind))
	k.w.Expect(devcluster.Apply(k.w.ctx, env.Cluster.AdminConfig(), []byte(crd))).To(gomega.Succeed())
}

// allow lets the operator watch the kind. The label has it aggregated where a
// kube-controller-manager runs; here it is bound.
func (k thing) allow() {
	k.w.t.Helper()
	name := k.plural()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"slack.notify.dev/aggregate-to-watch": "true"}},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{k.kind.Group}, Resources: []string{k.plural()}, Verbs: []string{"get", "list", "watch"}}}}
	k.w.Expect(env.client.Create(k.w.ctx, role)).To(gomega.Succeed())
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "slack-notifier-system", Name: "slack-notifier-controller-manager"}}}
	k.w.Expect(env.client.Create(k.w.ctx, binding)).To(gomega.Succeed())
}

// put makes an object of the kind, or changes its state.
func (k thing) put(name, state string) {
	k.w.t.Helper()
	k.w.Eventually(func() error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(k.kind)
		u.SetNamespace(k.w.ns)
		u.SetName(name)
		err := env.client.Get(k.w.ctx, client.ObjectKeyFromObject(u), u)
		u.Object["state"] = state
		if err != nil {
			return env.client.Create(k.w.ctx, u)
		}
		return env.client.Update(k.w.ctx, u)
	}).Should(gomega.Succeed())
}

func (k thing) remove(name string) {
	k.w.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(k.kind)
	u.SetNamespace(k.w.ns)
	u.SetName(name)
	k.w.Expect(env.client.Delete(k.w.ctx, u)).To(gomega.Succeed())
}

// A kind that does not exist, and then may not be watched, is picked up when it
// can be.
func TestAlertOfAKindThatComesLater(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	k := w.kind()
	rule := w.rule("later", objectsOf(k.apiVersion(), k.kind.Kind, "object.state == 'bad'"))
	w.becomes(rule, retrying("", v1alpha1.ReasonKindNotFound))
	w.Expect(w.message(rule)).To(gomega.ContainSubstring(k.kind.Kind + " in " + k.apiVersion()))
	k.install()
	w.becomes(rule, stalled("", v1alpha1.ReasonWatchForbidden))
	w.Expect(w.message(rule)).To(gomega.ContainSubstring(k.plural()))
	k.put("one", "bad")
	k.allow()
	w.becomes(rule, watchingLook())
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{k.kind.Kind + " one"}))
}

// What is beyond maxIncidents is counted in one message.
func TestAlertRollup(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	k := w.kind()
	k.install()
	k.allow()
	spec := objectsOf(k.apiVersion(), k.kind.Kind, "object.state == 'bad'")
	spec.MaxIncidents = 2
	spec.Message = &v1alpha1.AlertMessage{Title: "{{ .object.metadata.name }}", Severity: v1alpha1.SeverityWarning}
	rule := w.rule("many", spec)
	w.becomes(rule, watchingLook())
	k.put("a", "bad")
	k.put("b", "bad")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"a", "b"}))
	for i := range 30 {
		k.put(fmt.Sprintf("n%02d", i), "bad")
	}
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"a", "b", "many: and 30 more"}))
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.Equal(int32(32)))
	for _, n := range w.made(rule) {
		if strings.HasPrefix(n.Spec.Title, "many") {
			w.Expect(n.Spec.Text).To(gomega.And(gomega.ContainSubstring("/n00`"), gomega.ContainSubstring("… and 10 more")))
			w.Expect(n.Spec.Severity).To(gomega.Equal(v1alpha1.SeverityWarning))
		}
	}
	// One of them has ended; one of the others too, whose place is free now.
	k.put("n05", "good")
	k.remove("a")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"b", "many: and 29 more"}))
	k.put("c", "bad")
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"b", "c", "many: and 29 more"}))
	for i := range 30 {
		k.put(fmt.Sprintf("n%02d", i), "good")
	}
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"b", "c"}))
	var rollup string
	for _, i := range w.incidents(rule) {
		if strings.Contains(i.Title, "more") {
			rollup = i.Title
		}
	}
	w.Expect(rollup).To(gomega.Equal("Resolved: many: and 30 more"))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(4), "a, b, c and the rollup")
}

// What does not compile is Stalled, with the place.
func TestAlertThatDoesNotCompile(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	good := func() v1alpha1.SlackAlertSpec { return objectsOf("apps/v1", "Deployment", unavailable) }
	for i, c := range []struct {
		spoil  func(*v1alpha1.SlackAlertSpec)
		reason string
		says   string
	}{
		{func(s *v1alpha1.SlackAlertSpec) { s.Source.Objects.When = "object.status.\nconditions.exists(c, d)" },
			v1alpha1.ReasonInvalidExpression, "spec.source.objects.when, line 2, column 22: undeclared reference to 'd'"},
		{func(s *v1alpha1.SlackAlertSpec) { s.Source.Objects.When = "1 + 1" },
			v1alpha1.ReasonInvalidExpression, "spec.source.objects.when: the expression gives a int, and must give a bool"},
		{func(s *v1alpha1.SlackAlertSpec) { s.GroupBy = []string{"object.kind", "event.reason"} },
			v1alpha1.ReasonInvalidExpression, "spec.groupBy[1], line 1, column 1: undeclared reference to 'event'"},
		{func(s *v1alpha1.SlackAlertSpec) { s.Message = &v1alpha1.AlertMessage{Text: "a\n{{ .object.kind"} },
			v1alpha1.ReasonInvalidTemplate, "spec.message.text, line 2: unclosed action"},
		{func(s *v1alpha1.SlackAlertSpec) { s.Message = &v1alpha1.AlertMessage{Title: `{{ env "HOME" }}`} },
			v1alpha1.ReasonInvalidTemplate, `spec.message.title, line 1: function "env" not defined`},
	} {
		spec := good()
		c.spoil(&spec)
		rule := w.rule(fmt.Sprint("broken-", i), spec)
		w.becomes(rule, stalled("", c.reason))
		w.Expect(w.message(rule)).To(gomega.HavePrefix(c.says))
		w.update(rule, func() { rule.Spec = good(); rule.Spec.ChannelRef.Name = "c" })
		w.becomes(rule, watchingLook())
	}
	rule := w.rule("fails", objectsOf("apps/v1", "Deployment", "object.metadata.name > 5"))
	w.becomes(rule, watchingLook())
	d := w.deployment("web", nil)
	w.becomes(rule, stalled("", v1alpha1.ReasonEvaluationFailed))
	w.Expect(w.message(rule)).To(gomega.ContainSubstring("Deployment " + w.ns + "/web: spec.source.objects.when: "))
	w.Expect(env.client.Delete(w.ctx, d)).To(gomega.Succeed())
	w.becomes(rule, watchingLook())
}

// A rule sees its own namespace, unless the operator names it.
func TestAlertScope(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	node := w.rule("node", objectsOf("v1", "Node", "true"))
	w.becomes(node, stalled("", v1alpha1.ReasonScopeNotAllowed))
	w.Expect(w.message(node)).To(gomega.ContainSubstring("--cluster-scope-namespaces"))
	spec := objectsOf("apps/v1", "Deployment", "true")
	spec.Source.Objects.NamespaceSelector = &metav1.LabelSelector{}
	wide := w.rule("wide", spec)
	w.becomes(wide, stalled("", v1alpha1.ReasonScopeNotAllowed))
	secret := w.rule("secret", objectsOf("v1", "Secret", "true"))
	w.becomes(secret, stalled("", v1alpha1.ReasonWatchForbidden))
	events := eventsOf()
	events.Source.Events.NamespaceSelector = &metav1.LabelSelector{}
	w.becomes(w.rule("wide-events", events), stalled("", v1alpha1.ReasonScopeNotAllowed))
	am := w.rule("am", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}})
	w.becomes(am, stalled("", v1alpha1.ReasonIntakeDisabled))
	w.Expect(am.Status.Address).To(gomega.BeEmpty(), "nothing listens there")
	lost := w.rule("lost", objectsOf("apps/v1", "Deployment", "false"), func(a *v1alpha1.SlackAlert) { a.Spec.ChannelRef.Name = "none" })
	w.becomes(lost, stalled("", v1alpha1.ReasonSlackChannelNotFound))
	foreign := w.rule("foreign", objectsOf("apps/v1", "Deployment", "object.metadata.name == 'elsewhere'"))
	w.becomes(foreign, watchingLook())

	other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns + "-other", Labels: map[string]string{"test-scope": w.ns}}}
	w.create(other)
	central := *w
	central.ns = w.ns + "-central"
	central.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: central.ns}})
	selector, give := w.apart()
	o, err := env.StartOperator(w.ctx, "central", selector, "--cluster-scope-namespaces=x,"+central.ns)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	mine := func(a *v1alpha1.SlackAlert) { give(a); a.Spec.ChannelRef.Namespace = w.ns }
	nodes := central.rule("nodes", objectsOf("v1", "Node", "object.metadata.name == '"+w.ns+"'"), mine)
	central.becomes(nodes, stalled("", v1alpha1.ReasonNamespaceNotAllowed))
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "c"}}
	w.update(c, func() { c.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll} })
	central.becomes(nodes, watchingLook())
	w.Expect(env.client.Create(w.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.ns}})).To(gomega.Succeed())
	w.Eventually(func() []string { return central.open(nodes) }).Should(gomega.Equal([]string{"Node " + w.ns}))
	spec = objectsOf("apps/v1", "Deployment", "object.metadata.name == 'elsewhere'")
	spec.Source.Objects.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"test-scope": w.ns}}
	selected := central.rule("selected", spec, mine)
	central.becomes(selected, watchingLook())
	there := *w
	there.ns = other.Name
	there.deployment("elsewhere", nil)
	w.Eventually(func() []string { return central.open(selected) }).Should(gomega.Equal([]string{"Deployment elsewhere"}))
	w.update(other, func() { delete(other.Labels, "test-scope") })
	w.Eventually(func() []string { return central.open(selected) }).Should(gomega.BeEmpty())
	w.Expect(w.incidents(foreign)).To(gomega.BeEmpty())
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
