package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// What is seen of a sample's incidents after a step of an object's life.
const (
	quiet = iota // no incident
	open         // one incident, which is open
	over         // one incident, which is over
)

// step of an object's life: what becomes of it, and what is told then.
type step struct {
	object string
	want   int
}

// life of an object that a sample looks at.
type life struct {
	sample, rule string
	// own keeps what the sample says of how long it waits. Else it waits for a
	// second, so that what lasts is told soon.
	own   bool
	steps []step
	// says is in the title of the message in the end; empty if there is none.
	says string
}

const (
	pod     = "{apiVersion: v1, kind: Pod, metadata: {name: web-1, labels: {life: LIFE}}, spec: {containers: [{name: web, image: web}]}, status: {phase: Running, containerStatuses: [{name: web, image: web, imageID: x, restartCount: %d, ready: false, state: %s}]}}"
	waits   = "{waiting: {reason: CrashLoopBackOff}}"
	runs    = "{running: {}}"
	flux    = "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: apps}, spec: {interval: 10m, prune: true, suspend: %v, sourceRef: {kind: GitRepository, name: main}}, status: {conditions: [{type: Ready, status: %s, reason: %s, message: m, lastTransitionTime: \"2026-11-24T08:00:00Z\"}]}}"
	argo    = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: shop}, spec: {project: default, destination: {namespace: shop}, source: {repoURL: \"https://git.example.com/shop\", path: .}}, status: {health: {status: %s}, sync: {status: %s}%s}}"
	syncs   = ", operationState: {phase: %s, startedAt: \"2026-11-24T08:00:00Z\", operation: {sync: {}}, message: m}"
	synced  = ", history: [{id: 1, revision: abc, deployedAt: \"2026-11-24T08:00:00Z\", source: {repoURL: \"https://git.example.com/shop\"}}]"
	node    = "{apiVersion: v1, kind: Node, metadata: {name: NODE, labels: {life: LIFE}}, spec: {%s}, status: {conditions: [{type: Ready, status: %s, reason: R}]}}"
	deploys = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}, status: %s}"
	volume  = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}, status: {phase: %s}}"
	job     = "{apiVersion: batch/v1, kind: Job, metadata: {name: backup}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: web}]}}}, status: {startTime: \"2026-11-24T08:00:00Z\"%s}}"
	gone    = "gone"
)

