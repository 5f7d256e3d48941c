package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// A spec stays as it was written: the operator never writes it, so that what is in
// Git and what is in the cluster do not differ by how a duration is spelt.
func TestSpecStaysAsItWasWritten(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	manifest := []byte(`
apiVersion: slack.notify.dev/v1alpha1
kind: SlackAlert
metadata: {name: spelt, namespace: ` + w.ns + `}
spec:
  channelRef: {name: c}
  source: {objects: {apiVersion: apps/v1, kind: Deployment, when: object.spec.replicas == 0, for: 90s}}
  keepFiringFor: 60m
  repeatInterval: 240m0s
  notificationTTL: 1440m
`)
	apply := func() {
		t.Helper()
		w.Expect(devcluster.Apply(w.ctx, env.Cluster.AdminConfig(), manifest)).To(gomega.Succeed())
	}
	apply()
	rule := &v1alpha1.SlackAlert{}
	rule.Namespace, rule.Name = w.ns, "spelt"
	w.becomes(rule, watchingLook())
	apply()
	w.becomes(rule, watchingLook())
	raw := &unstructured.Unstructured{}
	raw.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SlackAlert"))
	w.Expect(env.client.Get(w.ctx, client.ObjectKeyFromObject(rule), raw)).To(gomega.Succeed())
	for field, want := range map[string]string{"keepFiringFor": "60m", "repeatInterval": "240m0s", "notificationTTL": "1440m"} {
		got, _, _ := unstructured.NestedString(raw.Object, "spec", field)
		w.Expect(got).To(gomega.Equal(want), field)
	}
	hold, _, _ := unstructured.NestedString(raw.Object, "spec", "source", "objects", "for")
	w.Expect(hold).To(gomega.Equal("90s"))
	w.Expect(raw.GetGeneration()).To(gomega.Equal(int64(1)), "to apply it again changes nothing")
	for _, owner := range raw.GetManagedFields() {
		if owner.Subresource != "status" {
			w.Expect(owner.Manager).NotTo(gomega.ContainSubstring("slack-notifier"), "the operator has written something beside the status")
		}
	}
}
