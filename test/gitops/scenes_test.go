package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// scene is an object as a user has written it, and what each tool makes of it
// when the operator has.
type scene struct {
	kind, name, spec string
	// phase and reason that it comes to.
	phase, reason string
	// argo is its health in Argo CD.
	argo string
	// flux is its status for Flux, and exprs with healthCheckExprs.
	flux, exprs status.Status
}

const (
	current    = status.CurrentStatus
	failed     = status.FailedStatus
	inProgress = status.InProgressStatus
)

// scenes are in the order in which they are applied.
func scenes() []scene {
	return []scene{
		{"SlackChannel", "verified", `{webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}}`, "", "Verified", "Healthy", current, current},
		{"SlackChannel", "webhook", `{webhook: {urlSecretRef: {name: slack-bot}}}`, "", "WebhookNotVerified", "Healthy", current, current},
		{"SlackChannel", "no-secret", `{webAPI: {tokenSecretRef: {name: nothere}, channel: "#alerts"}}`, "", "SecretNotFound", "Degraded", failed, failed},
		{"SlackChannel", "no-channel", `{webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#nothere"}}`, "", "ChannelNotFound", "Degraded", failed, failed},
		{"SlackChannel", "unreachable", `{webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}, connection: {proxySecretRef: {name: proxy-nowhere}}}`, "", "SlackUnreachable", "Progressing", inProgress, inProgress},
		{"SlackChannel", "suspended", `{suspend: true, webAPI: {tokenSecretRef: {name: slack-bot}, channel: "#alerts"}}`, "", "Suspended", "Suspended", inProgress, current},
		{"SlackNotification", "delivered", `{channelRef: {name: alerts}, text: Hello}`, "Delivered", "Delivered", "Healthy", current, current},
		{"SlackNotification", "shortened", `{channelRef: {name: alerts}, text: "` + strings.Repeat("word ", 4000) + `"}`, "Delivered", "Delivered", "Healthy", current, current},
		{"SlackNotification", "nobody", `{channelRef: {name: alerts}, recipients: [{user: no.such.person}], text: x}`, "Failed", "UserNotFound", "Degraded", failed, failed},
		{"SlackNotification", "partly", `{channelRef: {name: alerts}, recipients: [{channel: "#alerts"}, {user: no.such.person}], text: x}`, "PartiallyDelivered", "PartiallyDelivered", "Degraded", failed, failed},
		{"SlackNotification", "no-slackchannel", `{channelRef: {name: nothere}, text: x}`, "Pending", "SlackChannelNotFound", "Degraded", failed, failed},
		{"SlackNotification", "scheduled", `{channelRef: {name: alerts}, notBefore: "2099-01-01T00:00:00Z", text: x}`, "Pending", "Scheduled", "Suspended", inProgress, current},
		{"SlackNotification", "suspended", `{channelRef: {name: alerts}, suspend: true, text: x}`, "Suspended", "Suspended", "Suspended", inProgress, current},
		{"SlackNotification", "channel-suspended", `{channelRef: {name: suspended}, text: x}`, "Pending", "SlackChannelSuspended", "Suspended", inProgress, current},
		{"SlackNotification", "waiting", `{channelRef: {name: alerts}, thread: {notificationRef: {name: suspended}}, text: x}`, "Pending", "WaitingForThread", "Progressing", inProgress, inProgress},
		{"SlackAlert", "watching", `{channelRef: {name: alerts}, source: {objects: {apiVersion: apps/v1, kind: Deployment, when: "object.status.?replicas.orValue(0) > 1000"}}}`, "", "Watching", "Healthy", current, current},
		{"SlackAlert", "unknown-kind", `{channelRef: {name: alerts}, source: {objects: {apiVersion: nothere.example.com/v1, kind: Thing, when: "true"}}}`, "", "KindNotFound", "Progressing", inProgress, inProgress},
		{"SlackAlert", "no-intake", `{channelRef: {name: alerts}, source: {alertmanager: {}}}`, "", "IntakeDisabled", "Degraded", failed, failed},
		{"SlackAlert", "bad-template", `{channelRef: {name: alerts}, source: {objects: {apiVersion: apps/v1, kind: Deployment, when: "object.nothere("}}}`, "", "InvalidExpression", "Degraded", failed, failed},
		{"SlackAlert", "suspended", `{channelRef: {name: alerts}, suspend: true, source: {alertmanager: {}}}`, "", "Suspended", "Suspended", inProgress, current},
	}
}

