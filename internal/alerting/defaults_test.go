package alerting

import (
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func TestObjectsContent(t *testing.T) {
	deployment := read(t, `{status: {conditions: [{type: Progressing, status: "True", reason: NewReplicaSetAvailable}, {type: Available, status: "False", reason: MinimumReplicasUnavailable, message: "does not have <minimum> availability"}]}}`)
	node := read(t, `{status: {conditions: [{type: MemoryPressure, status: "False"}, {type: DiskPressure, status: "True", reason: KubeletHasDiskPressure}, {type: Ready, status: Unknown, reason: NodeStatusUnknown, message: "Kubelet stopped posting"}]}}`)
	job := read(t, `{status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: "Job has reached the limit"}]}}`)
	pod := read(t, `{status: {phase: Running, conditions: [{type: PodScheduled, status: "True"}, {type: Ready, status: "False", reason: ContainersNotReady}], containerStatuses: [
		{name: proxy, ready: true, state: {running: {}}}, {name: app, ready: false, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff, message: "back-off 5m0s"}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}`)
	done := read(t, `{status: {phase: Succeeded, conditions: [{type: Ready, status: "False", reason: PodCompleted}], containerStatuses: [{name: app, ready: false, state: {terminated: {exitCode: 0, reason: Completed}}}]}}`)
	failed := read(t, `{status: {phase: Failed, containerStatuses: [{name: app, state: {terminated: {exitCode: 2, reason: Error}}}]}}`)
	evicted := read(t, `{status: {phase: Failed, reason: Evicted, message: "The node was low on <memory>."}}`)
	short := read(t, `{spec: {replicas: 3}, status: {replicas: 3, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`)
	daemons := read(t, `{status: {desiredNumberScheduled: 4, numberReady: 3}}`)
	claim := read(t, `{status: {phase: Pending}}`)
	operator := read(t, `{status: {conditions: [{type: Progressing, status: "False", reason: AsExpected}, {type: Degraded, status: "False"}, {type: Reconciling, status: "True"}, {type: Stalled, status: "True", reason: BadSpec}]}}`)
	thing := func(kind string, o map[string]any) []Thing { return []Thing{{kind, "team-a", "web", o}} }
	for name, c := range map[string]struct {
		things      []Thing
		state       string
		title, text string
	}{
		"a Deployment":           {thing("Deployment", deployment), Firing, "Deployment web: MinimumReplicasUnavailable", "*Available* is False (MinimumReplicasUnavailable): does not have &lt;minimum&gt; availability"},
		"a Node":                 {thing("Node", node), Firing, "Node web: NodeStatusUnknown", "*Ready* is Unknown (NodeStatusUnknown): Kubelet stopped posting\n*DiskPressure* is True (KubeletHasDiskPressure)"},
		"a Job":                  {thing("Job", job), Firing, "Job web: BackoffLimitExceeded", "*Failed* is True (BackoffLimitExceeded): Job has reached the limit"},
		"a crashing Pod":         {thing("Pod", pod), Firing, "Pod web: CrashLoopBackOff", "Container `app` is waiting (CrashLoopBackOff): back-off 5m0s; the last time it ended with exit code 137 (OOMKilled); 7 restarts\n*Ready* is False (ContainersNotReady)"},
		"a Pod that is done":     {thing("Pod", done), Firing, "Pod web", "The condition of alert `r` holds."},
		"a Pod that failed":      {thing("Pod", failed), Firing, "Pod web: exit code 2", "Container `app` has ended with exit code 2 (Error)"},
		"an evicted Pod":         {thing("Pod", evicted), Firing, "Pod web: Evicted", "The Pod has failed (Evicted): The node was low on &lt;memory&gt;."},
		"missing replicas":       {thing("Deployment", short), Firing, "Deployment web: ProgressDeadlineExceeded", "*Progressing* is False (ProgressDeadlineExceeded)\n0 of 3 replicas are ready"},
		"missing daemons":        {thing("DaemonSet", daemons), Firing, "DaemonSet web: 3 of 4 Pods ready", "3 of 4 Pods are ready"},
		"a claim":                {thing("PersistentVolumeClaim", claim), Firing, "PersistentVolumeClaim web: Pending", "The phase is *Pending*"},
		"an operator's own kind": {thing("Database", operator), Firing, "Database web: BadSpec", "*Stalled* is True (BadSpec)"},
		"no status":              {thing("ConfigMap", nil), Firing, "ConfigMap web", "The condition of alert `r` holds."},
		"over":                   {thing("Job", job), Resolved, "Job web", "*Job* `team-a/web` no longer meets the condition of alert `r`."},
		"several":                {append(thing("Job", job), Thing{"Job", "team-b", "<db>", nil}), Firing, "2× Job: r", "• `team-a/web`\n• `team-b/&lt;db&gt;`"},
	} {
		got := ObjectsContent("r", c.things, len(c.things), c.state)
		if got.Title != c.title || got.Text != c.text {
			t.Errorf("%s: %q\n%q", name, got.Title, got.Text)
		}
	}
}

func TestEvents(t *testing.T) {
	old := ReadEvent(read(t, `{metadata: {uid: u, resourceVersion: "7", creationTimestamp: "2026-01-01T00:00:00Z"}, type: Warning, reason: BackOff, note: "a <b>", deprecatedCount: 5,
		deprecatedLastTimestamp: "2026-01-01T00:05:00Z", deprecatedFirstTimestamp: "2026-01-01T00:00:00Z", deprecatedSource: {component: kubelet, host: n1}, regarding: {kind: Pod, name: web-0, namespace: ns, apiVersion: v1}}`))
	if old.Count != 5 || !old.LastSeen.Equal(time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)) || old.Fields["message"] != "a <b>" || old.Fields["reportingComponent"] != "kubelet" {
		t.Errorf("%+v", old)
	}
	series := ReadEvent(read(t, `{metadata: {creationTimestamp: "2026-01-01T00:00:00Z"}, eventTime: "2026-01-01T00:00:00.5Z", series: {count: 9, lastObservedTime: "2026-01-01T00:07:00.25Z"}, reportingController: s}`))
	if series.Count != 9 || series.LastSeen.Nanosecond() != 250000000 || series.Fields["firstTimestamp"] != "2026-01-01T00:00:00Z" {
		t.Errorf("%+v", series)
	}
	single := ReadEvent(read(t, `{metadata: {creationTimestamp: "2026-01-01T00:00:00Z"}}`))
	if single.Count != 1 || single.LastSeen.IsZero() {
		t.Errorf("%+v", single)
	}
	for _, c := range []struct {
		about string
		want  bool
	}{{"{apiVersion: slack.notify.dev/v1alpha1, kind: SlackNotification}", true}, {"{apiVersion: slack.notify.dev/v1alpha1, kind: SlackChannel}", false}, {"{apiVersion: v1, kind: Pod}", false},
		{"{kind: SlackNotification}", true}, {"{apiVersion: null, kind: SlackAlert}", true}, {"{apiVersion: example.com/v1, kind: SlackAlert}", false}} {
		if e := ReadEvent(read(t, "{regarding: "+c.about+"}")); e.OfRules() != c.want {
			t.Errorf("%s: %v", c.about, e.OfRules())
		}
	}
	rule, err := Compile(&v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{
		When: "event.count > 3 && event.involvedObject.kind == 'Pod' && event.involvedObject.fieldPath == '' && event.source.host == 'n1' && event.type == 'Warning'"}}})
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := rule.Holds(t.Context(), EventVars(old.Fields)); !holds {
		t.Errorf("does not hold: %v", err)
	}
	if c := EventsContent(old, "r", 12, Firing); c.Title != "BackOff: Pod web-0" || c.Text != "a &lt;b&gt;" || c.Fields[2].Value != "12" {
		t.Errorf("%+v", c)
	}
}

