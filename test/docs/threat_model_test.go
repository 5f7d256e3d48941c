// Package docs checks what the documentation says of the code.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	named   = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	row     = regexp.MustCompile(`(?m)(?:^\s*|attack)\{"([^"]+)", `)
	cost    = regexp.MustCompile(`(?m)^\| ([^|]+) \| [0-9.]+ s \| `)
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// What the threat model promises is held by a test of that name.
func TestThreatModel(t *testing.T) {
	data, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, root := range []string{"api", "cmd", "controllers", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			code, err := os.ReadFile(path)
			for _, m := range defined.FindAllSubmatch(code, -1) {
				there[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for _, m := range named.FindAllSubmatch(data, -1) {
		held++
		if !there[string(m[1])] {
			t.Errorf("docs/threat-model.md names %s, which is no test; name the one that holds the line, or take the line out", m[1])
		}
	}
	if held < 50 {
		t.Errorf("docs/threat-model.md names %d tests, want at least 50: are they still written as `TestX`?", held)
	}
	// A row ends with the tests that hold it, in the tables that have them.
	for i, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "| ") && strings.Count(line, " | ") == 2 && !strings.Contains(line, "held by") && !strings.HasPrefix(line, "| ---") && !named.MatchString(line) {
			t.Errorf("docs/threat-model.md:%d: no test holds this line: %s", i+1, line)
		}
	}
}

// The table of what attacks cost has the rows of TestTrust, and no other.
func TestFiguresOfAttacks(t *testing.T) {
	data, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../e2e/trust*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]bool{}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range row.FindAllSubmatch(code, -1) {
			played[string(m[1])] = true
		}
	}
	_, table, _ := strings.Cut(string(data), "| attack | ")
	for _, m := range cost.FindAllStringSubmatch(table, -1) {
		if !played[m[1]] {
			t.Errorf("docs/threat-model.md says what %q costs, which TestTrust does not play", m[1])
		}
		delete(played, m[1])
	}
	for name := range played {
		t.Errorf("docs/threat-model.md does not say what %q costs, which TestTrust plays", name)
	}
}
