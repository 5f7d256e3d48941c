package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/notification"
)

// hanging is a proxy of a tenant's own that answers in Slack's place: it says yes to
// every token, where it is to, and never answers anything else. It counts the calls
// that it holds.
func hanging(t *testing.T, team string, answersAuth bool, held *crowd) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if !answersAuth || !strings.HasSuffix(req.URL.Path, "/auth.test") {
						held.enter()
						defer held.leave()
						_, _ = io.Copy(io.Discard, in) // until the operator gives it up
						return
					}
					body := fmt.Sprintf(`{"ok":true,"team_id":%q,"user_id":"U0EVIL000","bot_id":"B0EVIL000"}`, team)
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// A tenant's servers that never answer hold up neither the checks nor the messages
// of another, though he claims to be the other's workspace.
func TestTrustSilentServersHoldUpNobody(t *testing.T) {
	w := newWorld(t)
	tenant := func(kind, channel string, i int) *v1alpha1.SlackChannel {
		return w.webAPI(fmt.Sprint(kind, "-", i), channel, func(c *v1alpha1.SlackChannel) {
			c.Spec.Connection = &v1alpha1.Connection{
				ProxySecretRef: &v1alpha1.SecretReference{Name: kind}, Timeout: &metav1.Duration{Duration: 30 * time.Second},
			}
		})
	}
	checks, posts := &crowd{}, &crowd{}
	w.create(secretOf(w.ns, "silent", map[string]string{"address": hanging(t, w.team, false, checks)}))
	w.create(secretOf(w.ns, "hanging", map[string]string{"address": hanging(t, w.team, true, posts)}))
	for i := range 12 { // without a channel, so that they are ready, and messages go out by them
		w.ready(tenant("hanging", "", i))
	}
	var silent *v1alpha1.SlackChannel
	// Three times as many as there are workers, for half a minute each.
	for i := range 48 {
		silent = tenant("silent", "alerts", i)
	}
	for i := range 80 {
		w.notify(fmt.Sprint("stuck-", i), fmt.Sprint("hanging-", i%12), to(room("C0STUCK00"), user("U0STUCK00")))
	}
	begin := time.Now()
	victim := &world{WithT: w.WithT, t: t, ctx: w.ctx, ns: w.ns + "-b", team: w.team, token: w.token, hook: w.hook}
	victim.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: victim.ns}})
	c := victim.webAPI("c", "#alerts")
	victim.ready(c)
	t.Logf("the other's SlackChannel was ready in %v", time.Since(begin).Round(time.Millisecond))
	for i := range 5 {
		victim.becomes(victim.notify(fmt.Sprint("n-", i), "c", to(user("ada"))), delivered())
	}
	t.Logf("5 messages to one person were delivered one after the other after %v", time.Since(begin).Round(time.Millisecond))
	w.Expect(w.see(silent).Reason).NotTo(gomega.Equal(v1alpha1.ReasonVerified))
	// The seconds prove nothing, as calls end by their timeout.
	t.Logf("%d checks and %d posts and look-ups were held at once", checks.peak(), posts.peak())
	w.Expect(checks.peak()).To(gomega.And(gomega.BeNumerically(">", 0), gomega.BeNumerically("<=", atOnce(16))), "checks of one namespace under way at once, of 16 workers")
	w.Expect(posts.peak()).To(gomega.BeNumerically("<=", atOnce(notification.DefaultConcurrency)), "calls of one namespace under way at once")
}
