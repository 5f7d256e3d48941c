package message

import (
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

// widestColumn that is filled up with spaces.
const widestColumn = 60

// mostCells of the tables of a text. Rows are filled up to as many cells as the
// header has, so a short text could make millions.
const mostCells = 20_000

// tooManyCells reports whether the tables of a text could have too many cells
// to be read as tables.
func tooManyCells(markdown string) bool {
	columns := 0
	for line := range strings.Lines(markdown) {
		columns = max(columns, strings.Count(line, "|")+1)
	}
	return columns*(strings.Count(markdown, "\n")+1) > mostCells
}

// table writes a table as an aligned code block. Nothing in code mentions
// anybody or leads anywhere, so mentions and links follow below it.
func (c *converter) table(n *extast.Table) string {
	var rows [][]string
	var widths []int
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			text := strings.TrimSpace(strings.ReplaceAll(c.plain(cell), "\n", " "))
			if len(cells) == len(widths) {
				widths = append(widths, 0)
			}
			widths[len(cells)] = min(max(widths[len(cells)], utf8.RuneCountInString(text)), widestColumn)
			cells = append(cells, text)
		}
		rows = append(rows, cells)
	}
	var lines []string
	for i, cells := range rows {
		lines = append(lines, aligned(cells, widths, n.Alignments))
		if i == 0 {
			rule := make([]string, len(widths))
			for j, width := range widths {
				rule[j] = strings.Repeat("-", max(width, 1))
			}
			lines = append(lines, strings.Join(rule, "  "))
		}
	}
	out := codeBlock(strings.Join(lines, "\n"))
	if tokens := c.tokens(n); len(tokens) > 0 {
		out += "\n" + strings.Join(tokens, " ")
	}
	return out
}

func aligned(cells []string, widths []int, alignments []extast.Alignment) string {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		room := max(0, widths[i]-utf8.RuneCountInString(cell))
		before := 0
		if i < len(alignments) {
			switch alignments[i] {
			case extast.AlignRight:
				before = room
			case extast.AlignCenter:
				before = room / 2
			}
		}
		b.WriteString(strings.Repeat(" ", before) + cell + strings.Repeat(" ", room-before))
	}
	return strings.TrimRight(b.String(), " ")
}

// tokens are the mentions and links within a node, each once.
func (c *converter) tokens(parent ast.Node) []string {
	var out []string
	seen := map[string]bool{}
	_ = ast.Walk(parent, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		written := ""
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case kindToken, ast.KindLink, ast.KindImage:
			written = c.inlineNode(n)
		default:
			return ast.WalkContinue, nil
		}
		if strings.HasPrefix(written, "<") && !seen[written] {
			seen[written] = true
			out = append(out, written)
		}
		return ast.WalkSkipChildren, nil
	})
	return out
}
