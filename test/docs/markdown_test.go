package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// root is the way to the module's directory.
const root = "../.."

// fence is a code block of a page.
type fence struct {
	language, code string
	line           int
}

// page is a Markdown file.
type page struct {
	path    string
	anchors map[string]bool
	links   []string
	fences  []fence
}

// pages are all Markdown files of the repository, by path.
func pages(t *testing.T) map[string]page {
	t.Helper()
	out := map[string]page{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".git") || d.Name() == "node_modules" || d.Name() == "testdata" || filepath.Clean(path) == filepath.Join(root, "bin") || filepath.Clean(path) == filepath.Join(root, "dist")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".md") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out[rel] = readPage(rel, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 5 {
		t.Fatalf("found %d Markdown files, want at least 5", len(out))
	}
	return out
}

func readPage(path string, source []byte) page {
	p := page{path: path, anchors: map[string]bool{}}
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.anchors[p.fresh(slug(plain(n, source)))] = true
		case *ast.Link:
			p.links = append(p.links, string(n.Destination))
		case *ast.Image:
			p.links = append(p.links, string(n.Destination))
		case *ast.FencedCodeBlock:
			f := fence{language: string(n.Language(source))}
			for i := range n.Lines().Len() {
				segment := n.Lines().At(i)
				if i == 0 {
					f.line = 1 + strings.Count(string(source[:segment.Start]), "\n")
				}
				f.code += string(segment.Value(source))
			}
			p.fences = append(p.fences, f)
		}
		return ast.WalkContinue, nil
	})
	return p
}

// fresh is the anchor of a heading whose slug may have been there before.
func (p page) fresh(slug string) string {
	out := slug
	for i := 1; p.anchors[out]; i++ {
		out = slug + "-" + string(rune('0'+i))
	}
	return out
}

// plain is the text of a heading.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// slug is the anchor that GitHub gives a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// Each link within the repository leads to a file that is there, and to a heading
// of it.
func TestLinks(t *testing.T) {
	all, checked := pages(t), 0
	for _, p := range all {
		for _, link := range p.links {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(link, "#")
			target := p.path
			if file != "" {
				target = filepath.Join(filepath.Dir(p.path), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", p.path, link)
			} else if to, ok := all[target]; anchor != "" && ok && !to.anchors[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", p.path, link, target)
			}
		}
	}
	if checked < 50 {
		t.Errorf("checked %d links, want at least 50", checked)
	}
}
