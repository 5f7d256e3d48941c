package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// policies applies config/policies for this namespace alone.
func (w *world) policies() {
	w.t.Helper()
	for _, u := range rendered(w.t, "policies") {
		u.SetName(u.GetName() + "." + w.ns)
		if u.GetKind() == "ValidatingAdmissionPolicyBinding" {
			w.Expect(unstructured.SetNestedField(u.Object, u.GetName(), "spec", "policyName")).To(gomega.Succeed())
			w.Expect(unstructured.SetNestedStringMap(u.Object, map[string]string{"kubernetes.io/metadata.name": w.ns},
				"spec", "matchResources", "namespaceSelector", "matchLabels")).To(gomega.Succeed())
		}
		w.Expect(env.client.Create(w.ctx, u)).To(gomega.Succeed())
		w.t.Cleanup(func() { _ = env.client.Delete(context.Background(), u) })
	}
}

// tenant is somebody who may write SlackChannels and SlackAlerts here, and do
// what rules say.
func (w *world) tenant(rules ...rbacv1.PolicyRule) client.Client {
	w.t.Helper()
	name := "tenant-" + w.ns
	rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{"slackchannels", "slackalerts"}, Verbs: []string{"get", "create", "update"}})
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}})
	config, err := env.Cluster.UserConfig(name)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	c, err := client.New(config, client.Options{Scheme: env.client.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return c
}

// refusedWith is a refusal of a policy that says something.
func refusedWith(text string) gomega.OmegaMatcher {
	return gomega.And(gomega.WithTransform(apierrors.IsForbidden, gomega.BeTrue()), gomega.MatchError(gomega.ContainSubstring(text)))
}

// With config/policies nobody has the operator read for him what he may not read
// himself.
func TestPolicies(t *testing.T) {
	w := newWorld(t)
	w.policies()
	tenant := w.tenant(
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"mine"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"list"}},
		rbacv1.PolicyRule{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses", "networkpolicies"}, Verbs: []string{"list"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services", "endpoints"}, Verbs: []string{"list"}},
	)
	channel := func(name, token string, connection *v1alpha1.Connection) *v1alpha1.SlackChannel {
		c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}, Spec: v1alpha1.SlackChannelSpec{
			WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: token}}, Connection: connection,
		}}
		own(c)
		return c
	}
	hook := channel("hook", "mine", nil)
	hook.Spec.WebAPI, hook.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "theirs"}}
	dry := func(o client.Object) error { return tenant.Create(w.ctx, o, client.DryRunAll) }
	// A policy counts from a moment after it was made.
	w.Eventually(func() error { return dry(channel("c", "theirs", nil)) }).Should(
		refusedWith(`spec.webAPI.tokenSecretRef: you may not get Secret "theirs" yourself; ask for that right`))
	w.Expect(dry(channel("c", "mine", nil))).To(gomega.Succeed())
	w.Expect(dry(hook)).To(refusedWith(`spec.webhook.urlSecretRef: you may not get Secret "theirs"`))
	w.Expect(dry(channel("c", "mine", &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "theirs"}}))).To(refusedWith(`spec.connection.proxySecretRef: you may not get Secret "theirs"`))
	w.Expect(dry(channel("c", "mine", &v1alpha1.Connection{CASecretRef: &v1alpha1.SecretReference{Name: "theirs"}}))).To(refusedWith(`spec.connection.caSecretRef: you may not get Secret "theirs"`))
	w.Expect(dry(channel("c", "mine", &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "mine"}, CASecretRef: &v1alpha1.SecretReference{Name: "mine"}}))).To(gomega.Succeed())

	// What an administrator has made may be labelled, but not turned elsewhere.
	theirs := channel("theirs", "theirs", nil)
	w.Expect(env.client.Create(w.ctx, theirs)).To(gomega.Succeed())
	theirs.Annotations = map[string]string{"a": "b"}
	w.Expect(tenant.Update(w.ctx, theirs)).To(gomega.Succeed())
	theirs.Spec.WebAPI.Channel = "#another"
	w.Expect(tenant.Update(w.ctx, theirs)).To(refusedWith(`Secret "theirs"`))

	alert := func(name string, source v1alpha1.AlertSource) error {
		a := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: strings.ToLower(name)},
			Spec: v1alpha1.SlackAlertSpec{ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Source: source}}
		return dry(a)
	}
	w.Eventually(func() error { return alert("pods", objectsOf("v1", "Pod", "true").Source) }).Should(refusedWith("spec.source: you may not list pods in namespace " + w.ns + " yourself"))
	everywhere := objectsOf("apps/v1", "Deployment", "true").Source
	everywhere.Objects.NamespaceSelector = &metav1.LabelSelector{}
	for name, test := range map[string]struct {
		source v1alpha1.AlertSource
		want   string
	}{
		"Deployments":            {objectsOf("apps/v1", "Deployment", "true").Source, ""},
		"Services":               {objectsOf("v1", "Service", "true").Source, ""},
		"Ingresses":              {objectsOf("networking.k8s.io/v1", "Ingress", "true").Source, ""},
		"NetworkPolicies":        {objectsOf("networking.k8s.io/v1", "NetworkPolicy", "true").Source, ""},
		"Endpoints":              {objectsOf("v1", "Endpoints", "true").Source, ""},
		"another-group":          {objectsOf("example.com/v1", "Deployment", "true").Source, "you may not list deployments.example.com in namespace " + w.ns},
		"Gateways":               {objectsOf("gateway.networking.k8s.io/v1", "Gateway", "true").Source, "gateways.gateway.networking.k8s.io"},
		"Deployments-everywhere": {everywhere, "you may not list deployments.apps in all namespaces"},
		"Events":                 {v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{}}, "you may not list events in namespace " + w.ns},
		"Webhook":                {v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{}}, ""},
		"Webhook-signed": {v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "secret-of-others"}}}},
			`spec.source.webhook.signature.secretRef: you may not get Secret "secret-of-others" yourself`},
		"Alertmanager": {v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, ""},
	} {
		err := alert(name, test.source)
		if test.want == "" {
			w.Expect(err).NotTo(gomega.HaveOccurred(), name)
		} else {
			w.Expect(err).To(refusedWith(test.want), name)
		}
	}
}
