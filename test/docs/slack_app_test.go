package docs

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var scopeQuoted = regexp.MustCompile("`([a-z.:]+)`")

// The manifest of the Slack app, the link that creates it in one click and the
// table of its scopes are one.
func TestSlackApp(t *testing.T) {
	readme := pages(t)["README.md"]
	manifest := ""
	for _, f := range readme.fences {
		if strings.HasPrefix(f.code, "display_information:") {
			manifest = f.code
		}
	}
	var app struct {
		OAuth struct {
			Scopes struct{ Bot []string }
		} `json:"oauth_config"`
	}
	if err := yaml.Unmarshal([]byte(manifest), &app); err != nil {
		t.Fatal(err)
	}
	if len(app.OAuth.Scopes.Bot) == 0 {
		t.Fatal("README.md has no manifest of a Slack app")
	}
	// A plus would stay a plus in Slack's form.
	want := "https://api.slack.com/apps?new_app=1&manifest_yaml=" + strings.ReplaceAll(url.QueryEscape(manifest), "+", "%20")
	if !slices.Contains(readme.links, want) {
		t.Errorf("README.md does not have the link of its manifest, which is\n%s", want)
	}
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "| scope | what it is for |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var explained []string
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, m := range scopeQuoted.FindAllStringSubmatch(first, -1) {
			explained = append(explained, m[1])
		}
	}
	slices.Sort(explained)
	asked := slices.Sorted(slices.Values(app.OAuth.Scopes.Bot))
	if !slices.Equal(explained, asked) {
		t.Errorf("the manifest asks for %v, and the table explains %v", asked, explained)
	}
}