// Each sample, through what objects of its kind go through: one message for what
// one person would call one incident, none for what is no trouble, and no
// all-clear before all is well.
func TestLivesOfWhatSamplesLookAt(t *testing.T) {
	for name, l := range map[string]life{
		"crash loop": {sample: "pod_crashloop", rule: "pod-crashloop", says: "Resolved: web-1 keeps crashing", steps: []step{
			{fmt.Sprintf(pod, 1, waits), open}, {fmt.Sprintf(pod, 2, runs), open}, {fmt.Sprintf(pod, 2, waits), open}, {fmt.Sprintf(pod, 3, runs), open},
			{fmt.Sprintf(pod, 3, waits), open}, {fmt.Sprintf(pod, 4, runs), open}, {"keepFiringFor", over},
		}},
		"crash loop of a Pod that is replaced": {sample: "pod_crashloop", rule: "pod-crashloop", says: "web-1 keeps crashing", steps: []step{
			{fmt.Sprintf(pod, 1, waits), open}, {gone, open}, {fmt.Sprintf(pod, 0, runs), open}, {fmt.Sprintf(pod, 1, waits), open},
		}},
		"a container that was restarted once": {sample: "pod_crashloop", rule: "pod-crashloop", own: true, steps: []step{
			{fmt.Sprintf(pod, 1, waits), quiet}, {fmt.Sprintf(pod, 2, runs), quiet}, {gone, quiet},
		}},
		"Kustomization that is tried again and again": {sample: "flux", rule: "flux-kustomization-failing", says: "Resolved: Flux can't apply apps", steps: []step{
			{fmt.Sprintf(flux, false, "Unknown", "Progressing"), quiet}, {fmt.Sprintf(flux, false, "'False'", "BuildFailed"), open},
			{fmt.Sprintf(flux, false, "Unknown", "Progressing"), open}, {fmt.Sprintf(flux, false, "'False'", "BuildFailed"), open},
			{fmt.Sprintf(flux, false, "Unknown", "Progressing"), open}, {fmt.Sprintf(flux, false, "'False'", "DependencyNotReady"), open},
			{fmt.Sprintf(flux, false, "'True'", "ReconciliationSucceeded"), over},
		}},
		"Kustomization that is slow at first": {sample: "flux", rule: "flux-kustomization-failing", steps: []step{
			{fmt.Sprintf(flux, false, "Unknown", "Progressing"), quiet}, {fmt.Sprintf(flux, false, "'False'", "DependencyNotReady"), quiet},
			{fmt.Sprintf(flux, false, "Unknown", "Progressing"), quiet}, {fmt.Sprintf(flux, false, "'True'", "ReconciliationSucceeded"), quiet},
		}},
		"Kustomization that is suspended": {sample: "flux", rule: "flux-kustomization-failing", says: "Resolved: Flux can't apply apps", steps: []step{
			{fmt.Sprintf(flux, false, "'False'", "BuildFailed"), open}, {fmt.Sprintf(flux, true, "'False'", "BuildFailed"), over},
		}},
		"Application that is degraded": {sample: "argocd_application", rule: "argocd-application-degraded", says: "Resolved: shop is Healthy", steps: []step{
			{fmt.Sprintf(argo, "Progressing", "Synced", synced), quiet}, {fmt.Sprintf(argo, "Degraded", "Synced", synced), open},
			{fmt.Sprintf(argo, "Progressing", "Synced", synced), open}, {fmt.Sprintf(argo, "Degraded", "Synced", synced), open},
			{fmt.Sprintf(argo, "Unknown", "Unknown", synced), open}, {fmt.Sprintf(argo, "Missing", "OutOfSync", synced), open},
			{fmt.Sprintf(argo, "Progressing", "OutOfSync", synced+fmt.Sprintf(syncs, "Running")), open}, {fmt.Sprintf(argo, "Healthy", "Synced", synced+fmt.Sprintf(syncs, "Succeeded")), over},
		}},
		"Application that can't be synced": {sample: "argocd_application", rule: "argocd-application-degraded", says: "shop can't be synced", steps: []step{
			{fmt.Sprintf(argo, "Missing", "OutOfSync", ""), quiet}, {fmt.Sprintf(argo, "Missing", "OutOfSync", fmt.Sprintf(syncs, "Running")), quiet},
			{fmt.Sprintf(argo, "Progressing", "OutOfSync", fmt.Sprintf(syncs, "Failed")), open}, {fmt.Sprintf(argo, "Missing", "OutOfSync", fmt.Sprintf(syncs, "Running")), open},
			{fmt.Sprintf(argo, "Progressing", "OutOfSync", fmt.Sprintf(syncs, "Error")), open},
		}},
		"Node that fails": {sample: "node_not_ready", rule: "node-not-ready", says: "Resolved: Node NODE", steps: []step{
			{fmt.Sprintf(node, "", "'True'"), quiet}, {fmt.Sprintf(node, "", "Unknown"), open}, {fmt.Sprintf(node, "", "'False'"), open},
			{fmt.Sprintf(node, "unschedulable: true", "'False'"), open}, {fmt.Sprintf(node, "", "'True'"), over},
		}},
		"Node that fails and is deleted": {sample: "node_not_ready", rule: "node-not-ready", says: "Resolved: Node NODE", steps: []step{
			{fmt.Sprintf(node, "", "Unknown"), open}, {fmt.Sprintf(node, "taints: [{key: karpenter.sh/disrupted, effect: NoSchedule}]", "Unknown"), open}, {gone, over},
		}},
		"Node that the autoscaler takes away": {sample: "node_not_ready", rule: "node-not-ready", steps: []step{
			{fmt.Sprintf(node, "", "'True'"), quiet}, {fmt.Sprintf(node, "taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}], unschedulable: true", "'True'"), quiet},
			{fmt.Sprintf(node, "taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}], unschedulable: true", "Unknown"), quiet}, {gone, quiet},
		}},
		"Node that is new": {sample: "node_not_ready", rule: "node-not-ready", own: true, steps: []step{
			{fmt.Sprintf(node, "taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule}]", "'False'"), quiet}, {fmt.Sprintf(node, "", "'True'"), quiet},
		}},
		"Deployment that loses its last replica": {sample: "deployment_unavailable", rule: "deployment-unavailable", says: "Resolved: web is not available", steps: []step{
			{fmt.Sprintf(deploys, "{}"), quiet},
			{fmt.Sprintf(deploys, "{replicas: 3, readyReplicas: 1, unavailableReplicas: 2, conditions: [{type: Available, status: 'False', reason: R}]}"), open},
			{fmt.Sprintf(deploys, "{replicas: 3, unavailableReplicas: 3, conditions: [{type: Available, status: 'False', reason: R}]}"), open},
			{fmt.Sprintf(deploys, "{replicas: 3, readyReplicas: 3, availableReplicas: 3, conditions: [{type: Available, status: 'True', reason: R}]}"), over},
		}},
		"Job that fails": {sample: "job_failed", rule: "job-failed", says: "Job backup failed", steps: []step{
			{fmt.Sprintf(job, ", active: 1"), quiet}, {fmt.Sprintf(job, ", active: 1, failed: 1"), quiet},
			{fmt.Sprintf(job, ", failed: 2, conditions: [{type: FailureTarget, status: 'True', reason: R}, {type: Failed, status: 'True', reason: R}]"), open}, {gone, over},
		}},
		"PersistentVolumeClaim": {sample: "pvc_pending", rule: "pvc-pending", says: "Resolved: PersistentVolumeClaim data is pending", steps: []step{
			{fmt.Sprintf(volume, "Pending"), open}, {fmt.Sprintf(volume, "Bound"), over},
		}},
	} {
		t.Run(name, func(t *testing.T) { newWorld(t).lives(l) })
	}
}

