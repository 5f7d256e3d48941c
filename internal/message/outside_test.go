package message

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// everything that Slack is sent to be shown, with the strings as they are.
func everything(m slack.Message) string {
	var b strings.Builder
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case string:
			b.WriteString(v + "\n")
		case []any:
			for _, one := range v {
				add(one)
			}
		case map[string]any:
			for _, one := range v {
				add(one)
			}
		}
	}
	add(m.Text)
	add(m.Markdown)
	for _, raw := range append(append([]json.RawMessage{}, m.Blocks...), m.Attachments...) {
		var v any
		if json.Unmarshal(raw, &v) == nil {
			add(v)
		}
	}
	return b.String()
}

// outsideContents are the places where text from outside may stand.
func outsideContents(escape func(string) string, s string) map[string]v1alpha1.Content {
	e := escape(s)
	fields := []v1alpha1.Field{{Title: s, Value: e}, {Title: "x", Value: e, Short: true}}
	link := &v1alpha1.Link{Text: s, URL: "https://trusted.example"}
	return map[string]v1alpha1.Content{
		"text":     {Text: "a " + e + " b"},
		"bare":     {Text: e},
		"blocks":   {Title: s, Text: e, Fields: fields, Link: link},
		"coloured": {Title: s, Text: e, Fields: fields, Link: link, Severity: v1alpha1.SeverityError},
		"long":     {Text: strings.Repeat(e+" ", 5000/(len(e)+1))},
	}
}

func outsideMarkdown(escape func(string) string, s string) map[string]v1alpha1.Content {
	e := escape(s)
	return map[string]v1alpha1.Content{
		"markdown":          {Markdown: "a " + e + " b"},
		"bare":              {Markdown: e},
		"list":              {Markdown: "- " + e + "\n- x"},
		"table":             {Markdown: "| a |\n|---|\n| " + e + " |"},
		"with title":        {Title: s, Markdown: e},
		"long":              {Markdown: strings.Repeat(e+"\n", 9000/(len(e)+1))},
		"coloured Markdown": {Title: s, Markdown: e, Severity: v1alpha1.SeverityCritical},
	}
}

var (
	anyToken = regexp.MustCompile(`<(?:[@!#]|(?i:https?|mailto|ftp|tel|slack):)`)
	// plainName is what Slack might take for a mention in a text object that is not verbatim.
	plainName = regexp.MustCompile(`(?i)(?:^|\W)@(?:here|channel|everyone)`)
)

// checkHarmless fails when a message mentions anybody or links somewhere else
// than the template does.
func checkHarmless(t *testing.T, name string, m slack.Message) {
	t.Helper()
	all := strings.ReplaceAll(everything(m), "<https://trusted.example|", "")
	if found := anyToken.FindString(all); found != "" {
		t.Errorf("%s: %q came through in\n%s", name, found, all)
	}
	for _, raw := range append(append([]json.RawMessage{}, m.Blocks...), m.Attachments...) {
		if plainName.Match(raw) && strings.Contains(string(raw), `"mrkdwn"`) && !strings.Contains(string(raw), `"verbatim":true`) {
			t.Errorf("%s: a plain name may be taken for a mention in %s", name, raw)
		}
	}
}

// Outside text can neither page anybody nor forge a link, wherever it stands.
func FuzzOutside(f *testing.F) {
	for _, s := range []string{
		"<!channel> <@U0123456> <#C1> <https://evil.example|bank>", "`<!here>`", "```\n<!here>\n```", "&lt;!channel&gt;", "&amp;lt;!here&amp;gt;",
		"[bank](https://evil.example)", "![x](https://evil.example)", "<https://evil.example>", "[x]: https://evil.example\n\n[x]", "[a](<!here>)",
		"# heading", "\\<!here>", "&#60;!here&#62;", "&#x3c;!channel>", "https://evil.example www.evil.example", "a@evil.example", "@channel @here",
		"~~~\n<!here>", "\r<!here>", "<\u200b!here>", "x|y>z", "<!here\n>", "    <!here>", "- [x](http://e)\n1) <@U1>", "[x](!here)", "[x](@U12345678)", "<@a&lt;!channel&gt;>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 3000 {
			return
		}
		s = strings.ToValidUTF8(s, "?")
		for _, o := range []Options{{}, {Webhook: true}, {ClusterName: s}, {ClusterName: s, Webhook: true}} {
			for name, c := range outsideContents(Escape, s) {
				checkHarmless(t, name, Render(c, o).Message)
				if names := MentionedNames(c); len(names) > 0 {
					t.Errorf("%s: looks up %q", name, names)
				}
			}
			// Escape alone keeps outside text in Markdown from paging, though
			// not from linking.
			for name, c := range outsideMarkdown(Escape, s) {
				if found := regexp.MustCompile(`<[@!#]`).FindString(everything(Render(c, o).Message)); found != "" {
					t.Errorf("%s: %q came through Escape", name, found)
				}
			}
		}
	})
}
