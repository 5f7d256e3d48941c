package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func ruleOf(t *testing.T, text string) *v1alpha1.SlackAlert {
	t.Helper()
	rule := &v1alpha1.SlackAlert{}
	if err := yaml.UnmarshalStrict([]byte(text), rule); err != nil {
		t.Fatal(err)
	}
	rule.Namespace, rule.Name = "shop", "rule"
	rule.Spec.ChannelRef.Name = "alerts"
	return rule
}

func objectOf(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = o.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// told is what a rule says, step by step.
func told(r Result) []string {
	var out []string
	for _, s := range r.Steps {
		kind := "new"
		if s.Edit {
			kind = "edit"
		}
		if s.Notification.Spec.Thread != nil {
			kind = "reply"
		}
		out = append(out, fmt.Sprintf("%s, %s, %s: %s", s.Title, kind, s.Notification.Spec.Severity, s.Notification.Spec.Title))
	}
	return out
}

const (
	brokenWeb = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {replicas: 3}, status: {readyReplicas: 1, conditions: [{type: Available, status: "False", reason: MinimumReplicasUnavailable}]}}`
	goodWeb   = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {replicas: 3}, status: {readyReplicas: 3, conditions: [{type: Available, status: "True"}]}}`
	available = `
spec:
  source:
    objects:
      apiVersion: apps/v1
      kind: Deployment
      when: object.status.conditions.exists(c, c.type == 'Available' && c.status == 'False')
      for: 2m
  repeatInterval: 4h
  message: {title: "{{ .object.metadata.name }} is {{ .state }}, {{ .count }}", severity: Error}
`
	backOff = `{apiVersion: v1, kind: Event, metadata: {name: web.1, namespace: shop}, type: Warning, reason: BackOff, message: Back-off restarting, count: 4, involvedObject: {apiVersion: v1, kind: Pod, namespace: shop, name: web-1}, source: {component: kubelet}}`
	am      = `{"version":"4","groupKey":"{}:{alertname=\"Down\"}","status":"firing","receiver":"slack","groupLabels":{"alertname":"Down"},"commonLabels":{"alertname":"Down"},"commonAnnotations":{},"externalURL":"http://am","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"a"},"annotations":{"summary":"a is down"},"startsAt":"2026-11-24T07:59:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p","fingerprint":"f1"}]}`
)

// A rule tells of its input what the operator would, from the beginning to the end.
func TestStories(t *testing.T) {
	tests := []struct {
		name, rule  string
		objects     []string
		old, then   string
		posts       []string
		storm       int
		fires       bool
		why, remark string
		want        []string
	}{{
		name: "an object that fires, by itself", rule: available, objects: []string{brokenWeb}, fires: true,
		want: []string{"firing, new, Error: web is firing, 1", "reminder, reply, Error: Still firing: web is firing, 1", "resolved, edit, Success: Resolved: web is resolved, 1"},
	}, {
		name: "an object that is well", rule: available, objects: []string{goodWeb},
	}, {
		name: "a field that is missing", rule: available, objects: []string{`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}`}, why: "no such key",
	}, {
		name: "an object in another namespace", rule: available, objects: []string{strings.ReplaceAll(brokenWeb, "namespace: shop", "namespace: elsewhere")},
	}, {
		name: "two objects in one group, and a storm", rule: available + "  groupBy: [\"'all'\"]\n", objects: []string{brokenWeb}, storm: 5, fires: true,
		want: []string{"firing, new, Error: web is firing, 1", "changed: a second object, edit, Error: web-2 is firing, 2", "reminder, reply, Error: Still firing: web-2 is firing, 2", "resolved, edit, Success: Resolved: web-2 is resolved, 1", "storm of 55, new, Error: web-10 is firing, 55"},
	}, {
		name: "a storm of groups", rule: available + "  maxIncidents: 2\n  onResolve: Reply\n", objects: []string{brokenWeb}, storm: 3, fires: true, remark: "of which the last counts",
		want: []string{"firing, new, Error: web is firing, 1", "reminder, reply, Error: Still firing: web is firing, 1", "resolved, reply, Success: Resolved: web is firing, 1", "storm of 5, new, Error: rule: and 3 more"},
	}, {
		name: "a change, and what was before", rule: strings.ReplaceAll(available, "object.status.conditions.exists", "oldObject != null && oldObject.status.readyReplicas == 3 && object.status.conditions.exists"),
		objects: []string{brokenWeb}, old: goodWeb, fires: true,
		want: []string{"firing, new, Error: web is firing, 1", "reminder, reply, Error: Still firing: web is firing, 1", "resolved, edit, Success: Resolved: web is resolved, 1"},
	}, {
		name: "Events", fires: true, objects: []string{backOff}, rule: `{spec: {source: {events: {types: [Warning], when: event.count > 3}}, message: {title: "{{ .event.reason }} {{ .count }}"}}}`,
		want: []string{"firing, new, Error: BackOff 4", "changed: it occurs once more, edit, Error: BackOff 5", "resolved: no news for 10m0s, edit, Success: Resolved: BackOff 5"},
	}, {
		name: "Events of another type", objects: []string{backOff}, rule: `{spec: {source: {events: {types: [Normal]}}}}`,
	}, {
		name: "Alertmanager", posts: []string{am}, rule: `{spec: {source: {alertmanager: {}}, maxIncidents: 2}}`, storm: 2, fires: true,
		want: []string{"firing, new, Error: [FIRING] Down", "changed: another alert joins the group, edit, Error: [FIRING:2] Down", "resolved, edit, Success: [RESOLVED] Down", "storm of 4, new, Error: rule: and 2 more"},
	}, {
		name: "a webhook and its end", posts: []string{`{"status":"failed","host":"db"}`, `{"status":"ok","host":"db"}`}, fires: true,
		rule: `{spec: {source: {webhook: {when: "body.status == 'failed'", resolvedWhen: "body.status == 'ok'"}}, groupBy: [body.host], message: {title: "{{ .body.host }} {{ .body.status }}"}}}`,
		want: []string{"firing, new, Error: db failed", "post 2, edit, Success: Resolved: db failed"},
	}, {
		name: "a post that does not count", posts: []string{`{"status":"ok"}`}, rule: `{spec: {source: {webhook: {when: "body.status == 'failed'"}}}}`, remark: "not counted",
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := Input{Now: start, Storm: test.storm}
			for _, text := range test.objects {
				in.Objects = append(in.Objects, watched(objectOf(t, text)))
			}
			if test.old != "" {
				in.Old = objectOf(t, test.old)
			}
			for _, text := range test.posts {
				in.Posts = append(in.Posts, posts.Raw{Body: []byte(text)})
			}
			got, err := Run(t.Context(), ruleOf(t, test.rule), in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Fires != test.fires {
				t.Errorf("fires: %v, want %v (%s)", got.Fires, test.fires, got.Why)
			}
			if list := told(got); !slices.Equal(list, test.want) {
				t.Errorf("it says\n%s\nwant\n%s", strings.Join(list, "\n"), strings.Join(test.want, "\n"))
			}
			if !strings.Contains(got.Why, test.why) || !strings.Contains(strings.Join(got.Remarks, "\n"), test.remark) {
				t.Errorf("why %q, remarks %q, want %q and %q", got.Why, got.Remarks, test.why, test.remark)
			}
		})
	}
}