// lives takes an object through its life, and looks at the sample's incidents.
func (w *world) lives(l life) {
	w.t.Helper()
	// Only an operator that is told so watches Nodes.
	central := l.rule == "node-not-ready"
	selector, give := w.apart()
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) {
		if central {
			give(c)
		}
	})
	if l.sample == "flux" || l.sample == "argocd_application" {
		w.installOthers()
	}
	rule := w.sampleOf(l)
	if central {
		o, err := env.StartOperator(w.ctx, "lives-"+w.ns, selector, "--cluster-scope-namespaces="+w.ns)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		defer func() {
			o.Stop()
			w.Expect(o.Autopsy(0)).To(gomega.Succeed())
		}()
	}
	w.ready(c)
	w.becomes(rule, watchingLook())
	var last *unstructured.Unstructured
	for i, s := range l.steps {
		switch s.object {
		case gone:
			w.Expect(env.client.Delete(w.ctx, last, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
		case "keepFiringFor":
			w.Expect(rule.Spec.KeepFiringFor.Duration).To(gomega.BeNumerically(">=", 5*time.Minute), "that of the sample")
			w.update(rule, func() { rule.Spec.KeepFiringFor.Duration = time.Second })
		default:
			last = w.put(s.object)
		}
		seen := func() (out []int) {
			for _, i := range w.incidents(rule) {
				out = append(out, map[bool]int{true: open, false: over}[i.Open])
			}
			return out
		}
		want := gomega.HaveExactElements(s.want)
		if s.want == quiet {
			want = gomega.BeEmpty()
		}
		w.Eventually(seen).Should(want, "step %d: %s", i, s.object)
		w.Consistently(seen, "700ms").Should(want, "step %d: %s", i, s.object)
	}
	want := gomega.BeEmpty()
	if l.says != "" {
		want = gomega.ConsistOf(gomega.HaveField("Text", gomega.ContainSubstring(strings.ReplaceAll(l.says, "NODE", "node-"+w.ns))))
	}
	w.Eventually(w.alerts).Should(want, "the messages in the channel")
}

// sampleOf makes the rule of a sample, for the objects of this test alone.
func (w *world) sampleOf(l life) *v1alpha1.SlackAlert {
	w.t.Helper()
	data, err := os.ReadFile("../../config/samples/alerts/" + l.sample + ".yaml")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	rule := &v1alpha1.SlackAlert{}
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		if strings.Contains(doc, "name: "+l.rule+"\n") {
			w.Expect(yaml.UnmarshalStrict([]byte(doc), rule)).To(gomega.Succeed())
		}
	}
	rule.Namespace, rule.Spec.ChannelRef.Name = w.ns, "c"
	if rule.Spec.Source.Objects.Kind == "Node" {
		_, give := w.apart()
		give(rule)
	}
	if !l.own && rule.Spec.Source.Objects.For != nil {
		rule.Spec.Source.Objects.For = &metav1.Duration{Duration: time.Second}
	}
	if rule.Spec.Source.Objects.Kind == "Node" {
		rule.Spec.Source.Objects.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"life": w.ns}}
	}
	w.create(rule)
	return rule
}

