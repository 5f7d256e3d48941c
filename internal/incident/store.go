package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/consistency"
)

// Store keeps incidents as SlackNotifications. It is safe for concurrent use,
// and several processes may work on the same rule.
type Store struct {
	// Client reads from a cache that has OwnerIndex.
	Client client.Client
	// Live reads from the API server.
	Live  client.Reader
	Clock clock.PassiveClock
	// Shard picks what this operator works on by labels, which incidents then
	// have whatever they are; everything when nil.
	Shard labels.Selector
	// Offer, if not nil, says what a silence of an incident would match, by what the
	// source has stored of it.
	Offer func(rule *v1alpha1.SlackAlert, data json.RawMessage) Offer

	mu    sync.Mutex
	rules map[types.UID]*ruleMemory
}

type ruleMemory struct {
	sync.Mutex
	memory
}

// Deleted tells that n is gone from the cache, so that it does not count as one that
// was written and is still to come.
func (s *Store) Deleted(n *v1alpha1.SlackNotification) {
	owner := metav1.GetControllerOfNoCopy(n)
	if owner == nil {
		return
	}
	s.mu.Lock()
	m := s.rules[owner.UID]
	s.mu.Unlock()
	if m != nil {
		m.deleted.Store(n.UID, nil)
	}
}

// forgetWritten is how long the cache may take to show a new object.
const forgetWritten = 30 * time.Second

// of returns the memory of a rule, which the caller locks.
func (s *Store) of(rule types.UID) *ruleMemory {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rules == nil {
		s.rules = map[types.UID]*ruleMemory{}
	}
	m := s.rules[rule]
	if m == nil {
		m = &ruleMemory{memory: memory{written: map[types.UID]written{}, parsed: map[types.UID]parsed{}}}
		s.rules[rule] = m
	}
	return m
}

// load reads the incidents of a rule from the cache, and from what was written
// since. The objects are the cache's own: they must not be changed.
func (s *Store) load(ctx context.Context, rule *v1alpha1.SlackAlert, m *memory) (*snapshot, error) {
	list := &v1alpha1.SlackNotificationList{}
	err := s.Client.List(ctx, list, client.InNamespace(rule.Namespace),
		client.MatchingFields{OwnerIndex: string(rule.UID)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	return m.read(list.Items, s.Clock.Now()), nil
}

// reload reads the incidents of a rule from the API server.
func (s *Store) reload(ctx context.Context, rule *v1alpha1.SlackAlert, m *memory) (*snapshot, error) {
	list := &v1alpha1.SlackNotificationList{}
	err := s.Live.List(ctx, list, client.InNamespace(rule.Namespace),
		client.MatchingLabels{v1alpha1.LabelAlert: alerting.LabelValue(rule.Name)})
	if err != nil {
		return nil, err
	}
	var own []v1alpha1.SlackNotification
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], rule) {
			own = append(own, list.Items[i])
		}
	}
	return m.read(own, s.Clock.Now()), nil
}

// read makes a snapshot of what was listed and of what was written.
func (m *memory) read(items []v1alpha1.SlackNotification, now time.Time) *snapshot {
	b := &snapshot{groups: map[string][]*incident{}, replies: map[string][]*v1alpha1.SlackNotification{}}
	m.deleted.Range(func(uid, _ any) bool {
		delete(m.written, uid.(types.UID))
		m.deleted.Delete(uid)
		return true
	})
	listed := make(map[types.UID]struct{}, len(items))
	for i := range items {
		n := &items[i]
		listed[n.UID] = struct{}{}
		if w, ok := m.written[n.UID]; ok {
			if w.gone {
				continue
			}
			if consistency.Older(n.ResourceVersion, w.object.ResourceVersion) {
				n = w.object
			} else {
				delete(m.written, n.UID)
			}
		}
		if n.DeletionTimestamp.IsZero() {
			m.put(b, n)
		}
	}
	for uid, w := range m.written {
		if _, ok := listed[uid]; ok {
			continue
		}
		if w.gone || now.Sub(w.at) > forgetWritten {
			delete(m.written, uid)
			continue
		}
		m.put(b, w.object)
	}
	for uid := range m.parsed {
		if _, ok := listed[uid]; !ok {
			delete(m.parsed, uid)
		}
	}
	b.index()
	return b
}

// put adds an object, whose state is read once for each version.
func (m *memory) put(b *snapshot, n *v1alpha1.SlackNotification) {
	p := m.parsed[n.UID]
	if p.version != n.ResourceVersion || p.version == "" {
		p.version = n.ResourceVersion
		p.state, p.ok = StateOf(n)
		m.parsed[n.UID] = p
	}
	b.add(n, p.state, p.ok)
}

// remember has the next reading know of a write.
func (s *Store) remember(m *memory, n *v1alpha1.SlackNotification) {
	m.written[n.UID] = written{object: n, at: s.Clock.Now()}
	m.writes++
}

// errOutdated means that something was decided by what is no longer so.
var errOutdated = fmt.Errorf("the incident has changed meanwhile")

// outdated tells the refusals that a new decision may mend.
func outdated(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		return errOutdated
	}
	return err
}

// create stores a new SlackNotification of a rule.
func (s *Store) create(ctx context.Context, m *memory, n *v1alpha1.SlackNotification) error {
	if err := s.Client.Create(ctx, n); err != nil {
		return refusal(err)
	}
	s.remember(m, n)
	return nil
}

// update stores a changed SlackNotification, if nobody has changed it since.
func (s *Store) update(ctx context.Context, m *memory, n *v1alpha1.SlackNotification) error {
	if err := s.Client.Update(ctx, n); err != nil {
		return refusal(outdated(err))
	}
	s.remember(m, n)
	return nil
}

// delete removes a SlackNotification, if nobody has changed it since.
func (s *Store) delete(ctx context.Context, m *memory, n *v1alpha1.SlackNotification) error {
	err := s.Client.Delete(ctx, n, client.Preconditions{UID: &n.UID, ResourceVersion: &n.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return refusal(outdated(err))
	}
	m.written[n.UID] = written{gone: true, at: s.Clock.Now()}
	m.writes++
	return nil
}
