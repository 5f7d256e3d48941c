// Package version knows which slack-notifier this is.
package version

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// The file is the one place that names the version: the image's tag and label, the
// chart and the installer are made from it.
//
//go:embed VERSION
var file string

// revision is set by builds that have no repository about them, by
// -ldflags "-X github.com/slack-notifier/slack-notifier/internal/version.revision=…".
var revision string

// Info is what a build knows of itself.
type Info struct {
	// Version in the form v1.2.3.
	Version string
	// Revision is the commit, with "-dirty" at its end when the tree had changes
	// that were not committed; "unknown" in a build outside a repository.
	Revision string
	// Go is the version of Go, in the form go1.2.3.
	Go string
}

// Get tells what this build is.
func Get() Info {
	return Info{Version: strings.TrimSpace(file), Revision: commit(revision, debug.ReadBuildInfo), Go: runtime.Version()}
}

// String is the line that --version prints.
func (i Info) String() string {
	return fmt.Sprintf("slack-notifier %s (revision %s, %s)", i.Version, i.Revision, i.Go)
}

func commit(given string, read func() (*debug.BuildInfo, bool)) string {
	if given != "" {
		return given
	}
	build, ok := read()
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	switch {
	case settings["vcs.revision"] == "":
		return "unknown"
	case settings["vcs.modified"] == "true":
		return settings["vcs.revision"] + "-dirty"
	}
	return settings["vcs.revision"]
}
