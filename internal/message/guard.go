package message

import (
	"bytes"
	"encoding/json"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Paging is whom a message may page.
type Paging int

const (
	// PageAll leaves everything as it is.
	PageAll Paging = iota
	// PageUsers allows people and user groups, and no <!here>, <!channel> or
	// <!everyone>.
	PageUsers
	// PageNobody allows no mention at all.
	PageNobody
)

// PagingOf is whom a message may page by the rules of its SlackChannel; guest is
// false for a message of the SlackChannel's own namespace.
func PagingOf(rules v1alpha1.AllowedNamespaces, guest bool) Paging {
	switch {
	case !guest || rules.Mentions == v1alpha1.GuestsMentionAll:
		return PageAll
	case rules.Mentions == v1alpha1.GuestsMentionNobody:
		return PageNobody
	default:
		return PageUsers
	}
}

// Allowed is a content without a sender that a guest may not set; unsent reports
// whether there was one.
func Allowed(c v1alpha1.Content, rules v1alpha1.AllowedNamespaces, guest bool) (_ v1alpha1.Content, unsent bool) {
	if !guest || rules.Sender || c.Sender == nil || *c.Sender == (v1alpha1.Sender{}) {
		return c, false
	}
	c.Sender = nil
	return c, true
}

const (
	// maxLeftOut of the names that are told.
	maxLeftOut = 10
	// maxLeftOutName is how much of one is told, in characters.
	maxLeftOutName = 60
)

// guard leaves out what a message may not page by. What is left out stays
// readable: <!here> becomes @here.
type guard struct {
	paging Paging
	// left are the names that were left out: each once, at most maxLeftOut.
	left []string
}

// content guards what a spec says, before it is cut to Slack's limits. Title and
// link are plain text, and escaped whoever wrote them.
func (g *guard) content(c v1alpha1.Content) v1alpha1.Content {
	if g.paging == PageAll {
		return c
	}
	c.Text, c.Markdown = g.text(c.Text), g.text(c.Markdown)
	c.Fields = slices.Clone(c.Fields)
	for i := range c.Fields {
		c.Fields[i].Value = g.text(c.Fields[i].Value)
	}
	c.Blocks, c.Attachments = slices.Clone(c.Blocks), slices.Clone(c.Attachments)
	for i := range c.Blocks {
		c.Blocks[i].Raw = g.raw(c.Blocks[i].Raw)
	}
	for i := range c.Attachments {
		c.Attachments[i].Raw = g.raw(c.Attachments[i].Raw)
	}
	return c
}

// message guards what Slack is sent, whatever the rendering has made of the
// content.
func (g *guard) message(m *slack.Message) {
	if g.paging == PageAll {
		return
	}
	m.Text, m.Markdown = g.text(m.Text), g.text(m.Markdown)
	for _, list := range [][]json.RawMessage{m.Blocks, m.Attachments} {
		for i := range list {
			list[i] = g.raw(list[i])
		}
	}
}

// raw guards a block or an attachment. It is always written anew, so that no two
// readings of it differ, as of a key that occurs twice.
func (g *guard) raw(raw []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return []byte("{}") // the API server stores valid JSON alone
	}
	return encode(g.value(v))
}

func (g *guard) value(v any) any {
	switch v := v.(type) {
	case string:
		return g.text(v)
	case []any:
		for i := range v {
			v[i] = g.value(v[i])
		}
	case map[string]any:
		return g.object(v)
	}
	return v
}

// object guards an object of Block Kit or of an attachment
// (docs.slack.dev/reference/block-kit/blocks/rich-text-block).
func (g *guard) object(o map[string]any) map[string]any {
	kind, _ := o["type"].(string)
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case kind == "broadcast":
		return g.plainElement(o, "range")
	case kind == "team":
		return g.plainElement(o, "team_id")
	case kind == "user" && g.paging == PageNobody:
		return g.plainElement(o, "user_id")
	case kind == "usergroup" && g.paging == PageNobody:
		return g.plainElement(o, "usergroup_id")
	}
	// Slack would make mentions of plain names.
	delete(o, "link_names")
	delete(o, "parse")
	for k := range o {
		o[k] = g.value(o[k])
	}
	if text, ok := o["text"].(string); ok && kind == "mrkdwn" && atName.MatchString(text) {
		o["verbatim"] = true
	}
	return o
}

// plainElement makes an element of text of one that mentions.
func (g *guard) plainElement(o map[string]any, key string) map[string]any {
	name, _ := o[key].(string)
	if name = strings.TrimSpace(name); name == "" {
		name = "all"
	}
	g.leave("@" + name)
	text := map[string]any{"type": "text", "text": "@" + Escape(name)}
	if style, ok := o["style"].(map[string]any); ok {
		text["style"] = g.value(style)
	}
	return text
}

// text guards mrkdwn or Markdown, code included: whether Slack takes something
// for code is Slack's to say.
func (g *guard) text(s string) string {
	if out, left := g.pass(s, "<"); !left {
		return out
	}
	// A "<" of no token could make one of what a token has become.
	out, _ := g.pass(s, "&lt;")
	return out
}

// pass writes a text without the tokens that may not be there; open is what it
// writes for a "<" that begins no token.
func (g *guard) pass(s, open string) (out string, left bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			b.WriteString(s)
			return b.String(), left
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexAny(s[1:], "<>") + 1
		if end == 0 || s[end] == '<' {
			b.WriteString(open)
			s = s[1:]
			continue
		}
		token := s[:end+1]
		if name, forbidden := g.forbidden(token[1:end]); forbidden {
			left = true
			g.leave(name)
			token = Escape(name)
		}
		b.WriteString(token)
		s = s[end+1:]
	}
}

// forbidden reports whether the inside of a token pages somebody who may not be
// paged, and how it reads as plain text. It takes for one what Slack might: with
// spaces, line ends, entities and backslashes.
func (g *guard) forbidden(inner string) (name string, yes bool) {
	inner = strings.TrimSpace(html.UnescapeString(strings.ReplaceAll(inner, `\`, "")))
	target, label, _ := strings.Cut(inner, "|")
	target = strings.TrimSpace(target)
	switch {
	case strings.HasPrefix(target, "!date^"):
		return "", false
	case strings.HasPrefix(target, "!subteam^"):
		if g.paging != PageNobody {
			return "", false
		}
	case strings.HasPrefix(target, "!"):
	case strings.HasPrefix(target, "@"):
		if g.paging != PageNobody {
			return "", false
		}
	default:
		return "", false
	}
	if label = strings.TrimSpace(label); label != "" {
		target = label
	}
	return "@" + strings.TrimLeft(strings.TrimPrefix(target, "!subteam^"), "!@"), true
}

// leave notes what was left out.
func (g *guard) leave(name string) {
	if head := byteOffset(name, maxLeftOutName); head < len(name) {
		name = name[:head] + "…"
	}
	if !utf8.ValidString(name) || slices.Contains(g.left, name) || len(g.left) >= maxLeftOut {
		return
	}
	g.left = append(g.left, name)
}
