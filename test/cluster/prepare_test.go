//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// Directories below the one of the machine, with what is made while modules can
// still be had: in the namespaces there is no network.
const (
	cloneDir  = "clone"  // a new clone, with the release's files in dist
	nextDir   = "next"   // the release's files, of the next release
	beforeDir = "before" // the source of before there was a version, with its image in dist
)

// monitoringDir has the kinds of the Prometheus operator.
const monitoringDir = "monitoring"

// beforeImage is the operator's image of before there was a version.
const beforeImage = "slack-notifier:before"

// prepare makes what a stranger has who clones the project and makes a release, and
// what the tests upgrade from and to.
func prepare(dir string) error {
	for _, step := range []struct {
		name string
		do   func(string) error
	}{
		{"a new clone", clone},
		{"make release-files in it", releaseFiles},
		{"the next release", nextRelease},
		{"the operator of before there was a version", before},
		{"the kinds of the Prometheus operator", monitoringKinds},
		{"the simulated Slack", func(dir string) error {
			return execute(root, "go", "build", "-trimpath", "-o", dir+"/", "./cmd/slacksim")
		}},
	} {
		start := time.Now()
		if err := step.do(dir); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("cluster: %s (%s)\n", step.name, time.Since(start).Round(time.Second))
	}
	return nil
}

// execute runs a program in a directory.
func execute(dir, name string, args ...string) error {
	_, err := output(dir, name, args...)
	return err
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var said []byte
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			said = exit.Stderr
		}
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, said)
	}
	return string(out), nil
}

// clone clones the project, and brings in what is not committed yet.
func clone(dir string) error {
	to := filepath.Join(dir, cloneDir)
	if err := execute(root, "git", "clone", "--quiet", ".", to); err != nil {
		return err
	}
	changes, err := output(root, "git", "diff", "--binary", "HEAD")
	if err != nil || changes == "" {
		return err
	}
	fmt.Println("cluster: changes that are not committed are tested too; new files only once git knows them (git add)")
	patch := filepath.Join(dir, "changes.patch")
	if err := os.WriteFile(patch, []byte(changes), 0o600); err != nil {
		return err
	}
	return execute(to, "git", "apply", "--whitespace=nowarn", patch)
}

// releaseFiles makes the release's files. The clone has the tools that were built
// here, which are those that its own sources pin.
func releaseFiles(dir string) error {
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		return err
	}
	to := filepath.Join(dir, cloneDir)
	if err := os.Symlink(bin, filepath.Join(to, "bin")); err != nil {
		return err
	}
	now := time.Now()
	for _, tool := range []string{"helm3", "helm4", "cyclonedx-gomod"} { // make compares with files that the clone has just got
		if err := os.Chtimes(filepath.Join(bin, tool), now, now); err != nil {
			return fmt.Errorf("make test-cluster builds it: %w", err)
		}
	}
	return execute(to, "make", "release-files")
}

// nextRelease makes a release of the same operator, by another version and with a
// field more.
func nextRelease(dir string) error {
	dist, next := filepath.Join(dir, cloneDir, "dist"), filepath.Join(dir, nextDir)
	if err := os.Mkdir(next, 0o755); err != nil {
		return err
	}
	installer, err := os.ReadFile(filepath.Join(dist, "install.yaml"))
	if err != nil {
		return err
	}
	if installer, err = harness.NextKinds(installer); err != nil {
		return err
	}
	text := strings.ReplaceAll(string(installer), "image: "+image, "image: "+nextImage)
	if err := os.WriteFile(filepath.Join(next, "install.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	charts, err := filepath.Glob(filepath.Join(dist, "*.tgz"))
	if err != nil || len(charts) != 1 {
		return fmt.Errorf("dist has the charts %v, want one: %w", charts, err)
	}
	if err := execute(next, "tar", "-xzf", charts[0]); err != nil {
		return err
	}
	return harness.NextChart(filepath.Join(next, "slack-notifier"))
}

// monitoringKinds makes them of the types that hack/tools pins.
func monitoringKinds(dir string) error {
	return harness.MonitoringKinds(root, filepath.Join(dir, monitoringDir))
}

// before has the source of the commit before the one that gave the operator a
// version, and its image.
func before(dir string) error {
	commits, err := output(root, "git", "log", "--format=%H", "--diff-filter=A", "--", "internal/version/VERSION")
	if err != nil {
		return err
	}
	all := strings.Fields(commits)
	if len(all) == 0 {
		return errors.New("the history does not have the commit that gave the operator a version: git fetch --unshallow")
	}
	to, archive := filepath.Join(dir, beforeDir), filepath.Join(dir, "before.tar")
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	if err := execute(root, "git", "archive", "--output="+archive, all[len(all)-1]+"^"); err != nil {
		return fmt.Errorf("the history is not whole (git fetch --unshallow): %w", err)
	}
	if err := execute(to, "tar", "-xf", archive); err != nil {
		return err
	}
	return execute(filepath.Join(root, "hack/image"), "go", "run", ".", "--root", to, "--out", filepath.Join(to, "dist"),
		"--name", beforeImage, "--version", "before", "--revision", all[len(all)-1]+"^", "--arch", runtime.GOARCH)
}
