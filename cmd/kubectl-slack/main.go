// Command kubectl-slack is a plugin of kubectl, kubectl slack: it shows messages
// before they are sent, sends them, and says what became of them and why.
package main

import (
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // all ways to log in to a cluster

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/cli"
)

// version is set by the linker.
var version string

func main() {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	os.Exit(cli.Run(os.Args, version, streams))
}
