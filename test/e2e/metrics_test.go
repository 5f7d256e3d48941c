package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	w.ready(w.webAPI("d", "#alerts"))
	w.becomes(w.notify("n", "c", to(user("ada"))), delivered())
	w.hooked("hook", w.hook)
	w.becomes(w.notify("h", "hook"), delivered())
	w.notify("waits", "nothere")
	data := fetch(t, env.shared.Metrics)
	for _, want := range []string{
		`slack_notifier_deliveries_total{adapter="webapi",outcome="delivered"}`,
		`slack_notifier_deliveries_total{adapter="webhook",outcome="delivered"}`,
		`slack_notifier_delivery_latency_seconds_bucket{adapter="webapi",le="1"}`,
		`slack_notifier_slack_calls_total{answer="ok",method="chat.postMessage"}`,
		`slack_notifier_slack_calls_total{answer="ok",method="users.list"}`,
		`slack_notifier_slack_call_duration_seconds_count{method="chat.postMessage"}`,
		`slack_notifier_directory_entries{list="users",workspace="` + w.team + `"} 8`,
		`slack_notifier_directory_age_seconds{list="users",workspace="` + w.team + `"}`,
		`slack_notifier_notifications_waiting`,
		`slack_notifier_build_info{goversion="go`,
	} {
		w.Expect(string(data)).To(gomega.ContainSubstring(want))
	}
	problems, err := promlint.New(bytes.NewReader(data)).Lint()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "slack_notifier_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// With --metrics-secure the metrics are for those whom RBAC lets read them.
func TestSecureMetrics(t *testing.T) {
	w := newWorld(t)
	o, err := env.StartOperator(w.ctx, "secure-metrics", "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns, "--metrics-secure=true")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()
	token := func(name string) string {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
		w.create(account)
		request := &authenticationv1.TokenRequest{}
		w.Expect(env.client.SubResource("token").Create(w.ctx, account, request)).To(gomega.Succeed())
		return request.Status.Token
	}
	reader, stranger := token("reader"), token("stranger")
	w.create(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.ns},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slack-notifier-metrics-reader"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: "reader"}}})
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its certificate is its own
	defer web.CloseIdleConnections()
	get := func(authorization string) string {
		req, err := http.NewRequest(http.MethodGet, strings.Replace(o.Metrics, "http:", "https:", 1), nil)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := web.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(data[:min(len(data), 300)]))
	}
	w.Eventually(func() string { return get("Bearer " + reader) }, "20s").Should(gomega.HavePrefix("200"))
	w.Expect(get("bearer " + reader)).To(gomega.HavePrefix("200"))
	// HTTP/2 would let one connection make requests without end (as kubebuilder's
	// projects turn it off).
	conn, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(o.Metrics, "http://"), "/metrics"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(conn.ConnectionState().NegotiatedProtocol).To(gomega.Equal("http/1.1"))
	w.Expect(conn.Close()).To(gomega.Succeed())
	w.Expect(get("")).To(gomega.HavePrefix("401 Unauthorized: show the token"))
	w.Expect(get("Bearer nonsense")).To(gomega.HavePrefix("401"))
	w.Expect(get("Basic " + reader)).To(gomega.HavePrefix("401"))
	w.Expect(get("Bearer " + stranger)).To(gomega.And(gomega.HavePrefix("403"), gomega.ContainSubstring(w.ns+":stranger")))
}
