package slack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Two workspaces are the same only when the same app in the same team is told
// of by the same authority.
func TestWorkspaceKeys(t *testing.T) {
	keys := map[string]Workspace{
		"shared":              SharedDomain().Workspace("T1", "U1"),
		"another team":        SharedDomain().Workspace("T2", "U1"),
		"another app":         SharedDomain().Workspace("T1", "U2"),
		"all apps":            SharedDomain().Workspace("T1", "U1").AllApps(),
		"a tenant's":          PrivateDomain("a").Workspace("T1", "U1"),
		"another tenant's":    PrivateDomain("b").Workspace("T1", "U1"),
		"a nameless tenant's": PrivateDomain("").Workspace("T1", "U1"),
		"a forgotten domain":  Domain{namespace: "?"}.Workspace("T1", "U1"),
		"a claimed namespace": SharedDomain().Workspace("T1@?a", "U1"),
	}
	seen, texts := map[Workspace]string{}, map[string]string{}
	for name, w := range keys {
		if other, ok := seen[w]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		if other, ok := texts[w.String()]; ok {
			t.Errorf("%s and %s are both %q", name, other, w)
		}
		seen[w], texts[w.String()] = name, name
	}
	if name := seen[SharedDomain().Workspace("T1", "U1")]; name != "shared" {
		t.Errorf("the same workspace made once more is %q", name)
	}
}

func TestWorkspaceLabels(t *testing.T) {
	for name, c := range map[string]struct {
		w    Workspace
		want string
	}{
		"Slack's":       {SharedDomain().Workspace("T0123ABC", "U1"), "T0123ABC"},
		"enterprise":    {SharedDomain().Workspace("E0123", "U1"), "E0123"},
		"a tenant's":    {PrivateDomain("a").Workspace("T0123ABC", "U1"), LabelPrivate},
		"no ID":         {SharedDomain().Workspace("token of 1", ""), LabelOther},
		"a long one":    {SharedDomain().Workspace("T"+strings.Repeat("A", 21), ""), LabelOther},
		"not of a kind": {Domain{}.Workspace("T0123ABC", ""), LabelPrivate},
	} {
		if got := c.w.Label(); got != c.want {
			t.Errorf("%s: label %q, want %q", name, got, c.want)
		}
	}
}

// Trust domains are made in internal/connection alone, from what a SlackChannel's
// connection is; whoever else made one could mix what tenants have been told.
func TestDomainsAreMadeInOnePlace(t *testing.T) {
	root := filepath.Join("..", "..")
	made := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || rel == "bin" || rel == "hack" || rel == "test"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "SharedDomain" && s.Sel.Name != "PrivateDomain" {
				return true
			}
			if made++; !strings.HasPrefix(rel, "internal/connection/") {
				t.Errorf("%s makes a trust domain by %s: take that of the connection (connection.DomainOf)", rel, s.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || made == 0 {
		t.Fatalf("%d places found, error %v", made, err)
	}
}
