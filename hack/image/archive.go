package main

import (
	"archive/tar"
	"errors"
	"os"
	"time"
)

// archive packs a layout into one file.
func archive(layout, path string, created time.Time) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	entries, err := os.ReadDir(layout)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := pack(w, layout, e.Name(), created); err != nil {
			return err
		}
	}
	return w.Close()
}
