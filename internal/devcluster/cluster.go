// Package devcluster runs a real etcd and kube-apiserver on the loopback
// interface, for the tests and the demo: with authentication by certificate
// and RBAC, and with ways to kill and to pause them.
//
// There is no kubelet, scheduler or controller manager, so nothing runs in it,
// and a namespace that is deleted stays in the state Terminating.
package devcluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Config of Start; the zero value is meant to be used.
type Config struct {
	// Dir for data, logs and keys; a temporary one, removed by Stop, when empty.
	Dir string
	// AssetsDir holds etcd and kube-apiserver; see Assets when empty.
	AssetsDir string
	// AuditLog has every request written to audit.log in Dir.
	AuditLog bool
}

// Cluster is a running control plane.
type Cluster struct {
	config  Config
	dir     string
	remove  bool
	ca      *Authority
	admin   *rest.Config
	ports   struct{ etcd, peer, api int }
	etcd    *process
	api     *process
	program func(string) string
}

// Assets finds the programs: in $KUBEBUILDER_ASSETS, or in bin/k8s of the
// module that the working directory is in.
func Assets() (string, error) {
	has := func(dir string) bool {
		_, err1 := os.Stat(filepath.Join(dir, "etcd"))
		_, err2 := os.Stat(filepath.Join(dir, "kube-apiserver"))
		return err1 == nil && err2 == nil
	}
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" && has(dir) {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && has(filepath.Join(dir, "bin", "k8s")) {
			return filepath.Join(dir, "bin", "k8s"), nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no etcd and kube-apiserver in $KUBEBUILDER_ASSETS or bin/k8s: run make setup-envtest")
		}
		dir = filepath.Dir(dir)
	}
}

// Start starts a control plane and waits until it is ready.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c := &Cluster{config: config, dir: config.Dir}
	assets := config.AssetsDir
	if assets == "" {
		var err error
		if assets, err = Assets(); err != nil {
			return nil, err
		}
	}
	c.program = func(name string) string { return filepath.Join(assets, name) }
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "devcluster-")
		if err != nil {
			return nil, err
		}
		c.dir, c.remove = dir, true
	}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	var err error
	if c.ca, err = NewAuthority(); err != nil {
		return err
	}
	if err := c.writePKI(); err != nil {
		return err
	}
	for _, port := range []*int{&c.ports.etcd, &c.ports.peer, &c.ports.api} {
		if *port, err = FreePort(); err != nil {
			return err
		}
	}
	if c.admin, err = c.UserConfig("admin", "system:masters"); err != nil {
		return err
	}
	if err := c.startEtcd(); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

func address(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

func (c *Cluster) startEtcd() (err error) {
	c.etcd, err = start(c.path("etcd.log"), c.program("etcd"),
		"--data-dir="+c.path("etcd"), "--name=dev",
		"--listen-client-urls="+address(c.ports.etcd), "--advertise-client-urls="+address(c.ports.etcd),
		"--listen-peer-urls="+address(c.ports.peer), "--initial-advertise-peer-urls="+address(c.ports.peer),
		"--initial-cluster=dev="+address(c.ports.peer),
		"--unsafe-no-fsync", "--log-level=warn")
	return err
}

// StartAPIServer starts the kube-apiserver, anew after KillAPIServer, and
// waits until it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	args := []string{
		"--etcd-servers=" + address(c.ports.etcd),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports.api),
		"--tls-cert-file=" + c.path("apiserver.crt"), "--tls-private-key-file=" + c.path("apiserver.key"),
		"--client-ca-file=" + c.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("accounts.key"), "--service-account-signing-key-file=" + c.path("accounts.key"),
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
		// There is no controller that makes the default ServiceAccounts.
		"--disable-admission-plugins=ServiceAccount",
		"--allow-privileged=true", "--endpoint-reconciler-type=none",
	}
	if c.config.AuditLog {
		policy := "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
		if err := os.WriteFile(c.path("audit.yaml"), []byte(policy), 0o600); err != nil {
			return err
		}
		args = append(args, "--audit-policy-file="+c.path("audit.yaml"), "--audit-log-path="+c.path("audit.log"))
	}
	var err error
	if c.api, err = start(c.path("kube-apiserver.log"), c.program("kube-apiserver"), args...); err != nil {
		return err
	}
	return c.await(ctx)
}

// startLimit is how long the control plane may take to be ready.
const startLimit = 2 * time.Minute

// await waits until the kube-apiserver says that it is ready.
func (c *Cluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client, err := rest.HTTPClientFor(c.admin)
	if err != nil {
		return err
	}
	client.Timeout = 2 * time.Second
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.admin.Host+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		switch {
		case c.etcd.ended():
			return errors.New("etcd has ended; " + Tail(c.path("etcd.log")))
		case c.api.ended():
			return errors.New("kube-apiserver has ended; " + Tail(c.path("kube-apiserver.log")))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w; %s", ctx.Err(), Tail(c.path("kube-apiserver.log")))
		case <-tick.C:
		}
	}
}

// Dir holds the data and the logs.
func (c *Cluster) Dir() string { return c.dir }

// AdminConfig may do everything.
func (c *Cluster) AdminConfig() *rest.Config { return rest.CopyConfig(c.admin) }

// UserConfig is for a user with what RBAC gives it and its groups, as in
// system:serviceaccount:<namespace>:<name>.
func (c *Cluster) UserConfig(name string, groups ...string) (*rest.Config, error) {
	cert, key, err := c.ca.Issue(name, groups)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            "https://127.0.0.1:" + strconv.Itoa(c.ports.api),
		TLSClientConfig: rest.TLSClientConfig{CAData: c.ca.pem, CertData: cert, KeyData: key},
		QPS:             -1,
	}, nil
}

// WriteKubeconfig writes a configuration for kubectl, readable by its owner.
func WriteKubeconfig(path string, config *rest.Config) error {
	k := clientcmdapi.NewConfig()
	k.Clusters["dev"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	k.AuthInfos["dev"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	k.Contexts["dev"] = &clientcmdapi.Context{Cluster: "dev", AuthInfo: "dev", Namespace: "default"}
	k.CurrentContext = "dev"
	return clientcmd.WriteToFile(*k, path)
}

// EtcdURL is where etcd listens, without authentication.
func (c *Cluster) EtcdURL() string { return address(c.ports.etcd) }

// KillAPIServer ends the kube-apiserver as a crash does.
func (c *Cluster) KillAPIServer() { c.api.kill() }

// PauseEtcd has etcd stand still, as a disk that hangs does.
func (c *Cluster) PauseEtcd() error { return c.etcd.signal(syscall.SIGSTOP) }

// ResumeEtcd has etcd go on.
func (c *Cluster) ResumeEtcd() error { return c.etcd.signal(syscall.SIGCONT) }

// Stop ends the control plane.
func (c *Cluster) Stop() {
	c.api.stop()
	c.etcd.stop()
	if c.remove {
		_ = os.RemoveAll(c.dir) // what is left is in the system's temporary folder
	}
}
