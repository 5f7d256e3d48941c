package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// edit is a change that docs/operating.md has an administrator make to a file
// below config.
type edit struct{ file, from, to string }

var (
	withIntake     = edit{"default/kustomization.yaml", "# components:\n# - ../intake #", "components:\n- ../intake #"}
	withPlain      = edit{"default/kustomization.yaml", "# components:\n# - ../intake #", "components:\n- ../intake/plain-http #"}
	withAggregate  = edit{"default/kustomization.yaml", "# components:\n# - ../intake #", "components:\n- ../rbac/aggregate #"}
	withEgress     = edit{"default/kustomization.yaml", "# components:\n# - ../intake #", "components:\n- ../network-policy/egress #"}
	namespacedMore = []edit{
		{"namespaced/operator/kustomization.yaml", "- ../without-alerts # leave it out for SlackAlerts\n# - ../intake", "- ../intake"},
		{"namespaced/team-a/kustomization.yaml", "# components:\n# - ../namespace/alerts\n# - ../namespace/intake", "components:\n- ../namespace/alerts\n- ../namespace/intake"},
	}
)

// rendered is what kubectl kustomize makes of a folder of config.
func rendered(t *testing.T, folder string, edits ...edit) []*unstructured.Unstructured {
	t.Helper()
	g := gomega.NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.CopyFS(dir, os.DirFS("../../config"))).To(gomega.Succeed())
	for _, e := range edits {
		path := filepath.Join(dir, e.file)
		data, err := os.ReadFile(path)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(string(data)).To(gomega.ContainSubstring(e.from), e.file)
		g.Expect(os.WriteFile(path, bytes.Replace(data, []byte(e.from), []byte(e.to), 1), 0o600)).To(gomega.Succeed())
	}
	assets, err := devcluster.Assets()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	out, err := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), "kustomize", filepath.Join(dir, folder)).CombinedOutput()
	g.Expect(err).NotTo(gomega.HaveOccurred(), string(out))
	objects, err := devcluster.Decode(out)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return objects
}

// pick are the objects of some kinds.
func pick(objects []*unstructured.Unstructured, kinds ...string) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(u *unstructured.Unstructured) bool { return !slices.Contains(kinds, u.GetKind()) })
}

// arguments of the operator's container.
func arguments(t *testing.T, objects []*unstructured.Unstructured) []string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(pick(objects, "Deployment")[0].Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// apply applies the rights of a variant and nothing else of it, under names of
// this test's own, and returns who has them, the operator's namespace and its
// flags that the rights go with.
func (w *world) apply(objects []*unstructured.Unstructured) (user, system string, flags []string) {
	w.t.Helper()
	prefix := "rights-" + w.ns + "-"
	system = prefix + "system"
	names := strings.NewReplacer("slack-notifier-system", system, "slack-notifier-", prefix, "team-a", w.ns)
	var all []byte
	for _, u := range pick(objects, "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding") {
		data, err := yaml.Marshal(u)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		all = append(append(all, "\n---\n"...), data...)
	}
	w.Expect(devcluster.Apply(w.ctx, env.Cluster.AdminConfig(), []byte(names.Replace(string(all))))).To(gomega.Succeed())
	for _, arg := range arguments(w.t, objects) {
		for _, kept := range []string{"--leader-elect", "--alerts", "--watch-namespaces"} {
			if strings.HasPrefix(arg, kept) {
				flags = append(flags, names.Replace(arg))
			}
		}
	}
	return "system:serviceaccount:" + system + ":" + prefix + "controller-manager", system, append(flags, "--leader-election-namespace="+system)
}

// right is something to do in a namespace ("" is the whole cluster).
type right struct{ namespace, verb, group, resource, name string }

const group = "slack.notify.dev"

// may asks the API server, as the operator, for its own rights.
func (w *world) may(user string, r right) bool {
	w.t.Helper()
	review := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": map[string]any{
			"user": user, "groups": []any{"system:serviceaccounts", "system:authenticated"},
			"resourceAttributes": map[string]any{"namespace": r.namespace, "verb": r.verb, "group": r.group, "resource": r.resource, "name": r.name},
		},
	}}
	w.Expect(env.client.Create(w.ctx, review)).To(gomega.Succeed())
	allowed, _, err := unstructured.NestedBool(review.Object, "status", "allowed")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return allowed
}

