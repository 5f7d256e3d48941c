//go:build linux

package cluster

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Addresses within the network namespace.
const (
	nodeIP    = "192.168.99.2"
	gateway   = "192.168.99.1"
	serviceIP = "10.96.0.1"
	slackAt   = nodeIP + ":4000"
)

// scratch is a file system in memory that only this mount namespace has.
const scratch = "/run"

// sysctls are what a kubelet sets for the whole machine. It is given files of its
// own, with the values that it wants.
var sysctls = map[string]string{
	"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxbytes": "25000000", "kernel/keys/root_maxkeys": "1000000",
}

// furnish makes the namespaces a machine that a node can run on.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, dir := range []string{scratch, "/var/log", "/var/lib"} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	if err := cgroups(); err != nil {
		return err
	}
	if err := os.MkdirAll(scratch+"/sysctl", 0o755); err != nil {
		return err
	}
	for name, value := range sysctls {
		file := filepath.Join(scratch, "sysctl", strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(file, "/proc/sys/"+name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting over /proc/sys/%s: %w", name, err)
		}
	}
	// Volumes of Pods are mounted by the kubelet and seen by containerd.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing mounts: %w", err)
	}
	if err := syscall.Sethostname([]byte("n1")); err != nil {
		return err
	}
	for _, args := range []string{
		"link set lo up",
		"link add node0 type bridge", "addr add " + nodeIP + "/24 dev node0", "link set node0 up",
		"addr add " + serviceIP + "/32 dev lo", // the API server as Pods know it
		"route add default via " + gateway + " dev node0",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
}

// cgroups mounts the hierarchies anew, so that the node sees those of its own
// cgroup namespace alone, and stays within the limits of who runs the tests.
func cgroups() error {
	if unified() {
		return mountUnified()
	}
	for _, controller := range []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"} {
		dir := filepath.Join(cgroupTop, controller)
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", dir, err)
		}
		if err := syscall.Mount("cgroup", dir, "cgroup", 0, controller); err != nil {
			return fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	return nil
}

// removeCgroups removes the empty groups that the node leaves behind.
func removeCgroups() {
	for range 8 { // a group can be removed when it has no children
		_ = filepath.WalkDir(cgroupTop, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.Contains(path, "/kubepods") {
				_ = os.Remove(path)
			}
			return nil
		})
	}
}
