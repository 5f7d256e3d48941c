// Package release holds together what a release is made of: the version, the
// image, the installer and the chart.
package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/version"
)

// root of the module.
const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// operator is a build of it.
func operator(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "slack-notifier")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/slack-notifier")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// The operator says its version without a cluster, and ends.
func TestVersionFlag(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), operator(t), "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("slack-notifier --version: %v\n%s", err, out)
	}
	if want := "slack-notifier " + version.Get().Version + " (revision "; !strings.HasPrefix(string(out), want) || strings.Count(string(out), "\n") != 1 {
		t.Errorf("slack-notifier --version prints %q, want one line that begins with %q", out, want)
	}
}

// Each file that names the version names the same one.
func TestVersionAgrees(t *testing.T) {
	want := version.Get().Version
	for _, row := range []struct{ name, file, pattern, want string }{
		{"kustomize", "config/manager/kustomization.yaml", `newTag: (\S+)`, want},
		{"chart", "charts/slack-notifier/Chart.yaml", `version: (\S+)`, strings.TrimPrefix(want, "v")},
		{"chart's README", "charts/slack-notifier/README.md", `helm install slack-notifier slack-notifier-(\S+)\.tgz`, strings.TrimPrefix(want, "v")},
		{"chart's operator", "charts/slack-notifier/Chart.yaml", `appVersion: (\S+)`, want},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := regexp.MustCompile(`(?m)^\s*`+row.pattern).FindAllStringSubmatch(read(t, row.file), -1)
			if len(found) == 0 {
				t.Fatalf("%s names no version: nothing in it is %s", row.file, row.pattern)
			}
			for _, m := range found {
				if m[1] != row.want {
					t.Errorf("%s names %s, want %s; run make chart", row.file, m[1], row.want)
				}
			}
		})
	}
}

// The plugin says the operator's version, whatever the commit: it compares the two.
func TestPluginHasTheVersion(t *testing.T) {
	got := strings.TrimSpace(output(t, "make", "-s", "--eval", "plugin-version: ; @echo $(PLUGIN_VERSION)", "plugin-version"))
	if want := version.Get().Version; got != want {
		t.Errorf("make kubectl-slack builds %s, want %s", got, want)
	}
}

// The newest entry of the changelog is this version's.
func TestChangelog(t *testing.T) {
	found := regexp.MustCompile(`(?m)^## (v\S+)`).FindStringSubmatch(read(t, "CHANGELOG.md"))
	if found == nil || found[1] != version.Get().Version {
		t.Errorf("CHANGELOG.md begins with %q, want a heading for %s", found, version.Get().Version)
	}
}

// An image called latest is always pulled, and nobody knows what it is.
func TestNothingIsLatest(t *testing.T) {
	latest := regexp.MustCompile(`image: \S+:latest\b|newTag: latest|image: [^:@\s]+/[^:@\s]+$`)
	for _, folder := range []string{"config", "charts"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
				return err
			}
			data, err := os.ReadFile(path)
			for i, line := range strings.Split(string(data), "\n") {
				if latest.MatchString(line) {
					t.Errorf("%s:%d: %s: name a version", path, i+1, strings.TrimSpace(line))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