// Each way to install gives the operator the rights that it needs and no more:
// with exactly these it leads and delivers, and is refused elsewhere.
func TestRights(t *testing.T) {
	const lease = "slack-notifier.slack.notify.dev"
	for name, test := range map[string]struct {
		folder         string
		edits          []edit
		alerts, intake bool
		wide           bool
	}{
		"default":                               {folder: "default", alerts: true, wide: true},
		"default with the intake":               {folder: "default", edits: []edit{withIntake}, alerts: true, intake: true, wide: true},
		"namespaced":                            {folder: "namespaced"},
		"namespaced with alerts and the intake": {folder: "namespaced", edits: namespacedMore, alerts: true, intake: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			user, system, flags := w.apply(rendered(t, test.folder, test.edits...))
			const elsewhere = "default"
			for r, want := range map[right]bool{
				{w.ns, "get", "", "secrets", ""}:                               true,
				{w.ns, "create", "", "secrets", ""}:                            false,
				{w.ns, "update", "", "secrets", ""}:                            false,
				{w.ns, "delete", group, "slackchannels", ""}:                   false,
				{w.ns, "create", group, "slackchannels", ""}:                   false,
				{w.ns, "patch", group, "slacknotifications", "status"}:         true,
				{w.ns, "create", group, "slacknotifications", ""}:              test.alerts || test.intake,
				{w.ns, "list", group, "slackalerts", ""}:                       test.alerts,
				{w.ns, "update", group, "slackalerts", ""}:                     false,
				{w.ns, "list", "apps", "deployments", ""}:                      test.alerts,
				{w.ns, "create", "", "pods", ""}:                               false,
				{w.ns, "create", "", "serviceaccounts", ""}:                    false,
				{elsewhere, "get", "", "secrets", ""}:                          test.wide,
				{elsewhere, "list", group, "slackchannels", ""}:                test.wide,
				{elsewhere, "patch", group, "slacknotifications", ""}:          test.wide,
				{elsewhere, "create", group, "slacknotifications", ""}:         test.wide,
				{elsewhere, "list", "apps", "deployments", ""}:                 test.wide,
				{elsewhere, "create", "events.k8s.io", "events", ""}:           test.wide,
				{"", "list", "", "secrets", ""}:                                test.wide,
				{"", "list", "", "namespaces", ""}:                             true,
				{"", "update", "", "namespaces", ""}:                           false,
				{"", "create", "authentication.k8s.io", "tokenreviews", ""}:    true,
				{"", "list", "", "nodes", ""}:                                  test.wide,
				{"", "bind", "rbac.authorization.k8s.io", "clusterroles", ""}:  false,
				{"", "impersonate", "", "users", ""}:                           false,
				{system, "update", "coordination.k8s.io", "leases", lease}:     true,
				{system, "update", "coordination.k8s.io", "leases", "another"}: false,
				{system, "delete", "coordination.k8s.io", "leases", lease}:     false,
				{w.ns, "get", "coordination.k8s.io", "leases", lease}:          false,
			} {
				w.Expect(w.may(user, r)).To(gomega.Equal(want), "%+v", r)
			}
			w.delivers(user, flags, test.alerts, test.intake)
			if !test.wide {
				w.refused(user, elsewhere)
			}
		})
	}
}

// delivers runs the operator as a user.
func (w *world) delivers(as string, flags []string, alerts, posts bool) {
	w.t.Helper()
	i := &intakeWorld{world: w}
	if posts {
		port, err := devcluster.FreePort()
		w.Expect(err).NotTo(gomega.HaveOccurred())
		i.url = "http://127.0.0.1:" + strconv.Itoa(port)
		flags = append(flags, "--intake-bind-address="+strings.TrimPrefix(i.url, "http://"))
	}
	// The label keeps the operator of the other tests away.
	o, err := env.StartOperatorAs(w.ctx, as, "rights-"+w.ns, append(flags, "--watch-namespaces="+w.ns)...)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()
	c := w.webAPI("c", "", func(c *v1alpha1.SlackChannel) { own(c) })
	w.ready(c)
	n := w.notify("n", "c", to(room("#deploys")), owned)
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
	w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.HaveLen(1))
	w.Expect(w.teamCalls("chat.postMessage")).To(gomega.Equal(1))
	w.Expect(w.teamCalls("conversations.history")).To(gomega.BeZero(), "a message made while this process leads is not in doubt")
	w.notify("stalls", "c", to(user("nobody.here")), owned)
	w.Eventually(func() int {
		events := &eventsv1.EventList{}
		w.Expect(env.client.List(w.ctx, events, client.InNamespace(w.ns))).To(gomega.Succeed())
		return len(events.Items)
	}).Should(gomega.BeNumerically(">", 0), "an Event tells of what stalls")
	w.Expect(env.client.Delete(w.ctx, n)).To(gomega.Succeed())
	w.Eventually(func() bool { return apierrors.IsNotFound(env.client.Get(w.ctx, client.ObjectKeyFromObject(n), n)) }).Should(gomega.BeTrue())
	if alerts {
		spec := objectsOf("apps/v1", "Deployment", unavailable)
		spec.Recipients = []v1alpha1.Recipient{{Channel: "#deploys"}}
		rule := w.rule("rule", spec, func(a *v1alpha1.SlackAlert) { own(a) })
		w.becomes(rule, watchingLook())
		w.available(w.deployment("web", nil), corev1.ConditionFalse, "it is down")
		w.Eventually(func() int { return len(w.messages(w.id("C", "DEPLOYS"))) }).Should(gomega.Equal(2), "the incident is told")
	}
	if posts {
		got := i.post("/v1/namespaces/"+w.ns+"/channels/c/messages", w.tokenOf(w.poster("poster")), text(`{"text":"a"}`))
		w.Expect(got).To(code(201))
	}
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
	data, err := os.ReadFile(o.Log)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(string(data)).NotTo(gomega.ContainSubstring("is forbidden"), "nothing that it does is refused")
}

