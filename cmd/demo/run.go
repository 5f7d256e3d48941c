package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// operator is who the operator runs as: its own ServiceAccount, with no more
// rights than config/rbac gives it.
const (
	operatorNamespace = "slack-notifier-system"
	operatorUser      = "system:serviceaccount:" + operatorNamespace + ":slack-notifier-controller-manager"
)

// intakeTLS is the folder of the intake's certificate.
const intakeTLS = "intake-tls"

// limit of a demo that ends by itself.
const limit = 2 * time.Minute

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func run(ctx context.Context, dir string, once bool) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	say("==> Starting a control plane: etcd and kube-apiserver, a few seconds")
	cluster, err := devcluster.Start(ctx, devcluster.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer cluster.Stop()

	say("==> Starting a simulated Slack")
	slackURL, stopSlack, err := startSlack()
	if err != nil {
		return err
	}
	defer stopSlack()

	say("==> Installing the operator's kinds and rights (config/default)")
	if err := install(ctx, cluster.AdminConfig()); err != nil {
		return err
	}
	say("==> Starting the operator as its own ServiceAccount; its log is %s", filepath.Join(dir, "operator.log"))
	port, err := devcluster.FreePort()
	if err != nil {
		return err
	}
	intake := fmt.Sprintf("127.0.0.1:%d", port)
	stopOperator, err := startOperator(ctx, cluster, dir, slackURL, intake)
	if err != nil {
		return err
	}
	defer stopOperator()

	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, cluster.AdminConfig()); err != nil {
		return err
	}
	say("==> Applying config/samples")
	if err := applySamples(ctx, cluster.AdminConfig(), slackURL); err != nil {
		return err
	}
	if !once {
		say("")
		say("    Slack, as people see it:  %s", slackURL)
		say("    To try kubectl:           export KUBECONFIG=%s", kubeconfig)
		say("                              kubectl get slack")
		say("    To answer a question:     press a button there, then kubectl get sln approve-web-44 -o yaml")
		say("    To try the intake:        curl --cacert %s https://%s/message -d '{\"message\": \"Hello from curl\"}'", filepath.Join(dir, intakeTLS, "tls.crt"), intake)
		say("    Ctrl-C ends the demo.")
	}
	say("")
	return follow(ctx, cluster.AdminConfig(), slackURL, once)
}

// startSlack starts bin/slacksim and returns its address.
func startSlack() (address string, stop func(), err error) {
	cmd := exec.Command("bin/slacksim")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := devcluster.Spawn(cmd); err != nil {
		return "", nil, fmt.Errorf("starting bin/slacksim (make demo builds it): %w", err)
	}
	stop = func() { end(cmd) }
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		stop()
		return "", nil, errors.New("bin/slacksim did not say where it listens")
	}
	return address, stop, nil
}

// end asks a child to end, and waits for it.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
	}
}

// install applies config/default, without the Deployment: nothing runs Pods
// here, and the operator runs beside the cluster.
func install(ctx context.Context, config *rest.Config) error {
	data, err := kustomize("config/default")
	if err != nil {
		return err
	}
	var keep []string
	for _, doc := range strings.Split(string(data), "\n---\n") {
		if !strings.Contains("\n"+doc, "\nkind: Deployment\n") {
			keep = append(keep, doc)
		}
	}
	// The kinds are served a moment after they are stored, and the rest needs
	// none of them.
	return devcluster.Apply(ctx, config, []byte(strings.Join(keep, "\n---\n")))
}

// kustomize builds a folder by the kubectl that belongs to the control plane.
func kustomize(dir string) ([]byte, error) {
	assets, err := devcluster.Assets()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(assets, "kubectl"), "kustomize", dir) //nolint:gosec // a program of ours
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// startOperator starts bin/slack-notifier and waits until it is ready.
func startOperator(ctx context.Context, cluster *devcluster.Cluster, dir, slackURL, intake string) (func(), error) {
	config, err := cluster.UserConfig(operatorUser, "system:serviceaccounts", "system:serviceaccounts:"+operatorNamespace)
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(dir, "operator.kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	probe, err := devcluster.FreePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "operator.log")) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	certificates := filepath.Join(dir, intakeTLS)
	if err := writeCertificate(certificates); err != nil {
		return nil, err
	}
	cmd := exec.Command("bin/slack-notifier", //nolint:gosec // a program of ours
		"--kubeconfig="+kubeconfig, "--slack-api-url="+slackURL+"/api/",
		"--allowed-hosts="+strings.TrimPrefix(slackURL, "http://"), "--cluster-name=demo",
		"--intake-bind-address="+intake, "--intake-default-channel=default/alerts", "--intake-anonymous",
		"--intake-tls-cert-dir="+certificates,
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", probe))
	cmd.Stdout, cmd.Stderr = log, log
	if err := devcluster.Spawn(cmd); err != nil {
		return nil, fmt.Errorf("starting bin/slack-notifier (make demo builds it): %w", err)
	}
	stop := func() { end(cmd) }
	if err := ready(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", probe)); err != nil {
		stop()
		return nil, fmt.Errorf("the operator did not get ready; see %s: %w", log.Name(), err)
	}
	return stop, nil
}

func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// applySamples applies config/samples with the simulated Slack's credentials.
func applySamples(ctx context.Context, config *rest.Config, slackURL string) error {
	data, err := kustomize("config/samples")
	if err != nil {
		return err
	}
	text := strings.NewReplacer(
		"xoxb-your-token", slacksim.DemoToken, "xapp-your-token", slacksim.DemoAppToken,
		"https://hooks.slack.com/services/your/webhook/url", slackURL+slacksim.DemoWebhookPath,
	).Replace(string(data))
	return devcluster.Apply(ctx, config, []byte(text))
}
