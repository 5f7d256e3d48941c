//go:build linux

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// squeeze leaves a process little more memory than it has, so that the kernel ends
// it for want of memory soon: its container is given the new limit, which the
// kubelet's next container does not have.
func squeeze(t *testing.T, pid int) {
	t.Helper()
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	dir, limit, key := "", "memory.limit_in_bytes", "total_rss "
	for line := range strings.Lines(string(groups)) {
		switch number, rest, _ := strings.Cut(strings.TrimSpace(line), ":"); {
		case strings.HasPrefix(rest, "memory:"):
			dir = filepath.Join("/sys/fs/cgroup/memory", strings.TrimPrefix(rest, "memory:"))
		case number == "0" && dir == "":
			dir, limit, key = filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(rest, ":")), "memory.max", "anon "
		}
	}
	if strings.HasPrefix(dir, "/sys/fs/cgroup/memory") {
		limit, key = "memory.limit_in_bytes", "total_rss "
	}
	stat, err := os.ReadFile(filepath.Join(dir, "memory.stat"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stat)) {
		if used, ok := strings.CutPrefix(strings.TrimSpace(line), key); ok {
			bytes, err := strconv.Atoi(used)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, limit), []byte(strconv.Itoa(bytes+4<<20)), 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s/memory.stat has no %s", dir, key)
}

// A leader that the kernel ends for want of memory while it posts 1,000 messages
// loses none and doubles none.
func testOutOfMemory(t *testing.T) {
	// At Slack's pace this would take a quarter of an hour.
	kubectl(t, "patch", "deployment", "-n", operatorNamespace, deployment, "--type=json",
		"-p", `[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--slack-limits=false"}]`)
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	send := traffic(t, "memory", 1000)
	var pod string
	await(t, "a Pod of the new Deployment leads", func(ctx context.Context) (bool, error) {
		pod = leader(t)
		p := &corev1.Pod{}
		err := node.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: pod}, p)
		return err == nil && p.DeletionTimestamp == nil, client.IgnoreNotFound(err)
	})
	before := restarts(t, pod)
	squeeze(t, process(t, pod))
	send(t)
	p := &corev1.Pod{}
	if err := node.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: pod}, p); err != nil {
		t.Fatal(err)
	}
	last := p.Status.ContainerStatuses[0].LastTerminationState.Terminated
	if restarts(t, pod) <= before || last == nil || last.Reason != "OOMKilled" {
		t.Errorf("the leader was restarted %d times, and ended last by %+v, want OOMKilled", restarts(t, pod)-before, last)
	}
}
