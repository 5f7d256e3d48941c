package version

import (
	"regexp"
	"runtime/debug"
	"testing"
)

func TestGet(t *testing.T) {
	line := Get().String()
	if want := regexp.MustCompile(`^slack-notifier v\d+\.\d+\.\d+(-[0-9a-z.]+)? \(revision \S+, go1\.\d+(\.\d+)?\S*\)$`); !want.MatchString(line) {
		t.Errorf("--version prints %q, want %s", line, want)
	}
}

func TestCommit(t *testing.T) {
	build := func(settings ...debug.BuildSetting) func() (*debug.BuildInfo, bool) {
		return func() (*debug.BuildInfo, bool) { return &debug.BuildInfo{Settings: settings}, true }
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	for _, row := range []struct {
		name, given string
		read        func() (*debug.BuildInfo, bool)
		want        string
	}{
		{"clean tree", "", build(revision, debug.BuildSetting{Key: "vcs.modified", Value: "false"}), "abc"},
		{"changed tree", "", build(revision, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "abc-dirty"},
		{"no repository", "", build(), "unknown"},
		{"no build information", "", func() (*debug.BuildInfo, bool) { return nil, false }, "unknown"},
		{"given by the linker", "def", build(revision), "def"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := commit(row.given, row.read); got != row.want {
				t.Errorf("commit = %q, want %q", got, row.want)
			}
		})
	}
}