// watched is an Event as it is watched, and anything else as it is.
func watched(o *unstructured.Unstructured) *unstructured.Unstructured {
	if o.GetKind() == "Event" {
		return Event(o)
	}
	return o
}

// A rule that can't be at work is told of in the words of its status.
func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"spec.source.objects.when": strings.ReplaceAll(available, "object.status", "nothing.status"),
		"spec.message.title":       strings.ReplaceAll(available, "{{ .count }}", "{{ .count "),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), ruleOf(t, text), Input{Now: start, Objects: []*unstructured.Unstructured{objectOf(t, brokenWeb)}})
			var broken *BrokenError
			if !errors.As(err, &broken) || !strings.Contains(broken.Message, name) {
				t.Errorf("got %v, want an error that names %s", err, name)
			}
		})
	}
}

// Every sample of a rule on objects fires for what it is meant for.
func TestSamples(t *testing.T) {
	data, err := os.ReadFile("../../../../internal/alerting/testdata/samples/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct{ Fires, Well map[string]any }
	if err := yaml.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../../../config/samples/alerts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(data), "\n---\n") {
			rule := &v1alpha1.SlackAlert{}
			if yaml.Unmarshal([]byte(text), rule) != nil || rule.Kind != "SlackAlert" || rule.Spec.Source.Objects == nil {
				continue
			}
			sample, ok := want[rule.Name]
			if !ok {
				continue
			}
			t.Run(rule.Name, func(t *testing.T) {
				t.Parallel()
				for fires, content := range map[bool]map[string]any{true: sample.Fires, false: sample.Well} {
					o := &unstructured.Unstructured{Object: content}
					o.SetAPIVersion(rule.Spec.Source.Objects.APIVersion)
					o.SetKind(rule.Spec.Source.Objects.Kind)
					o.SetName("it")
					if s := rule.Spec.Source.Objects.Selector; s != nil {
						o.SetLabels(s.MatchLabels)
					}
					if o.GetKind() != "Node" {
						o.SetNamespace(rule.Namespace)
					}
					got, err := Run(t.Context(), rule, Input{Now: start, Objects: []*unstructured.Unstructured{o}})
					if err != nil || got.Fires != fires {
						t.Errorf("fires: %v, %v, want %v (%s)", got.Fires, err, fires, got.Why)
					}
				}
			})
		}
	}
}
