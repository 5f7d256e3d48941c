package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine says where and of what the figures are.
func (b *bench) machine() {
	commit, err := exec.CommandContext(b.ctx, "git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*").Output()
	if err != nil {
		commit = []byte("an unknown commit")
	}
	load := "unknown"
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(data), " ")
	}
	b.say("Measured on %s, of %s, with %s on %d cores (%s) whose load was %s before.", time.Now().UTC().Format("2006-01-02"),
		strings.TrimSpace(string(commit)), runtime.Version(), runtime.NumCPU(), runtime.GOARCH, load)
}

// micro runs the benchmarks of single parts.
func (b *bench) micro() error {
	out, err := exec.CommandContext(b.ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "./internal/...").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	b.say("## Parts by themselves\n\n```")
	pkg := ""
	for line := range strings.SplitSeq(string(out), "\n") {
		switch {
		case strings.HasPrefix(line, "pkg: "):
			pkg = line
		case strings.HasPrefix(line, "Benchmark"):
			if pkg != "" {
				b.say("%s", pkg)
				pkg = ""
			}
			b.say("%s", line)
		}
	}
	b.say("```")
	return nil
}
