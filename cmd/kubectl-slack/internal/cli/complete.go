package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// completePatience is how long a cluster may take to answer a completion.
const completePatience = 3 * time.Second

// kinds by their names, with what they are called for short.
var kinds = map[string]struct{ kind, short string }{
	"slacknotification": {"SlackNotificationList", "sln"}, "slackchannel": {"SlackChannelList", "slc"}, "slackalert": {"SlackAlertList", "sla"},
}

// completeKinds completes the names of objects, as in "sln/web".
func (a *app) completeKinds(names ...string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, name := range names {
			k := kinds[name]
			if !strings.Contains(typed, "/") {
				out = append(out, k.short+"/")
				continue
			}
			if word, _, _ := strings.Cut(typed, "/"); word != k.short && word != name {
				continue
			}
			for _, found := range a.list(c.Context(), k.kind) {
				out = append(out, typed[:strings.IndexByte(typed, '/')+1]+found)
			}
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if !strings.Contains(typed, "/") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return out, directive
	}
}

// completeNames completes the names of objects alone.
func (a *app) completeNames(name string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.list(c.Context(), kinds[name].kind), cobra.ShellCompDirectiveNoFileComp
	}
}

// list are the names of the objects of a kind; none where they can't be read.
func (a *app) list(ctx context.Context, kind string) []string {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	cluster, err := a.client()
	if err != nil {
		return nil
	}
	ns, err := a.namespace()
	if err != nil {
		return nil
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if cluster.List(ctx, list, client.InNamespace(ns)) != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}