// Whatever a sender leaves out, the title is one.
func TestTitlesOfEvents(t *testing.T) {
	for _, row := range []struct{ name, event, title, text, resolved string }{
		{"all there", "{reason: BackOff, note: it failed, regarding: {kind: Pod, name: web-0}}", "BackOff: Pod web-0", "it failed",
			"It has not occurred again for a while. The last time:\nit failed"},
		{"no reason", `{reason: "", note: probe failed, regarding: {kind: Pod, name: web-0}}`, "Pod web-0", "probe failed",
			"It has not occurred again for a while. The last time:\nprobe failed"},
		{"a blank reason", `{reason: " ", regarding: {kind: Pod, name: web-0}}`, "Pod web-0", "", "It has not occurred again for a while."},
		{"no message", "{reason: BackOff, regarding: {kind: Pod, name: web-0}}", "BackOff: Pod web-0", "", "It has not occurred again for a while."},
		{"no object", "{reason: BackOff, regarding: null}", "BackOff", "", "It has not occurred again for a while."},
		{"an object without a name", "{reason: BackOff, regarding: {kind: Pod}}", "BackOff: Pod", "", "It has not occurred again for a while."},
		{"an object without a kind", "{reason: BackOff, regarding: {name: web-0}}", "BackOff: web-0", "", "It has not occurred again for a while."},
		{"a Node", "{reason: NodeNotReady, regarding: {kind: Node, name: node-1, uid: null}}", "NodeNotReady: Node node-1", "", "It has not occurred again for a while."},
		{"nothing", "{}", "the-rule", "", "It has not occurred again for a while."},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := ReadEvent(read(t, row.event))
			if c := EventsContent(e, "the-rule", 1, Firing); c.Title != row.title || c.Text != row.text {
				t.Errorf("says %q, %q; want %q, %q", c.Title, c.Text, row.title, row.text)
			}
			if c := EventsContent(e, "the-rule", 1, Resolved); c.Text != row.resolved {
				t.Errorf("says %q when it is over, want %q", c.Text, row.resolved)
			}
		})
	}
}

