package message

import (
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Slack's words about what it was sent name the fields of the SlackNotification.
func TestErrorsNameFields(t *testing.T) {
	blocks := []v1alpha1.Block{{Type: "divider", Raw: []byte(`{"type":"divider"}`)}, {Type: "section", Raw: []byte(`{"type":"section"}`)}}
	attachments := []v1alpha1.RawObject{rawObject(`{"text":"x"}`), rawObject(`{"text":"y"}`)}
	own := v1alpha1.Content{Title: "t", Blocks: blocks, Attachments: attachments, Fields: []v1alpha1.Field{{Title: "f", Value: "v"}},
		Link: &v1alpha1.Link{URL: "https://example.com"}}
	coloured := v1alpha1.Content{Title: "t", Text: "x", Severity: v1alpha1.SeverityError, Fields: own.Fields, Attachments: own.Attachments}
	for _, c := range []struct {
		name    string
		content v1alpha1.Content
		options Options
		said    string
		want    string
	}{
		{"a block", v1alpha1.Content{Blocks: blocks}, Options{}, "must be a string [json-pointer:/blocks/0/text/text]", "must be a string (spec.blocks[0].text.text)"},
		{"below a title", own, Options{}, "must be a string [json-pointer:/blocks/2/elements/3/text]", "must be a string (spec.blocks[1].elements[3].text)"},
		{"the title", own, Options{}, "x [json-pointer:/blocks/0/text/text]", "x (spec.title)"},
		{"a field", own, Options{}, "x [json-pointer:/blocks/3/text]", "x (spec.fields)"},
		{"the link", own, Options{}, "x [json-pointer:/blocks/4/text]", "x (spec.link)"},
		{"an attachment", own, Options{}, "x [json-pointer:/attachments/1/blocks/0/text]", "x (spec.attachments[1].blocks[0].text)"},
		{"the text in colour", coloured, Options{}, "x [json-pointer:/attachments/0/blocks/0/text/text]", "x (spec.text)"},
		{"a field in colour", coloured, Options{}, "x [json-pointer:/attachments/0/blocks/1/text/text]", "x (spec.fields)"},
		{"an attachment beside the colour", coloured, Options{}, "x [json-pointer:/attachments/1/color]", "x (spec.attachments[0].color)"},
		{"Markdown", v1alpha1.Content{Title: "t", Markdown: "x"}, Options{}, "x [json-pointer:/blocks/1/text]", "x (spec.markdown)"},
		{"the footer, which is no field", v1alpha1.Content{Text: "x"}, Options{ClusterName: "prod"}, "x [json-pointer:/blocks/1/elements]", "x [json-pointer:/blocks/1/elements]"},
		{"all blocks", v1alpha1.Content{Blocks: blocks}, Options{}, "no more than 50 items allowed [json-pointer:/blocks]", "no more than 50 items allowed (spec.blocks)"},
		{"none such", own, Options{}, "x [json-pointer:/blocks/99/text]", "x [json-pointer:/blocks/99/text]"},
		{"of no list", own, Options{}, "x [json-pointer:/text]", "x [json-pointer:/text]"},
		{"with an odd step", v1alpha1.Content{Blocks: blocks}, Options{}, "x [json-pointer:/blocks/0/te~1xt/text]", "x (spec.blocks[0])"},
		{"without a pointer", own, Options{}, "too long", "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &slack.Error{Method: "chat.postMessage", Code: "invalid_blocks", Details: []string{c.said}}
			if got := Render(c.content, c.options).Name(e).Details[0]; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if e.Details[0] != c.said {
				t.Error("the error that was given is changed")
			}
		})
	}
}

func FuzzErrorsNameFields(f *testing.F) {
	f.Add("must be a string [json-pointer:/blocks/0/text/text]")
	f.Add("[json-pointer:/attachments/0/blocks/0/x][json-pointer:/blocks/-1]")
	f.Add("[json-pointer:/blocks/99999999999999999999/]")
	r := Render(v1alpha1.Content{Title: "t", Text: "x", Severity: v1alpha1.SeverityError, Attachments: []v1alpha1.RawObject{rawObject(`{}`)}}, Options{})
	f.Fuzz(func(t *testing.T, said string) {
		got := r.Name(&slack.Error{Details: []string{said}}).Details[0]
		if !strings.Contains(said, "[json-pointer:/") && got != said {
			t.Errorf("%q becomes %q", said, got)
		}
		if len(got) > 2*len(said)+64 {
			t.Errorf("%d bytes become %d", len(said), len(got))
		}
	})
}
