//go:build linux

package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/version"
)

// Names of the images that containerd is given.
var (
	image     = "slack-notifier:" + version.Get().Version
	nextImage = strings.Replace(image, ":v", ":v9", 1)
)

const pauseImage = "registry.k8s.io/pause:3.10"

// images loads the release's image as the README says, calls it by the next
// release's version too, and loads those of the other versions and of Pods.
func (m *machine) images(ctx context.Context) error {
	readme, err := os.ReadFile(filepath.Join(m.dir, cloneDir, "README.md"))
	if err != nil {
		return err
	}
	load := regexp.MustCompile("`(ctr [^`]*images import [^`]+)`").FindSubmatch(readme)
	if load == nil {
		return errors.New("the README does not say how a node gets the image: ctr images import")
	}
	pause := m.path("pause.tar")
	if err := archive(pause, pauseImage, filepath.Join(m.bin, "pause"), "65532:65532"); err != nil {
		return err
	}
	before, err := filepath.Glob(filepath.Join(m.dir, beforeDir, "dist/*.tar"))
	if err != nil || len(before) != 1 {
		return fmt.Errorf("images of before: %v, want one: %w", before, err)
	}
	const full = "docker.io/library/"
	for _, command := range []string{
		string(load[1]),
		"ctr -n k8s.io images tag " + full + image + " " + full + nextImage,
		"ctr -n k8s.io images import " + before[0],
		"ctr -n k8s.io images import " + pause,
	} {
		cmd := exec.CommandContext(ctx, "sh", "-ec", command)
		cmd.Dir = filepath.Join(m.dir, cloneDir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, out)
		}
	}
	return os.Remove(pause)
}

// archive writes an image of one program into a tar that containerd imports.
func archive(out, name, program, user string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	t := tar.NewWriter(&layer)
	add := func(t *tar.Writer, name string, mode int64, data []byte) {
		_ = t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data)), Format: tar.FormatPAX})
		_, _ = t.Write(data)
	}
	add(t, "app", 0o755, data)
	if err := t.Close(); err != nil {
		return err
	}
	blobs := map[string][]byte{}
	put := func(data []byte) map[string]any {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		blobs[digest] = data
		return map[string]any{"digest": "sha256:" + digest, "size": len(data)}
	}
	asJSON := func(v any) []byte { data, _ := json.Marshal(v); return data }
	l := put(layer.Bytes())
	l["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
	config := put(asJSON(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/app"}, "User": user},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{l["digest"]}},
	}))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	manifest := put(asJSON(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{l},
	}))
	manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
	manifest["annotations"] = map[string]any{"io.containerd.image.name": name}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	t = tar.NewWriter(f)
	add(t, "oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	add(t, "index.json", 0o644, asJSON(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{manifest}}))
	for digest, data := range blobs {
		add(t, "blobs/sha256/"+digest, 0o644, data)
	}
	return t.Close()
}
