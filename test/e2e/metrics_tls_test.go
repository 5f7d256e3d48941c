package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

var (
	withMetricsTLS = edit{"default/kustomization.yaml", "- ../intake #", "- ../manager/metrics-tls\n- ../intake #"}
	unverified     = edit{"prometheus/kustomization.yaml", "# components:\n# - unverified", "components:\n- unverified"}
)

// scrape is what a ServiceMonitor has Prometheus do.
type scrape struct {
	Port, Scheme, BearerTokenFile string
	Authorization                 struct{ Credentials reference }
	TLSConfig                     struct {
		ServerName         string
		InsecureSkipVerify bool
		CA                 struct{ Secret reference }
	}
}

type reference struct{ Name, Key string }

// scraped is the one ServiceMonitor of config/prometheus.
func scraped(t *testing.T, objects []*unstructured.Unstructured) (s scrape, selector labels.Selector) {
	t.Helper()
	monitors := pick(objects, "ServiceMonitor")
	if len(monitors) != 1 {
		t.Fatalf("%d ServiceMonitors, want 1", len(monitors))
	}
	var m struct {
		Spec struct {
			Selector  struct{ MatchLabels map[string]string }
			Endpoints []scrape
		}
	}
	convert(t, monitors[0], &m)
	if len(m.Spec.Endpoints) != 1 {
		t.Fatalf("%d endpoints, want 1", len(m.Spec.Endpoints))
	}
	return m.Spec.Endpoints[0], labels.SelectorFromSet(m.Spec.Selector.MatchLabels)
}

func convert(t *testing.T, u *unstructured.Unstructured, to any) {
	t.Helper()
	data, err := u.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Prometheus verifies whom it asks, finds the metrics alone, and shows a token that
// reads metrics and is not its own.
func TestServiceMonitor(t *testing.T) {
	g := gomega.NewWithT(t)
	objects := append(rendered(t, "default", withIntake, withMetricsTLS), rendered(t, "prometheus")...)
	s, selector := scraped(t, objects)
	g.Expect(s.Scheme).To(gomega.Equal("https"))
	g.Expect(s.TLSConfig.InsecureSkipVerify).To(gomega.BeFalse())
	g.Expect(s.BearerTokenFile).To(gomega.BeEmpty(), "it reads Prometheus' own token")

	var services []string
	for _, u := range pick(objects, "Service") {
		if selector.Matches(labels.Set(u.GetLabels())) {
			services = append(services, u.GetName()+"."+u.GetNamespace()+".svc")
		}
	}
	g.Expect(services).To(gomega.Equal([]string{s.TLSConfig.ServerName}), "Services that are scraped")

	var certificate struct {
		Spec struct {
			SecretName string
			DNSNames   []string
		}
	}
	for _, u := range pick(objects, "Certificate") {
		if u.GetName() == "slack-notifier-metrics" {
			convert(t, u, &certificate)
		}
	}
	g.Expect(certificate.Spec.SecretName).To(gomega.Equal(s.TLSConfig.CA.Secret.Name))
	g.Expect(certificate.Spec.DNSNames).To(gomega.ContainElement(s.TLSConfig.ServerName))
	g.Expect(arguments(t, objects)).To(gomega.ContainElement("--metrics-tls-cert-dir=/metrics-tls"))

	var account string
	for _, u := range pick(objects, "Secret") {
		if u.GetName() == s.Authorization.Credentials.Name {
			account = u.GetAnnotations()[corev1.ServiceAccountNameKey]
		}
	}
	var roles []string
	for _, u := range pick(objects, "ClusterRoleBinding", "RoleBinding") {
		var b rbacv1.ClusterRoleBinding
		convert(t, u, &b)
		for _, of := range b.Subjects {
			if of.Name == account {
				roles = append(roles, b.RoleRef.Name)
			}
		}
	}
	g.Expect(roles).To(gomega.Equal([]string{"slack-notifier-metrics-reader"}), "what %q may do", account)

	without, _ := scraped(t, rendered(t, "prometheus", unverified))
	g.Expect(without.TLSConfig.InsecureSkipVerify).To(gomega.BeTrue(), "config/prometheus/unverified")
	g.Expect(without.Authorization).To(gomega.Equal(s.Authorization))
}

// mount puts a certificate where the kubelet would: into a folder of its own, which
// a link is then led to.
func mount(t *testing.T, dir, version string, c tls.Certificate) {
	t.Helper()
	g := gomega.NewWithT(t)
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(os.Mkdir(filepath.Join(dir, version), 0o700)).To(gomega.Succeed())
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, "tls.key": {Type: "PRIVATE KEY", Bytes: key}} {
		g.Expect(os.WriteFile(filepath.Join(dir, version, name), pem.EncodeToMemory(block), 0o600)).To(gomega.Succeed())
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			g.Expect(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))).To(gomega.Succeed())
		}
	}
	g.Expect(os.Symlink(version, filepath.Join(dir, "..new"))).To(gomega.Succeed())
	g.Expect(os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data"))).To(gomega.Succeed())
}

// The metrics are served with the certificate that the ServiceMonitor verifies, and
// with a renewed one without a restart.
func TestMetricsCertificate(t *testing.T) {
	w := newWorld(t)
	s, _ := scraped(t, rendered(t, "prometheus"))
	ca, dir := newAuthority(t), t.TempDir()
	mount(t, dir, "..first", ca.issue(t, 11, s.TLSConfig.ServerName))
	o, err := env.StartOperator(w.ctx, "metrics-tls", "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns, "--metrics-secure=true", "--metrics-tls-cert-dir="+dir)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()

	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "scraper"}}
	w.create(account)
	w.create(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.ns},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slack-notifier-metrics-reader"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: account.Name}}})
	token, roots := w.tokenOf(account, apiAudience), x509.NewCertPool()
	w.Expect(roots.AppendCertsFromPEM([]byte(ca.ca))).To(gomega.BeTrue())
	get := func() string {
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: s.TLSConfig.ServerName, MinVersion: tls.VersionTLS12}}}
		defer web.CloseIdleConnections() // each asks for the certificate anew
		req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, strings.Replace(o.Metrics, "http:", "https:", 1), nil)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := web.Do(req)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		return fmt.Sprintf("%s by certificate %v", resp.Status, resp.TLS.PeerCertificates[0].SerialNumber)
	}
	w.Eventually(get).Should(gomega.Equal("200 OK by certificate 11"))
	mount(t, dir, "..second", ca.issue(t, 12, s.TLSConfig.ServerName))
	w.Eventually(get).Should(gomega.Equal("200 OK by certificate 12"))
}
