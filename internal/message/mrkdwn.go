package message

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// converter writes parsed Markdown as mrkdwn, which knows bold, italic, strike,
// code, links and quotes, and nothing else
// (docs.slack.dev/messaging/formatting-message-text).
type converter struct {
	source  []byte
	options Options
	// lists is how deep in lists the converter is, and quoted whether it is in
	// a quote: mrkdwn has no quotes in quotes.
	lists  int
	quoted bool
	// styles are the marks that are open; mrkdwn has no bold in bold.
	styles string
}

// thematicBreak stands for a line across.
const thematicBreak = "──────────"

// block writes one block, without a line end.
func (c *converter) block(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Heading:
		return c.styled(n, "*")
	case *ast.ThematicBreak:
		return thematicBreak
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		return codeBlock(string(n.Lines().Value(c.source)))
	case *ast.Blockquote:
		return c.quote(n)
	case *ast.List:
		return c.list(n)
	case *extast.Table:
		return c.table(n)
	case *ast.Paragraph, *ast.TextBlock:
		return c.inline(n)
	case *ast.Document:
		return c.children(n, "\n\n")
	default:
		return "" // a definition of a link shows nothing
	}
}

// children writes the blocks within another one.
func (c *converter) children(parent ast.Node, gap string) string {
	var out []string
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if written := c.block(n); written != "" {
			out = append(out, written)
		}
	}
	return strings.Join(out, gap)
}

func (c *converter) quote(n ast.Node) string {
	if c.quoted {
		return c.children(n, "\n\n")
	}
	c.quoted = true
	defer func() { c.quoted = false }()
	return prefixed(c.children(n, "\n\n"), "> ", "> ")
}

// deepest of the lists that are still indented.
const deepest = 6

var bullets = []string{"• ", "◦ ", "▪ "}

func (c *converter) list(n *ast.List) string {
	c.lists++
	defer func() { c.lists-- }()
	var out []string
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		marker := bullets[(c.lists-1)%len(bullets)]
		switch {
		case n.IsOrdered():
			marker = fmt.Sprintf("%d%c ", number, n.Marker)
			number++
		case startsWithBox(item):
			marker = ""
		}
		written := c.children(item, "\n")
		if c.lists <= deepest {
			written = prefixed(written, marker, "    ")
		} else {
			written = marker + written
		}
		out = append(out, written)
	}
	return strings.Join(out, "\n")
}

func startsWithBox(item ast.Node) bool {
	first := item.FirstChild()
	return first != nil && first.FirstChild() != nil && first.FirstChild().Kind() == extast.KindTaskCheckBox
}

// prefixed puts something before the first line and before the others. The
// lines of code blocks are left as they are, since mrkdwn would show it.
func prefixed(text, first, others string) string {
	var b strings.Builder
	inCode := false
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		fences := strings.Count(line, fence)
		switch {
		case i == 0:
			b.WriteString(first)
			if fences > 0 {
				b.WriteByte('\n')
			}
		case !inCode && fences == 0 && line != "", others == "> " && !inCode && fences == 0:
			b.WriteString(others)
		}
		b.WriteString(line)
		inCode = inCode != (fences%2 == 1)
	}
	return b.String()
}

// codeBlock writes a code block that what is in it can't end.
func codeBlock(code string) string {
	code = strings.TrimRight(code, "\n")
	return fence + "\n" + Escape(strings.ReplaceAll(code, fence, "`\u200b`\u200b`")) + "\n" + fence
}

// inline writes what stands in a paragraph.
func (c *converter) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		written := c.inlineNode(n)
		if isStyled(n) {
			// Marks within a word have no meaning, unless something that can't
			// be seen stands between.
			if last, _ := utf8.DecodeLastRuneInString(b.String()); isWord(last) {
				b.WriteString("\u200b")
			}
			if next, ok := n.NextSibling().(*ast.Text); ok {
				if r, _ := utf8.DecodeRune(next.Value(c.source)); isWord(r) {
					written += "\u200b"
				}
			}
		}
		b.WriteString(written)
	}
	return b.String()
}

func isWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

func isStyled(n ast.Node) bool {
	switch n.Kind() {
	case ast.KindEmphasis, extast.KindStrikethrough, ast.KindCodeSpan:
		return true
	default:
		return false
	}
}

