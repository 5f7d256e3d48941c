package message

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// simulated is a Slack that checks what it is sent as the real one does, as
// far as that is documented.
func simulated() func(m slack.Message) string {
	srv := slacksim.New(slacksim.Config{Seed: slacksim.DefaultSeed(), NoLimits: true})
	channel := "alerts"
	return func(m slack.Message) string {
		body := map[string]any{"channel": channel}
		for name, v := range map[string]string{"text": m.Text, "markdown_text": m.Markdown} {
			if v != "" {
				body[name] = v
			}
		}
		if len(m.Blocks) > 0 {
			body["blocks"] = m.Blocks
		}
		if len(m.Attachments) > 0 {
			body["attachments"] = m.Attachments
		}
		data, err := json.Marshal(body)
		if err != nil {
			return err.Error()
		}
		req := httptest.NewRequest(http.MethodPost, "/api/chat.postMessage", strings.NewReader(string(data)))
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		req.Header.Set("Authorization", "Bearer "+slacksim.DemoToken)
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, req)
		if answer := w.Body.String(); !strings.Contains(answer, `"ok":true`) || strings.Contains(answer, `"warning"`) {
			return answer
		}
		return ""
	}
}

// valid is what the API server lets through of a string.
func valid(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	return s[:byteOffset(s, limit)]
}

// material that long contents are made of.
var material = []string{
	"word ", "& ", "<@ada> ", "<@U0123456>", "<!subteam^S1|ops> ", "&amp;", "\n", "\n\n", "```\n", "```", "`code` ", "| a | b |\n", "|---|---|\n",
	"<https://example.com/a/rather/long/address?with=a&query=1|a link> ", "[a link](https://example.com/x) ", "# heading\n", "- item\n", "> quote\n", "~~~\n",
	"**bold** ", "ä", "👩‍👩‍👧", "< ", ">", "1. one\n", strings.Repeat("x", 700), "<https://e.com/" + strings.Repeat("y", 2980) + ">", "    code\n", "\t", "\\", "*",
}

func random(r *rand.Rand, most int) string {
	n := r.IntN(most) + 1
	if r.IntN(3) == 0 {
		n = most
	}
	pool := make([]string, 1+r.IntN(4))
	for i := range pool {
		pool[i] = material[r.IntN(len(material))]
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(pool[r.IntN(len(pool))])
	}
	// The end is cut off here, so a half token there is none of Render's.
	return torn.ReplaceAllString(valid(b.String(), n), "z")
}

var torn = regexp.MustCompile(`(?:<[^<>\n]*|&[a-z]*)$`)

// admitted is any content that the schema admits, without raw blocks.
func admitted(r *rand.Rand) (v1alpha1.Content, Options) {
	some := func(s string) string {
		if r.IntN(2) == 0 {
			return ""
		}
		return s
	}
	severities := []v1alpha1.Severity{"", "", v1alpha1.SeverityInfo, v1alpha1.SeveritySuccess, v1alpha1.SeverityWarning, v1alpha1.SeverityError, v1alpha1.SeverityCritical}
	c := v1alpha1.Content{Title: some(random(r, 150)), Severity: severities[r.IntN(len(severities))], Text: some(random(r, 40000))}
	if c.Text == "" {
		c.Markdown = some(random(r, 12000))
	}
	for range r.IntN(2) * r.IntN(11) {
		c.Fields = append(c.Fields, v1alpha1.Field{Title: random(r, 300), Value: some(random(r, 2000)), Short: r.IntN(2) == 0})
	}
	if r.IntN(3) == 0 {
		c.Link = &v1alpha1.Link{Text: some(random(r, 75)), URL: valid("https://"+strings.ReplaceAll(random(r, 2990), " ", "&"), 3000)}
	}
	if c.Title+c.Text+c.Markdown == "" {
		c.Title = "x"
	}
	if strings.TrimSpace(c.Title+c.Text+c.Markdown) == "" {
		c.Text, c.Markdown = "x", "" // nothing to see, which Slack refuses
	}
	for range r.IntN(2) * r.IntN(2) * 100 {
		c.Attachments = append(c.Attachments, v1alpha1.RawObject{RawExtension: runtime.RawExtension{Raw: []byte(`{"text":"x"}`)}})
	}
	return c, Options{ClusterName: some(random(r, 300)), Webhook: r.IntN(2) == 0, Mentions: map[string]string{"ada": "<@U0123456789>"}}
}

// Whatever the schema admits, Slack takes, can edit, and shows whole tokens of.
func TestSlackTakesWhateverIsAdmitted(t *testing.T) {
	post := simulated()
	for seed := range uint64(150) {
		c, o := admitted(rand.New(rand.NewPCG(seed, 1)))
		rendered := Render(c, o)
		if answer := post(rendered.Message); answer != "" {
			t.Errorf("seed %d: %s", seed, answer)
		}
		checkLimits(t, c, rendered)
		checkWhole(t, rendered.Message)
		if t.Failed() {
			shown, _ := json.Marshal(c)
			t.Fatalf("seed %d, webhook %v: %.3000s", seed, o.Webhook, shown)
		}
	}
}

// half of a token or of an entity.
var half = regexp.MustCompile(`<@U[0-9]*(?:[^0-9>]|$)|&(?:a|am|amp|l|lt|g|gt)(?:\s|$)`)

// checkWhole fails when a text was cut in a token or an entity, or in code
// that was not closed.
func checkWhole(t *testing.T, m slack.Message) {
	t.Helper()
	if found := half.FindString(everything(m)); found != "" {
		t.Errorf("cut in a token: %q", found)
	}
	if strings.Contains(m.Markdown, "(shortened)") && openFence(m.Markdown) != "" {
		t.Errorf("the Markdown ends in code: …%s", m.Markdown[max(0, len(m.Markdown)-200):])
	}
}

