package release

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/version"
)

// named finds the images of a manifest.
var named = regexp.MustCompile(`(?m)^\s*(?:- )?image: (\S+)$`)

// The chart of a release has its Pods run the release's image, by whatever name that
// was given, as the installer has.
func TestChartNamesTheImage(t *testing.T) {
	for name, helm := range helms(t) {
		for _, row := range []struct{ name, image, want string }{
			{"as it is", "slack-notifier:" + version.Get().Version, ""},
			{"of a registry", "registry.example.com:5000/team/slack-notifier:" + version.Get().Version, ""},
			{"by another tag", "registry.example.com/slack-notifier:mine", ""},
			{"without a tag", "registry.example.com:5000/slack-notifier", "registry.example.com:5000/slack-notifier:" + version.Get().Version},
			{"by its digest", "registry.example.com/slack-notifier@sha256:" + strings.Repeat("0a", 32), ""},
			{"by both", "registry.example.com/slack-notifier:mine@sha256:" + strings.Repeat("0a", 32), "registry.example.com/slack-notifier@sha256:" + strings.Repeat("0a", 32)},
		} {
			t.Run(name+" "+row.name, func(t *testing.T) {
				dir := t.TempDir()
				output(t, "hack/package-chart.sh", helm, row.image, dir)
				packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
				if err != nil || len(packed) != 1 {
					t.Fatalf("it packs %v, want one chart (%v)", packed, err)
				}
				images := named.FindAllStringSubmatch(output(t, helm, "template", "slack-notifier", packed[0]), -1)
				if len(images) != 2 {
					t.Errorf("%d images, want those of the Deployment and of the Job that cleans up", len(images))
				}
				for _, m := range images {
					if want := cmp.Or(row.want, row.image); strings.Trim(m[1], `"`) != want {
						t.Errorf("a Pod runs %s, want %s", m[1], want)
					}
				}
			})
		}
	}
}

// The image is named in a kustomization over config/default as docs/operating.md says.
func TestKustomizationNamesTheImage(t *testing.T) {
	name := regexp.MustCompile(`images: \[\{name: (\S+), newName: …, digest: sha256:…\}\]`).FindStringSubmatch(read(t, "docs/operating.md"))
	if name == nil {
		t.Fatal("docs/operating.md does not say how a kustomization names the image")
	}
	dir := filepath.Join(configured(t, nil), "mine")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("0a", 32)
	mine := "resources: [../default]\nimages: [{name: " + name[1] + ", newName: registry.example.com/mine, digest: '" + digest + "'}]\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := named.FindAllStringSubmatch(kustomize(t, dir), -1); len(got) != 1 || got[0][1] != "registry.example.com/mine@"+digest {
		t.Errorf("the Pods run %v, want registry.example.com/mine@%s", got, digest)
	}
}

// A parent chart may have a condition for this one.
func TestChartWithinAnother(t *testing.T) {
	for name, helm := range helms(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "parent")
			if err := os.CopyFS(filepath.Join(dir, "charts", "slack-notifier"), os.DirFS(filepath.Join(root, chart))); err != nil {
				t.Fatal(err)
			}
			parent := "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies: [{name: slack-notifier, version: '*', condition: slack-notifier.enabled}]\n"
			if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(parent), 0o600); err != nil {
				t.Fatal(err)
			}
			for enabled, want := range map[string]int{"true": 1, "false": 0} {
				out := output(t, helm, "template", "parent", dir, "--set", "slack-notifier.enabled="+enabled)
				if got := strings.Count(out, "kind: Deployment\n"); got != want {
					t.Errorf("with slack-notifier.enabled=%s it has %d Deployments, want %d", enabled, got, want)
				}
			}
		})
	}
}
