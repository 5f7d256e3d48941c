package main

import (
	"fmt"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push sends OUT/image to the registry that its name is of, with the credentials
// of docker login (or those who write the same file).
func push(out, reference string) error {
	to, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	path, err := layout.FromPath(filepath.Join(out, "image"))
	if err != nil {
		return err
	}
	outer, err := path.ImageIndex()
	if err != nil {
		return err
	}
	names, err := outer.IndexManifest()
	if err != nil {
		return err
	}
	index, err := outer.ImageIndex(names.Manifests[0].Digest)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(to, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return err
	}
	fmt.Printf("pushed %s@%s\n", to, names.Manifests[0].Digest)
	return nil
}
