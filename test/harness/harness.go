// Package harness runs what the tests look at: a real control plane, the
// simulated Slack and the operator, each as its own process.
package harness

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
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/race"
)

const (
	// OperatorNamespace is where config/default puts the operator.
	OperatorNamespace = "slack-notifier-system"
	// OperatorUser is its ServiceAccount.
	OperatorUser = "system:serviceaccount:" + OperatorNamespace + ":slack-notifier-controller-manager"
)

// Planted is a part of every token, webhook URL and proxy password of the tests.
const Planted = "plantedsecret"

// Env is what the tests of a package share.
type Env struct {
	Cluster *devcluster.Cluster
	Client  client.WithWatch
	// Dir for what is built and written.
	Dir string
	// Slack is the address of the simulated Slack.
	Slack string
	// Patience with an operator that starts; a minute at least.
	Patience time.Duration

	slack *exec.Cmd
	// root is the way to the module's directory.
	root string
}

// Operator is one process of it.
type Operator struct {
	// Cmd of the process.
	Cmd *exec.Cmd
	// Metrics is the address of its metrics.
	Metrics string
	// Log is the file with its log.
	Log string
}

// Start builds the commands, with the race detector if the test has it, and
// starts a control plane with the kinds and the operator's rights, and the simulated
// Slack. root is the way to the module's directory.
func Start(ctx context.Context, root string, slackFlags ...string) (*Env, error) {
	env, err := StartBare(ctx, root, slackFlags...)
	if err != nil {
		return nil, err
	}
	if err := env.install(ctx, root); err != nil {
		env.Close()
		return nil, err
	}
	return env, nil
}

// quiet is called by tests that run beside each other. Without a logger
// controller-runtime complains that nobody has set one.
var quiet = sync.OnceFunc(func() { ctrl.SetLogger(logr.Discard()) })

// StartBare is Start without anything of the operator's on the control plane.
func StartBare(ctx context.Context, root string, slackFlags ...string) (_ *Env, err error) {
	env := &Env{root: root}
	quiet()
	defer func() {
		if err != nil {
			env.Close()
		}
	}()
	if env.Dir, err = os.MkdirTemp("", "slack-notifier-test-"); err != nil {
		return nil, err
	}
	if err := env.build("slack-notifier", "slacksim"); err != nil {
		return nil, err
	}
	if err := env.startCluster(ctx); err != nil {
		return nil, err
	}
	return env, env.startSlack(slackFlags)
}

func (env *Env) startCluster(ctx context.Context) (err error) {
	if env.Cluster, err = devcluster.Start(ctx, devcluster.Config{}); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	config := env.Cluster.AdminConfig()
	config.QPS, config.Burst = -1, -1
	env.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

// Sibling starts a control plane of its own, as another cluster has it, beside the
// same simulated Slack and with the same programs. The caller closes it.
func (env *Env) Sibling(ctx context.Context) (_ *Env, err error) {
	other := &Env{Slack: env.Slack, root: env.root}
	defer func() {
		if err != nil {
			other.Close()
		}
	}()
	if other.Dir, err = os.MkdirTemp("", "slack-notifier-test-"); err != nil {
		return nil, err
	}
	if err := os.Symlink(env.operatorPath(), other.operatorPath()); err != nil {
		return nil, err
	}
	if err := other.startCluster(ctx); err != nil {
		return nil, err
	}
	return other, other.install(ctx, other.root)
}

// Close ends what was started.
func (env *Env) Close() {
	if env.slack != nil {
		stop(env.slack)
	}
	if env.Cluster != nil {
		env.Cluster.Stop()
	}
	_ = os.RemoveAll(env.Dir)
}

// Autopsy tells what the log of an operator says that no test would notice.
func (o *Operator) Autopsy(code int) error {
	data, err := os.ReadFile(o.Log)
	if err != nil {
		return err
	}
	for _, bad := range []string{"WARNING: DATA RACE", "Observed a panic", Planted} {
		if i := bytes.Index(data, []byte(bad)); i >= 0 {
			return fmt.Errorf("the operator's log holds %q:\n%s", bad, data[max(0, i-1000):min(len(data), i+4000)])
		}
	}
	if code != 0 {
		fmt.Printf("the operator's log ends with:\n%s\n", data[max(0, len(data)-6000):])
	}
	return nil
}

// build builds commands of this module.
func (env *Env) build(names ...string) error { return env.compile(env.Dir+"/", nil, names...) }

// compile builds commands into a file or directory, with the race detector if
// the tests have it.
func (env *Env) compile(into string, flags []string, names ...string) error {
	if race.Enabled {
		return env.buildWith("CGO_ENABLED=1", into, append([]string{"-race"}, flags...), names...)
	}
	return env.buildPlain(into, flags, names...)
}

// buildPlain builds commands as they are released.
func (env *Env) buildPlain(into string, flags []string, names ...string) error {
	return env.buildWith("CGO_ENABLED=0", into, flags, names...)
}

// buildWith builds commands into a file or directory. It does so in the module's
// own directory, so that a test of another module gets the same program.
func (env *Env) buildWith(cgo, into string, flags []string, names ...string) error {
	args := append([]string{"build"}, flags...)
	args = append(args, "-o", into)
	for _, name := range names {
		args = append(args, "github.com/slack-notifier/slack-notifier/cmd/"+name)
	}
	cmd := exec.Command("go", args...) //nolint:gosec // our own commands
	cmd.Dir, cmd.Env = env.root, append(os.Environ(), cgo)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %v: %w\n%s", names, err, out)
	}
	return nil
}

