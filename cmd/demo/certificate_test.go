package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who trusts tls.crt, as the printed curl line does, can talk to the demo's
// intake, and nobody else.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	if err := writeCertificate(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	pem, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	for name, test := range map[string]struct {
		roots *x509.CertPool
		want  string
	}{"trusted": {trusted, ""}, "not trusted": {x509.NewCertPool(), "certificate"}} {
		for _, host := range []string{"127.0.0.1", "localhost"} {
			web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: test.roots}}}
			resp, err := web.Get(strings.Replace(server.URL, "127.0.0.1", host, 1))
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, by %s: %v, want %q", name, host, err, test.want)
			}
		}
	}
	info, err := os.Stat(filepath.Join(dir, "tls.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("tls.key: %v %v, want it for its owner alone", info.Mode(), err)
	}
}
