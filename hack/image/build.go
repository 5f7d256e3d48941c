package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// build writes OUT/image (an OCI layout), OUT/slack-notifier-VERSION.tar (the same
// as an archive), OUT/digest, and OUT/linux-ARCH/slack-notifier.
func build(o options, version string, created time.Time) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range o.architectures {
		dir := filepath.Join(o.out, "linux-"+arch)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := files(o, arch, dir); err != nil {
			return err
		}
		img, err := image(dir, arch, version, o.revision, created)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch},
		}})
	}
	index = mutate.Annotations(index, labels(version, o.revision, created)).(v1.ImageIndex)
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	given := o.name
	if given == "" {
		given = "slack-notifier:" + version
	}
	full, err := fullName(given)
	if err != nil {
		return err
	}
	path := filepath.Join(o.out, "image")
	if err := write(index, full, path); err != nil {
		return err
	}
	archived := filepath.Join(o.out, "slack-notifier-"+version+".tar")
	if err := archive(path, archived, created); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "digest"), []byte(digest.String()+"\n"), 0o644); err != nil {
		return err
	}
	fmt.Printf("image %s for %s: %s, %s (%s)\n", full, strings.Join(o.architectures, ", "), path, archived, digest)
	return nil
}

// image is the one for an architecture.
func image(dir, arch, version, revision string, created time.Time) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	// What changes with each build comes last.
	for _, entries := range [][]string{{"etc", licenses}, {binary}} {
		l, err := layer(dir, created, entries...)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: types.OCILayer, History: v1.History{
			Created: v1.Time{Time: created}, CreatedBy: "make image: " + strings.Join(entries, ", "),
		}})
		if err != nil {
			return nil, err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: created}
	file.Config = v1.Config{
		// By number, so that a kubelet can tell that it is not root.
		User: "65532:65532", Entrypoint: []string{"/" + binary}, WorkingDir: "/",
		Labels: labels(version, revision, created),
	}
	return mutate.ConfigFile(img, file)
}

// labels are those of the OCI's image-spec, annotations.md.
func labels(version, revision string, created time.Time) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       "slack-notifier",
		"org.opencontainers.image.description": "Kubernetes operator that sends what has to be said about a cluster to Slack",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.source":      "https://github.com/slack-notifier/slack-notifier",
		"org.opencontainers.image.version":     version,
		"org.opencontainers.image.revision":    revision,
		"org.opencontainers.image.created":     created.Format(time.RFC3339),
	}
}

// fullName is what a kubelet makes of a short name.
func fullName(short string) (string, error) {
	ref, err := name.NewTag(short)
	if err != nil {
		return "", fmt.Errorf("--name: %w", err)
	}
	return strings.Replace(ref.Name(), "index.docker.io/", "docker.io/", 1), nil
}

// write makes a layout that names the image as containerd and Docker look for it.
func write(index v1.ImageIndex, full, path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	out, err := layout.Write(path, empty.Index)
	if err != nil {
		return err
	}
	tag := full[strings.LastIndex(full, ":")+1:]
	return out.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          full,
		"org.opencontainers.image.ref.name": tag,
	}))
}