// An expression may name any field of the object that an Event is about, whether
// the sender has left it out or set it to null.
func TestFieldsThatSendersLeaveOut(t *testing.T) {
	rule, err := Compile(&v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{
		When: "event.involvedObject.apiVersion == '' && event.involvedObject.uid == '' && event.involvedObject.namespace == '' && event.reportingComponent == ''"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, event := range map[string]string{
		"left out": "{regarding: {kind: Node, name: n}}", "null": "{regarding: {kind: Node, name: n, apiVersion: null, uid: null, namespace: null}, reportingController: null}",
		"no object at all": "{}",
	} {
		t.Run(name, func(t *testing.T) {
			if holds, err := rule.Holds(t.Context(), EventVars(ReadEvent(read(t, event)).Fields)); !holds || err != nil {
				t.Errorf("holds is %v: %v", holds, err)
			}
		})
	}
}

func TestAsResolved(t *testing.T) {
	for title, want := range map[string]string{"web is down": "Resolved: web is down", "[RESOLVED] x": "[RESOLVED] x", "Resolved: x": "Resolved: x", "": "Resolved: "} {
		if got := AsResolved(v1alpha1.Content{Title: title}); got.Title != want || got.Severity != v1alpha1.SeveritySuccess {
			t.Errorf("%q becomes %q", title, got.Title)
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add(`{"metadata":{"uid":"u"},"series":{"count":3,"lastObservedTime":"2026-01-01T00:00:00Z"},"regarding":{"kind":"Pod"}}`)
	f.Add(`{"metadata":[],"series":"x","regarding":null,"deprecatedCount":1e99}`)
	f.Fuzz(func(t *testing.T, text string) {
		var o map[string]any
		if yaml.Unmarshal([]byte(text), &o) != nil {
			return
		}
		e := ReadEvent(o)
		if e.Count < 1 {
			t.Fatalf("%q occurred %d times", text, e.Count)
		}
		EventsContent(e, "r", e.Count, Firing)
	})
}
