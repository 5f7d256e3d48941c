// Command demo shows the operator at work on this machine alone: a real
// control plane, a simulated Slack with a page to look at, and the samples.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	once := pflag.Bool("once", false, "end when all samples are delivered")
	state := pflag.String("dir", "bin/demo-state", "where to keep data and logs; emptied at the start")
	pflag.Parse()
	ctrl.SetLogger(logr.Discard()) // or it complains that nobody has set one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *state, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}
