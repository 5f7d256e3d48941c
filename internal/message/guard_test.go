package message

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func rawBlock(raw string) v1alpha1.Block {
	return v1alpha1.Block{Raw: []byte(raw)}
}

func rawObject(raw string) v1alpha1.RawObject {
	return v1alpha1.RawObject{RawExtension: runtime.RawExtension{Raw: []byte(raw)}}
}

var (
	mrkdwnBlock = func(text string) string { return string(sectionBlock(text)) }
	richText    = func(element string) string {
		return `{"elements":[{"elements":[` + element + `],"type":"rich_text_section"}],"type":"rich_text"}`
	}
)

func TestGuardText(t *testing.T) {
	for _, c := range []struct {
		name, in      string
		users, nobody string
		left          []string // of users
	}{
		{"plain", "cpu < 5% & > 3", "cpu < 5% & > 3", "cpu < 5% & > 3", nil},
		{"here", "fire <!here>", "fire @here", "fire @here", []string{"@here"}},
		{"each of them once", "<!channel> <!everyone> <!channel>", "@channel @everyone @channel", "@channel @everyone @channel", []string{"@channel", "@everyone"}},
		{"with a label", "<!here|all of you>", "@all of you", "@all of you", []string{"@all of you"}},
		{"what Slack may add", "<!group>", "@group", "@group", []string{"@group"}},
		{"people", "<@U0123456>, <@U0123456|ada>", "<@U0123456>, <@U0123456|ada>", "@U0123456, @ada", nil},
		{"groups", "<!subteam^S012> <!subteam^S012|@ops>", "<!subteam^S012> <!subteam^S012|@ops>", "@S012 @ops", nil},
		{"dates, links and channels stay", "<!date^1392734382^{date}|then> <https://e.com|x> <#C012>", "<!date^1392734382^{date}|then> <https://e.com|x> <#C012>", "<!date^1392734382^{date}|then> <https://e.com|x> <#C012>", nil},
		{"in code", "`<!here>`", "`@here`", "`@here`", []string{"@here"}},
		{"over two lines", "<!here\n>", "@here", "@here", []string{"@here"}},
		{"with spaces", "< !here >", "@here", "@here", []string{"@here"}},
		{"with backslashes", `<\!here>`, "@here", "@here", []string{"@here"}},
		{"with entities", "<&#33;here>", "@here", "@here", []string{"@here"}},
		{"escaped stays escaped", "&lt;!here&gt;", "&lt;!here&gt;", "&lt;!here&gt;", nil},
		{"one that makes another", "<!<!x|here>>", "&lt;!@here>", "&lt;!@here>", []string{"@here"}},
		{"one that makes a mention", "<<!x|U0123456>>", "&lt;@U0123456>", "&lt;@U0123456>", []string{"@U0123456"}},
		{"a label with tokens in entities", "<!here|&lt;!channel&gt;>", "@&lt;!channel&gt;", "@&lt;!channel&gt;", []string{"@<!channel>"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &guard{paging: PageUsers}
			if got := g.text(c.in); got != c.users || !slices.Equal(g.left, c.left) {
				t.Errorf("for users: %q and %q left out, want %q and %q", got, g.left, c.users, c.left)
			}
			if got := (&guard{paging: PageNobody}).text(c.in); got != c.nobody {
				t.Errorf("for nobody: %q, want %q", got, c.nobody)
			}
		})
	}
}

