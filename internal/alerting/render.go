package alerting

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// States of an incident, as templates see them.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// Limits of a SlackNotification's content, in characters.
const (
	maxTitle      = 150
	maxText       = 10000
	maxFieldTitle = 300
	maxFieldValue = 2000
	maxLinkText   = 75
	maxURL        = 3000
)

// templates of a message; those that are nil have a default.
type templates struct {
	set      *set
	severity v1alpha1.Severity
	title    *template
	text     *template
	fields   []fieldTemplate
	link     *linkTemplate
}

type fieldTemplate struct {
	title, value *template
	short        bool
}

type linkTemplate struct{ text, url *template }

func compileMessage(m *v1alpha1.AlertMessage) (templates, error) {
	var t templates
	if m == nil {
		return t, nil
	}
	var errs []error
	all := &set{}
	compile := func(place, text string, mode mode) *template {
		if text == "" {
			return nil
		}
		out, err := all.compile(place, text, mode)
		if err != nil {
			errs = append(errs, err)
		}
		return out
	}
	t.severity, t.set = m.Severity, all
	t.title = compile("spec.message.title", m.Title, plain)
	t.text = compile("spec.message.text", m.Text, mrkdwn)
	for i, f := range m.Fields {
		place := fmt.Sprintf("spec.message.fields[%d]", i)
		t.fields = append(t.fields, fieldTemplate{compile(place+".title", f.Title, plain), compile(place+".value", f.Value, mrkdwn), f.Short})
	}
	if m.Link != nil {
		t.link = &linkTemplate{compile("spec.message.link.text", m.Link.Text, plain), compile("spec.message.link.url", m.Link.URL, address)}
	}
	if len(errs) > 0 {
		return t, errs[0]
	}
	return t, nil
}

// Render makes the content of a message. What the rule leaves out is taken
// from the default. An EvalError says which templates failed; the content says
// so too in their place, and can be sent.
func (r *Rule) Render(ctx context.Context, data map[string]any, instead v1alpha1.Content) (v1alpha1.Content, error) {
	var errs []error
	var running *rendering
	run := func(t *template) string {
		if running == nil {
			running = r.message.set.begin(ctx)
		}
		text, err := running.execute(t, data)
		if err != nil {
			errs = append(errs, err)
		}
		return text
	}
	c, m := instead, r.message
	if m.severity != "" {
		c.Severity = m.severity
	}
	if m.title != nil {
		c.Title = run(m.title)
	}
	if m.text != nil {
		c.Text = run(m.text)
	}
	// Who writes the text has said what is to be told.
	if m.text != nil || len(m.fields) > 0 {
		c.Fields = nil
	}
	for _, f := range m.fields {
		c.Fields = append(c.Fields, v1alpha1.Field{Title: run(f.title), Value: run(f.value), Short: f.short})
	}
	if m.link != nil {
		c.Link = &v1alpha1.Link{URL: run(m.link.url)}
		if m.link.text != nil {
			c.Link.Text = run(m.link.text)
		}
	}
	return fit(c, instead.Title), errors.Join(errs...)
}

var webAddress = regexp.MustCompile(`^https?://\S+$`)

// fit makes a content one that the API server takes.
func fit(c v1alpha1.Content, title string) v1alpha1.Content {
	c = message.Clean(c)
	c.Title = shorten(oneLine(c.Title), maxTitle)
	c.Text = shorten(strings.TrimSpace(c.Text), maxText)
	var fields []v1alpha1.Field
	for _, f := range c.Fields {
		f.Title, f.Value = shorten(oneLine(f.Title), maxFieldTitle), shorten(f.Value, maxFieldValue)
		if f.Title != "" {
			fields = append(fields, f)
		}
	}
	c.Fields = fields
	if c.Link != nil {
		link := *c.Link
		link.Text, link.URL = shorten(oneLine(link.Text), maxLinkText), strings.TrimSpace(link.URL)
		c.Link = &link
		if !webAddress.MatchString(link.URL) || utf8.RuneCountInString(link.URL) > maxURL {
			c.Link = nil
		}
	}
	if c.Title == "" && c.Text == "" {
		c.Title = shorten(oneLine(title), maxTitle)
	}
	if c.Title == "" && c.Text == "" {
		c.Title = "Alert"
	}
	return c
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// shorten cuts a text to a number of characters, not through an entity.
func shorten(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)[:limit-1]
	out := string(runes)
	if i := strings.LastIndexByte(out, '&'); i >= 0 && len(out)-i < 5 && !strings.Contains(out[i:], ";") {
		out = out[:i]
	}
	return strings.TrimRight(out, " \n") + "…"
}

// Data is what the templates of all sources see.
func Data(rule *v1alpha1.SlackAlert, cluster, state string) map[string]any {
	return map[string]any{
		"cluster": cluster, "state": state,
		"rule": map[string]any{"name": rule.Name, "namespace": rule.Namespace},
	}
}
