package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/explain"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain sln/NAME | slc/NAME | sla/NAME",
		Short: "Say why a message was or was not delivered",
		Long: `Say why a message was or was not delivered, and what to do: the operator and who
leads, the object, its SlackChannel, the Secrets (whether they exist: none is read),
the workspace, each recipient, and what waits before it.

What you may not see is said to be unknown.

Exit code 1 when there is a problem.`,
		Example: `
  kubectl slack explain sln/deployed-42
  kubectl slack explain slc/alerts -n platform`,
		Args:              argCount(1, 2, "name one object, as in sln/web-42"),
		ValidArgsFunction: a.completeKinds("slacknotification", "slackchannel", "slackalert"),
		RunE:              func(c *cobra.Command, args []string) error { return a.explain(c.Context(), args) },
	}
}

func (a *app) explain(ctx context.Context, args []string) error {
	o, err := named(args)
	if err != nil {
		return err
	}
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	o.SetNamespace(ns)
	cluster, err := a.client()
	if err != nil {
		return err
	}
	if err := cluster.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return err
	}
	lines := explain.Explain(explain.Gather(ctx, cluster, o, a.now()))
	for _, line := range lines {
		a.say("%s", strings.TrimRight(fmt.Sprintf("%-8s %-10s %s", line.Mark, line.About, line.Text), " "))
		if line.Do != "" && line.Mark != explain.Good {
			a.say("%-8s %-10s → %s", "", "", line.Do)
		}
	}
	if explain.Cause(lines) != nil {
		return no()
	}
	return nil
}

// named is the empty object that arguments name, as in "sln/web" or "sln web".
func named(args []string) (client.Object, error) {
	word, name, ok := strings.Cut(args[0], "/")
	if !ok {
		if len(args) != 2 {
			return nil, fmt.Errorf("name an object, as in sln/%s", args[0])
		}
		name = args[1]
	}
	var o client.Object
	switch strings.ToLower(word) {
	case "sln", "slacknotification", "slacknotifications":
		o = &v1alpha1.SlackNotification{}
	case "slc", "slackchannel", "slackchannels":
		o = &v1alpha1.SlackChannel{}
	case "sla", "slackalert", "slackalerts":
		o = &v1alpha1.SlackAlert{}
	default:
		return nil, fmt.Errorf("%q is no kind of slack-notifier: sln (SlackNotification), slc (SlackChannel) or sla (SlackAlert)", word)
	}
	o.SetName(name)
	return o, nil
}
