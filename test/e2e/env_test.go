// Package e2e runs the operator as its own process, with its own rights, on a
// real control plane against the simulated Slack.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

const (
	operatorNamespace = "slack-notifier-system"
	operatorUser      = "system:serviceaccount:" + operatorNamespace + ":slack-notifier-controller-manager"
	clusterName       = "e2e"
)

// env is what all tests share.
var env struct {
	cluster *devcluster.Cluster
	client  client.WithWatch
	dir     string
	slack   string // address of the simulated Slack
	shared  *operator
}

// operator is one process of it.
type operator struct {
	cmd     *exec.Cmd
	metrics string // address of its metrics
	log     string // file with its log
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	var err error
	if env.dir, err = os.MkdirTemp("", "slack-notifier-e2e-"); err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(env.dir) }()
	if err := build("slack-notifier", "slacksim"); err != nil {
		return 0, err
	}
	if env.cluster, err = devcluster.Start(ctx, devcluster.Config{}); err != nil {
		return 0, err
	}
	defer env.cluster.Stop()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 0, err
		}
	}
	if err := install(ctx); err != nil {
		return 0, err
	}
	if env.client, err = client.NewWithWatch(env.cluster.AdminConfig(), client.Options{Scheme: scheme}); err != nil {
		return 0, err
	}
	slackCmd, err := startSlack()
	if err != nil {
		return 0, err
	}
	defer stop(slackCmd)
	// What is labelled otherwise belongs to operators of single tests.
	if env.shared, err = startOperator(ctx, "shared", "--watch-label-selector=shard!=own"); err != nil {
		return 0, err
	}
	code := m.Run()
	leaks := findLeaks(ctx)
	env.shared.stop()
	return code, errors.Join(leaks, env.shared.autopsy(code))
}

// autopsy tells what the log of an operator says that no test would notice.
func (o *operator) autopsy(code int) error {
	data, err := os.ReadFile(o.log)
	if err != nil {
		return err
	}
	for _, bad := range []string{"WARNING: DATA RACE", "Observed a panic", planted} {
		if i := bytes.Index(data, []byte(bad)); i >= 0 {
			return fmt.Errorf("the operator's log holds %q:\n%s", bad, data[max(0, i-1000):min(len(data), i+4000)])
		}
	}
	if code != 0 {
		fmt.Printf("the operator's log ends with:\n%s\n", data[max(0, len(data)-6000):])
	}
	return nil
}

// build builds commands of this module, with the race detector if the tests
// have it.
func build(names ...string) error {
	args := []string{"build"}
	if raceEnabled {
		args = append(args, "-race")
	}
	args = append(args, "-o", env.dir+"/")
	for _, name := range names {
		args = append(args, "github.com/slack-notifier/slack-notifier/cmd/"+name)
	}
	out, err := exec.Command("go", args...).CombinedOutput() //nolint:gosec // our own commands
	if err != nil {
		return fmt.Errorf("building %v: %w\n%s", names, err, out)
	}
	return nil
}

// install applies config/default, without the Deployment.
func install(ctx context.Context) error {
	assets, err := devcluster.Assets()
	if err != nil {
		return err
	}
	out, err := exec.Command(filepath.Join(assets, "kubectl"), "kustomize", "../../config/default").Output() //nolint:gosec // our own programs
	if err != nil {
		return fmt.Errorf("kubectl kustomize config/default: %w", err)
	}
	var keep []string
	for doc := range strings.SplitSeq(string(out), "\n---\n") {
		if !strings.Contains("\n"+doc, "\nkind: Deployment\n") {
			keep = append(keep, doc)
		}
	}
	if err := devcluster.Apply(ctx, env.cluster.AdminConfig(), []byte(strings.Join(keep, "\n---\n"))); err != nil {
		return err
	}
	return env.cluster.InstallCRDs(ctx, "../../config/crd/bases")
}

func startSlack() (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(env.dir, "slacksim")) //nolint:gosec // our own command
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := devcluster.Spawn(cmd); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	env.slack = strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	return cmd, nil
}

// startOperator runs an operator with its own ServiceAccount's rights.
func startOperator(ctx context.Context, name string, flags ...string) (*operator, error) {
	config, err := env.cluster.UserConfig(operatorUser, "system:serviceaccounts", "system:serviceaccounts:"+operatorNamespace)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(env.dir, name+".kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	ports := make([]int, 2)
	for i := range ports {
		if ports[i], err = devcluster.FreePort(); err != nil {
			return nil, err
		}
	}
	o := &operator{metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[0]), log: filepath.Join(env.dir, name+".log")}
	log, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	o.cmd = exec.Command(filepath.Join(env.dir, "slack-notifier"), append([]string{ //nolint:gosec // our own command
		"--kubeconfig=" + kubeconfig, "--slack-api-url=" + env.slack + "/api", // the slash at its end is missing on purpose
		"--allowed-hosts=" + strings.TrimPrefix(env.slack, "http://"), "--zap-log-level=debug",
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]), "--metrics-secure=false",
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]),
	}, flags...)...)
	o.cmd.Stdout, o.cmd.Stderr = log, log
	if err := devcluster.Spawn(o.cmd); err != nil {
		return nil, err
	}
	return o, o.awaitReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1]))
}

func (o *operator) awaitReady(ctx context.Context, url string) error {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if resp, err := http.Get(url); err == nil { //nolint:gosec // loopback
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	data, _ := os.ReadFile(o.log)
	return errors.New("the operator did not get ready: " + string(data))
}

// stop ends the operator as Kubernetes does.
func (o *operator) stop() { stop(o.cmd) }

// kill ends it as a crash does.
func (o *operator) kill() {
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(40 * time.Second):
		_ = cmd.Process.Kill()
	}
}

// fetch reads an address of the simulated Slack or of the operator.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url) //nolint:gosec // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %v", url, resp.StatusCode, err)
	}
	return data
}

func secretOf(ns, name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{StringData: data}
	s.Namespace, s.Name = ns, name
	return s
}