// put makes an object with its status, or has it be so.
func (w *world) put(text string) *unstructured.Unstructured {
	w.t.Helper()
	want := &unstructured.Unstructured{}
	text = strings.NewReplacer("LIFE", w.ns, "NODE", "node-"+w.ns).Replace(text)
	w.Expect(yaml.Unmarshal([]byte(text), &want.Object)).To(gomega.Succeed(), text)
	want.SetNamespace(w.ns)
	if want.GetKind() == "Node" {
		want.SetNamespace("")
		w.t.Cleanup(func() { _ = env.client.Delete(w.t.Context(), want.DeepCopy()) })
	}
	w.Eventually(func() error {
		is := want.DeepCopy()
		err := env.client.Get(w.ctx, client.ObjectKeyFromObject(is), is)
		switch {
		case err != nil:
			is = want.DeepCopy()
			err = env.client.Create(w.ctx, is)
		case !slices.Contains([]string{"Pod", "PersistentVolumeClaim", "Job"}, is.GetKind()):
			is.Object["spec"] = want.Object["spec"]
			if is.GetKind() == "Application" { // it has no subresource
				is.Object["status"] = want.Object["status"]
			}
			err = env.client.Update(w.ctx, is)
		}
		if err != nil || is.GetKind() == "Application" {
			return err
		}
		is.Object["status"] = want.Object["status"]
		return env.client.Status().Update(w.ctx, is)
	}).Should(gomega.Succeed(), text)
	return want
}

