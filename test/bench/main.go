// Command bench measures the operator against a bare client that does the
// least that can be done, in the same run on the same control plane, since the
// figures of a machine mean little by themselves. See docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "raw" {
		if err := raw(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, "raw:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// BENCH_SCALE below 1 makes all numbers of messages smaller.
	scale := 1.0
	if v, err := strconv.ParseFloat(os.Getenv("BENCH_SCALE"), 64); err == nil && v > 0 {
		scale = v
	}
	env, err := harness.Start(ctx, ".", "--no-limits")
	if err != nil {
		return err
	}
	defer env.Close()
	env.Patience = 10 * time.Minute // for one that lists very many objects
	b := &bench{ctx: ctx, env: env, scale: scale}
	only := os.Getenv("BENCH_ONLY")
	b.begin("machine")
	b.machine()
	var failed []error
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"idle", b.idle}, {"throughput", b.throughput}, {"latency", b.latency}, {"limits", b.limits}, {"growth", b.growth}, {"channels", b.checks},
		{"alerts", b.alerts}, {"burst", b.burst}, {"watched", b.watched}, {"buttons", b.buttons}, {"sockets", b.sockets}, {"shards", b.sharding}, {"micro", b.micro},
		{"compare", b.compare},
		// The last, since it leaves kube-apiserver with very much to keep.
		{"start", b.start},
	} {
		if only != "" && !strings.Contains(only, part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "==> %s (%s)\n", part.name, time.Now().Format(time.TimeOnly))
		b.begin(part.name)
		if err := part.do(); err != nil {
			err = fmt.Errorf("%s: %w", part.name, err)
			if ctx.Err() != nil {
				return err // a page of half a run would say that all of it is of this one
			}
			b.failed(part.name)
			failed = append(failed, err)
		}
	}
	fmt.Print(b.String())
	return errors.Join(append(failed, b.writePage(os.Getenv("BENCH_PAGE")))...)
}

// writePage puts what was measured into a page; none for an empty path.
func (b *bench) writePage(path string) error {
	if path == "" {
		return nil
	}
	page, err := os.ReadFile(path) //nolint:gosec // named by who runs it
	if err != nil {
		return err
	}
	if page, err = b.fill(page); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, page, 0o644) //nolint:gosec // a page that is published
}
