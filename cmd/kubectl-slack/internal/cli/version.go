package cli

import (
	"context"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (a *app) versionCommand() *cobra.Command {
	clientOnly := false
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this plugin and of the operator",
		Example: `
  kubectl slack version --client`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a.say("Client: %s", a.ownVersion())
			if !clientOnly {
				a.operatorVersions(c.Context())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&clientOnly, "client", false, "Ask no cluster.")
	return c
}

// ownVersion is that of the build.
func (a *app) ownVersion() string {
	if a.version != "" {
		return a.version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// operatorVersions prints the tags of the operator's images. That none can be seen is
// no error: the client's version was printed.
func (a *app) operatorVersions(ctx context.Context) {
	cluster, err := a.client()
	if err != nil {
		a.hint("no cluster: %v", err)
		return
	}
	list := &appsv1.DeploymentList{}
	if err := cluster.List(ctx, list, client.MatchingLabels{"app.kubernetes.io/name": "slack-notifier"}); err != nil {
		a.hint("the operator's version is not known: %s", words(err))
		return
	}
	if len(list.Items) == 0 {
		a.hint("there is no Deployment of the operator in this cluster")
	}
	for i := range list.Items {
		d := &list.Items[i]
		for _, c := range d.Spec.Template.Spec.Containers {
			version := c.Image[strings.LastIndexByte(c.Image, ':')+1:]
			if label := d.Labels["app.kubernetes.io/version"]; label != "" {
				version = label
			}
			a.say("Operator: %s (Deployment %s/%s, image %s)", version, d.Namespace, d.Name, c.Image)
			if own := a.ownVersion(); strings.TrimPrefix(own, "v") != strings.TrimPrefix(version, "v") {
				a.hint("the plugin (%s) and the operator (%s) differ: what the one shows may not be what the other sends", own, version)
			}
		}
	}
}
