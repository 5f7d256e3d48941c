package incident

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// A tool that applies the rule must not take its incidents for its own: it would
// delete them.
func TestIncidentsAreNobodysToPrune(t *testing.T) {
	everything := map[string]string{
		"team": "a", "app.kubernetes.io/name": "web", "example.com/applyset": "x", "notargoproj.io/x": "1", "release": "stable",
		"applyset.kubernetes.io/part-of": "applyset-x-v1", "applyset.kubernetes.io/id": "applyset-x-v1",
		"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system", "helm.toolkit.fluxcd.io/name": "apps",
		"argocd.argoproj.io/instance": "shop", "argocd.argoproj.io/application-set-name": "shops", "app.kubernetes.io/instance": "shop",
		"objectset.rio.cattle.io/hash": "123", "fleet.cattle.io/bundle-name": "b", "kapp.k14s.io/app": "1", "kapp.k14s.io/association": "v1",
		"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "shop-1.0", "meta.helm.sh/release-name": "shop",
		"kustomize.config.k8s.io/origin": "x", "cli-utils.sigs.k8s.io/inventory-id": "i", "configsync.gke.io/declared-version": "v1",
	}
	for _, row := range []struct{ name, shard, more string }{
		{name: "no shard"},
		{"a shard by a label of one's own", "team=a", ""},
		{"a shard by a label of Argo CD", "app.kubernetes.io/instance=shop", " app.kubernetes.io/instance"},
		{"a shard by a label of Flux", "kustomize.toolkit.fluxcd.io/name in (apps, more), team", " kustomize.toolkit.fluxcd.io/name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRig(t)
			g.Rule.Labels = everything
			var err error
			if g.store.Shard, err = labels.Parse(row.shard); err != nil {
				t.Fatal(err)
			}
			g.Rule.Spec.OnResolve = v1alpha1.ResolveReply
			g.apply(g.news("a", "one"))
			g.apply(g.news("a", ""))
			want := strings.Fields("app.kubernetes.io/name example.com/applyset notargoproj.io/x release slack.notify.dev/alert slack.notify.dev/incident team" + row.more)
			slices.Sort(want)
			if n := len(g.List()); n != 2 {
				t.Fatalf("%d SlackNotifications, want the incident and its reply", n)
			}
			for _, n := range g.List() {
				if got := slices.Sorted(maps.Keys(n.Labels)); !slices.Equal(got, want) {
					t.Errorf("%s has the labels %v\nwant %v", n.Name, got, want)
				}
			}
		})
	}
}
