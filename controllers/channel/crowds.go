package channel

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// crowds count the SlackChannels whose channel is checked again and again, by
// workspace and app, because these share Slack's limits. The zero value is ready
// to use.
type crowds struct {
	mu sync.Mutex
	of map[types.NamespacedName]member
	// sizes of the workspaces that have one.
	sizes map[slack.Workspace]directory.Checks
}

// member of a crowd.
type member struct {
	workspace slack.Workspace
	// called: each of its checks takes a call of conversations.info.
	called bool
}

func (s *crowds) count(m member, n int) {
	size := s.sizes[m.workspace]
	if m.called {
		size.Called += n
	} else {
		size.Listed += n
	}
	if size == (directory.Checks{}) {
		delete(s.sizes, m.workspace)
		return
	}
	s.sizes[m.workspace] = size
}

// enter counts a SlackChannel as what it is now, and returns the size of its crowd.
func (s *crowds) enter(name types.NamespacedName, m member) directory.Checks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of, s.sizes = map[types.NamespacedName]member{}, map[slack.Workspace]directory.Checks{}
	}
	if was, ok := s.of[name]; ok {
		s.count(was, -1)
	}
	s.of[name] = m
	s.count(m, 1)
	return s.sizes[m.workspace]
}

// was returns whether a check of a SlackChannel in a workspace took a call the last
// time.
func (s *crowds) was(name types.NamespacedName, workspace slack.Workspace) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.of[name]
	return m.workspace == workspace && m.called
}

// leave takes a SlackChannel out.
func (s *crowds) leave(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.of[name]; ok {
		s.count(was, -1)
		delete(s.of, name)
	}
}

// crowd counts the SlackChannel of a check among those of its workspace.
func (r *Reconciler) crowd(k *check) {
	name := client.ObjectKeyFromObject(k.c)
	k.called = k.c.Spec.Manage != nil || r.crowds.was(name, k.ws.Key)
	k.ws.Checks = r.crowds.enter(name, member{workspace: k.ws.Key, called: k.called})
}

// counted notes whether the list of channels tells of what was found. A managed
// channel is always asked for, since the list is not trusted with it.
func (r *Reconciler) counted(k *check, found slack.Conversation) {
	k.called = k.c.Spec.Manage != nil || !r.Directory.Listed(k.ws, found.ID)
	k.ws.Checks = r.crowds.enter(client.ObjectKeyFromObject(k.c), member{workspace: k.ws.Key, called: k.called})
}

// every is the time between two checks of a SlackChannel, before jitter: checkEvery
// or, where there are so many in the workspace that they would take more than a
// tenth of what Slack allows, more.
func (r *Reconciler) every(k *check) time.Duration {
	if k.ws.Checks == (directory.Checks{}) {
		return r.checkEvery()
	}
	return max(r.checkEvery(), r.Directory.CheckEvery(k.ws, k.called))
}
