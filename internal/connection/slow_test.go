package connection

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// silent is a listener that takes requests and never answers.
func silent(t *testing.T) (address string) {
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
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// A tenant's server that never answers holds a quarter of the workers, and what is
// beyond is told at once to come again; calls by the operator's own way go on.
func TestASilentServerHoldsFewWorkers(t *testing.T) {
	const workers = 16
	proxy := silent(t)
	genuine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"team_id":"T0123","user_id":"U0123"}`)
	}))
	defer genuine.Close()
	c := newCluster(t, secret("bot", "token", "xoxb-1"), secret("proxy", "address", "http://"+proxy))
	host := strings.TrimPrefix(genuine.URL, "http://")
	c.r.Allow, _ = egress.NewAllowList([]string{host})
	c.r.Proxies, _ = egress.NewProxyRules([]string{proxy}, "")
	c.r.APIURL = genuine.URL + "/api/"
	c.r.Calls = NewGate(SharesOf(workers))
	slow := c.resolve(withConnection(byToken(), "proxy", ""))
	other := byToken()
	other.UID = "other"
	fast := c.resolve(other)

	var refused atomic.Int32
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range workers {
		group.Go(func() {
			_, err := slow.API.AuthTest(ctx)
			if e := slack.AsError(err); e != nil && e.Class == slack.ClassRateLimited {
				if e.RetryAfter <= 0 || e.RetryAfter > 5*time.Second || !strings.Contains(e.Error(), "tried again by itself") {
					t.Errorf("refused with %+v, want it to say when to come again", e)
				}
				refused.Add(1)
			}
		})
	}
	for refused.Load() < workers*3/4 {
		time.Sleep(time.Millisecond)
	}
	if _, err := fast.API.AuthTest(t.Context()); err != nil {
		t.Errorf("meanwhile a call by the operator's own way failed: %v", err)
	}
	cancel()
	group.Wait()
	if n := refused.Load(); n != workers*3/4 {
		t.Errorf("%d of %d calls were refused, want three quarters", n, workers)
	}
	if len(c.r.Calls.inside) != 0 {
		t.Errorf("after the calls %v are under way", c.r.Calls.inside)
	}
}

// Private answers that ask for a day of waiting get five minutes, through the whole
// of proxy, client and adapter.
func TestATenantsServerCantAskForADay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	c := newCluster(t, secret("bot", "token", "xoxb-1"), secret("proxy", "address", server.URL))
	c.r.Proxies, _ = egress.NewProxyRules([]string{host}, "")
	_, err := c.resolve(withConnection(byToken(), "proxy", "")).API.AuthTest(t.Context())
	if e := slack.AsError(err); e == nil || e.Class != slack.ClassRateLimited || e.RetryAfter != 5*time.Minute {
		t.Errorf("got %+v, want a wait of five minutes", e)
	}
}