// An incident stays open when the field that tells of it is left out, over a
// restart too, and the rule says what is missing.
func TestMissingFieldIsNoAllClear(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	rule := w.rule("ready", objectsOf("apps/v1", "Deployment", "object.status.readyReplicas < object.spec.replicas"), func(a *v1alpha1.SlackAlert) { own(a) })
	o := w.operator("missing-1")
	w.ready(c)
	evaluating := func() string {
		w.see(rule)
		for _, c := range rule.Status.Conditions {
			if c.Type == v1alpha1.ConditionEvaluating {
				return fmt.Sprintf("%s %s %s", c.Status, c.Reason, c.Message)
			}
		}
		return ""
	}
	w.Eventually(evaluating).Should(gomega.HavePrefix("True Evaluated"))
	w.put(fmt.Sprintf(deploys, "{replicas: 3, readyReplicas: 1}"))
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.HaveLen(1))
	w.put(strings.Replace(fmt.Sprintf(deploys, "{replicas: 3}"), "name: web}", "name: never}", 1))
	w.put(fmt.Sprintf(deploys, "{replicas: 3, unavailableReplicas: 3}"))
	w.Eventually(evaluating).Should(gomega.And(gomega.HavePrefix("False FieldMissing"), gomega.ContainSubstring("for 2 of 2 Deployments"),
		gomega.ContainSubstring("no such key: readyReplicas"), gomega.ContainSubstring("orValue(0)")))
	w.Expect(w.see(rule)).To(gomega.Equal(watchingLook()))
	w.Consistently(func() []told { return w.incidents(rule) }, "2s").Should(gomega.ConsistOf(gomega.HaveField("Open", true)))
	measured := func() string { return string(fetch(w.t, o.Metrics)) }
	w.Expect(measured()).To(gomega.And(gomega.ContainSubstring(`slack_notifier_alert_incidents_open{source="objects"} 1`+"\n"),
		gomega.ContainSubstring(`slack_notifier_alert_incidents_open{source="events"} 0`+"\n"),
		gomega.MatchRegexp(`slack_notifier_alert_evaluations_total{result="missing",source="objects"} [2-9]`)))
	o.Kill()
	o = w.operator("missing-2")
	w.Consistently(func() []told { return w.incidents(rule) }, "3s").Should(gomega.ConsistOf(gomega.HaveField("Open", true)))
	w.put(fmt.Sprintf(deploys, "{replicas: 3, readyReplicas: 3}"))
	w.Eventually(func() []told { return w.incidents(rule) }).Should(gomega.ConsistOf(gomega.HaveField("Open", false)))
	w.Eventually(evaluating).Should(gomega.ContainSubstring("for 1 of 2 Deployments"))
	w.put(strings.Replace(fmt.Sprintf(deploys, "{replicas: 3, readyReplicas: 3}"), "name: web}", "name: never}", 1))
	w.Eventually(evaluating).Should(gomega.HavePrefix("True Evaluated"))
	w.Expect(w.alerts()).To(gomega.HaveLen(1))
	w.Expect(measured()).To(gomega.ContainSubstring(`slack_notifier_alert_incidents_open{source="objects"} 0` + "\n"))
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}

// What waits for spec.source.objects.for goes on waiting when the operator is
// killed, and is told neither early nor as late as if it had begun anew.
func TestForGoesOnOverARestart(t *testing.T) {
	const wait = 24 * time.Second
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	spec := objectsOf("apps/v1", "Deployment", unavailable)
	spec.Source.Objects.For = &metav1.Duration{Duration: wait}
	rule := w.rule("waits", spec, func(a *v1alpha1.SlackAlert) { own(a) })
	o := w.operator("for-1")
	w.ready(c)
	w.becomes(rule, watchingLook())
	bad := "{replicas: 3, conditions: [{type: Available, status: 'False', reason: R}]}"
	w.put(fmt.Sprintf(deploys, bad))
	began := time.Now()
	w.Eventually(func() int { w.see(rule); return len(rule.Status.Pending) }).Should(gomega.Equal(1))
	noted := rule.Status.Pending
	o.Kill()
	changes, err := env.client.Watch(w.ctx, &v1alpha1.SlackAlertList{}, client.InNamespace(w.ns))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer changes.Stop()
	o = w.operator("for-2")
	w.Eventually(func() int { return len(w.made(rule)) }, wait+patience).Should(gomega.Equal(1))
	s, _ := incident.StateOf(&w.made(rule)[0])
	w.Expect(s.OpenedAt).To(gomega.BeTemporally(">=", began.Add(wait).Truncate(time.Second)), "it is told early")
	w.Eventually(func() []v1alpha1.PendingObject { w.see(rule); return rule.Status.Pending }).Should(gomega.BeEmpty())
	// What it counts from has not changed until it was told.
	for len(changes.ResultChan()) > 0 {
		if a, ok := (<-changes.ResultChan()).Object.(*v1alpha1.SlackAlert); ok && a.Status.Firing == 0 {
			w.Expect(a.Status.Pending).To(gomega.Equal(noted), "it has begun anew")
		}
	}
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
