package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

func eventsOf(reasons ...string) v1alpha1.SlackAlertSpec {
	return v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{Types: []string{"Warning"}, Reasons: reasons}}}
}

// happen makes an Event about a Pod, or has it recur.
func (w *world) happen(pod, reason string, count int32) {
	w.t.Helper()
	now := metav1.Now()
	e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: pod + "." + strings.ToLower(reason)}}
	err := env.client.Get(w.ctx, client.ObjectKeyFromObject(e), e)
	e.InvolvedObject = corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: w.ns, Name: pod}
	e.Type, e.Reason, e.Message, e.Count, e.LastTimestamp = "Warning", reason, "Back-off restarting <container>", count, now
	e.Source = corev1.EventSource{Component: "kubelet"}
	if err != nil {
		e.FirstTimestamp = now
		w.Expect(env.client.Create(w.ctx, e)).To(gomega.Succeed())
		return
	}
	w.Expect(env.client.Update(w.ctx, e)).To(gomega.Succeed())
}

// counts of the incidents of a rule, by title.
func (w *world) counts(rule *v1alpha1.SlackAlert) map[string]int64 {
	w.t.Helper()
	out := map[string]int64{}
	for _, n := range w.made(rule) {
		if s, ok := incident.StateOf(&n); ok {
			out[n.Spec.Title] += s.Count
		}
	}
	return out
}

// Events are told once, whatever restarts in between, and counted in the same
// message.
func TestAlertOfEvents(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	w.happen("before", "BackOff", 7)
	time.Sleep(1100 * time.Millisecond) // both are told in whole seconds
	spec := eventsOf("BackOff")
	spec.ResolveAfter = &metav1.Duration{Duration: 15 * time.Second}
	rule := w.rule("crashes", spec, func(a *v1alpha1.SlackAlert) { own(a) })
	w.happen("early", "BackOff", 1) // before any operator knows the rule
	o := w.operator("events-1")
	w.ready(c)
	w.becomes(rule, watchingLook())

	w.happen("web-0", "BackOff", 1)
	w.happen("web-0", "Unhealthy", 1)
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"BackOff: Pod early", "BackOff: Pod web-0"}))
	n := w.made(rule)[0]
	w.Expect(n.Labels).To(gomega.HaveKeyWithValue("shard", "own"))
	w.Expect(n.Spec.Text).To(gomega.Equal("Back-off restarting &lt;container&gt;"))
	w.happen("web-0", "BackOff", 4)
	w.Eventually(func() int64 { return w.counts(rule)["BackOff: Pod web-0"] }).Should(gomega.Equal(int64(4)))

	// What happens while no operator runs is not lost, and nothing is told twice.
	o.Kill()
	w.happen("web-0", "BackOff", 6)
	w.happen("web-1", "BackOff", 1)
	o = w.operator("events-2")
	w.Eventually(func() map[string]int64 { return w.counts(rule) }).Should(gomega.Equal(map[string]int64{
		"BackOff: Pod early": 1, "BackOff: Pod web-0": 6, "BackOff: Pod web-1": 1,
	}))

	// Without news they are over, and stay so through a restart.
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.BeEmpty())
	o.Kill()
	o = w.operator("events-3")
	w.happen("web-1", "BackOff", 3)
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"BackOff: Pod web-1"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(4))
	w.Expect(w.counts(rule)).To(gomega.HaveKeyWithValue("BackOff: Pod web-1", int64(2)), "those of this time")
	w.Eventually(func() bool {
		w.see(rule)
		return rule.Status.EventsSeenUntil != nil && rule.Status.EventsSeenVersion != ""
	}).Should(gomega.BeTrue())
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}

// The Events of new senders have a series.
func TestAlertOfEventSeries(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	spec := eventsOf()
	spec.Source.Events.When = "event.count > 2 && event.involvedObject.kind == 'Pod' && event.message.contains('nodes')"
	spec.GroupBy = []string{"event.reason"}
	spec.Message = &v1alpha1.AlertMessage{Title: "{{ .event.reason }} ×{{ .count }}", Text: "{{ .event.message }} ({{ .event.lastTimestamp | date \"2006\" }})"}
	rule := w.rule("scheduling", spec)
	w.becomes(rule, watchingLook())
	now := metav1.NowMicro()
	e := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "web-0.1", Namespace: w.ns}, EventTime: now, Type: "Warning", Reason: "FailedScheduling",
		Note: "0/3 nodes are available", Action: "Scheduling", ReportingController: "default-scheduler", ReportingInstance: "s-0",
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: w.ns, Name: "web-0"},
	}
	w.create(e)
	for count := int32(2); count <= 3; count++ {
		w.update(e, func() { e.Series = &eventsv1.EventSeries{Count: count, LastObservedTime: metav1.NowMicro()} })
	}
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"FailedScheduling ×3"}))
	w.Expect(w.made(rule)[0].Spec.Text).To(gomega.Equal(fmt.Sprintf("0/3 nodes are available (%d)", time.Now().UTC().Year())))
	w.update(e, func() { e.Series.Count, e.Series.LastObservedTime = 9, metav1.NowMicro() })
	w.Eventually(func() []string { return w.open(rule) }).Should(gomega.Equal([]string{"FailedScheduling ×9"}))
}

