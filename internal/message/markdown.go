package message

import (
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdownParser reads GitHub's Markdown with Slack's tokens in it. Raw HTML
// is not parsed, so it is text: Slack shows none, and <!here> at the beginning
// of a line would count as HTML.
var (
	markdownParser = newMarkdownParser(extension.Table, extension.Strikethrough, extension.TaskList, extension.Linkify)
	withoutTables  = newMarkdownParser(extension.Strikethrough, extension.TaskList, extension.Linkify)
)

func newMarkdownParser(extensions ...goldmark.Extender) parser.Parser {
	blocks := slices.DeleteFunc(parser.DefaultBlockParsers(), func(p util.PrioritizedValue) bool { return p.Priority == htmlBlockPriority })
	m := goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(blocks...),
			parser.WithInlineParsers(
				util.Prioritized(parser.NewCodeSpanParser(), 100),
				util.Prioritized(tokenParser{}, 150),
				util.Prioritized(parser.NewLinkParser(), 200),
				util.Prioritized(parser.NewAutoLinkParser(), 300),
				util.Prioritized(parser.NewEmphasisParser(), 500),
			),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extensions...),
	)
	return m.Parser()
}

// htmlBlockPriority of goldmark's parser of HTML blocks.
const htmlBlockPriority = 900

// token is one of Slack's tokens in Markdown, like <@name> or <!here>.
type token struct {
	ast.BaseInline
	// start and end are offsets in the source.
	start, end int
	text       string
}

var kindToken = ast.NewNodeKind("SlackToken")

// Kind implements ast.Node.
func (t *token) Kind() ast.NodeKind { return kindToken }

// Dump implements ast.Node.
func (t *token) Dump(source []byte, level int) { ast.DumpHelper(t, source, level, nil, nil) }

// tokenParser finds tokens wherever Markdown has no code.
type tokenParser struct{}

// Trigger implements parser.InlineParser.
func (tokenParser) Trigger() []byte { return []byte{'<'} }

// tokenForm is what passes for a token besides <@name>.
var tokenForm = regexp.MustCompile(`^<(?:!(?:here|channel|everyone|subteam\^[A-Z0-9]+|date\^[^|]+)|#[CG][A-Z0-9]+)(?:\|[^|]*)?>$`)

// Parse implements parser.InlineParser.
func (tokenParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, segment := block.PeekLine()
	found := string(line[:tokenEnd(string(line), 0)])
	if _, ok := mentionName(found); !ok && !tokenForm.MatchString(found) {
		return nil
	}
	block.Advance(len(found))
	return &token{start: segment.Start, end: segment.Start + len(found), text: found}
}

func parseMarkdown(markdown string) ast.Node {
	p := markdownParser
	if tooManyCells(markdown) {
		p = withoutTables
	}
	return p.Parse(text.NewReader([]byte(markdown)))
}

// markdownMentions finds the mentions of a Markdown text, in their order.
func markdownMentions(markdown string) []Mention {
	if !strings.Contains(markdown, "<@") {
		return nil
	}
	var out []Mention
	_ = ast.Walk(parseMarkdown(markdown), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*token); ok && entering {
			if name, ok := mentionName(t.text); ok && t.end <= len(markdown) && markdown[t.start:t.end] == t.text {
				out = append(out, Mention{Start: t.start, End: t.end, Name: name})
			}
		}
		return ast.WalkContinue, nil
	})
	slices.SortFunc(out, func(a, b Mention) int { return a.Start - b.Start })
	return out
}

// markdown replaces the mentions of a Markdown text.
func (o Options) markdown(markdown string) string {
	return replaceMentions(markdown, markdownMentions(markdown), func(token string, m Mention) string {
		if found := o.mention(token, m); strings.HasPrefix(found, "<") {
			return found
		}
		return "@" + escapeInline(m.Name)
	})
}

// fromMarkdown makes mrkdwn of Markdown, with the mentions replaced.
func (o Options) fromMarkdown(markdown string) string {
	c := &converter{source: []byte(markdown), options: o}
	out := strings.TrimRight(c.block(parseMarkdown(markdown)), "\n ")
	if strings.TrimSpace(out) == "" {
		return Escape(markdown) // it would be an empty message
	}
	return out
}

// inlineEscaper escapes what Markdown gives a meaning to within a line. Entities
// are left to those three characters that are Slack's own.
var inlineEscaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "(", `\(`, ")", `\)`, "!", `\!`, "|", `\|`, "@", `\@`,
	// An address becomes a link by itself.
	"://", `\://`,
)

func escapeInline(s string) string { return inlineEscaper.Replace(s) }
