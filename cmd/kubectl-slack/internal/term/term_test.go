package term

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

func shown(t *testing.T, p *Printer, body any) string {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Message(&out, preview.Message{Name: "ns/n", Posts: []preview.Post{{Recipient: "default", Body: data}}}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Colours are for terminals alone, and show what they are for.
func TestColours(t *testing.T) {
	body := map[string]any{"text": "*bold* `code` <@U1> <https://e.com|link>", "attachments": []any{map[string]any{"color": "#E01E5A", "text": "t"}}}
	plain := shown(t, &Printer{}, body)
	if strings.Contains(plain, "\x1b") {
		t.Errorf("escape sequences without a terminal: %q", plain)
	}
	coloured := shown(t, &Printer{Color: true}, body)
	for _, want := range []string{"\x1b[1mbold\x1b[0m", "\x1b[36mcode\x1b[0m", "\x1b[34m@U1\x1b[0m", "\x1b[4mlink\x1b[0m", "\x1b[38;2;224;30;90m┃\x1b[0m"} {
		if !strings.Contains(coloured, want) {
			t.Errorf("%q is not in %q", want, coloured)
		}
	}
	if got := ansi.ReplaceAllString(coloured, ""); got != plain {
		t.Errorf("without its colours it is\n%s\nwant\n%s", got, plain)
	}
}

// No line is wider than the terminal.
func TestWidth(t *testing.T) {
	for _, width := range []int{40, 60, 100} {
		text := shown(t, &Printer{Width: width}, map[string]any{"text": strings.Repeat("some words ", 40) + strings.Repeat("x", 300)})
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width && !strings.Contains(line, "through SlackChannel") {
				t.Errorf("a line of %d columns in %d: %q", n, width, line)
			}
		}
	}
}

// Whatever a message says, it can't change the terminal.
func FuzzMessage(f *testing.F) {
	f.Add("*a* \x1b[31m red \x07", "\u009b31m")
	f.Add("```\nx\n```<https://e.com|\x1b>", ":x: _i_")
	f.Fuzz(func(t *testing.T, text, other string) {
		out := shown(t, &Printer{}, map[string]any{"text": text, "username": other, "attachments": []any{map[string]any{"title": other, "text": text, "footer": other, "color": other}},
			"blocks": []any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}, "fields": []any{map[string]any{"text": other}}}, map[string]any{"type": other},
				map[string]any{"type": "markdown", "text": text}, map[string]any{"type": "context", "elements": []any{map[string]any{"text": text}}}}})
		for _, r := range out {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("the control character %q is written", r)
			}
		}
	})
}
