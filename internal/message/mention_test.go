package message

import (
	"reflect"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text  string
		names []string
	}{
		{"<@yueh.liu> look", []string{"yueh.liu"}},
		{"<@ada@example.com>, <@U123|ada>", []string{"ada@example.com", "U123"}},
		{"<@Yueh Liu> <@ @ada | Ada > <@Tom &amp; Jerry>", []string{"Yueh Liu", "ada", "Tom & Jerry"}},
		{"no <@ mention", nil},
		{"<@> <@ > <@|x>", nil},
		{"<@a\nb>", nil},
		{"<@<@x>", []string{"x"}},
		{"<!here> <!subteam^S1> <#C1> <https://e.com|<@x>", []string{"x"}},
		{"<https://e.com|the `code>` <@x>", []string{"x"}},
		{"&lt;@ada&gt;", nil},
		{"<@" + strings.Repeat("x", 300) + ">", nil},
		{"`<@code>` <@x> ```\n<@block>\n``` <@y> ` <@z>", []string{"code*", "x", "block*", "y", "z"}},
		{"``` <@open>", []string{"open"}},
		{"`line\n<@x>`", []string{"x"}},
	} {
		var got []string
		for _, m := range Mentions(c.text) {
			name := m.Name
			if m.Code {
				name += "*"
			}
			got = append(got, name)
		}
		if !reflect.DeepEqual(got, c.names) {
			t.Errorf("%q: %q, want %q", c.text, got, c.names)
		}
	}
}

func TestIDs(t *testing.T) {
	for name, want := range map[string]bool{
		"U0123": true, "U123": true, "W012A3CDE": true, "USLACKBOT": true, "U1": true,
		"u0123": false, "UTE": false, "WALTER": false, "yueh.liu": false, "S0123": false, "U0123x": false, "ada@example.com": false,
	} {
		if got := (Mention{Name: name}).IsID(); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMentionedNames(t *testing.T) {
	for name, c := range map[string]struct {
		content v1alpha1.Content
		want    []string
	}{
		"text and fields": {v1alpha1.Content{
			Title: "<@title>", Text: "<@b> <@a|A> <@U0123456> `<@code>` <@b>",
			Fields: []v1alpha1.Field{{Title: "<@ftitle>", Value: "<@c> <@a>"}}, Link: &v1alpha1.Link{Text: "<@link>"},
		}, []string{"b", "a", "c"}},
		"Markdown": {v1alpha1.Content{
			Markdown: "<@b> is on call\n\n`<@code>`\n\n```\n<@block>\n```\n\n    <@indented>\n\n> - **<@a>**\n\n| who |\n|---|\n| <@cell> |\n\n\\<@not> [<@label>](https://e.com)",
		}, []string{"b", "a", "cell", "label"}},
		"nobody": {v1alpha1.Content{Text: "<!here> <#C1> <https://e.com>"}, nil},
	} {
		if got := MentionedNames(c.content); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Where a mention may stand, and what becomes of it there.
func TestRenderMentions(t *testing.T) {
	known := map[string]string{"ada": "<@U0ADA0000>", "ops": "<!subteam^S0OPS0000>"}
	for _, c := range []struct{ in, text, markdown string }{
		{"<@ada> and <@ops|the ops>", "<@U0ADA0000> and <!subteam^S0OPS0000>", "<@U0ADA0000> and <!subteam^S0OPS0000>"},
		{"<@no.body> <@x@example.com>", "@no.body @x@example.com", `@no.body @x\@example.com`},
		{"<@a_b&amp;c>", "@a_b&amp;c", `@a\_b&amp;c`},
		{"<!here> <@U123> <#C0123> <https://e.com|x>", "<!here> <@U123> <#C0123> <https://e.com|x>", "<!here> <@U123> <#C0123> <https://e.com|x>"},
		{"`<@ada>` `<@U0123>`", "`&lt;@ada&gt;` `<@U0123>`", "`<@ada>` `<@U0123>`"},
	} {
		if got := Render(v1alpha1.Content{Text: c.in}, Options{Mentions: known}).Message.Text; got != c.text {
			t.Errorf("text %q: %q, want %q", c.in, got, c.text)
		}
		if got := Render(v1alpha1.Content{Markdown: c.in}, Options{Mentions: known}).Message.Markdown; got != c.markdown {
			t.Errorf("Markdown %q: %q, want %q", c.in, got, c.markdown)
		}
	}
}

// Whoever is mentioned is paged by the body, and by nothing else.
func TestFallbackPagesNobody(t *testing.T) {
	const body = "<@ada> <@U0123|Bob> <!here> <!subteam^S1|@ops> <!subteam^S1> <!date^1^{date}|then>"
	for name, c := range map[string]v1alpha1.Content{
		"blocks":   {Title: "t", Text: body},
		"coloured": {Title: "t", Text: body, Severity: v1alpha1.SeverityError},
		"Markdown": {Title: "t", Markdown: body, Severity: v1alpha1.SeverityError},
		"long":     {Text: body + strings.Repeat(" word", 1000)},
	} {
		for _, webhook := range []bool{false, true} {
			m := Render(c, Options{Webhook: webhook, Mentions: map[string]string{"ada": "<@U0ADA0000>"}}).Message
			for _, token := range []string{"<@U0ADA0000>", "<@U0123|Bob>", "<!here>", "<!subteam^S1|@ops>"} {
				if n := strings.Count(everything(m), token); n != 1 {
					t.Errorf("%s, webhook %v: %s is there %d times", name, webhook, token, n)
				}
			}
			if strings.Contains(m.Text, "<@") || strings.Contains(m.Text, "<!h") {
				t.Errorf("%s: the fallback mentions: %s", name, m.Text)
			}
		}
	}
	if got, want := quiet(body), "@ada @Bob @here @ops @group <!date^1^{date}|then>"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The hash is of what the spec says, not of who was found.
func TestMentionsDoNotChangeTheHash(t *testing.T) {
	c := v1alpha1.Content{Text: "<@ada>", Fields: []v1alpha1.Field{{Title: "x", Value: "<@ada>"}}}
	before := Hash(c)
	Render(c, Options{Mentions: map[string]string{"ada": "<@U1>"}})
	Render(c, Options{Webhook: true})
	if Hash(c) != before {
		t.Error("another hash")
	}
	if c.Fields[0].Value != "<@ada>" {
		t.Error("the content itself was changed")
	}
}

func FuzzMentions(f *testing.F) {
	f.Add("<@yueh.liu> and <@ada@example.com|x> <@")
	f.Add("<@<@a>> `<@b>` ```<@c>``` <@d &amp; e>")
	f.Fuzz(func(t *testing.T, text string) {
		for kind, mentions := range map[string][]Mention{"mrkdwn": Mentions(text), "Markdown": markdownMentions(text)} {
			end := 0
			for _, m := range mentions {
				token := text[m.Start:m.End]
				if m.Start < end || !strings.HasPrefix(token, "<@") || !strings.HasSuffix(token, ">") {
					t.Errorf("%s: mention %+v of %q", kind, m, text)
				}
				if m.Name == "" || strings.ContainsAny(m.Name, "|\n") {
					t.Errorf("%s: name %q", kind, m.Name)
				}
				end = m.End
			}
		}
		if strings.Count(text, "<") != len(Mentions(text)) {
			return // a stray "<" may make a token of a plain name
		}
		// All names are known or written plainly: nothing is left to look up.
		again := Options{}.mrkdwn(text)
		for _, m := range Mentions(again) {
			if !m.Code && !m.IsID() {
				t.Errorf("%q still mentions %q", again, m.Name)
			}
		}
	})
}
