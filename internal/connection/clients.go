package connection

import (
	"net/http"
	"sync"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// clients are the HTTP clients in use. Connections that ask for the same share
// one, and its open connections to Slack; what nobody uses any more is closed.
type clients struct {
	mu    sync.Mutex
	byKey map[string]*sharedClient
	// domains counts the clients of each.
	domains map[slack.Domain]int
}

type sharedClient struct {
	client *http.Client
	domain slack.Domain
	users  int
}

// acquire returns the client of a key, which it makes for a domain if there is
// none. Who gets one must release it.
func (s *clients) acquire(key string, d slack.Domain, o egress.Options) (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.byKey[key]; ok {
		have.users++
		return have.client, nil
	}
	made, err := egress.NewClient(o)
	if err != nil {
		return nil, err
	}
	if s.byKey == nil {
		s.byKey, s.domains = map[string]*sharedClient{}, map[slack.Domain]int{}
	}
	s.byKey[key] = &sharedClient{client: made, domain: d, users: 1}
	s.domains[d]++
	return made, nil
}

// release gives a client back. A request that is under way comes to its end.
func (s *clients) release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.byKey[key]
	if !ok {
		return
	}
	if have.users--; have.users > 0 {
		return
	}
	delete(s.byKey, key)
	if s.domains[have.domain]--; s.domains[have.domain] == 0 {
		delete(s.domains, have.domain)
	}
	have.client.CloseIdleConnections()
}

// has reports whether there is a client of a domain.
func (s *clients) has(d slack.Domain) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.domains[d] > 0
}
