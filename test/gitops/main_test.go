// Package gitops tries what GitOps tools do with the kinds of this operator: by
// their own code, on objects that the operator has written.
package gitops

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// patience is the longest that anything may take on a busy machine.
const patience = 45 * time.Second

// env is what the tests share: a control plane, the simulated Slack and the
// operator.
var env struct {
	*harness.Env
	mapper meta.RESTMapper
	client ctrlclient.Client
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	// How long all of it may take is go test's -timeout, whatever the machine.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if env.Env, err = harness.Start(ctx, root, "--no-limits"); err != nil {
		return 0, err
	}
	defer env.Close()
	config := env.Cluster.AdminConfig()
	config.QPS, config.Burst = -1, -1
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, err
	}
	if env.mapper, err = apiutil.NewDynamicRESTMapper(config, web); err != nil {
		return 0, err
	}
	if env.client, err = ctrlclient.New(config, ctrlclient.Options{Mapper: env.mapper}); err != nil {
		return 0, err
	}
	operator, err := env.StartOperator(ctx, "gitops", "--slack-limits=false", "--settle-time=1s")
	if err != nil {
		return 0, err
	}
	code := m.Run()
	operator.Stop()
	return code, operator.Autopsy(code)
}

// apply applies manifests as a GitOps tool does, on the server's side.
func apply(t *testing.T, manifests string) {
	t.Helper()
	if err := devcluster.Apply(t.Context(), env.Cluster.AdminConfig(), []byte(manifests)); err != nil {
		t.Fatal(err)
	}
}

// furnish makes a namespace with a token that works.
func furnish(t *testing.T, namespace string) {
	t.Helper()
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: Secret
metadata: {name: slack-bot, namespace: %[1]s}
stringData: {token: %[2]s, url: %[3]s%[4]s}
---
apiVersion: slack.notify.dev/v1alpha1
kind: SlackChannel
metadata: {name: alerts, namespace: %[1]s}
spec:
  webAPI:
    tokenSecretRef: {name: slack-bot}
    channel: "#alerts"
`, namespace, slacksim.DemoToken, env.Slack, slacksim.DemoWebhookPath))
}
