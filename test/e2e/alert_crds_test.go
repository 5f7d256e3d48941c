package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// crds are files of the modules of hack/tools/crds.
var crds = map[string]string{
	"github.com/cert-manager/cert-manager":   "deploy/crds/cert-manager.io_certificates.yaml",
	"github.com/fluxcd/kustomize-controller": "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
	"github.com/fluxcd/helm-controller":      "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml",
	"github.com/argoproj/argo-cd/v3":         "manifests/crds/application-crd.yaml",
}

// ailing are objects of these kinds that are to be told of.
const ailing = `
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: www}
spec: {secretName: www-tls, dnsNames: [example.com], issuerRef: {name: ca}}
status: {conditions: [{type: Ready, status: "False", reason: DoesNotExist, message: the Secret does not exist, lastTransitionTime: "2026-11-24T08:00:00Z"}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps}
spec: {interval: 10m, prune: true, path: ./apps, sourceRef: {kind: GitRepository, name: main}}
status: {lastAttemptedRevision: main@sha1:abc, conditions: [{type: Ready, status: "False", reason: BuildFailed, message: kustomize build failed, lastTransitionTime: "2026-11-24T08:00:00Z"}]}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: redis}
spec: {interval: 10m, chartRef: {kind: OCIRepository, name: redis}}
status: {conditions: [{type: Ready, status: "False", reason: InstallFailed, message: timed out, lastTransitionTime: "2026-11-24T08:00:00Z"}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop}
spec: {project: default, destination: {namespace: shop, server: "https://kubernetes.default.svc"}, source: {repoURL: "https://git.example.com/shop", path: .}}
status: {health: {status: Degraded}, sync: {status: Synced, revision: "0123456789abcdef", comparedTo: {destination: {}, source: {repoURL: "https://git.example.com/shop"}}}, resources: [{kind: Deployment, name: web, health: {status: Degraded, message: exceeded its progress deadline}}]}
`

// The samples for cert-manager, Flux and Argo CD are right about the kinds as
// their projects define them.
func TestAlertSamplesOfOthers(t *testing.T) {
	w := newWorld(t)
	w.installOthers()
	w.webAPI("c", "#alerts")
	rules := map[string]*v1alpha1.SlackAlert{}
	for _, file := range []string{"cert_manager_certificate", "flux", "argocd_application"} {
		for _, rule := range w.sample(file) {
			rules[rule.Spec.Source.Objects.Kind] = rule
			w.becomes(rule, watchingLook())
		}
	}
	list, err := devcluster.Decode([]byte(ailing))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, o := range list {
		o.SetNamespace(w.ns)
		status := o.Object["status"]
		w.Expect(env.client.Create(w.ctx, o, client.FieldValidation(metav1.FieldValidationStrict))).To(gomega.Succeed())
		if is, _ := o.Object["status"].(map[string]any); len(is) < 2 { // it has a subresource, perhaps with a default
			o.Object["status"] = status
			w.Expect(env.client.Status().Update(w.ctx, o, client.FieldValidation(metav1.FieldValidationStrict))).To(gomega.Succeed())
		}
	}
	for kind, title := range map[string]string{
		"Certificate": "Certificate www is not ready", "Kustomization": "Flux can't apply apps", "HelmRelease": "HelmRelease redis fails", "Application": "shop is Degraded",
	} {
		w.Expect(rules).To(gomega.HaveKey(kind))
		w.Eventually(func() []string { return w.open(rules[kind]) }).Should(gomega.Equal([]string{title}))
		for _, n := range w.made(rules[kind]) {
			data, err := json.Marshal(n.Spec)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			w.Expect(string(data)).NotTo(gomega.ContainSubstring("no such field"), kind)
		}
		w.Expect(w.see(rules[kind])).To(gomega.Equal(watchingLook()))
	}
}

// installOthers installs the kinds of other projects, and lets the operator
// watch them.
func (w *world) installOthers() {
	w.t.Helper()
	for module, file := range crds {
		cmd := exec.CommandContext(w.ctx, "go", "mod", "download", "-json", module)
		cmd.Dir, cmd.Stderr = "../../hack/tools/crds", os.Stderr
		out, err := cmd.Output()
		w.Expect(err).NotTo(gomega.HaveOccurred(), module)
		var answer struct{ Dir string }
		w.Expect(json.Unmarshal(out, &answer)).To(gomega.Succeed())
		data, err := os.ReadFile(filepath.Join(answer.Dir, file))
		w.Expect(err).NotTo(gomega.HaveOccurred())
		w.Expect(devcluster.Apply(w.ctx, env.Cluster.AdminConfig(), data)).To(gomega.Succeed())
	}
	data, err := os.ReadFile("../../config/samples/alerts/rbac.yaml")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(devcluster.Apply(w.ctx, env.Cluster.AdminConfig(), data)).To(gomega.Succeed())
	// The label has it aggregated where a kube-controller-manager runs.
	w.Expect(env.client.Create(w.ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.ns},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slack-notifier-watch-gitops"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "slack-notifier-system", Name: "slack-notifier-controller-manager"}},
	})).To(gomega.Succeed())
}

// sample makes the rules of a file for this test's channel, without a wait.
func (w *world) sample(file string) []*v1alpha1.SlackAlert {
	w.t.Helper()
	data, err := os.ReadFile("../../config/samples/alerts/" + file + ".yaml")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var out []*v1alpha1.SlackAlert
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var u unstructured.Unstructured
		w.Expect(yaml.Unmarshal([]byte(doc), &u.Object)).To(gomega.Succeed())
		rule := &v1alpha1.SlackAlert{}
		w.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, rule)).To(gomega.Succeed())
		rule.Namespace, rule.Spec.ChannelRef.Name, rule.Spec.Source.Objects.For = w.ns, "c", nil
		w.create(rule)
		out = append(out, rule)
	}
	slices.SortFunc(out, func(a, b *v1alpha1.SlackAlert) int { return strings.Compare(a.Name, b.Name) })
	return out
}