func (c *converter) inlineNode(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Text:
		out := Escape(c.literal(n))
		if n.HardLineBreak() || n.SoftLineBreak() {
			out += "\n"
		}
		return out
	case *ast.String:
		return Escape(string(n.Value))
	case *ast.CodeSpan:
		return c.codeSpan(n)
	case *ast.Emphasis:
		if n.Level == 1 {
			return c.styled(n, "_")
		}
		return c.styled(n, "*")
	case *extast.Strikethrough:
		return c.styled(n, "~")
	case *ast.Link:
		return c.link(n.Destination, n)
	case *ast.Image:
		return c.link(n.Destination, n)
	case *ast.AutoLink:
		return Escape(string(n.Label(c.source)))
	case *extast.TaskCheckBox:
		return checkBox(n)
	case *token:
		return c.token(n)
	default:
		return c.inline(n)
	}
}

func checkBox(n *extast.TaskCheckBox) string {
	if n.IsChecked {
		return "☑ "
	}
	return "☐ "
}

func (c *converter) token(t *token) string {
	if name, ok := mentionName(t.text); ok {
		return c.options.mention(t.text, Mention{Name: name})
	}
	return t.text
}

// styled writes something between marks, line by line, because a mark has no
// meaning across lines.
func (c *converter) styled(n ast.Node, mark string) string {
	if strings.Contains(c.styles, mark) {
		return c.inline(n)
	}
	outer := c.styles
	c.styles += mark
	defer func() { c.styles = outer }()
	lines := strings.Split(c.inline(n), "\n")
	for i, line := range lines {
		if trimmed := strings.TrimSpace(line); trimmed != "" {
			lines[i] = mark + trimmed + mark
		}
	}
	return strings.Join(lines, "\n")
}

func (c *converter) codeSpan(n ast.Node) string {
	code := strings.ReplaceAll(c.plain(n), "\n", " ")
	if strings.TrimSpace(code) == "" {
		return code
	}
	// mrkdwn has no way to write a backtick in code.
	return "`" + Escape(strings.ReplaceAll(code, "`", "ˋ")) + "`"
}

// linkForm is what a link may lead to; "!here" is no address.
var linkForm = regexp.MustCompile(`^(?i:https?|ftp|mailto|tel|slack):[^\s]+$`)

// link writes a link; an image is a link to itself.
func (c *converter) link(destination []byte, n ast.Node) string {
	address := string(util.URLEscape(destination, true))
	label := strings.TrimSpace(strings.ReplaceAll(c.plain(n), "\n", " "))
	switch {
	case linkForm.MatchString(address) && label == "":
		return "<" + linkTarget(address) + ">"
	case linkForm.MatchString(address):
		return "<" + linkTarget(address) + "|" + linkText(label) + ">"
	case label == "":
		return Escape(address)
	case address == "" || address == label:
		return Escape(label)
	default:
		return Escape(label + " (" + address + ")")
	}
}

// plain is the text within a node, without any form.
func (c *converter) plain(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			if parent.Kind() == ast.KindCodeSpan {
				b.Write(n.Value(c.source))
			} else {
				b.WriteString(c.literal(n))
			}
			if n.HardLineBreak() || n.SoftLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(c.source))
		case *token:
			b.WriteString(unescape(quiet(n.text)))
		case *extast.TaskCheckBox:
			b.WriteString(checkBox(n))
		default:
			b.WriteString(c.plain(n))
		}
	}
	return b.String()
}

// literal is what a text says once its escapes and entities are resolved.
func (c *converter) literal(n *ast.Text) string {
	value := n.Value(c.source)
	if n.IsRaw() {
		return string(value)
	}
	var b strings.Builder
	from := 0
	for i := 0; i+1 < len(value); i++ {
		if value[i] == '\\' && util.IsPunct(value[i+1]) {
			b.Write(resolved(value[from:i]))
			b.WriteByte(value[i+1])
			i++
			from = i + 1
		}
	}
	b.Write(resolved(value[from:]))
	return b.String()
}

func resolved(value []byte) []byte {
	return util.ResolveEntityNames(util.ResolveNumericReferences(value))
}
