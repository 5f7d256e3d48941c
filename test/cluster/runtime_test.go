//go:build linux

package cluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// containerdConfig: no SystemdCgroup, and oom_score_adj is not lowered, for which
// CAP_SYS_RESOURCE may be missing.
const containerdConfig = `version = 2
root = "HOME/containerd"
state = "HOME/containerd.state"
oom_score = 0
[grpc]
  address = "HOME/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "BIN/root/usr/lib/cni"
    conf_dir = "HOME/cni"
`

const podNetwork = `{"cniVersion":"0.4.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,` +
	`"ipam":{"type":"host-local","dataDir":"HOME/ipam","ranges":[[{"subnet":"10.244.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"loopback"}]}`

// kubeletConfig: failCgroupV1 false lets Kubernetes up to 1.37 run on cgroup v1.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://HOME/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: HOME/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: HOME/serving.crt
tlsPrivateKeyFile: HOME/serving.key
resolvConf: ""
oomScoreAdj: 0
evictionHard: {memory.available: "10Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
featureGates: {KubeletInUserNamespace: true}
nodeStatusUpdateFrequency: 5s
volumePluginDir: HOME/volplugins
`

func (m *machine) write(name, text string) error {
	text = strings.NewReplacer("HOME", m.home, "BIN", m.bin, "PAUSE", pauseImage).Replace(text)
	return os.WriteFile(m.path(name), []byte(text), 0o600)
}

func (m *machine) containerd(ctx context.Context) error {
	if err := m.write("containerd.toml", containerdConfig); err != nil {
		return err
	}
	if err := m.write("cni/10-bridge.conflist", podNetwork); err != nil {
		return err
	}
	if _, err := m.spawn(filepath.Join(m.bin, "root/usr/bin/containerd"), "-c", m.path("containerd.toml")); err != nil {
		return err
	}
	err := m.await(ctx, "containerd answers", func(ctx context.Context) (bool, error) {
		return exec.CommandContext(ctx, "ctr", "version").Run() == nil, nil
	})
	if err != nil {
		return err
	}
	return m.images(ctx)
}

func (m *machine) kubelet(context.Context) error {
	if err := m.write("kubelet.yaml", kubeletConfig); err != nil {
		return err
	}
	_, err := m.spawn(filepath.Join(m.bin, "kubelet"), "--config="+m.path("kubelet.yaml"), "--kubeconfig="+m.path("node.kubeconfig"),
		"--hostname-override=n1", "--node-ip="+nodeIP, "--root-dir="+m.path("kubelet"), "--v=2")
	return err
}
