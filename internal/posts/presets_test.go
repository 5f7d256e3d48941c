package posts_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sent is what a sender posts, in testdata/presets.
type sent struct {
	Name    string            `json:"name"`
	Headers map[string]string `json:"headers,omitempty"`
	// Body is JSON, or any text if it is a string.
	Body json.RawMessage `json:"body,omitempty"`
	// The rest is what comes of it.
	Refused string            `json:"refused,omitempty"`
	Means   string            `json:"means,omitempty"`
	Group   string            `json:"group,omitempty"`
	At      string            `json:"at,omitempty"`
	Content *v1alpha1.Content `json:"content,omitempty"`
}

func (s sent) raw() posts.Raw {
	headers := map[string][]string{}
	for name, value := range s.Headers {
		headers[name] = []string{value}
	}
	var text string
	if json.Unmarshal(s.Body, &text) == nil {
		return posts.Raw{Body: []byte(text), Headers: headers}
	}
	return posts.Raw{Body: s.Body, Headers: headers}
}

// outcome is what a rule with the preset makes of what was sent.
func outcome(t *testing.T, spec *v1alpha1.SlackAlertSpec, s sent) sent {
	t.Helper()
	out := sent{Name: s.Name, Headers: s.Headers, Body: s.Body}
	post, err := posts.Decode(spec.Source.Webhook, s.raw(), time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC))
	if err != nil {
		out.Refused = err.Error()
		return out
	}
	rule, err := alerting.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	vars := alerting.Vars(post.Vars())
	ends, err := rule.Ends(t.Context(), vars)
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	fires, err := rule.Holds(t.Context(), vars)
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	switch {
	case post.Ping:
		out.Means = "ping"
	case ends:
		out.Means = "resolves"
	case fires:
		out.Means = "fires"
	default:
		out.Means = "nothing"
		return out
	}
	values, err := rule.Group(t.Context(), vars)
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	out.Group = strings.Join(values, " | ")
	if !post.At.IsZero() {
		out.At = post.At.Format(time.RFC3339Nano)
	}
	content := posts.Content(spec, "rule", post, 1)
	out.Content = &content
	return out
}

// What the known senders post, in the form that they document, means what they
// mean by it (go test ./internal/posts -update writes what comes of it anew).
func TestPresets(t *testing.T) {
	files, err := filepath.Glob("testdata/presets/*.yaml")
	if err != nil || len(files) != 7 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all []sent
		if err := yaml.UnmarshalStrict(data, &all); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		spec := &v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{Preset: v1alpha1.WebhookPreset(name)}}}
		if name == "None" {
			spec.Source.Webhook.Preset = ""
		}
		for i, s := range all {
			t.Run(name+"/"+s.Name, func(t *testing.T) {
				got := outcome(t, spec, s)
				have, err1 := yaml.Marshal(s)
				want, err2 := yaml.Marshal(got)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if all[i] = got; !*update && string(have) != string(want) {
					t.Errorf("comes to\n%s\nwant\n%s", want, have)
				}
			})
		}
		if *update {
			out, err := yaml.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, out, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Whatever is posted ends with an answer, pages nobody, and leaves no secret among
// the headers.
func FuzzPost(f *testing.F) {
	f.Add(uint8(0), []byte(`{"title": "<!channel>", "severity": "error"}`), "X-Hub-Signature-256", "sha256=00")
	f.Add(uint8(1), []byte(`{"involvedObject": {"kind": 3}, "metadata": []}`), "Authorization", "Bearer <!here>")
	f.Add(uint8(2), []byte(`{"app": "<@U1>", "url": "https://e.com|<!here>"}`), "X-Token", "t")
	f.Add(uint8(3), []byte(`{"action": "completed", "check_run": {"conclusion": "failure", "output": null}}`), "X-Github-Event", "ping")
	f.Add(uint8(4), []byte(`{"data": {"metric_alert": {"id": 1}}, "action": "critical"}`), "Request-Id", "1")
	f.Add(uint8(5), []byte(`{"output_fields": {"k8s.pod.name": "<!here>"}, "rule": "r", "priority": "Error"}`), "Cookie", "c")
	f.Add(uint8(6), []byte(`{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"text": "<!here>"}}`), "Content-Type", "application/cloudevents+json")
	f.Add(uint8(6), []byte(`<!here>`), "Ce-Specversion", "1.0")
	presets := []v1alpha1.WebhookPreset{"", v1alpha1.PresetFlux, v1alpha1.PresetArgoCD, v1alpha1.PresetGitHub, v1alpha1.PresetSentry, v1alpha1.PresetFalco, v1alpha1.PresetCloudEvents}
	rules := map[v1alpha1.WebhookPreset]*alerting.Rule{}
	f.Fuzz(func(t *testing.T, which uint8, body []byte, name, value string) {
		preset := presets[int(which)%len(presets)]
		spec := &v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{Preset: preset, Signature: &v1alpha1.WebhookSignature{Header: "X-Mine"}}}}
		headers := map[string][]string{"X-Mine": {"planted"}, "Authorization": {"planted"}, "X-Gitlab-Token": {"planted"}, name: {value}}
		if which > 100 {
			headers["Ce-Specversion"], headers["Ce-Id"], headers["Ce-Source"], headers["Ce-Type"] = []string{"1.0"}, []string{value}, []string{"s"}, []string{"t"}
		}
		post, err := posts.Decode(spec.Source.Webhook, posts.Raw{Body: body, Headers: headers}, time.Unix(0, 0))
		if err != nil {
			return
		}
		for shown, value := range post.Headers {
			if value == "planted" && name != shown && !strings.EqualFold(name, shown) {
				t.Errorf("the header %s is shown", shown)
			}
		}
		if rules[preset] == nil {
			if rules[preset], err = alerting.Compile(spec); err != nil {
				t.Fatal(err)
			}
		}
		vars := alerting.Vars(post.Vars())
		_, _ = rules[preset].Ends(t.Context(), vars)
		_, _ = rules[preset].Holds(t.Context(), vars)
		_, _ = rules[preset].Group(t.Context(), vars)
		c := posts.Content(spec, "rule", post, 2)
		told := c.Text
		for _, field := range c.Fields {
			told += field.Value
		}
		if strings.Contains(told, "<") {
			t.Errorf("tells %q", told)
		}
		if c.Link != nil && strings.ContainsAny(c.Link.URL, "<>| \n") {
			t.Errorf("links to %q", c.Link.URL)
		}
		if c.Title == "" {
			t.Error("has no title")
		}
	})
}