// Senders fill Events in many ways, and their clocks are wrong. Each object and
// reason is one incident all the same, told once and counted.
func TestAlertOfAnySender(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", shared)
	w.ready(c)
	node := "node-" + w.ns
	about := func(change func(*v1alpha1.SlackAlert)) func(*v1alpha1.SlackAlert) {
		return func(a *v1alpha1.SlackAlert) {
			a.Spec.ChannelRef = v1alpha1.ChannelReference{Name: "c", Namespace: w.ns}
			change(a)
		}
	}
	pods := w.rule("senders", eventsOf(), about(func(*v1alpha1.SlackAlert) {}))
	// Events about Nodes are in the namespace default.
	nodes := w.rule("nodes-"+w.ns, eventsOf(), about(func(a *v1alpha1.SlackAlert) {
		a.Namespace = "default"
		a.Spec.Source.Events.When = "event.involvedObject.apiVersion == '' && event.involvedObject.name == '" + node + "'"
	}))
	t.Cleanup(func() { _ = env.client.Delete(context.Background(), nodes) })
	w.becomes(pods, watchingLook())
	w.becomes(nodes, watchingLook())
	at := func(off time.Duration) string { return time.Now().Add(off).UTC().Format(time.RFC3339) }
	send := func(namespace, name, fields string) {
		t.Helper()
		e := &unstructured.Unstructured{}
		w.Expect(yaml.Unmarshal([]byte("{apiVersion: v1, kind: Event, "+fields+"}"), &e.Object)).To(gomega.Succeed())
		e.SetNamespace(namespace)
		e.SetName(name)
		before := e.DeepCopy()
		if env.client.Get(w.ctx, client.ObjectKeyFromObject(e), before) == nil {
			e.SetResourceVersion(before.GetResourceVersion())
			w.Expect(env.client.Update(w.ctx, e)).To(gomega.Succeed())
			return
		}
		w.Expect(env.client.Create(w.ctx, e)).To(gomega.Succeed())
	}
	pod := func(name string) string {
		return fmt.Sprintf("involvedObject: {kind: Pod, name: %s, namespace: %s}", name, w.ns)
	}
	send(w.ns, "no-reason", `type: Warning, reason: "", message: probe failed, count: 1, `+pod("no-reason"))
	send(w.ns, "no-message", `type: Warning, reason: Quiet, message: "", count: 1, `+pod("no-message"))
	send(w.ns, "behind", fmt.Sprintf(`type: Warning, reason: Behind, message: x, count: 3, firstTimestamp: %q, lastTimestamp: %q, `, at(-3*time.Hour), at(-time.Hour))+pod("behind"))
	send(w.ns, "ahead", fmt.Sprintf(`type: Warning, reason: Ahead, message: x, count: 3, firstTimestamp: %q, lastTimestamp: %q, `, at(time.Hour), at(time.Hour))+pod("ahead"))
	series := func(count int, last string) string {
		return fmt.Sprintf(`type: Warning, reason: Series, message: x, firstTimestamp: null, lastTimestamp: null, action: Checking, reportingComponent: kubelet, reportingInstance: n1,
			eventTime: "2026-01-10T10:00:00.000000Z", series: {count: %d, lastObservedTime: %q}, `, count, last) + pod("series")
	}
	send(w.ns, "series", series(57, "2026-01-10T10:40:00.000000Z"))
	w.Eventually(func() []string { return w.open(pods) }).Should(gomega.Equal([]string{
		"Ahead: Pod ahead", "Behind: Pod behind", "Pod no-reason", "Quiet: Pod no-message", "Series: Pod series"}))
	send(w.ns, "series", series(58, "2026-01-10T10:41:00.000000Z"))
	w.Eventually(func() int64 { return w.counts(pods)["Series: Pod series"] }).Should(gomega.Equal(int64(58)))

	for i, uid := range []string{"", ", uid: " + node, ", uid: null", ", uid: 6c9f8f5e-8d1c-4f4e-9f57-3e0f8f2c3f11"} {
		send("default", fmt.Sprint(node, ".", i), fmt.Sprintf("type: Warning, reason: NodeNotReady, message: x, count: 1, involvedObject: {kind: Node, name: %s%s}", node, uid))
	}
	incidents := func() (out []string) {
		list := &v1alpha1.SlackNotificationList{}
		w.Expect(env.client.List(w.ctx, list, client.InNamespace("default"), client.MatchingLabels{v1alpha1.LabelAlert: nodes.Name})).To(gomega.Succeed())
		for _, n := range list.Items {
			s, _ := incident.StateOf(&n)
			out = append(out, fmt.Sprintf("%s ×%d", n.Spec.Title, s.Count))
		}
		return out
	}
	w.Eventually(incidents).Should(gomega.Equal([]string{"NodeNotReady: Node " + node + " ×4"}))
}

