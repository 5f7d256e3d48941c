//go:build linux

package cluster

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// process is the operator's in a Pod, as the node sees it.
func process(t *testing.T, pod string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(file)
		if !strings.HasPrefix(string(command), "/slack-notifier\x00") {
			continue
		}
		if strings.Contains("\x00"+string(environ), "\x00HOSTNAME="+pod+"\x00") {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("the node runs no process of Pod %s", pod)
	return 0
}

// restarts is how often the operator's container was started again.
func restarts(t *testing.T, pod string) int32 {
	t.Helper()
	p := &corev1.Pod{}
	if err := node.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: pod}, p); err != nil {
		t.Fatal(err)
	}
	if len(p.Status.ContainerStatuses) == 0 {
		return 0
	}
	return p.Status.ContainerStatuses[0].RestartCount
}

// A leader whose Pod is deleted while a post is on its way gets SIGTERM from the
// kubelet, and the message comes once, whoever ends it.
func testTerminated(t *testing.T) {
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	pod := leader(t)
	release := hold(t)
	apply(t, notification("shop", "terminated"))
	isHeld(t)
	logs := exec.CommandContext(t.Context(), "kubectl", "logs", "--follow", "-n", operatorNamespace, pod)
	said, err := logs.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Start(); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete", "pod", "-n", operatorNamespace, pod, "--wait=false")
	lines := bufio.NewScanner(said)
	stops := false
	for !stops && lines.Scan() {
		stops = strings.Contains(lines.Text(), "Stopping and waiting for leader election runnables")
	}
	if !stops {
		t.Errorf("the operator in Pod %s did not say that it stops, before its log ended", pod)
	}
	release()
	_, _ = io.Copy(io.Discard, said)
	_ = logs.Wait()
	delivered(t, "shop", "terminated")
	if got := inSlack(t, "shop"); got["terminated"] != 1 {
		t.Errorf("in Slack: %v, want terminated once", got)
	}
}

// A leader that is killed while it posts, as for want of memory, is started again by
// the kubelet, and nothing is lost or comes twice.
func testKilled(t *testing.T) {
	send := traffic(t, "killed", 15)
	pod := leader(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = node.await(t.Context(), "the first messages are in Slack", func(context.Context) (bool, error) { return len(inSlack(t, "killed")) >= 3, nil })
		_ = syscall.Kill(process(t, pod), syscall.SIGKILL)
	}()
	send(t)
	<-done
	await(t, "the container was started again", func(context.Context) (bool, error) { return restarts(t, pod) == 1, nil })
}

// A process that does not get on any more fails its liveness probe, and is started
// again; meanwhile the other Pod delivers.
func testStopped(t *testing.T) {
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	pod := leader(t)
	before := restarts(t, pod)
	if err := syscall.Kill(process(t, pod), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	apply(t, notification("shop", "stopped"))
	successor(t, pod)
	delivered(t, "shop", "stopped")
	await(t, "the probe had the container started again", func(context.Context) (bool, error) { return restarts(t, pod) > before, nil })
	kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+deployment, "--timeout=3m")
	if got := inSlack(t, "shop"); got["stopped"] != 1 {
		t.Errorf("in Slack: %v, want stopped once", got)
	}
}
