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
	metrics string // address of the operator's metrics
	log     string // file with the operator's log
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
	operator, err := startOperator(ctx)
	if err != nil {
		return 0, err
	}
	code := m.Run()
	stop(operator)
	if data, err := os.ReadFile(env.log); err == nil {
		if i := bytes.Index(data, []byte("WARNING: DATA RACE")); i >= 0 {
			return 0, fmt.Errorf("the operator has a data race:\n%s", data[i:min(len(data), i+4000)])
		}
		if i := bytes.Index(data, []byte("Observed a panic")); i >= 0 {
			return 0, fmt.Errorf("the operator has panicked:\n%s", data[i:min(len(data), i+4000)])
		}
		if code != 0 {
			fmt.Printf("the operator's log ends with:\n%s\n", data[max(0, len(data)-6000):])
		}
	}
	return code, nil
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

func startOperator(ctx context.Context) (*exec.Cmd, error) {
	config, err := env.cluster.UserConfig(operatorUser, "system:serviceaccounts", "system:serviceaccounts:"+operatorNamespace)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(env.dir, "kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	ports := make([]int, 2)
	for i := range ports {
		if ports[i], err = devcluster.FreePort(); err != nil {
			return nil, err
		}
	}
	env.metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[0])
	env.log = filepath.Join(env.dir, "operator.log")
	log, err := os.Create(env.log)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(env.dir, "slack-notifier"), //nolint:gosec // our own command
		"--kubeconfig="+kubeconfig, "--slack-api-url="+env.slack+"/api", // the slash at its end is missing on purpose
		"--allowed-hosts="+strings.TrimPrefix(env.slack, "http://"), "--cluster-name=", "--zap-log-level=debug",
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]), "--metrics-secure=false",
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]))
	cmd.Stdout, cmd.Stderr = log, log
	if err := devcluster.Spawn(cmd); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1])); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return cmd, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	data, _ := os.ReadFile(env.log)
	return nil, errors.New("the operator did not get ready: " + string(data))
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
