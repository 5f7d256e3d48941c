package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// binary is the operator's file in the image.
	binary = "slack-notifier"
	// certificates is where Go looks for authorities first (crypto/x509, root_linux.go).
	certificates = "etc/ssl/certs/ca-certificates.crt"
	// licenses of all that is compiled in, which ask for their texts in copies.
	licenses = "licenses"
)

// files writes what is in the image to a directory: the operator, the
// authorities that sign for Slack, and the licences.
func files(o options, arch, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(certificates)), 0o755); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	ldflags := "-s -w -X github.com/slack-notifier/slack-notifier/internal/version.revision=" + o.revision
	// The revision is named by the flag: what git says of a folder is not the same in all folders.
	// The Makefile compiles without what a debugger reads, too, which -s -w takes out anyway, and with as little collecting of garbage.
	compile := command(o.root, "go", "build", "-trimpath", "-gcflags=all=-dwarf=false", "-buildvcs=false", "-ldflags", ldflags, "-o", filepath.Join(dir, binary), "./cmd/slack-notifier")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOWORK=off", "GOGC=400")
	if err := compile.Run(); err != nil {
		return fmt.Errorf("building for %s: %w", arch, err)
	}
	if err := os.WriteFile(filepath.Join(dir, certificates), authorities(), 0o644); err != nil {
		return err
	}
	if err := command(o.root, "hack/licenses.sh", filepath.Join(dir, licenses)).Run(); err != nil {
		return fmt.Errorf("collecting the licences: %w", err)
	}
	return nil
}

func command(dir, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir, c.Stdout, c.Stderr = dir, os.Stdout, os.Stderr
	return c
}

// authorities are those of Mozilla's list as Go has it, but for the ones that are
// trusted under a condition alone, which a file can't say.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return out.Bytes()
}
