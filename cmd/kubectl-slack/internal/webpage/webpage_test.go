package webpage

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/lab"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// messages are those of the commands' own test data.
func messages(t *testing.T) []preview.Message {
	t.Helper()
	files, err := filepath.Glob("../cli/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []preview.Message
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(data), "\n---\n") {
			n := &v1alpha1.SlackNotification{}
			if yaml.Unmarshal([]byte(text), n) != nil || n.Kind != "SlackNotification" {
				continue
			}
			for _, via := range []preview.Via{preview.WebAPI, preview.Webhook} {
				m := preview.Of(n, nil, preview.Options{Via: via, ClusterName: "</script><script>alert(1)</script>"})
				m.Title = "firing <b>"
				out = append(out, m)
			}
		}
	}
	if len(out) < 8 {
		t.Fatalf("only %d messages", len(out))
	}
	return out
}

// story is what an alert says from its beginning to its end and in a storm, with buttons.
func story(t *testing.T) []preview.Message {
	t.Helper()
	read := func(file string) []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	rule := &v1alpha1.SlackAlert{}
	if err := yaml.Unmarshal(read("../../../../config/samples/alerts/alertmanager_actions.yaml"), rule); err != nil {
		t.Fatal(err)
	}
	channel := &v1alpha1.SlackChannel{}
	channel.Namespace, channel.Name = "default", "alerts"
	channel.Spec.WebAPI, channel.Spec.Interactions = &v1alpha1.WebAPI{}, &v1alpha1.Interactions{}
	result, err := lab.Run(t.Context(), rule, lab.Input{
		Posts: []posts.Raw{{Body: read("../cli/testdata/am.json"), Signed: true}}, Channel: channel, Now: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), Storm: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []preview.Message
	for _, step := range result.Steps {
		m := preview.Of(step.Notification, channel, preview.Options{ClusterName: "prod"})
		m.Title, m.Edit = step.Title, step.Edit
		out = append(out, m)
	}
	return out
}

// outside refers to what a page would load; addresses that people may follow, and data
// that is shown as text, are none.
var outside = regexp.MustCompile(`(?i)<(script|img|link|iframe|source|object|embed|video|audio|image|use|base)\b[^>]*\b(src|srcset|href|data|poster)\s*=\s*["']?(?:https?:|//)|@import|url\(\s*['"]?(?:https?:|//)`)

// The file is whole in itself, and what a message says can't end its script.
func TestFile(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, "A <title>", messages(t)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if found := outside.FindString(text); found != "" {
		t.Errorf("the file refers to %s", found)
	}
	if want := `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-`; !strings.Contains(text, want) {
		t.Errorf("the file lets a browser load more than its own script, want %s", want)
	}
	if n := strings.Count(text, "</script>"); n != 2 {
		t.Errorf("%d scripts end, want the data and the program", n)
	}
	if strings.Contains(text, "<title>A <title>") {
		t.Error("the title is not escaped")
	}
}
