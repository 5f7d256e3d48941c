//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// machine is a control plane and a node.
type machine struct {
	// dir has what was built; home is in memory and has all that is written.
	dir, home string
	bin, k8s  string
	config    *rest.Config
	client    client.WithWatch
	authority *devcluster.Authority
}

func (m *machine) path(name string) string { return filepath.Join(m.home, name) }

// start brings the node up and waits until it is Ready.
func (m *machine) start(ctx context.Context) error {
	var err error
	if m.bin, err = filepath.Abs(filepath.Join(root, "bin/node")); err != nil {
		return err
	}
	if m.k8s, err = filepath.Abs(filepath.Join(root, "bin/k8s")); err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return err
	}
	m.home = filepath.Join(scratch, "cluster")
	for _, dir := range []string{"log", "volplugins", "cni", "tools"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{m.environ, m.pki, m.controlPlane, m.containerd, m.kubelet, m.slack, m.redirect} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return m.await(ctx, "the node is Ready", func(ctx context.Context) (bool, error) {
		n := &corev1.Node{}
		if err := m.client.Get(ctx, client.ObjectKey{Name: "n1"}, n); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

// environ has children find the unpacked programs, their libraries, and iptables
// under the name that the kernel has the tables for.
func (m *machine) environ(context.Context) error {
	libs, err := filepath.Glob(filepath.Join(m.bin, "root/usr/lib/*-linux-gnu"))
	if err != nil || len(libs) == 0 {
		return fmt.Errorf("bin/node/root has no libraries: %w", err)
	}
	sbin := filepath.Join(m.bin, "root/usr/sbin")
	for name, value := range map[string]string{
		"LD_LIBRARY_PATH": libs[0], "XTABLES_LIBDIR": filepath.Join(libs[0], "xtables"),
		"PATH":               m.path("tools") + ":" + sbin + ":" + filepath.Join(m.bin, "root/usr/bin") + ":" + m.k8s + ":" + os.Getenv("PATH"),
		"KUBECONFIG":         m.path("admin.kubeconfig"),
		"CONTAINERD_ADDRESS": m.path("containerd.sock"),
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	flavour := "nft"
	if exec.Command(filepath.Join(sbin, "iptables-nft"), "-t", "nat", "-L", "-n").Run() != nil {
		flavour = "legacy"
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			if err := os.Symlink(filepath.Join(sbin, family+"-"+flavour+suffix), m.path("tools/"+family+suffix)); err != nil {
				return err
			}
		}
	}
	return nil
}

// pki writes certificates and kubeconfigs.
func (m *machine) pki(context.Context) error {
	var err error
	if m.authority, err = devcluster.NewAuthority(); err != nil {
		return err
	}
	files := map[string][]byte{"ca.crt": m.authority.PEM()}
	server := []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(nodeIP), net.ParseIP(serviceIP)}
	for name, subject := range map[string]struct {
		user      string
		groups    []string
		addresses []net.IP
	}{
		"apiserver":  {"kube-apiserver", nil, server},
		"serving":    {"system:node:n1", nil, server},
		"admin":      {"admin", []string{"system:masters"}, nil},
		"node":       {"system:node:n1", []string{"system:nodes"}, nil},
		"controller": {"system:kube-controller-manager", nil, nil},
		"scheduler":  {"system:kube-scheduler", nil, nil},
		"proxy":      {"system:kube-proxy", nil, nil},
		"sa":         {"service-accounts", nil, nil},
	} {
		cert, key, err := m.authority.Issue(subject.user, subject.groups, subject.addresses...)
		if err != nil {
			return err
		}
		files[name+".crt"], files[name+".key"] = cert, key
		config := &rest.Config{Host: "https://" + nodeIP + ":443", TLSClientConfig: rest.TLSClientConfig{CAData: m.authority.PEM(), CertData: cert, KeyData: key}}
		if err := devcluster.WriteKubeconfig(m.path(name+".kubeconfig"), config); err != nil {
			return err
		}
		if name == "admin" {
			m.config = config
		}
	}
	for name, data := range files {
		if err := os.WriteFile(m.path(name), data, 0o600); err != nil {
			return err
		}
	}
	m.config.QPS, m.config.Burst = -1, -1
	return nil
}

// spawn starts a program whose log is in home/log.
func (m *machine) spawn(program string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(m.path("log/" + filepath.Base(program)))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := devcluster.Spawn(cmd); err != nil {
		return nil, err
	}
	go func() { _ = cmd.Wait() }()
	return cmd, nil
}

func (m *machine) controlPlane(ctx context.Context) error {
	if _, err := m.spawn(filepath.Join(m.k8s, "etcd"), "--data-dir="+m.path("etcd"), "--unsafe-no-fsync", "--log-level=error"); err != nil {
		return err
	}
	_, err := m.spawn(filepath.Join(m.k8s, "kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=0.0.0.0", "--secure-port=443", "--advertise-address="+nodeIP,
		"--tls-cert-file="+m.path("apiserver.crt"), "--tls-private-key-file="+m.path("apiserver.key"), "--client-ca-file="+m.path("ca.crt"),
		"--kubelet-client-certificate="+m.path("admin.crt"), "--kubelet-client-key="+m.path("admin.key"), "--kubelet-certificate-authority="+m.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+m.path("sa.key"), "--service-account-signing-key-file="+m.path("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--service-cluster-ip-range=10.96.0.0/16", "--kubelet-preferred-address-types=InternalIP")
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	err = m.await(ctx, "the API server is ready", func(ctx context.Context) (bool, error) {
		return exec.CommandContext(ctx, "kubectl", "get", "--raw", "/readyz").Run() == nil, nil
	})
	if err != nil {
		return err
	}
	if m.client, err = client.NewWithWatch(m.config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	for program, args := range map[string][]string{
		"kube-controller-manager": {"--kubeconfig=" + m.path("controller.kubeconfig"), "--use-service-account-credentials=true",
			"--service-account-private-key-file=" + m.path("sa.key"), "--root-ca-file=" + m.path("ca.crt"), "--leader-elect=false"},
		"kube-scheduler": {"--kubeconfig=" + m.path("scheduler.kubeconfig"), "--leader-elect=false"},
		"kube-proxy": {"--kubeconfig=" + m.path("proxy.kubeconfig"), "--hostname-override=n1", "--proxy-mode=iptables", "--cluster-cidr=10.244.0.0/16",
			"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0"},
	} {
		if _, err := m.spawn(filepath.Join(m.bin, program), args...); err != nil {
			return err
		}
	}
	return nil
}

// await waits until ok.
func (m *machine) await(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		done, err := ok(ctx)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// autopsy prints what the programs have said last.
func (m *machine) autopsy() {
	for _, args := range []string{"get pods -A -o wide", "get events -A --sort-by=.lastTimestamp", "get slack -A"} {
		out, _ := exec.Command("kubectl", strings.Fields(args)...).CombinedOutput()
		fmt.Printf("--- kubectl %s\n%s\n", args, out)
	}
	logs, _ := filepath.Glob(m.path("log/*"))
	for _, log := range logs {
		data, _ := os.ReadFile(log)
		fmt.Printf("--- %s\n%s\n", filepath.Base(log), data[max(0, len(data)-3000):])
	}
}
