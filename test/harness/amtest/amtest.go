// Package amtest runs a real Alertmanager (bin/alertmanager) for tests.
package amtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// patience with a start, since the machine may be busy.
const patience = 2 * time.Minute

// quiet is a configuration that tells nobody.
const quiet = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"

// Options of an Alertmanager.
type Options struct {
	// Config is the text of its configuration; it tells nobody when this is empty.
	Config string
	// Web is the text of its web configuration file, and Files are written beside it,
	// which is where its paths begin. With it, https is spoken.
	Web   string
	Files map[string][]byte
	// Flags beside those of the files and the web address. Without one for the
	// cluster, it has none.
	Flags []string
}

// Alertmanager is a process.
type Alertmanager struct {
	// URL of it, without a path.
	URL string

	cmd *exec.Cmd
}

// program finds bin/alertmanager of this module.
func program(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		path := filepath.Join(dir, "bin", "alertmanager")
		if _, found := os.Stat(path); found == nil {
			return path
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("there is no bin/alertmanager; make test builds it")
	return ""
}

// Start starts one, which ends with the test.
func Start(t testing.TB, o Options) *Alertmanager {
	t.Helper()
	dir := t.TempDir()
	if o.Config == "" {
		o.Config = quiet
	}
	files := map[string][]byte{"config.yaml": []byte(o.Config)}
	for name, data := range o.Files {
		files[name] = data
	}
	port, err := devcluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	m := &Alertmanager{URL: "http://" + address}
	args := []string{"--config.file=" + filepath.Join(dir, "config.yaml"), "--storage.path=" + dir, "--web.listen-address=" + address}
	if o.Web != "" {
		files["web.yaml"] = []byte(o.Web)
		m.URL = "https://" + address
		args = append(args, "--web.config.file="+filepath.Join(dir, "web.yaml"))
	}
	if !strings.Contains(strings.Join(o.Flags, " "), "--cluster.") {
		args = append(args, "--cluster.listen-address=")
	}
	if !strings.Contains(strings.Join(o.Flags, " "), "--web.external-url") {
		args = append(args, "--web.external-url="+m.URL)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // our own directory
	if err != nil {
		t.Fatal(err)
	}
	m.cmd = exec.Command(program(t), append(args, o.Flags...)...) //nolint:gosec // our own build
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if err := devcluster.Spawn(m.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		_ = log.Close()
		if t.Failed() {
			data, _ := os.ReadFile(log.Name())
			t.Logf("Alertmanager's log:\n%s", data[max(0, len(data)-5000):])
		}
	})
	m.await(t, address, log.Name())
	return m
}

// await waits until it answers; with TLS, whom it asks for a certificate, until it
// listens.
func (m *Alertmanager) await(t testing.TB, address, log string) {
	t.Helper()
	ready := func() bool {
		if strings.HasPrefix(m.URL, "https:") {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		}
		resp, err := http.Get(m.URL + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound // below a path
	}
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Alertmanager did not get ready; %s", devcluster.Tail(log))
		}
	}
}

// Kill ends it at once. It may have ended before.
func (m *Alertmanager) Kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

// Alert is what a Prometheus tells of.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt is zero while it fires.
	EndsAt       time.Time `json:"endsAt,omitzero"`
	GeneratorURL string    `json:"generatorURL,omitempty"`
}

// Tell tells it of alerts, as a Prometheus does, by plain HTTP.
func (m *Alertmanager) Tell(t testing.TB, alerts ...Alert) {
	t.Helper()
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(m.URL+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager takes no alerts: %s", resp.Status)
	}
}

// Silence is one as it tells of it.
type Silence struct {
	ID        string    `json:"id"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	Comment   string    `json:"comment"`
	CreatedBy string    `json:"createdBy"`
	Matchers  []struct{ Name, Value string }
	Status    struct{ State string }
}

// Silences returns those that have not ended, by plain HTTP.
func (m *Alertmanager) Silences(t testing.TB) []Silence {
	t.Helper()
	resp, err := http.Get(m.URL + "/api/v2/silences")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var all, out []Silence
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Status.State != "expired" {
			out = append(out, s)
		}
	}
	return out
}

// Expire ends a silence, as somebody does in Alertmanager's own page.
func (m *Alertmanager) Expire(t testing.TB, id string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodDelete, m.URL+"/api/v2/silence/"+id, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the silence %s was not ended: %s", id, resp.Status)
	}
}
