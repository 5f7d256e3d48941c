package channel

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// memory is what this process knows of a SlackChannel beyond its status.
type memory struct {
	uid types.UID
	// credential that the last check used.
	credential string
	// failures in a row to reach Slack, and when they began.
	failures     int
	failingSince time.Time
	// failure is when the failure of another's check was made that is counted
	// among these.
	failure time.Time
	// checked is when the last check came to an answer, for credential and
	// generation.
	checked    time.Time
	generation int64
	// request is the last value of the annotation requestedAt that was taken
	// up, and requested when; anew asks for the channel to be found anew.
	request   string
	requested time.Time
	anew      bool
	// unproven is the timestamp of the first message when reading it back told
	// nothing: it is not read again.
	unproven string
	// managed is nil for a channel that is not managed. Only the one reconcile
	// of the object that is under way touches what it points to.
	managed *managed
}

// recall returns what was known, and notes the credential of this check.
func (r *Reconciler) recall(c *v1alpha1.SlackChannel, credential string) memory {
	var was memory
	r.remember(c, func(m *memory) {
		was = *m
		if m.credential != credential {
			m.failures, m.failingSince = 0, time.Time{}
		}
		m.credential = credential
	})
	return was
}

// remember changes what is known of this very object.
func (r *Reconciler) remember(c *v1alpha1.SlackChannel, change func(*memory)) memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[types.NamespacedName]memory{}
	}
	name := client.ObjectKeyFromObject(c)
	m := r.seen[name]
	if m.uid != c.UID {
		m = memory{uid: c.UID}
	}
	change(&m)
	r.seen[name] = m
	return m
}

// meet notes that an object is there, so that what this process learns of it
// can be forgotten, and forgets an earlier one of the same name.
func (r *Reconciler) meet(c *v1alpha1.SlackChannel) {
	name := client.ObjectKeyFromObject(c)
	r.mu.Lock()
	before := r.seen[name]
	r.mu.Unlock()
	if before.uid != c.UID {
		r.forget(name)
		r.remember(c, func(*memory) {})
	}
}

// forget drops all that this process knows of a SlackChannel that is gone.
func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	m := r.seen[name]
	delete(r.seen, name)
	r.mu.Unlock()
	r.writes.Forget(name)
	r.Connections.Forget(m.uid)
	r.Health.Forget(name, m.uid)
	r.crowds.leave(name)
	unused, woken := r.tokens.leave(name)
	r.Directory.Forget(unused)
	r.wake(woken)
}

// answered notes that a check has come to an answer.
func (r *Reconciler) answered(c *v1alpha1.SlackChannel) {
	r.remember(c, func(m *memory) {
		m.failures, m.failingSince, m.checked, m.generation = 0, time.Time{}, r.Clock.Now(), c.Generation
	})
}
