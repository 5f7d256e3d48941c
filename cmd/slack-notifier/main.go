// Command slack-notifier is the operator. With cleanup as its first argument it
// does what is left to do when the operator was uninstalled, and ends.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/version"
)

func main() {
	o := defaults()
	flags := pflag.NewFlagSet("slack-notifier", pflag.ContinueOnError)
	logging := zap.Options{}
	bindLogging(flags, &logging)
	o.bind(flags)
	args, work := os.Args[1:], run
	if len(args) > 0 && args[0] == "cleanup" {
		args, work = args[1:], cleanup
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "slack-notifier:", err)
		os.Exit(2)
	}
	build := version.Get()
	if o.version {
		fmt.Println(build)
		return
	}
	ctrl.SetLogger(lazily(zap.New(zap.UseFlagOptions(&logging))))
	ctrl.Log.Info("Started slack-notifier", "version", build.Version, "revision", build.Revision, "goversion", build.Go)
	ctrlmetrics.Registry.MustRegister(metrics.Build(build))
	if err := work(ctrl.SetupSignalHandler(), o); err != nil {
		ctrl.Log.Error(err, "the operator ends")
		os.Exit(1)
	}
}
