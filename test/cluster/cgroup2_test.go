//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// cgroupTop is where the control groups are.
const cgroupTop = "/sys/fs/cgroup"

// leaf is the group of all processes of the node but those of Pods. With cgroup v2 a
// group that gives its children controllers has no process itself
// (docs.kernel.org/admin-guide/cgroup-v2.html, "No Internal Process Constraint").
const leaf = "node"

// unified reports whether this machine has cgroup v2 alone.
func unified() bool {
	_, err := os.Stat(cgroupTop + "/cgroup.controllers")
	return err == nil
}

// enterGroup has cmd, which is unshare, start in a group of its own at the top of
// cgroup v2, which becomes the root of its cgroup namespace. Once the node has made
// leaf, the processes are moved there from here: those within can't move unshare
// itself, which is outside of their PID namespace. What it returns removes all that is left.
func enterGroup(cmd *exec.Cmd) (leave func(), err error) {
	if !unified() {
		return removeCgroups, nil
	}
	if err := passOn(cgroupTop); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cgroupTop, "slack-notifier-cluster-")
	if err != nil {
		return nil, err
	}
	group, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	ctx, cancel := context.WithCancel(context.Background())
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		moveToLeaf(ctx, dir)
	}()
	return func() {
		cancel()
		<-moved
		_ = group.Close()
		removeCgroups()
		_ = os.Remove(filepath.Join(dir, leaf))
		_ = os.Remove(dir)
	}, nil
}

// moveToLeaf moves the processes of a group to its leaf, until it passes controllers on.
func moveToLeaf(ctx context.Context, dir string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := os.Stat(filepath.Join(dir, leaf)); err != nil {
			continue
		}
		if given, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); strings.TrimSpace(string(given)) != "" {
			return
		}
		pids, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, pid := range strings.Fields(string(pids)) {
			_ = os.WriteFile(filepath.Join(dir, leaf, "cgroup.procs"), []byte(pid), 0o600)
		}
	}
}

// mountUnified mounts cgroup v2 anew, within the namespaces, and waits until the root
// of it passes its controllers on.
func mountUnified() error {
	if err := syscall.Unmount(cgroupTop, syscall.MNT_DETACH); err != nil {
		return err
	}
	if err := syscall.Mount("cgroup2", cgroupTop, "cgroup2", 0, ""); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(cgroupTop, leaf), 0o755); err != nil {
		return err
	}
	var last error
	err := wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		last = passOn(cgroupTop)
		return last == nil, nil
	})
	if err != nil {
		return last
	}
	return nil
}

// passOn has a group of cgroup v2 give its children the controllers that a kubelet
// uses.
func passOn(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	there := strings.Fields(string(data))
	for _, controller := range []string{"cpu", "cpuset", "io", "memory", "hugetlb", "pids"} {
		if !slices.Contains(there, controller) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o600); err != nil {
			return fmt.Errorf("the control group at %s gives its children no %s: %w", dir, controller, err)
		}
	}
	for _, needed := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(there, needed) {
			return fmt.Errorf("the control group at %s has no controller %s: %s", dir, needed, strings.Join(there, " "))
		}
	}
	return nil
}
