package kindwatch

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A word that is taken for a kind leads to the kind that is meant.
func TestKindsThatAreMeant(t *testing.T) {
	apps := []metav1.APIResource{
		{Name: "deployments", SingularName: "deployment", Kind: "Deployment", ShortNames: []string{"deploy"}},
		{Name: "deployments/scale", Kind: "Scale"},
		{Name: "statefulsets", SingularName: "statefulset", Kind: "StatefulSet", ShortNames: []string{"sts"}},
	}
	k := &Kinds{Near: func(want string, _ []string) []string {
		return map[string][]string{"Deploymnt": {"Deployment"}, "Statefullset": {"StatefulSet"}}[want]
	}}
	for _, c := range []struct{ wrong, want string }{
		{"Deploymnt", " (did you mean Deployment?)"},
		{"deployment", " (did you mean Deployment?)"},
		{"Deployments", " (did you mean Deployment?)"},
		{"deploy", " (did you mean Deployment?)"},
		{"sts", " (did you mean StatefulSet?)"},
		{"Statefullset", " (did you mean StatefulSet?)"},
		{"Scale", ""},
		{"Rollout", ""},
		{strings.Repeat("D", 10_000), ""},
	} {
		t.Run(c.wrong[:min(len(c.wrong), 20)], func(t *testing.T) {
			if got := k.meant(c.wrong, apps); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
