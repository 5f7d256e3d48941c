package cli

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/migrate"
)

func (a *app) migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Make SlackChannels and SlackAlerts of what you have",
		Long: `Make SlackChannels and SlackAlerts of what you have: the slack_configs of an
Alertmanager, Flux's Providers and Alerts, Argo CD's notification ConfigMap.

What is made is written to the standard output, with a comment at what has no equal.
Nothing is applied, and no secret of the configuration is written.`,
	}
	onlyCommands(c)
	var file string
	am := &cobra.Command{
		Use:   "alertmanager -f alertmanager.yml",
		Short: "From an Alertmanager's slack_configs",
		Example: `
  kubectl slack migrate alertmanager -f alertmanager.yml -n monitoring >slack.yaml
  kubectl slack preview -f slack.yaml --payload alertmanager.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.migrateAlertmanager(file) },
	}
	am.Flags().StringVarP(&file, "filename", "f", "", "The configuration; - is the standard input.")
	_ = am.MarkFlagRequired("filename") // the flag is there
	c.AddCommand(am,
		a.migrateObjects("flux", "From Flux's Providers and Alerts", `
  kubectl get providers,alerts.notification.toolkit.fluxcd.io -A -o yaml | kubectl slack migrate flux -f -`, migrate.Flux),
		a.migrateObjects("argocd", "From Argo CD's notification ConfigMap", `
  kubectl get cm/argocd-notifications-cm applications -n argocd -o yaml | kubectl slack migrate argocd -f -`, migrate.ArgoCD))
	return c
}

// mostConfig is how much is read of a configuration, in bytes.
const mostConfig = 8 << 20

func (a *app) migrateAlertmanager(file string) error {
	in := a.In
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, mostConfig))
	if err != nil {
		return err
	}
	namespace := ""
	if *a.flags.Namespace != "" {
		namespace = *a.flags.Namespace
	}
	return a.migrated(migrate.Alertmanager(data, namespace))
}

func (a *app) migrateObjects(name, short, example string, from func([]*unstructured.Unstructured) ([]migrate.Document, error)) *cobra.Command {
	s := &sources{}
	c := &cobra.Command{
		Use: name + " (-f FILE | TYPE/NAME)...", Short: short, Example: example,
		RunE: func(_ *cobra.Command, args []string) error {
			if !s.given() && len(args) == 0 {
				return errors.New("give the objects with -f FILE, or as TYPE/NAME of the cluster")
			}
			list, err := a.load(s, args)
			if err != nil {
				return err
			}
			return a.migrated(from(list))
		},
	}
	s.bind(c)
	return c
}

func (a *app) migrated(list []migrate.Document, err error) error {
	if err != nil {
		return err
	}
	data, err := migrate.Render(list)
	if err != nil {
		return err
	}
	_, err = a.Out.Write(data)
	return err
}