// install applies config/default, without the Deployment.
func (env *Env) install(ctx context.Context, root string) error {
	assets, err := devcluster.Assets()
	if err != nil {
		return err
	}
	out, err := exec.Command(filepath.Join(assets, "kubectl"), "kustomize", filepath.Join(root, "config/default")).Output() //nolint:gosec // our own programs
	if err != nil {
		return fmt.Errorf("kubectl kustomize config/default: %w", err)
	}
	var keep []string
	for doc := range strings.SplitSeq(string(out), "\n---\n") {
		if !strings.Contains("\n"+doc, "\nkind: Deployment\n") {
			keep = append(keep, doc)
		}
	}
	if err := devcluster.Apply(ctx, env.Cluster.AdminConfig(), []byte(strings.Join(keep, "\n---\n"))); err != nil {
		return err
	}
	return env.Cluster.InstallCRDs(ctx, filepath.Join(root, "config/crd/bases"))
}

func (env *Env) startSlack(flags []string) (err error) {
	env.Slack, env.slack, err = env.SpawnSlack(flags...)
	return err
}

// SpawnSlack starts one more simulated Slack; the caller ends it.
func (env *Env) SpawnSlack(flags ...string) (string, *exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(env.Dir, "slacksim"), flags...) //nolint:gosec // our own command
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := devcluster.Spawn(cmd); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", cmd, err
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "listening on "), cmd, nil
}

// StartOperator runs an operator with its own ServiceAccount's rights.
func (env *Env) StartOperator(ctx context.Context, name string, flags ...string) (*Operator, error) {
	return env.StartProgram(ctx, Program{Path: env.operatorPath()}, name, flags...)
}

// StartOperatorAs runs an operator with the rights of another user.
func (env *Env) StartOperatorAs(ctx context.Context, user, name string, flags ...string) (*Operator, error) {
	return env.StartProgram(ctx, Program{Path: env.operatorPath(), User: user}, name, flags...)
}

// operatorPath is the build of the operator as users have it.
func (env *Env) operatorPath() string { return filepath.Join(env.Dir, "slack-notifier") }

// StartProgram runs another build of the operator, or one with other rights, in
// the same way.
func (env *Env) StartProgram(ctx context.Context, program Program, name string, flags ...string) (*Operator, error) {
	user := program.User
	if user == "" {
		user = OperatorUser
	}
	custom := "*"
	if program.CustomConnections != nil {
		custom = strings.Join(program.CustomConnections, ",")
	}
	config, err := env.Cluster.UserConfig(user, "system:serviceaccounts", "system:serviceaccounts:"+OperatorNamespace)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(env.Dir, name+".kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	ports := make([]int, 2)
	for i := range ports {
		if ports[i], err = devcluster.FreePort(); err != nil {
			return nil, err
		}
	}
	o := &Operator{Metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[0]), Log: filepath.Join(env.Dir, name+".log")}
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--kubeconfig=" + kubeconfig, "--slack-api-url=" + env.Slack + "/api", // the slash at its end is missing on purpose
		"--allowed-hosts=" + strings.TrimPrefix(env.Slack, "http://"), "--zap-log-level=debug",
		// Tests have proxies and certificates of their own, on loopback.
		"--custom-connections=" + custom, "--allowed-proxies=127.0.0.1,localhost",
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]), "--metrics-secure=false",
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]),
	}, flags...)
	args = slices.DeleteFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return slices.Contains(program.Without, name)
	})
	o.Cmd = exec.Command(program.Path, args...) //nolint:gosec // our own command
	o.Cmd.Env = append(os.Environ(), program.Environ...)
	o.Cmd.Stdout, o.Cmd.Stderr = log, log
	if err := devcluster.Spawn(o.Cmd); err != nil {
		return nil, err
	}
	return o, o.awaitReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1]), env.Patience)
}

func (o *Operator) awaitReady(ctx context.Context, url string, patience time.Duration) error {
	deadline := time.Now().Add(max(patience, time.Minute))
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
	return errors.New("the operator did not get ready; " + devcluster.Tail(o.Log))
}

// Stop ends the operator as Kubernetes does.
func (o *Operator) Stop() { stop(o.Cmd) }

// Kill ends it as a crash does.
func (o *Operator) Kill() {
	_ = o.Cmd.Process.Kill()
	_ = o.Cmd.Wait()
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

// Fetch reads an address of the simulated Slack or of the operator.
func Fetch(url string) ([]byte, error) {
	resp, err := http.Get(url) //nolint:gosec // loopback
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