// A storm of Events becomes one message for each object, edited now and then.
func TestAlertStorm(t *testing.T) {
	const pods, senders, each = 50, 10, 10000 / 50
	w := newWorld(t)
	c := w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	rule := w.rule("storm", eventsOf("BackOff"), func(a *v1alpha1.SlackAlert) { own(a) })
	o := w.operator("storm")
	w.ready(c)
	w.becomes(rule, watchingLook())
	before := usageOf(t, o.Cmd.Process.Pid)
	changes := w.watchNotifications()
	started := time.Now()
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() { w.storm(sender, senders, pods, each) })
	}
	group.Wait()
	took := time.Since(started)
	w.Eventually(func() map[int64]int {
		out := map[int64]int{}
		for _, n := range w.counts(rule) {
			out[n]++
		}
		return out
	}).Should(gomega.Equal(map[int64]int{each: pods}))
	added, specs, _ := changes()
	after := usageOf(t, o.Cmd.Process.Pid)
	t.Logf("%d Events about %d Pods in %s: %d SlackNotifications made, %d edits; the operator took %.1f s of CPU, and %d MiB (%d before)",
		pods*each, pods, took.Round(time.Second), added, specs, after.cpu-before.cpu, after.memory>>20, before.memory>>20)
	w.Expect(added).To(gomega.Equal(pods))
	w.Expect(specs).To(gomega.BeNumerically("<=", pods*int(took/(2*time.Second)+3)), "one change of a message in 2 s")
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}

// storm has the Events of every step-th Pod recur.
func (w *world) storm(first, step, pods, each int) {
	events := map[int]*corev1.Event{}
	for count := 1; count <= each; count++ {
		for pod := first; pod < pods; pod += step {
			e := events[pod]
			if e == nil {
				name := fmt.Sprint("web-", pod)
				e = &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}, Type: "Warning", Reason: "BackOff", Message: "Back-off",
					InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: w.ns, Name: name}, FirstTimestamp: metav1.Now()}
				w.Expect(env.client.Create(w.ctx, e)).To(gomega.Succeed())
				events[pod] = e
			}
			e.Count, e.LastTimestamp = int32(count), metav1.Now()
			if count > 1 {
				w.Expect(env.client.Update(w.ctx, e)).To(gomega.Succeed())
			}
		}
	}
}

// usage of a process: seconds of CPU, and bytes of memory.
type usage struct {
	cpu    float64
	memory int64
}

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	number := func(i int) int64 {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const ticks = 100 // of a second, as Linux has it for programs
	return usage{float64(number(11)+number(12)) / ticks, number(21) * int64(os.Getpagesize())}
}

// watchNotifications counts the SlackNotifications that are made, and the
// changes of their specs.
func (w *world) watchNotifications() func() (added, specs, deleted int) {
	w.t.Helper()
	watching, err := env.client.Watch(w.ctx, &v1alpha1.SlackNotificationList{}, client.InNamespace(w.ns))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var added, specs, deleted int
	generations := map[string]int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range watching.ResultChan() {
			n, ok := e.Object.(*v1alpha1.SlackNotification)
			if !ok {
				continue
			}
			switch {
			case e.Type == watch.Added:
				added++
			case e.Type == watch.Deleted:
				deleted++
			case n.Generation != generations[n.Name]:
				specs++
			}
			generations[n.Name] = n.Generation
		}
	}()
	return func() (int, int, int) {
		watching.Stop()
		<-done
		return added, specs, deleted
	}
}
