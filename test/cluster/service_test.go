//go:build linux

package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// request sends one as a Pod would, each by a connection of its own.
func request(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // its certificate is its own
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

func clusterIP(t *testing.T, service string) string {
	t.Helper()
	s := &corev1.Service{}
	if err := node.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: service}, s); err != nil {
		t.Fatal(err)
	}
	return s.Spec.ClusterIP
}

// scraperToken is what Prometheus shows: what the Secret has that the ServiceMonitor
// names. The control plane fills it.
func scraperToken(t *testing.T) string {
	t.Helper()
	credentials := strings.Fields(kubectl(t, "get", "servicemonitor", "-n", operatorNamespace, "-o",
		"jsonpath={.items[*].spec.endpoints[*].authorization.credentials.name} {.items[*].spec.endpoints[*].authorization.credentials.key}"))
	if len(credentials) != 2 {
		t.Fatalf("the ServiceMonitor names the credentials %v, want name and key of a Secret", credentials)
	}
	secret := &corev1.Secret{}
	await(t, "the Secret has a token", func(ctx context.Context) (bool, error) {
		err := node.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: credentials[0]}, secret)
		return err == nil && len(secret.Data[credentials[1]]) > 0, err
	})
	return string(secret.Data[credentials[1]])
}

// The metrics are had through the Service, by those whom RBAC lets read them, as
// the ServiceMonitor says.
func testMetrics(t *testing.T) {
	url := "https://" + clusterIP(t, deployment+"-metrics-service") + ":8443/metrics"
	kubectl(t, "apply", "--server-side", "-f", filepath.Join(node.dir, monitoringDir))
	kubectl(t, "wait", "--for=condition=Established", "--timeout=1m", "crd/servicemonitors.monitoring.coreos.com", "crd/prometheusrules.monitoring.coreos.com")
	monitoring := filepath.Join(node.dir, cloneDir, "config/prometheus")
	kubectl(t, "apply", "--server-side", "-k", monitoring)
	t.Cleanup(func() {
		kubectlLater("delete", "-k", monitoring)
		kubectlLater("delete", "-f", filepath.Join(node.dir, monitoringDir))
	})
	token := scraperToken(t)
	await(t, "the metrics are served", func(context.Context) (bool, error) {
		code, body := request(t, http.MethodGet, url, token, "")
		if code != http.StatusOK || !strings.Contains(body, `slack_notifier_deliveries_total{adapter="webapi",outcome="failed"} 0`) {
			return false, fmt.Errorf("%d %.300s", code, body)
		}
		return true, nil
	})
	if code, body := request(t, http.MethodGet, url, "", ""); code != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s, want 401", code, body)
	}
}

// poster is a Pod with a token that the kubelet projects and renews, as
// docs/intake.md has it.
const poster = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: post, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: slack-notifier-intake-poster-role}
subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
---
apiVersion: v1
kind: Pod
metadata: {name: poster, namespace: shop}
spec:
  containers:
  - name: pause
    image: ` + pauseImage + `
    volumeMounts: [{name: slack-notifier, mountPath: /var/run/secrets/slack-notifier}]
  volumes:
  - name: slack-notifier
    projected:
      sources:
      - serviceAccountToken: {path: token, audience: slack-notifier, expirationSeconds: 3600}
`

// Both replicas take posts, by the Service and each by itself, from whoever shows a
// token that the kubelet has projected.
func testIntake(t *testing.T) {
	apply(t, poster)
	kubectl(t, "wait", "-n", "shop", "--for=condition=Ready", "pod/poster", "--timeout=2m")
	p := &corev1.Pod{}
	if err := node.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "poster"}, p); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(node.path("kubelet/pods/" + string(p.UID) + "/volumes/kubernetes.io~projected/slack-notifier/token"))
	if err != nil {
		t.Fatal(err)
	}
	token := string(data)
	pods := strings.Fields(kubectl(t, "get", "pods", "-n", operatorNamespace, "-o", "jsonpath={.items[*].status.podIP}"))
	if len(pods) != 2 {
		t.Fatalf("addresses of the Pods %v, want 2", pods)
	}
	const path = "/v1/namespaces/shop/channels/alerts/messages"
	for name, address := range map[string]string{"service": clusterIP(t, "slack-notifier-intake"), "first": pods[0] + ":8082", "second": pods[1] + ":8082"} {
		t.Run(name, func(t *testing.T) {
			code, body := request(t, http.MethodPost, "http://"+address+path, token, `{"text": "text of shop/by-`+name+`"}`)
			if code != http.StatusCreated {
				t.Fatalf("%d %s, want 201", code, body)
			}
			await(t, "the message is in Slack", func(context.Context) (bool, error) { return inSlack(t, "shop")["by-"+name] == 1, nil })
			if code, body := request(t, http.MethodPost, "http://"+address+path, "", `{"text": "x"}`); code != http.StatusUnauthorized {
				t.Errorf("without a token: %d %s, want 401", code, body)
			}
		})
	}
	kubectl(t, "delete", "pod", "-n", "shop", "poster", "--wait=false")
}
