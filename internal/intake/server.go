// Package intake takes what is posted by HTTP and stores it in the cluster: a
// message becomes a SlackNotification, and what an Alertmanager posts goes to
// who looks after the SlackAlert.
//
// It answers 2xx only when the object is stored, and 503 when it can't be now or
// when too much comes in, which callers repeat. What a quota or a policy
// refuses is told in the API server's words. It never talks to Slack, and
// needs no leadership: every replica serves.
package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/servingcert"
)

// +kubebuilder:rbac:groups=slack.notify.dev,resources=slacknotifications,verbs=get;create
// +kubebuilder:rbac:groups=slack.notify.dev,resources=slackchannels;slackalerts,verbs=get

// Reviewer says who calls and what they may do. It answers with
// kubeauth.ErrUnauthenticated and kubeauth.ErrForbidden.
type Reviewer interface {
	Authenticate(ctx context.Context, token string) (kubeauth.User, error)
	Allowed(ctx context.Context, user kubeauth.User, spec authorizationv1.SubjectAccessReviewSpec) error
}

// AlertReceiver takes what is posted for a rule. When it returns nil, all that is
// to be told is stored, and the remark is for the caller. An
// *alertmanager.PayloadError or *posts.PayloadError says that the post can't be
// read; a NotFound of the API server, that the rule is gone.
type AlertReceiver interface {
	Receive(ctx context.Context, rule *v1alpha1.SlackAlert, raw posts.Raw) (remark string, err error)
	// ReceivePost is Receive for a post of an Alertmanager that was too large to be
	// kept.
	ReceivePost(ctx context.Context, rule *v1alpha1.SlackAlert, post alertmanager.Payload) error
}

// Server is the HTTP server.
type Server struct {
	// Address to listen on.
	Address string
	// CertDir holds tls.crt and tls.key, which are read anew when they change;
	// plain HTTP when empty.
	CertDir string
	// Client creates SlackNotifications.
	Client client.Writer
	// Live reads from the API server, past any cache.
	Live client.Reader
	// Reviewer of the callers.
	Reviewer Reviewer
	// Alerts takes what is posted for SlackAlerts; none are known when nil.
	Alerts AlertReceiver
	// Keys by which posts for SlackAlerts are signed; none are known when nil.
	Keys SigningKeys
	// Interactions takes clicks on buttons; none are taken when nil.
	Interactions Interactions
	// DefaultChannel that POST /message goes to; there is no such path when
	// empty.
	DefaultChannel types.NamespacedName
	// Anonymous opens /message to everybody.
	Anonymous bool
	// TTL of a SlackNotification that is finished.
	TTL time.Duration
	// Labels of each SlackNotification, by which its shard knows it.
	Labels map[string]string
	// Shard are the SlackAlerts that this operator looks after; all when nil.
	Shard labels.Selector
	// Watches tells whether this operator looks after a namespace; all when nil.
	Watches func(namespace string) bool
	// Observe is told of each answer.
	Observe func(endpoint string, code int, took time.Duration)
	// Clock is the real one when nil.
	Clock clock.PassiveClock
	// Limits are the defaults where zero.
	Limits Limits

	signers   signers
	once      sync.Once
	limits    *limiters
	listening atomic.Bool
}

var (
	_ manager.Runnable               = (*Server)(nil)
	_ manager.LeaderElectionRunnable = (*Server)(nil)
	_ http.Handler                   = (*Server)(nil)
)

// NeedLeaderElection is false: what is stored is the leader's to deliver.
func (*Server) NeedLeaderElection() bool { return false }

// grace is how long requests under way may take when the server ends.
const grace = 20 * time.Second

// Start serves until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.Address)
	if err != nil {
		return err
	}
	return s.Serve(ctx, listener)
}

// Serve serves on a listener until ctx ends, and closes it.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.init()
	logger := log.FromContext(ctx).WithName("intake")
	limits := s.limits.Limits
	gate := newGate(listener, limits.Connections, s.CertDir == "")
	server := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return log.IntoContext(context.WithoutCancel(ctx), logger) },
		ConnState:         gate.state,
		ConnContext:       gate.withSeat,
		ReadHeaderTimeout: limits.HeaderTime,
		ReadTimeout:       limits.ReadTime,
		WriteTimeout:      limits.ReadTime + limits.workTime(),
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		// What goes wrong here is the caller's, and anybody could fill the log.
		ErrorLog: discard,
		// HTTP/2 has limits of its own to watch over.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	serve := func() error { return server.Serve(gate) }
	if s.CertDir != "" {
		with, err := servingcert.Watch(ctx, s.CertDir, logger)
		if err != nil {
			_ = listener.Close() // nobody has connected yet
			return err
		}
		server.TLSConfig = with
		serve = func() error { return server.ServeTLS(gate, "", "") }
	}
	logger.Info("taking messages", "address", listener.Addr().String(), "tls", s.CertDir != "", "anonymous", s.Anonymous)
	if s.CertDir == "" {
		logger.Info("the intake speaks plain HTTP: whoever reads the traffic can post with the tokens that he sees; set --intake-tls-cert-dir")
	}
	s.listening.Store(true)
	defer s.listening.Store(false)
	return s.until(ctx, server, serve)
}

// Ready is a check for /readyz: whether posts are taken.
func (s *Server) Ready(*http.Request) error {
	if s.listening.Load() {
		return nil
	}
	return errors.New("the intake does not listen yet")
}

// until serves until ctx ends, and then for as long as requests are under way.
func (*Server) until(ctx context.Context, server *http.Server, serve func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(short); err != nil {
		return server.Close()
	}
	return nil
}

func (s *Server) init() {
	s.once.Do(func() {
		if s.Clock == nil {
			s.Clock = clock.RealClock{}
		}
		if s.Shard == nil {
			s.Shard = labels.Everything()
		}
		if s.Watches == nil {
			s.Watches = func(string) bool { return true }
		}
		if s.Observe == nil {
			s.Observe = func(string, int, time.Duration) {}
		}
		s.limits = newLimiters(s.Limits, s.Clock)
	})
}
