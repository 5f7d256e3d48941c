package message

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var someMentions = map[string]string{"ada": "<@U0ADA0000>", "ada@example.com": "<@U0ADA0000>", "ops": "<!subteam^S0OPS0000>"}

// Each testdata/markdown/NAME.md becomes NAME.mrkdwn for a webhook.
func TestMarkdownGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/markdown/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := Render(v1alpha1.Content{Markdown: string(in)}, Options{Webhook: true, Mentions: someMentions})
			if r.Message.Markdown != "" || len(r.Message.Blocks) > 0 {
				t.Errorf("not text alone: %+v", r.Message)
			}
			got := r.Message.Text + "\n"
			golden := strings.TrimSuffix(file, ".md") + ".mrkdwn"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; got\n%s", golden, got)
			}
		})
	}
}

// A few characters must not become megabytes.
func TestMarkdownDoesNotExplode(t *testing.T) {
	for name, in := range map[string]string{
		"quotes": strings.Repeat(">", 6000) + "a\n" + strings.Repeat("b\n", 2900),
		"lists":  strings.Repeat("- ", 3000) + "a\n" + strings.Repeat("b\n", 2900),
		"table":  strings.Repeat("|a", 1500) + "|\n" + strings.Repeat("|-", 1500) + "|\n" + strings.Repeat("|\n", 2900),
		"wide":   "|a|b|\n|-|-|\n|" + strings.Repeat("x", 5000) + "|y|\n" + strings.Repeat("|a|b|\n", 1000),
		"stars":  strings.Repeat("*a", 6000),
		"links":  strings.Repeat("[", 12000),
		"images": strings.Repeat("![a](", 2400),
		"ticks":  strings.Repeat("`a``b```", 1500),
	} {
		t.Run(name, func(t *testing.T) {
			if out := (Options{}).fromMarkdown(in); len(out) > 10*len(in) {
				t.Errorf("%d bytes became %d", len(in), len(out))
			}
		})
	}
}

func FuzzMarkdown(f *testing.F) {
	files, _ := filepath.Glob("testdata/markdown/*.md")
	for _, file := range files {
		if in, err := os.ReadFile(file); err == nil {
			f.Add(string(in))
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 12000 {
			return
		}
		in = strings.ToValidUTF8(in, "?")
		out := Options{Mentions: someMentions}.fromMarkdown(in)
		if len(out) > 100*len(in)+100 {
			t.Errorf("%d bytes became %d", len(in), len(out))
		}
		if strings.TrimSpace(in) != "" && strings.TrimSpace(out) == "" {
			t.Errorf("%q became nothing", in)
		}
	})
}
