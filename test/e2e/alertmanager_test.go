package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/intake"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// monitor is a real Alertmanager.
type monitor struct {
	*world
	*amtest.Alertmanager
	peer string
}

// alertmanagerConfig posts to an address with a token from a file.
const alertmanagerConfig = `
route:
  receiver: slack
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 2s
receivers:
- name: slack
  webhook_configs:
  - url: %s
    send_resolved: true
    http_config:
      authorization:
        credentials_file: %s
`

// monitor starts an Alertmanager that posts to url. It joins the cluster of
// the peers, if there are any.
func (w *world) monitor(url, token string, peers ...*monitor) *monitor {
	w.t.Helper()
	gossip, err := devcluster.FreePort()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	m := &monitor{world: w, peer: fmt.Sprintf("127.0.0.1:%d", gossip)}
	file := filepath.Join(w.t.TempDir(), "token")
	w.Expect(os.WriteFile(file, []byte(token), 0o600)).To(gomega.Succeed())
	flags := []string{
		"--cluster.listen-address=" + m.peer, "--cluster.advertise-address=" + m.peer, "--cluster.peer-timeout=1s", "--cluster.gossip-interval=100ms",
		"--cluster.settle-timeout=1s",
	}
	for _, p := range peers {
		flags = append(flags, "--cluster.peer="+p.peer)
	}
	m.Alertmanager = amtest.Start(w.t, amtest.Options{Config: fmt.Sprintf(alertmanagerConfig, url, file), Flags: flags})
	return m
}

// alert tells the Alertmanager, as a Prometheus does, that a pod fires; it is
// over when end is not zero.
func (m *monitor) alert(name, pod string, start, end time.Time) {
	m.t.Helper()
	m.Tell(m.t, amtest.Alert{
		Labels:      map[string]string{"alertname": name, "pod": pod, "severity": "critical", "namespace": m.ns},
		Annotations: map[string]string{"summary": "Pod " + pod + " is down", "runbook_url": "https://runbooks.example.com/down"},
		StartsAt:    start, EndsAt: end, GeneratorURL: "http://prometheus.example.com/graph?g0.expr=up",
	})
}

// notebook is an AlertReceiver that merges what it is given in memory.
type notebook struct {
	mu      sync.Mutex
	state   alertmanager.State
	posts   int
	changes []string
	// fail so many times first.
	fail int
}

func (n *notebook) Receive(ctx context.Context, rule *v1alpha1.SlackAlert, raw posts.Raw) (string, error) {
	p, err := alertmanager.Decode(raw.Body)
	if err != nil {
		return "", err
	}
	return "", n.ReceivePost(ctx, rule, p)
}

func (n *notebook) ReceivePost(_ context.Context, _ *v1alpha1.SlackAlert, p alertmanager.Payload) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail > 0 {
		n.fail--
		return errors.New("not now")
	}
	n.posts++
	p.ReceivedAt = time.Now()
	state, changed := alertmanager.Merge(n.state, p)
	if n.state = state; changed {
		c := alertmanager.DefaultContent(state)
		// That the second of a cluster has told of it too is noted, and not shown.
		if said := string(c.Severity) + " " + c.Title; len(n.changes) == 0 || n.changes[len(n.changes)-1] != said {
			n.changes = append(n.changes, said)
		}
	}
	return nil
}

func (n *notebook) seen() (int, []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.posts, append([]string{}, n.changes...)
}

// What a real Alertmanager posts is understood: its token, its retries after
// 503, its repeats, and two of a cluster.
func TestAlertmanagerPosts(t *testing.T) {
	w := newWorld(t)
	rule := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Name: "am"}, Spec: v1alpha1.SlackAlertSpec{
		ChannelRef: v1alpha1.ChannelReference{Name: "c"}, Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}},
	}}
	w.create(rule)
	config := env.Cluster.AdminConfig()
	web, err := rest.HTTPClientFor(config)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	reviewer, err := kubeauth.New(config, web, kubeauth.Options{Audience: "slack-notifier"})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	notes := &notebook{fail: 2}
	server := &intake.Server{Client: env.client, Live: env.client, Reviewer: reviewer, Alerts: notes}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	defer func() { cancel(); w.Expect(<-done).To(gomega.Succeed()) }()

	url := fmt.Sprintf("http://%s/v1/namespaces/%s/alerts/am", listener.Addr(), w.ns)
	token := w.tokenOf(w.poster("alertmanager"))
	one := w.monitor(url, token)
	two := w.monitor(url, token, one)
	start := time.Now().Add(-time.Minute)
	both := func(pod string, end time.Time) {
		one.alert("Down", pod, start, end)
		two.alert("Down", pod, start, end)
	}
	changes := func() []string { _, c := notes.seen(); return c }
	both("web-0", time.Time{})
	w.Eventually(changes).Should(gomega.Equal([]string{"Critical [FIRING] Down"}))
	both("web-1", time.Time{})
	w.Eventually(changes).Should(gomega.HaveLen(2))
	w.Expect(changes()[1]).To(gomega.Equal("Critical [FIRING:2] Down"))
	// It repeats itself, and says nothing new.
	before, _ := notes.seen()
	w.Eventually(func() int { n, _ := notes.seen(); return n }).Should(gomega.BeNumerically(">", before+2))
	w.Expect(changes()).To(gomega.HaveLen(2))
	both("web-0", time.Now())
	w.Eventually(changes).Should(gomega.HaveLen(3))
	w.Expect(changes()[2]).To(gomega.Equal("Critical [FIRING] Down"))
	both("web-1", time.Now())
	w.Eventually(changes).Should(gomega.HaveLen(4))
	w.Expect(changes()[3]).To(gomega.Equal("Success [RESOLVED] Down"))
	w.Expect(notes.state.SilenceURL()).To(gomega.HavePrefix("http://127.0.0.1:"))
}

