// Package cli is the commands of kubectl slack.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	termshow "github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/term"
)

// Exit codes beside 0.
const (
	// exitNo says that the answer is no: refused, does not fire, not delivered.
	exitNo = 1
	// exitBroken says that there is no answer.
	exitBroken = 2
)

// exitError ends the process with a code. Its error is printed, if there is one.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// no ends the process with exitNo, without another word.
func no() error { return &exitError{code: exitNo} }

// broken ends the process with exitBroken.
func broken(err error) error {
	var e *exitError
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &exitError{code: exitBroken, err: err}
}

// app is what all commands share.
type app struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	// name of the plugin, as in "kubectl slack".
	name    string
	version string
	now     func() time.Time
	// browse opens an address or a file.
	browse func(string) error
}

// Run runs the command line, and returns the exit code.
func Run(args []string, version string, streams genericiooptions.IOStreams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true), name: nameOf(args[0]), version: version, now: time.Now, browse: browse}
	root := a.root()
	root.SetArgs(args[1:])
	return a.finish(root.ExecuteContext(ctx))
}

// finish tells of an error, and returns the exit code.
func (a *app) finish(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &e):
		e = &exitError{code: 1, err: err}
	}
	if e.err != nil {
		_, _ = fmt.Fprintln(a.ErrOut, "error:", termshow.Clean(words(e.err))) // nowhere else to say it
	}
	return e.code
}

// nameOf is how people call the plugin: kubectl finds it by its file's name, in which
// "_" stands for "-" (kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins).
func nameOf(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".exe")
	rest, plugin := strings.CutPrefix(base, "kubectl-")
	if !plugin {
		return base
	}
	return "kubectl " + strings.ReplaceAll(strings.ReplaceAll(rest, "-", " "), "_", "-")
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   strings.ReplaceAll(a.name, " ", "-"),
		Short: "See Slack messages before they are sent, send them, and know what became of them",
		Long: `See Slack messages before they are sent, send them, and know what became of them.

For clusters with slack-notifier, whose objects are SlackChannel (slc),
SlackNotification (sln) and SlackAlert (sla). To list, wait for and delete them,
kubectl itself is enough.`,
		SilenceUsage: true, SilenceErrors: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.ErrOut)
	a.flags.AddFlags(root.PersistentFlags())
	for _, c := range []*cobra.Command{
		a.previewCommand(), a.alertCommand(), a.sendCommand(), a.resendCommand(), a.verifyCommand(), a.tailCommand(),
		a.explainCommand(), a.checkCommand(), a.manifestCommand(), a.migrateCommand(), a.versionCommand(),
	} {
		root.AddCommand(c)
	}
	a.help(root)
	a.rename(root)
	return root
}

// rename has the examples call the plugin by its name.
func (a *app) rename(c *cobra.Command) {
	c.Example = strings.ReplaceAll(strings.Trim(c.Example, "\n"), "kubectl slack", a.name)
	c.Long = strings.ReplaceAll(c.Long, "kubectl slack", a.name)
	for _, sub := range c.Commands() {
		a.rename(sub)
	}
}

// scheme of the objects that are read and written.
func scheme() (*runtime.Scheme, error) {
	out := runtime.NewScheme()
	return out, errors.Join(v1alpha1.AddToScheme(out), clientgoscheme.AddToScheme(out))
}

// config is how the cluster is reached.
func (a *app) config() (*rest.Config, error) {
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// client of the cluster.
func (a *app) client() (client.WithWatch, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	known, err := scheme()
	if err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{Scheme: known})
}

// namespace that is asked for, or that of the kubeconfig.
func (a *app) namespace() (string, error) {
	ns, _, err := a.flags.ToRawKubeConfigLoader().Namespace()
	return ns, err
}

// printer shows messages in the way that the output takes them.
func (a *app) printer() *termshow.Printer {
	p := &termshow.Printer{}
	file, ok := a.Out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" // no-color.org
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		p.Width = width
	}
	return p
}

// say writes a line of output.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.Out, termshow.Clean(fmt.Sprintf(format, args...))) // as kubectl does
}

// hint writes a line beside the output.
func (a *app) hint(format string, args ...any) {
	_, _ = fmt.Fprintln(a.ErrOut, termshow.Clean(fmt.Sprintf(format, args...))) // as kubectl does
}