// refused tries what the operator does, with its own credentials, in a namespace
// that it was not let into.
func (w *world) refused(user, namespace string) {
	w.t.Helper()
	config, err := env.Cluster.UserConfig(user)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	operator, err := client.New(config, client.Options{Scheme: env.client.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	forbidden := gomega.WithTransform(apierrors.IsForbidden, gomega.BeTrue())
	w.Expect(operator.List(w.ctx, &corev1.SecretList{}, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Expect(operator.List(w.ctx, &corev1.SecretList{})).To(forbidden)
	w.Expect(operator.List(w.ctx, &corev1.SecretList{}, client.InNamespace(namespace))).To(forbidden)
	w.Expect(operator.List(w.ctx, &v1alpha1.SlackChannelList{}, client.InNamespace(namespace))).To(forbidden)
	w.Expect(operator.Create(w.ctx, &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "x"},
		Spec: v1alpha1.SlackNotificationSpec{ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Content: v1alpha1.Content{Text: "a"}}})).To(forbidden)
}

// What may be added to config/default renders, and adds what it says.
func TestComponents(t *testing.T) {
	labels := func(objects []*unstructured.Unstructured, name string) map[string]string {
		for _, u := range pick(objects, "ClusterRole") {
			if u.GetName() == name {
				return u.GetLabels()
			}
		}
		t.Errorf("there is no ClusterRole %s", name)
		return nil
	}
	count := func(objects []*unstructured.Unstructured, kind, name string) (n int) {
		for _, u := range pick(objects, kind) {
			if u.GetName() == name {
				n++
			}
		}
		return n
	}
	const edits = "rbac.authorization.k8s.io/aggregate-to-edit"
	plain := rendered(t, "default")
	if _, ok := labels(plain, "slack-notifier-editor-role")[edits]; ok {
		t.Error("config/default gives everybody with the role edit these kinds")
	}
	if have := labels(rendered(t, "default", withAggregate), "slack-notifier-editor-role"); have[edits] != "true" {
		t.Errorf("rbac/aggregate: %v", have)
	}
	if count(plain, "Service", "slack-notifier-intake") != 0 || count(plain, "ClusterRole", "slack-notifier-intake-role") != 0 {
		t.Error("config/default has the intake's Service or rights")
	}
	for name, test := range map[string]struct {
		edit  edit
		certs int
	}{"TLS": {withIntake, 2}, "plain HTTP": {withPlain, 0}} {
		objects := rendered(t, "default", test.edit)
		if n := len(pick(objects, "Certificate")); n != test.certs {
			t.Errorf("%s: %d Certificates, want %d", name, n, test.certs)
		}
		if got := slices.Contains(arguments(t, objects), "--intake-tls-cert-dir=/intake-tls"); got != (test.certs > 0) {
			t.Errorf("%s: TLS %v", name, got)
		}
		if count(objects, "Service", "slack-notifier-intake") != 1 {
			t.Errorf("%s: no Service", name)
		}
		for _, u := range pick(objects, "Certificate") {
			issuer, _, _ := unstructured.NestedString(u.Object, "spec", "issuerRef", "name")
			if count(objects, "Issuer", issuer) != 1 {
				t.Errorf("%s: Certificate %s names Issuer %s, which is not there", name, u.GetName(), issuer)
			}
		}
	}
	if count(rendered(t, "default", withEgress), "NetworkPolicy", "slack-notifier-egress") != 1 {
		t.Error("network-policy/egress: no NetworkPolicy")
	}
}