// From a real Alertmanager to Slack: an alert fires, is seen, and its message
// turns green when it resolves. The operator and an Alertmanager are killed
// amid it, and nothing is lost or doubled.
func TestAlertmanagerToSlack(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake()
	rule := w.rule("am", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}},
		func(a *v1alpha1.SlackAlert) { a.Labels = map[string]string{"shard": "own"} })
	w.Eventually(func() string { w.message(rule); return rule.Status.Address }).Should(gomega.Equal("/v1/namespaces/" + w.ns + "/alerts/am"))
	w.becomes(rule, current("", v1alpha1.ReasonListening))
	token := w.tokenOf(w.poster("alertmanager"))
	one := w.monitor(i.url+rule.Status.Address, token)
	two := w.monitor(i.url+rule.Status.Address, token, one)
	start := time.Now().Add(-time.Minute)
	tell := func(pod string, start, end time.Time, to ...*monitor) {
		for _, m := range to {
			m.alert("Down", pod, start, end)
		}
	}
	channel := w.id("C", "ALERTS")
	// said is the colour and the headline of each message in the channel.
	said := func() []string {
		var out []string
		for _, m := range w.messages(channel) {
			var attachments []struct{ Color string }
			_ = json.Unmarshal(m.Attachments, &attachments)
			line, _, _ := strings.Cut(m.Text, "\n")
			for _, a := range attachments {
				line = a.Color + " " + line
			}
			out = append(out, line)
		}
		return out
	}
	const dark, green = "#8B0000 :rotating_light: ", "#2EB67D :white_check_mark: "
	tell("web-0", start, time.Time{}, one, two)
	w.Eventually(said).Should(gomega.Equal([]string{dark + "[FIRING] Down"}))

	i.operator.Kill()
	one.Kill()
	tell("web-1", start, time.Time{}, two)
	time.Sleep(2 * time.Second) // two group intervals in which nobody listens
	i.start()
	w.Eventually(said).Should(gomega.Equal([]string{dark + "[FIRING:2] Down"}))
	one = w.monitor(i.url+rule.Status.Address, token, two)
	tell("web-0", start, time.Time{}, one)
	tell("web-1", start, time.Time{}, one)
	tell("web-0", start, time.Now(), one, two)
	w.Eventually(said).Should(gomega.Equal([]string{dark + "[FIRING] Down"}))
	i.operator.Kill()
	tell("web-1", start, time.Now(), one, two)
	i.start()
	w.Eventually(said).Should(gomega.Equal([]string{green + "[RESOLVED] Down"}))
	w.Eventually(func() int { w.message(rule); return int(rule.Status.Firing) }).Should(gomega.BeZero())

	// A later firing is a new incident.
	again := time.Now()
	tell("web-0", again, time.Time{}, one, two)
	w.Eventually(said).Should(gomega.Equal([]string{green + "[RESOLVED] Down", dark + "[FIRING] Down"}))
	// A late post of the first one is none.
	w.Expect(i.post(rule.Status.Address, token, text(fmt.Sprintf(`{"version":"4","groupKey":"{}:{alertname=\"Down\"}","status":"firing","alerts":[
		{"status":"firing","labels":{"alertname":"Down","pod":"web-0","severity":"critical","namespace":%q},"startsAt":%q}]}`,
		w.ns, start.Format(time.RFC3339Nano))))).To(code(200))
	w.Consistently(said, "2s").Should(gomega.Equal([]string{green + "[RESOLVED] Down", dark + "[FIRING] Down"}))
	for _, m := range w.messages(channel) {
		t.Logf("%d edits: %s", m.Edits, m.Text)
	}
	w.Expect(i.post(rule.Status.Address, token, text(`{"alerts":[]}`))).To(gomega.Equal(reply{Code: 400, Body: "the body has no alerts: \"alerts\" is missing or empty\n"}))
}
