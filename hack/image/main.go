// Command image builds the operator's image without Docker: an index of one
// image for each architecture, on an empty base, as an OCI layout and as an
// archive that containerd, Docker and Podman import.
//
// The same source gives the same digest: nothing of the machine, the folder or
// the hour is in it. Its files are put together by the same code for the
// Dockerfile (--rootfs).
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	root, out, name, version, revision string
	architectures                      []string
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", "../..", "directory of the operator's module")
	flag.StringVar(&o.out, "out", "../../dist", "directory that the image is written to")
	flag.StringVar(&o.name, "name", "", "name of the image in the archive; slack-notifier:VERSION when empty")
	flag.StringVar(&o.version, "version", "", "version in the labels and the archive's name; that of internal/version/VERSION when empty")
	flag.StringVar(&o.revision, "revision", "unknown", "commit that the image is built from")
	arch := flag.String("arch", "amd64,arm64", "architectures, separated by commas, in Go's words")
	rootfs := flag.String("rootfs", "", "write the files of the image for one architecture to this directory, and build no image")
	sent := flag.Bool("push", false, "send what was built to the registry of --name, and build nothing")
	flag.Parse()
	o.architectures = strings.Split(*arch, ",")
	work := func() error { return run(o, *rootfs) }
	if *sent {
		work = func() error { return push(o.out, o.name) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(o options, rootfs string) error {
	if rootfs != "" {
		if len(o.architectures) != 1 {
			return fmt.Errorf("--rootfs is for one architecture, and --arch names %d: %s", len(o.architectures), strings.Join(o.architectures, ", "))
		}
		return files(o, o.architectures[0], rootfs)
	}
	created, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	if o.version == "" {
		version, err := os.ReadFile(filepath.Join(o.root, "internal/version/VERSION"))
		if err != nil {
			return err
		}
		o.version = strings.TrimSpace(string(version))
	}
	return build(o, o.version, created)
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org): seconds since
// 1970. It is the time of all that has one.
func sourceDate(seconds string) (time.Time, error) {
	if seconds == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: give seconds since 1970", seconds)
	}
	return time.Unix(n, 0).UTC(), nil
}
