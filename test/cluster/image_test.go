//go:build linux

package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
)

// Names of the images that containerd is given.
const (
	image      = "docker.io/library/slack-notifier:cluster-test"
	pauseImage = "registry.k8s.io/pause:3.10"
)

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
