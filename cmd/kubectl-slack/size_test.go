package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What the plugin needs is in no package of the operator, so its image does not grow.
func TestOperatorStaysSmall(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/slack-notifier/slack-notifier/cmd/slack-notifier").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := "\n" + string(out)
	if !strings.Contains(deps, "\nk8s.io/client-go/rest\n") {
		t.Fatal("the list of packages is not that of the operator")
	}
	for _, prefix := range []string{"k8s.io/cli-runtime", "sigs.k8s.io/kustomize", "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel", "k8s.io/client-go/dynamic/fake",
		"sigs.k8s.io/controller-runtime/pkg/client/fake", "github.com/slack-notifier/slack-notifier/internal/slacksim", "github.com/slack-notifier/slack-notifier/cmd/kubectl-slack", "github.com/slack-notifier/slack-notifier/config/crd"} {
		if strings.Contains(deps, "\n"+prefix) {
			t.Errorf("the operator imports %s", prefix)
		}
	}
}
