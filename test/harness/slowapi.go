package harness

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// SlowAPI stands between an operator and the API server, and holds up writes of the
// statuses of SlackNotifications.
type SlowAPI struct {
	// Kubeconfig by which the operator reaches the API server through it.
	Kubeconfig string

	server *httptest.Server
	mu     sync.Mutex
	before func(ctx context.Context, patch string)
	after  func(ctx context.Context, patch string)
}

// NewSlowAPI starts one in front of what a configuration leads to, with its rights.
func NewSlowAPI(config *rest.Config, dir string) (*SlowAPI, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	s := &SlowAPI{Kubeconfig: filepath.Join(dir, "slow.kubeconfig")}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		// Whoever has gone away needs no answer.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/slacknotifications/") || !strings.HasSuffix(r.URL.Path, "/status") {
			proxy.ServeHTTP(w, r)
			return
		}
		patch, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(patch))
		before, after := s.hooks()
		before(r.Context(), string(patch))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		after(r.Context(), string(patch))
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	through := rest.Config{Host: s.server.URL}
	return s, devcluster.WriteKubeconfig(s.Kubeconfig, &through)
}

func (s *SlowAPI) hooks() (before, after func(context.Context, string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nothing := func(context.Context, string) {}
	before, after = nothing, nothing
	if s.before != nil {
		before = s.before
	}
	if s.after != nil {
		after = s.after
	}
	return before, after
}

// Hold calls the functions before and after each write of a status; nil for
// nothing. The context is that of the request.
func (s *SlowAPI) Hold(before, after func(ctx context.Context, patch string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// Cut ends all connections, and so all watches.
func (s *SlowAPI) Cut() { s.server.CloseClientConnections() }

// Close ends it.
func (s *SlowAPI) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// IsAnswer reports whether a patch of a status stores an answer, and is not the
// controller's.
func IsAnswer(patch string) bool { return strings.Contains(patch, `"/status/responses"`) }
