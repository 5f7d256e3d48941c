package message

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// A title is plain text in every form of message: it stands in a headline as it
// is, and where a notification takes mrkdwn no marks of it pair up.
func TestTitlesArePlainText(t *testing.T) {
	for name, title := range map[string]string{
		"marks":           "Backup *prod* of `db_users_old_` ~v1~ failed",
		"blanks":          " nightly ",
		"sums":            "5 * 3 * 2",
		"a mark alone":    "*",
		"underscores":     "_all_",
		"mentions":        "<!channel> & <@U1>",
		"what looks bold": "*all of it*",
	} {
		for _, severity := range []v1alpha1.Severity{"", v1alpha1.SeverityError} {
			for _, webhook := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %q, webhook %v", name, severity, webhook), func(t *testing.T) {
					m := Render(v1alpha1.Content{Title: title, Severity: severity, Text: "x"}, Options{Webhook: webhook}).Message
					var head struct {
						Type string
						Text textObject
					}
					if len(m.Blocks) == 0 || json.Unmarshal(m.Blocks[0], &head) != nil || head.Type != "header" || head.Text.Type != "plain_text" {
						t.Fatalf("there is no headline: %s", m.Blocks)
					}
					if got := strings.TrimPrefix(head.Text.Text, ":x: "); got != Escape(title) {
						t.Errorf("the headline is %q", got)
					}
					shown := strings.TrimPrefix(m.Text, ":x: ")
					if got := strings.ReplaceAll(shown, "\u200b", ""); got != Escape(title)+"\nx" {
						t.Errorf("notifications show %q", got)
					}
					for _, mark := range marks {
						if n := strings.Count(shown, "\u200b"+string(mark)+"\u200b"); n != strings.Count(title, string(mark)) {
							t.Errorf("%q has a bare %c", shown, mark)
						}
					}
				})
			}
		}
	}
}

// What is no text reaches Slack in no part of a message.
func TestMessagesAreClean(t *testing.T) {
	const dirty, turned = "a\x1b[31mb\x1b[0m\x00", "\u202ec"
	raw := []byte(`{"type":"section","text":{"type":"mrkdwn","text":"a\u001b[31mb\u0000\u202ec"},"n":12345678901234567890}`)
	content := v1alpha1.Content{
		Title: dirty + turned, Text: dirty + turned, Severity: v1alpha1.SeverityInfo,
		Fields: []v1alpha1.Field{{Title: dirty + turned, Value: dirty + turned}},
		Link:   &v1alpha1.Link{Text: dirty + turned, URL: "https://a.example/" + turned}, Sender: &v1alpha1.Sender{Username: dirty + turned},
		Attachments: []v1alpha1.RawObject{{RawExtension: runtime.RawExtension{Raw: raw}}},
	}
	withBlocks := v1alpha1.Content{Blocks: []v1alpha1.Block{{Raw: raw}}, Text: dirty}
	for name, c := range map[string]v1alpha1.Content{"parts": content, "blocks": withBlocks, "Markdown": {Markdown: dirty + turned}} {
		t.Run(name, func(t *testing.T) {
			m := Render(c, Options{}).Message
			var b strings.Builder
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(m); err != nil {
				t.Fatal(err)
			}
			for _, gone := range []string{`\u001b`, "[31m", `\u0000`, "\u202e"} {
				if strings.Contains(b.String(), gone) {
					t.Errorf("%q is in %s", gone, b.String())
				}
			}
			if name != "Markdown" && !strings.Contains(b.String(), "12345678901234567890") {
				t.Errorf("a number was changed: %s", b.String())
			}
		})
	}
	if m := Render(v1alpha1.Content{Text: "\x1b[0m\x00"}, Options{}).Message; m.Text != "A notification" {
		t.Errorf("a text of nothing else is sent as %q", m.Text)
	}
}