func FuzzRender(f *testing.F) {
	f.Add("title", "text", "", "Error", "field", "value", "https://example.com", "cluster", false)
	f.Add("", strings.Repeat("a<@U1>&amp;", 900), "", "", "", "", "", "", true)
	f.Add("", strings.Repeat("```x\n", 3000), "", "Critical", "f", strings.Repeat("v", 2000), "", "", false)
	f.Add("t", "", strings.Repeat("# m\n", 3000), "Info", "", "", "", "prod", true)
	f.Add("t", "", strings.Repeat("| a | <@ada> |\n|---|---|\n", 400), "", "", "", "", "", false)
	f.Add("\xff", "\xff\xfe", "", "", "\xff", "\xff", "http://\xff", "\xff", false)
	post := simulated()
	f.Fuzz(func(t *testing.T, title, text, markdown, severity, fieldTitle, fieldValue, link, cluster string, webhook bool) {
		c := v1alpha1.Content{Severity: v1alpha1.Severity(severity)}
		if _, ok := looks[c.Severity]; !ok {
			c.Severity = ""
		}
		c.Title, c.Text = valid(title, 150), valid(text, 40000)
		if c.Text == "" {
			c.Markdown = valid(markdown, 12000)
		}
		if fieldTitle != "" {
			c.Fields = []v1alpha1.Field{{Title: valid(fieldTitle, 300), Value: valid(fieldValue, 2000)}, {Title: "x", Value: valid(fieldValue, 2000), Short: true}}
		}
		if link != "" {
			c.Link = &v1alpha1.Link{Text: valid(title, 75), URL: valid(link, 3000)}
		}
		if c.Title == "" && c.Text == "" && c.Markdown == "" {
			c.Attachments = []v1alpha1.RawObject{{RawExtension: runtime.RawExtension{Raw: []byte(`{}`)}}}
		}
		r := Render(c, Options{ClusterName: valid(cluster, 100), Webhook: webhook, Mentions: map[string]string{"ada": "<@U0123456789>"}})
		checkLimits(t, c, r)
		if answer := post(r.Message); answer != "" {
			t.Error(answer)
		}
	})
}

func TestCutMarkdown(t *testing.T) {
	for _, c := range []struct {
		name, text string
		limit      int
		head       string
	}{
		{"at a paragraph", "aaaa\n\nbbb ccc", 9, "aaaa"},
		{"at a line", "aaaa\nbbbb", 7, "aaaa"},
		{"at a word", "aaaa bbbb", 7, "aaaa"},
		{"not in a table's row", "| a |\n|---|\n| long row | of | cells |", 30, "| a |\n|---|"},
		{"not in a link", "see [the long link](https://example.com) x", 25, "see"},
		{"not in a code span", "see `the long code of it` x", 15, "see"},
		{"not in a token", "see <@U0123456789> x", 10, "see"},
		{"not in an entity", "aaaa&amp;b", 6, "aaaa"},
		{"not after a backslash", `aaaa\*b`, 5, "aaaa"},
		{"not in a line of code", "x\n```\nthe long line of code", 20, "x\n```"},
	} {
		if head, rest := cutMarkdown(c.text, c.limit); head != c.head || utf8.RuneCountInString(head)+utf8.RuneCountInString(rest) > len(c.text) {
			t.Errorf("%s: %q and %q, want %q", c.name, head, rest, c.head)
		}
	}
}

func TestOpenFence(t *testing.T) {
	for text, want := range map[string]string{
		"```\na": "```", "```\na\n```": "", "````go\n```\n": "````", "~~~\n```\n": "~~~", "a ``` b": "", "> ```\n> a": "> ```",
		"- ```\n  a": "  ```", "``` a`b": "", "": "", "```\n``` x": "```",
	} {
		if got := openFence(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestShortenedMarkdownClosesItsCode(t *testing.T) {
	c := v1alpha1.Content{Title: "t", Markdown: "x\n```\n" + strings.Repeat("a line of a log\n", 700) + "```"}
	r := Render(c, Options{})
	var block markdownBlock
	if err := json.Unmarshal(r.Message.Blocks[1], &block); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(block.Text, "a line of a log\n```\n\n… _(shortened)_") {
		t.Errorf("ends in %q", block.Text[len(block.Text)-60:])
	}
	if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "the Markdown was shortened") {
		t.Errorf("notes: %q", r.Notes)
	}
}

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		lengths     []int
		total, want int
	}{
		{[]int{10, 10, 100}, 120, 100},
		{[]int{10, 10, 200}, 120, 100},
		{[]int{200, 200}, 120, 60},
		{[]int{1, 2}, 100, 2},
		{[]int{5, 5}, -1, 0},
		{nil, 5, 0},
	} {
		got, sum := level(c.lengths, c.total), 0
		for _, n := range c.lengths {
			sum += min(n, got)
		}
		if got != c.want || sum > max(c.total, 0) {
			t.Errorf("%v in %d: %d, together %d", c.lengths, c.total, got, sum)
		}
	}
}

// One long field may have what the others leave.
func TestOneLongFieldIsNotCut(t *testing.T) {
	c := v1alpha1.Content{Text: "x"}
	for i := range 10 {
		c.Fields = append(c.Fields, v1alpha1.Field{Title: fmt.Sprint("f", i), Value: "v", Short: true})
	}
	c.Fields[3].Value = strings.Repeat("v", 2000)
	if r := Render(c, Options{}); len(r.Notes) > 0 {
		t.Errorf("%q", r.Notes)
	}
}
