package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// managerRole is what config/default calls the ClusterRole of config/rbac/role.yaml.
const managerRole = "slack-notifier-manager-role"

// With the set-up of docs/operating.md for few rights, the operator leads: a
// new message is a call to Slack, and is not looked up there first.
func TestRoleBindingsOnly(t *testing.T) {
	w := newWorld(t)
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "narrow-" + w.ns}}
	role := func(name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	}
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "slack-notifier"}, RoleRef: role(managerRole), Subjects: subjects})
	// Namespaces are of the cluster.
	w.Expect(env.client.Create(w.ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.ns}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch"}},
	}})).To(gomega.Succeed())
	w.Expect(env.client.Create(w.ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.ns}, RoleRef: role(w.ns), Subjects: subjects})).To(gomega.Succeed())

	o, err := env.StartOperatorAs(w.ctx, subjects[0].Name, "narrow", "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	c := w.webAPI("c", "", func(c *v1alpha1.SlackChannel) { own(c) })
	w.ready(c)
	n := w.notify("n", "c", to(room("#deploys")), func(n *v1alpha1.SlackNotification) { own(n) })
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
	w.Expect(w.messages(w.id("C", "DEPLOYS"))).To(gomega.HaveLen(1))
	w.Expect(w.teamCalls("chat.postMessage")).To(gomega.Equal(1))
	w.Expect(w.teamCalls("conversations.history")).To(gomega.BeZero(), "a message made while this process leads is not in doubt")

	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
