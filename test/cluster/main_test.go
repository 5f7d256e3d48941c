//go:build linux

// Package cluster runs the operator as a Pod: a real kubelet, containerd, runc and
// kube-proxy beside a real control plane, in namespaces of their own on this
// machine. It runs when it is asked to (make test-cluster).
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// askedBy says that the tests are to run.
	askedBy = "CLUSTER"
	// insideOf says where what was built is, to the process that runs in the
	// namespaces.
	insideOf = "CLUSTER_DIR"
	// root is the way to the module's directory.
	root = "../.."
)

// node is what the tests share.
var node *machine

// noNode is the exit code for errNoNode: what is wrong is where the tests run.
const noNode = 3

var errNoNode = errors.New("the node does not start")

func TestMain(m *testing.M) {
	if os.Getenv(askedBy) == "" {
		fmt.Fprintln(os.Stderr, "SKIPPED: no Pod is run by a kubelet here; make test-cluster does it (root, Linux)")
		os.Exit(0)
	}
	var code int
	var err error
	if dir := os.Getenv(insideOf); dir != "" {
		code, err = run(m, dir)
	} else if code, err = enter(); code == noNode && os.Getenv("TEST_CLUSTER") == "optional" {
		fmt.Println("SKIPPED: no node can run here: it did not start, see above")
		code = 0
	}
	if errors.Is(err, errNoNode) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		code = noNode
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		code = 1
	}
	os.Exit(code)
}

// enter builds what is needed and runs this program again as root of namespaces
// of its own. All that it starts ends with them.
func enter() (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("a node needs root: run make test-cluster as root")
	}
	for _, file := range []string{"bin/node/kubelet", "bin/node/pause", "bin/node/root/usr/bin/containerd", "bin/k8s/kube-apiserver", "bin/helm3", "bin/helm4"} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			return 0, fmt.Errorf("there is no %s: make test-cluster makes it", file)
		}
	}
	dir, err := os.MkdirTemp("", "slack-notifier-cluster-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := prepare(dir); err != nil {
		return 0, err
	}
	args := []string{"--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--net", "--kill-child", os.Args[0]}
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.testlogfile") { // this process writes it
			args = append(args, arg)
		}
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), insideOf+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	leave, err := enterGroup(cmd)
	if err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v: %v\n", errNoNode, err)
		return noNode, nil
	}
	err = cmd.Run()
	leave()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// run starts the node and the tests, within the namespaces.
func run(m *testing.M, dir string) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	node = &machine{dir: dir}
	defer func() {
		if code != 0 || err != nil {
			node.autopsy()
		}
	}()
	if err := node.start(ctx); err != nil {
		return noNode, fmt.Errorf("%w: %w", errNoNode, err)
	}
	return m.Run(), nil
}