// stage applies what the scenes need.
func stage(t *testing.T, namespace string) {
	t.Helper()
	furnish(t, namespace)
	apply(t, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: proxy-nowhere, namespace: %s}\nstringData: {address: 'http://127.0.0.1:1'}\n", namespace))
}

func (s scene) manifest(namespace string) string {
	return fmt.Sprintf("apiVersion: slack.notify.dev/v1alpha1\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: %s\n", s.kind, s.name, namespace, s.spec)
}

// read is an object as the API server has it now.
func read(t *testing.T, kind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("slack.notify.dev/v1alpha1")
	o.SetKind(kind)
	if err := env.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// readyReason is the reason of Ready in the latest generation, and the phase.
func readyReason(o *unstructured.Unstructured) (phase, reason string) {
	phase, _, _ = unstructured.NestedString(o.Object, "status", "phase")
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" && m["observedGeneration"] == o.GetGeneration() {
			reason, _ = m["reason"].(string)
		}
	}
	return phase, reason
}

// What the operator writes is what kubectl, Flux and Argo CD are to see.
func TestScenes(t *testing.T) {
	const namespace = "scenes"
	stage(t, namespace)
	evaluators := documentedEvaluators(t)
	for _, s := range scenes() {
		apply(t, s.manifest(namespace))
	}
	var written []healthRecord
	for _, s := range scenes() {
		t.Run(s.kind+"/"+s.name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			g.Eventually(func() string {
				phase, reason := readyReason(read(t, s.kind, namespace, s.name))
				return phase + " " + reason
			}, patience, 50*time.Millisecond).Should(gomega.Equal(s.phase + " " + s.reason))
			o := read(t, s.kind, namespace, s.name)
			got := assess(t, o)
			g.Expect(got.Status).To(gomega.Equal(s.argo))
			g.Expect(got.Message).To(gomega.HavePrefix(s.reason + ": "))
			plain, err := status.Compute(o)
			g.Expect(err).NotTo(gomega.HaveOccurred())
			g.Expect(plain.Status).To(gomega.Equal(s.flux), "for Flux without expressions")
			byExpression, err := evaluators[s.kind].Evaluate(t.Context(), o)
			g.Expect(err).NotTo(gomega.HaveOccurred())
			g.Expect(byExpression.Status).To(gomega.Equal(s.exprs), "for Flux with the expressions of docs/gitops.md")
			written = append(written, healthRecord{s, o, got})
		})
	}
	if os.Getenv("UPDATE") != "" && !t.Failed() {
		record(t, written)
	}
}

type healthRecord struct {
	scene scene
	as    *unstructured.Unstructured
	is    health
}

// record writes objects into Argo CD's layout, as test data.
func record(t *testing.T, records []healthRecord) {
	t.Helper()
	files := map[string]*healthTest{}
	save := func(kind, name string, o *unstructured.Unstructured, is health) {
		if files[kind] == nil {
			files[kind] = &healthTest{}
		}
		path := "testdata/" + name + ".yaml"
		files[kind].Tests = append(files[kind].Tests, healthCase{HealthStatus: is, InputPath: path})
		unstructured.RemoveNestedField(o.Object, "metadata", "managedFields")
		if data, err := yaml.Marshal(o.Object); err != nil {
			t.Fatal(err)
		} else if err := os.WriteFile(filepath.Join(customizations, kind, path), data, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	for _, r := range records {
		if r.scene.name == "shortened" {
			continue // large, and nothing new to Argo CD
		}
		save(r.scene.kind, r.scene.name, r.as, r.is)
		if r.is.Status == "Healthy" && files[r.scene.kind] != nil && len(files[r.scene.kind].Tests) == 1 {
			changed := r.as.DeepCopy()
			changed.SetGeneration(changed.GetGeneration() + 1)
			save(r.scene.kind, "changed-since", changed, assess(t, changed))
		}
	}
	for kind, file := range files {
		data, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(customizations, kind, "health_test.yaml"), data, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
}
