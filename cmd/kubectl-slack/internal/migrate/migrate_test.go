package migrate

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/lab"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/schema"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

const data = "../cli/testdata/"

func read(t *testing.T, name string) []byte {
	t.Helper()
	out, err := os.ReadFile(data + name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func objects(t *testing.T, name string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, text := range strings.Split(string(read(t, name)), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// rules are the SlackAlerts among what was made, all of which the API server takes.
func rules(t *testing.T, list []Document, err error) map[string]*v1alpha1.SlackAlert {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text, err := Render(list)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*v1alpha1.SlackAlert{}
	for _, doc := range strings.Split(string(text), "---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if len(o.Object) == 0 {
			continue // comments alone
		}
		checked, refusals, err := schema.Check(t.Context(), o)
		if err != nil || len(refusals) > 0 {
			t.Fatalf("%v %q in\n%s", err, refusals, doc)
		}
		if o.GetKind() == "SlackAlert" {
			rule := &v1alpha1.SlackAlert{}
			if err := schema.Into(checked, rule); err != nil {
				t.Fatal(err)
			}
			out[rule.Name] = rule
		}
	}
	return out
}

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// What was made fires for what its original fires for, and says it.
func TestMadeRulesFire(t *testing.T) {
	am, err := Alertmanager(read(t, "alertmanager.yml"), "monitoring")
	fromAM := rules(t, am, err)
	flux, err := Flux(objects(t, "flux.yaml"))
	fromFlux := rules(t, flux, err)
	argocd, err := ArgoCD(objects(t, "argocd.yaml"))
	fromArgo := rules(t, argocd, err)
	event := func(kind, ns, name, severity, message string) posts.Raw {
		return posts.Raw{Body: []byte(`{"involvedObject":{"kind":"` + kind + `","namespace":"` + ns + `","name":"` + name + `"},"severity":"` + severity + `","reason":"X","message":"` + message + `","timestamp":"2026-11-24T07:59:00Z"}`)}
	}
	tests := []struct {
		name  string
		rule  *v1alpha1.SlackAlert
		in    lab.Input
		fires bool
		says  string
	}{
		{"Alertmanager", fromAM["team-web"], lab.Input{Posts: []posts.Raw{{Body: read(t, "am.json")}}}, true, "Down is FIRING"},
		{"Alertmanager, the default message", fromAM["pager"], lab.Input{Posts: []posts.Raw{{Body: read(t, "am.json")}}}, true, "[FIRING] Down"},
		{"Flux, an error of a source", fromFlux["on-call"], lab.Input{Posts: []posts.Raw{event("Kustomization", "apps", "webapp", "error", "failed")}}, true, "Kustomization webapp: X"},
		{"Flux, an excluded message", fromFlux["on-call"], lab.Input{Posts: []posts.Raw{event("Kustomization", "apps", "webapp", "error", "waiting for socket")}}, false, ""},
		{"Flux, another object", fromFlux["on-call"], lab.Input{Posts: []posts.Raw{event("Kustomization", "apps", "other", "error", "failed")}}, false, ""},
		{"Flux, no error", fromFlux["on-call"], lab.Input{Posts: []posts.Raw{event("Kustomization", "apps", "webapp", "info", "done")}}, false, ""},
		{"Flux, an included message", fromFlux["all"], lab.Input{Posts: []posts.Raw{event("HelmRelease", "flux-system", "web", "info", "install succeeded")}}, true, "HelmRelease web: X"},
		{"Argo CD", fromArgo["on-sync-failed-deploys"], lab.Input{Objects: objects(t, "application.yaml")}, true, "Sync of shop has failed: one or more objects failed to apply"},
		{"Argo CD, not deployed", fromArgo["on-deployed-deploys"], lab.Input{Objects: objects(t, "application.yaml")}, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.rule == nil {
				t.Fatal("the rule was not made")
			}
			test.in.Now = start
			if w := test.rule.Spec.Source.Webhook; w != nil {
				for i := range test.in.Posts {
					test.in.Posts[i].Signed = true
				}
			}
			got, err := lab.Run(t.Context(), test.rule, test.in)
			if err != nil || got.Fires != test.fires {
				t.Fatalf("fires: %v, %v, want %v (%s)", got.Fires, err, test.fires, got.Why)
			}
			if test.fires {
				c := got.Steps[0].Notification.Spec.Content
				if !strings.Contains(c.Title+"\n"+c.Text, test.says) {
					t.Errorf("it says %q, %q, want %q", c.Title, c.Text, test.says)
				}
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"1d12h": 36 * time.Hour, "90s": 90 * time.Second, "1w": 168 * time.Hour, "5ms": 5 * time.Millisecond, "": -1, "5": -1, "1d x": -1, "99999999999d": -1} {
		got, err := duration(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// Whatever a configuration holds, what is made of it is YAML, and its comments stay
// comments.
func FuzzAlertmanager(f *testing.F) {
	if text, err := os.ReadFile(data + "alertmanager.yml"); err == nil {
		f.Add(text)
	}
	f.Add([]byte("receivers: [{name: \"a\\nb: c\", slack_configs: [{title: '{{', text: '{{ .X }', channel: \"\\u2028\"}]}]"))
	f.Fuzz(func(t *testing.T, config []byte) {
		list, err := Alertmanager(config, "ns")
		if err != nil {
			return
		}
		text, err := Render(list)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, text)
	})
}

// As FuzzAlertmanager, for an Argo CD trigger and template.
func FuzzArgoCD(f *testing.F) {
	f.Add("app.status.health.status == 'Degraded' and not (app.x in ['a'])", "{{.app.metadata.name}} {{call .repo.X}}", "$slack-token")
	f.Fuzz(func(t *testing.T, when, text, token string) {
		trigger, err1 := yaml.Marshal([]map[string]any{{"when": when, "send": []string{"x"}}})
		template, err2 := yaml.Marshal(map[string]any{"message": text})
		service, err3 := yaml.Marshal(map[string]any{"token": token})
		if err1 != nil || err2 != nil || err3 != nil {
			return
		}
		o := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "data": map[string]any{
			"service.slack": string(service), "trigger.t": string(trigger), "template.x": string(template), "subscriptions": "- {recipients: [\"slack:c\"], triggers: [t]}",
		}}}
		list, err := ArgoCD([]*unstructured.Unstructured{o})
		if err != nil {
			return
		}
		out, err := Render(list)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token, "$") && len(token) > 12 && bytes.Contains(out, []byte(token)) && !strings.Contains(when+text, token) && !fixed.MatchString(token) {
			t.Errorf("the token %q is written", token)
		}
		wellFormed(t, out)
	})
}

// fixed are texts that may stand in what is made whatever the token is.
var fixed = regexp.MustCompile(`^[A-Za-z0-9 .,:;/-]*$`)

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	for _, doc := range strings.Split(string(text), "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if kind, _ := o["kind"].(string); len(o) > 0 && kind != "SlackChannel" && kind != "SlackAlert" {
			t.Fatalf("an object of kind %q in\n%s", kind, doc)
		}
	}
}
