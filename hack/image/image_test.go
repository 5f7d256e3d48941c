package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const root = "../.."

// copied is the source in another folder, as git has it, with other times.
func copied(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "go.mod", "go.sum", "LICENSE", "api", "cmd", "controllers", "internal", "hack/licenses.sh")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(names), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		mode := fs.FileMode(0o600)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o700
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, mode)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// images that were built, by architecture.
func images(t *testing.T, out string) map[string]v1.Image {
	t.Helper()
	path, err := layout.FromPath(filepath.Join(out, "image"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	names, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := names.Manifests[0].Annotations["io.containerd.image.name"]; got != "docker.io/library/slack-notifier:v0.0.0-test" {
		t.Errorf("containerd would call the image %q", got)
	}
	inner, err := outer.ImageIndex(names.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(inner); err != nil {
		t.Errorf("the index does not hold together: %v", err)
	}
	all, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]v1.Image{}
	for _, m := range all.Manifests {
		if found[m.Platform.Architecture], err = inner.Image(m.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// content of an image, by name.
func content(t *testing.T, img v1.Image) map[string][]byte {
	t.Helper()
	r := mutate.Extract(img)
	defer func() { _ = r.Close() }()
	all := map[string][]byte{}
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1700000000 {
			t.Errorf("%s belongs to %d:%d and is of %v, want root and SOURCE_DATE_EPOCH", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if want := map[bool]int64{true: 0o755, false: 0o644}[h.Name == binary || h.Typeflag == tar.TypeDir]; h.Mode != want {
			t.Errorf("%s has mode %o, want %o", h.Name, h.Mode, want)
		}
		if h.Typeflag == tar.TypeReg {
			if all[h.Name], err = io.ReadAll(entries); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestImage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	o := options{root: root, out: t.TempDir(), name: "slack-notifier:v0.0.0-test", revision: "abc", architectures: []string{"amd64", "arm64"}}
	again := o
	again.root, again.out = copied(t), t.TempDir()
	for _, o := range []options{o, again} {
		if err := run(o, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"digest", "slack-notifier-" + versionOf(t) + ".tar"} {
		first, err1 := os.ReadFile(filepath.Join(o.out, name))
		second, err2 := os.ReadFile(filepath.Join(again.out, name))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("two builds of one source, in two folders, differ in %s", name)
		}
	}
	all := images(t, o.out)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, o.architectures) {
		t.Errorf("the index has %v, want %v", got, o.architectures)
	}
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			files := content(t, all[arch])
			isOperator(t, files[binary], machine)
			hasAuthorities(t, files[certificates])
			for _, name := range []string{"licenses/github.com/slack-notifier/slack-notifier/LICENSE", certificates, binary} {
				if len(files[name]) == 0 {
					t.Errorf("the image has no %s", name)
				}
			}
			isConfigured(t, all[arch], arch)
		})
	}
	t.Run("pushed", func(t *testing.T) { isPushed(t, o.out) })
	for _, row := range []struct{ name, targetArch, arch string }{
		{"the Dockerfile's files for another architecture, as BuildKit names it", "arm64", "arm64"},
		{"the Dockerfile's files where nobody names one", "", runtime.GOARCH},
	} {
		t.Run(row.name, func(t *testing.T) { sameByDockerfile(t, row.targetArch, content(t, all[row.arch])) })
	}
}

// isPushed sends the image to a registry in memory, and asks that for its digest.
func isPushed(t *testing.T, out string) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/slack-notifier:v0.0.0-test"
	if err := push(out, reference); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	there, err := remote.Head(tag)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(out, "digest"))
	if err != nil {
		t.Fatal(err)
	}
	if there.Digest.String() != strings.TrimSpace(string(want)) {
		t.Errorf("the registry has %s, want %s", there.Digest, want)
	}
}

func versionOf(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "internal/version/VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// isOperator looks at the file itself: an index that says arm64 may hold another.
func isOperator(t *testing.T, data []byte, machine elf.Machine) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if file.Machine != machine {
		t.Errorf("the binary is for %v, want %v", file.Machine, machine)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic loader, which an empty image has not")
		}
	}
}

func hasAuthorities(t *testing.T, bundle []byte) {
	t.Helper()
	n := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
			t.Errorf("certificate %d is no authority (%v)", n, err)
		}
		n++
	}
	if n < 80 {
		t.Errorf("there are %d authorities, want at least 80", n)
	}
}

func isConfigured(t *testing.T, img v1.Image, arch string) {
	t.Helper()
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Architecture != arch || file.OS != "linux" {
		t.Errorf("the image is for %s/%s", file.OS, file.Architecture)
	}
	if file.Config.User != "65532:65532" || !slices.Equal(file.Config.Entrypoint, []string{"/slack-notifier"}) {
		t.Errorf("it runs %v as %q", file.Config.Entrypoint, file.Config.User)
	}
	for label, want := range map[string]string{"version": versionOf(t), "revision": "abc", "licenses": "Apache-2.0", "created": "2023-11-14T22:13:20Z"} {
		if got := file.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
}

// sameByDockerfile runs what the Dockerfile runs, and compares the files, the user
// and the labels.
func sameByDockerfile(t *testing.T, targetArch string, want map[string][]byte) {
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	// With a default, docker buildx puts that architecture's binary into all images.
	if arg := regexp.MustCompile(`(?m)^ARG TARGETARCH.*$`).Find(data); string(arg) != "ARG TARGETARCH" {
		t.Errorf("the Dockerfile has %q, want ARG TARGETARCH without a default", arg)
	}
	line := regexp.MustCompile(`(?m)^RUN (go run -C hack/image .*)$`).FindSubmatch(data)
	if line == nil {
		t.Fatal("the Dockerfile does not run hack/image")
	}
	dir := t.TempDir()
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/src", source, "/rootfs", dir).Replace(string(line[1]))
	run := exec.CommandContext(t.Context(), "sh", "-ec", script)
	run.Dir, run.Env = root, append(os.Environ(), "TARGETARCH="+targetArch, "REVISION=abc")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	got := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		got[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the Dockerfile's image has %d files, that of make image %d, or their content differs", len(got), len(want))
	}
	for _, want := range []string{
		"\nCOPY --from=build /rootfs/ /\n", "\nUSER 65532:65532\n", `ENTRYPOINT ["/slack-notifier"]`,
		"org.opencontainers.image.version=", "org.opencontainers.image.revision=", `org.opencontainers.image.licenses="Apache-2.0"`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
}

func TestSourceDate(t *testing.T) {
	for _, row := range []struct{ name, given, want string }{
		{"none", "", "1970-01-01T00:00:00Z"},
		{"seconds", "1700000000", "2023-11-14T22:13:20Z"},
		{"a date", "2023-11-14", ""},
		{"before 1970", "-1", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := sourceDate(row.given)
			if (err != nil) != (row.want == "") || err == nil && got.Format("2006-01-02T15:04:05Z07:00") != row.want {
				t.Errorf("sourceDate(%q) = %v, %v, want %q", row.given, got, err, row.want)
			}
		})
	}
}
