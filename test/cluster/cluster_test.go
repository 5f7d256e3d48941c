//go:build linux

package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// config/default is rolled out by a kubelet, under the Pod security standard that
// its namespace enforces, and delivers.
func TestCluster(t *testing.T) {
	install(t)
	furnishNamespace(t, "shop")
	t.Run("delivered", func(t *testing.T) {
		apply(t, notification("shop", "hello"))
		delivered(t, "shop", "hello")
		if got := inSlack(t, "shop"); got["hello"] != 1 {
			t.Errorf("in Slack: %v, want hello once", got)
		}
	})
	t.Run("leader deleted", func(t *testing.T) {
		first := leader(t)
		kubectl(t, "delete", "pod", "-n", operatorNamespace, first, "--wait=false")
		apply(t, notification("shop", "failover"))
		successor(t, first)
		delivered(t, "shop", "failover")
		if got := inSlack(t, "shop"); got["failover"] != 1 || got["hello"] != 1 {
			t.Errorf("in Slack: %v, want each once", got)
		}
		kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	})
	t.Run("metrics through the Service", testMetrics)
	t.Run("intake through the Service", testIntake)
	t.Run("drain", testDrain)
	t.Run("terminated amid a post", testTerminated)
	t.Run("killed amid posts", testKilled)
	t.Run("a stopped process is restarted by its probe", testStopped)
	t.Run("out of memory amid posts", testOutOfMemory)
	t.Run("uninstalled", testUninstalled)
}

// A drain takes one replica at a time: the PodDisruptionBudget lets the second go
// only when the first is elsewhere, which on one node is never.
func testDrain(t *testing.T) {
	kubectl(t, "cordon", "n1")
	defer kubectl(t, "uncordon", "n1")
	pods := strings.Fields(kubectl(t, "get", "pods", "-n", operatorNamespace, "-o", "jsonpath={.items[*].metadata.name}"))
	if len(pods) != 2 {
		t.Fatalf("%d Pods, want 2: %v", len(pods), pods)
	}
	evict := func(pod string) error {
		return node.client.SubResource("eviction").Create(t.Context(), podOf(pod), evictionOf(pod))
	}
	if err := evict(pods[0]); err != nil {
		t.Fatalf("the first eviction: %v", err)
	}
	if err := evict(pods[1]); err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Fatalf("the second eviction: %v, want the PodDisruptionBudget to refuse it", err)
	}
	apply(t, notification("shop", "drained"))
	delivered(t, "shop", "drained")
}

// traffic makes a namespace and messages. What it returns applies them, and then
// waits until each of them is in Slack, once.
func traffic(t *testing.T, namespace string, n int) func(*testing.T) {
	t.Helper()
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	furnishNamespace(t, namespace)
	var all strings.Builder
	for i := range n {
		all.WriteString(notification(namespace, fmt.Sprintf("m%03d", i)))
	}
	return func(t *testing.T) {
		t.Helper()
		apply(t, all.String())
		kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
		await(t, "all messages are delivered", func(ctx context.Context) (bool, error) { return allDelivered(ctx, namespace) })
		got := inSlack(t, namespace)
		for i := range n {
			if name := fmt.Sprintf("m%03d", i); got[name] != 1 {
				t.Errorf("%s is %d times in Slack, want once", name, got[name])
			}
		}
	}
}

// What was applied can be deleted as the documentation says, with a thousand
// objects about, and nothing of it stays.
func testUninstalled(t *testing.T) {
	s := stranger{tools: t.TempDir()}
	fence := harness.Fences(documented(t, "docs/operating.md"), "Uninstalling", "sh")[0]
	s.types(t, time.Minute, cloneDir, strings.ReplaceAll(fence, "-f install.yaml", "-k "+kustomization(t)))
	kubectl(t, "delete", "namespace", "--ignore-not-found", "--timeout=1m", "shop", "killed", "memory")
	nothingLeft(t)
}