func TestGuardObjects(t *testing.T) {
	for _, c := range []struct{ name, in, users, nobody string }{
		{"broadcast of rich text", richText(`{"range":"here","type":"broadcast"}`), richText(`{"text":"@here","type":"text"}`), richText(`{"text":"@here","type":"text"}`)},
		{"its style", richText(`{"range":"channel","style":{"bold":true},"type":"broadcast"}`),
			richText(`{"style":{"bold":true},"text":"@channel","type":"text"}`), richText(`{"style":{"bold":true},"text":"@channel","type":"text"}`)},
		{"user of rich text", richText(`{"type":"user","user_id":"U012"}`), richText(`{"type":"user","user_id":"U012"}`), richText(`{"text":"@U012","type":"text"}`)},
		{"group of rich text", richText(`{"type":"usergroup","usergroup_id":"S012"}`), richText(`{"type":"usergroup","usergroup_id":"S012"}`), richText(`{"text":"@S012","type":"text"}`)},
		{"a key twice", `{"type":"rich_text","elements":[{"type":"broadcast","range":"here"}],"elements":[]}`, `{"elements":[],"type":"rich_text"}`, `{"elements":[],"type":"rich_text"}`},
		{"a type twice", `{"type":"broadcast","type":"text","range":"here"}`, `{"range":"here","type":"text"}`, `{"range":"here","type":"text"}`},
		{"mrkdwn", `{"text":{"text":"<!here>","type":"mrkdwn"},"type":"section"}`,
			`{"text":{"text":"@here","type":"mrkdwn","verbatim":true},"type":"section"}`, `{"text":{"text":"@here","type":"mrkdwn","verbatim":true},"type":"section"}`},
		{"plain names in mrkdwn", `{"text":{"text":"@channel","type":"mrkdwn","verbatim":false},"type":"section"}`,
			`{"text":{"text":"@channel","type":"mrkdwn","verbatim":true},"type":"section"}`, `{"text":{"text":"@channel","type":"mrkdwn","verbatim":true},"type":"section"}`},
		{"JSON escapes", `{"text":"\u003c!here\u003e","type":"markdown"}`, `{"text":"@here","type":"markdown"}`, `{"text":"@here","type":"markdown"}`},
		{"attachment", `{"fields":[{"value":"<!here>"}],"link_names":1,"parse":"full","pretext":"<!channel>","text":"@everyone","ts":12345678901234567890}`,
			`{"fields":[{"value":"@here"}],"pretext":"@channel","text":"@everyone","ts":12345678901234567890}`,
			`{"fields":[{"value":"@here"}],"pretext":"@channel","text":"@everyone","ts":12345678901234567890}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for paging, want := range map[Paging]string{PageAll: c.in, PageUsers: c.users, PageNobody: c.nobody} {
				r := Render(v1alpha1.Content{Blocks: []v1alpha1.Block{rawBlock(c.in)}, Attachments: []v1alpha1.RawObject{rawObject(c.in)}}, Options{Paging: paging})
				if got := string(r.Message.Blocks[0]); got != want {
					t.Errorf("paging %d: block %s, want %s", paging, got, want)
				}
				if got := string(r.Message.Attachments[0]); got != want {
					t.Errorf("paging %d: attachment %s, want %s", paging, got, want)
				}
			}
		})
	}
}

// Without a rule a message is what it was, and with one each of its parts is
// guarded.
func TestRenderGuards(t *testing.T) {
	const says = "<!here> <@ada> <!subteam^S0123456>"
	mentions := map[string]string{"ada": "<@U0123456>"}
	contents := map[string]v1alpha1.Content{
		"text": {Text: says}, "title and text": {Title: "<!here>", Text: says}, "markdown": {Markdown: says},
		"fields":      {Severity: v1alpha1.SeverityError, Fields: []v1alpha1.Field{{Title: "<!here>", Value: says, Short: true}, {Title: "x", Value: says}}},
		"blocks":      {Blocks: []v1alpha1.Block{rawBlock(mrkdwnBlock(strings.ReplaceAll(says, "ada", "U0123456")))}},
		"attachments": {Attachments: []v1alpha1.RawObject{rawObject(`{"text":"<!here> <@U0123456> <!subteam^S0123456>"}`)}},
	}
	for name, c := range contents {
		for _, webhook := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				all := Render(c, Options{Mentions: mentions, Webhook: webhook})
				if s := everything(all.Message); !strings.Contains(s, "<!here>") || !strings.Contains(s, "<@U0123456>") || len(all.LeftOut) > 0 {
					t.Errorf("without a rule: %s with %q left out, want all mentions", s, all.LeftOut)
				}
				users := Render(c, Options{Mentions: mentions, Webhook: webhook, Paging: PageUsers})
				if s := everything(users.Message); strings.Contains(s, "<!here>") || !strings.Contains(s, "@here") || !strings.Contains(s, "<@U0123456>") || !strings.Contains(s, "<!subteam^S0123456>") {
					t.Errorf("for users: %s, want @here as text, and the person and the group mentioned", s)
				}
				if !slices.Equal(users.LeftOut, []string{"@here"}) {
					t.Errorf("for users: %q left out, want @here", users.LeftOut)
				}
				nobody := Render(c, Options{Mentions: mentions, Webhook: webhook, Paging: PageNobody})
				if s := everything(nobody.Message); strings.Contains(s, "<!") || strings.Contains(s, "<@") || !strings.Contains(s, "@S0123456") {
					t.Errorf("for nobody: %s, want no mention", s)
				}
				if len(nobody.LeftOut) != 3 {
					t.Errorf("for nobody: %q left out, want 3 names", nobody.LeftOut)
				}
			})
		}
	}
}

func TestGuardTellsOfFewNames(t *testing.T) {
	r := Render(v1alpha1.Content{Text: strings.Repeat("<@"+strings.Repeat("x", 200)+">", 2) + strings.Repeat("<!a><!b><!c><!d><!e><!f><!g><!h><!i><!j><!k>", 20)}, Options{Paging: PageNobody})
	if len(r.LeftOut) != maxLeftOut || len(r.LeftOut[0]) > 2*maxLeftOutName {
		t.Errorf("%d names are told, the first with %d bytes, want %d, cut to %d characters", len(r.LeftOut), len(r.LeftOut[0]), maxLeftOut, maxLeftOutName)
	}
}

var (
	// What is looked for is written more widely than Slack reads them.
	groups     = regexp.MustCompile(`<[\s\\]*!(?:subteam|date)\^[^<>]*>`)
	dates      = regexp.MustCompile(`<[\s\\]*!date\^[^<>]*>`)
	anyMention = regexp.MustCompile(`<[\s\\]*[!@][^<>]*>`)
	broadcast  = regexp.MustCompile(`<[\s\\]*![^<>]*>`)
)

// checkPaging fails when a message still pages whom it may not.
func checkPaging(t *testing.T, m slack.Message, paging Paging) {
	t.Helper()
	check := func(s string) {
		if paging == PageUsers {
			s = groups.ReplaceAllString(s, "")
			if found := broadcast.FindString(s); found != "" {
				t.Errorf("%q survives in %q", found, s)
			}
			return
		}
		if found := anyMention.FindString(dates.ReplaceAllString(s, "")); found != "" {
			t.Errorf("%q survives in %q", found, s)
		}
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			check(v)
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			kind, _ := v["type"].(string)
			if kind == "broadcast" || paging == PageNobody && (kind == "user" || kind == "usergroup") {
				t.Errorf("an element %q survives: %v", kind, v)
			}
			for key, one := range v {
				if key == "link_names" || key == "parse" {
					t.Errorf("%q survives: %v", key, v)
				}
				walk(one)
			}
		}
	}
	check(m.Text)
	check(m.Markdown)
	for _, raw := range append(slices.Clone(m.Blocks), m.Attachments...) {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("no JSON: %v", err)
		}
		walk(v)
	}
}

// FuzzGuard: no token that pages is left in any part of a guest's message.
func FuzzGuard(f *testing.F) {
	f.Add("<!here> <!channel|x>", `{"type":"broadcast","range":"here"}`, false)
	f.Add("<<!x|U0123456>> <!<!here>>", `{"text":"\u003c!here\u003e","link_names":1}`, true)
	f.Add("`<!here>` ```\n<!everyone>\n``` [<!here>](https://e.com) <@ada>", `[{"type":"user"},"<!subteam^S1>"]`, false)
	f.Add("| <!here> | a |\n|---|---|\n| <@x> | < |", `{"type":"rich_text","elements":[{"type":"usergroup"}]}`, true)
	f.Add("<@<!a|!here>>&lt;<&#33;here><!date^1^{x}^<!here>|b>", `{}`, false)
	f.Fuzz(func(t *testing.T, text, raw string, webhook bool) {
		text = valid(text, 12000)
		var contents []v1alpha1.Content
		contents = append(contents, v1alpha1.Content{Text: text}, v1alpha1.Content{Markdown: text},
			v1alpha1.Content{Title: valid(text, 150), Severity: v1alpha1.SeverityError, Text: text, Fields: []v1alpha1.Field{{Title: valid(text, 300), Value: valid(text, 2000)}},
				Link: &v1alpha1.Link{Text: valid(text, 75), URL: "https://e.com/" + valid(text, 100)}},
			v1alpha1.Content{Title: "t", Markdown: text})
		var v map[string]any
		if json.Unmarshal([]byte(raw), &v) == nil && v != nil {
			wrapped := `{"type":"x","elements":[` + raw + `],"text":` + string(encode(text)) + `}`
			contents = append(contents, v1alpha1.Content{Blocks: []v1alpha1.Block{rawBlock(raw), rawBlock(wrapped)}, Attachments: []v1alpha1.RawObject{rawObject(raw), rawObject(wrapped)}})
		}
		for _, c := range contents {
			for _, paging := range []Paging{PageUsers, PageNobody} {
				r := Render(c, Options{Paging: paging, Webhook: webhook, ClusterName: valid(text, 50), Mentions: map[string]string{"ada": "<@U0123456>"}})
				checkPaging(t, r.Message, paging)
			}
		}
	})
}
