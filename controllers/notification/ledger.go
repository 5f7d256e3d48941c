package notification

import (
	"hash/maphash"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/consistency"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
)

// ledger is what this process knows of notifications that are not settled. It
// goes before what the cache says, because the cache lags behind: a message that
// was sent is never sent again for want of having been written down.
//
// The controller reconciles one name at a time, so a tracked has one user.
type ledger struct {
	mu      sync.Mutex
	since   leadership
	tracked map[types.NamespacedName]*tracked
	posted  posted
}

// tracked is one notification.
type tracked struct {
	uid types.UID
	// made: the object was certainly created under this leadership, as it was when
	// this process saw it first, which was at firstSeen.
	made      bool
	firstSeen time.Time
	// handedOver: it may have been another shard's until it was first seen.
	handedOver bool
	generation int64
	deliveries map[string]*delivery.Delivery
	// waiting is since when there has been nothing but waiting.
	waiting time.Time
	// mentioning is since when somebody whom it mentions is looked for.
	mentioning time.Time
	// request is the annotation requestedAt that was last acted on.
	request string
	// written is the status that was last written by this process, and version the
	// resourceVersion of that write.
	written *v1alpha1.SlackNotificationStatus
	version string
}

// stored is the status that is stored, as far as this process knows: what it
// has written last where the cache still shows an older object.
func (t *tracked) stored(n *v1alpha1.SlackNotification) *v1alpha1.SlackNotificationStatus {
	if t.written != nil && consistency.Older(n.ResourceVersion, t.version) {
		return t.written
	}
	return &n.Status
}

func (t *tracked) wrote(n *v1alpha1.SlackNotification) {
	t.written, t.version = n.Status.DeepCopy(), n.ResourceVersion
}

// unrecorded reports whether something is known that no status says yet.
func (t *tracked) unrecorded() bool {
	for key, d := range t.deliveries {
		if !d.MayBeOut() {
			continue
		}
		if t.written == nil {
			return true
		}
		recorded := false
		for i := range t.written.Deliveries {
			s := &t.written.Deliveries[i]
			recorded = recorded || s.Recipient == key && s.State == d.Status().State && s.Timestamp == d.Status().Timestamp
		}
		if !recorded {
			return true
		}
	}
	return false
}

// leadership is since when this process leads: its own time, and the API
// server's resourceVersion. The zero value is for a process that has just
// begun to, and does not know the version yet.
type leadership struct {
	at      time.Time
	version string
}

// skew is how far the clocks of Slack, of the API server and of this process may
// be apart.
const skew = 5 * time.Minute

// made reports whether an object was certainly created under this leadership,
// so that no other process can have sent it. The API server's clock may be
// another one than ours, so its order of writes is asked first: what is not
// newer than the first thing that this leadership has read was there before. A
// write after that may be to an older object; near the beginning, only what
// nobody has touched counts.
func (l leadership) made(n *v1alpha1.SlackNotification) bool {
	if l.at.IsZero() || n.CreationTimestamp.Time.Before(l.at.Add(-time.Second)) {
		return false
	}
	if !l.newer(n) {
		return false
	}
	return !n.CreationTimestamp.Time.Before(l.at.Add(skew)) || untouched(n)
}

// newer reports whether the object was written to under this leadership.
func (l leadership) newer(n *v1alpha1.SlackNotification) bool {
	order, err := resourceversion.CompareResourceVersion(n.ResourceVersion, l.version)
	return err == nil && order > 0
}

// untouched reports whether the object is as it was created, as far as it shows.
func untouched(n *v1alpha1.SlackNotification) bool {
	_, touched := n.Annotations[touchedMark]
	return !touched && n.Generation == 1 && n.Status.ObservedGeneration < 0
}

// touchedMark is an annotation that objects have in the cache alone.
const touchedMark = "slack.notify.dev/touched"

// Transform keeps of an object in the cache what is needed of it (the cache's
// option). Who manages which fields is not, but whether anybody has written to
// the object after its creation: the API server tells times in whole seconds.
func Transform(o any) (any, error) {
	n, ok := o.(*v1alpha1.SlackNotification)
	if !ok {
		return cache.TransformStripManagedFields()(o)
	}
	touched := len(n.ManagedFields) > 1
	for i := range n.ManagedFields {
		at := n.ManagedFields[i].Time
		touched = touched || at == nil || !at.Time.Equal(n.CreationTimestamp.Time)
	}
	n.ManagedFields = nil
	if touched {
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, touchedMark, "")
	} else {
		delete(n.Annotations, touchedMark)
	}
	return n, nil
}

// find returns what is known of an object, and whether it was not known before.
// The controller calls it at first sight, before it changes anything itself.
func (r *Reconciler) find(n *v1alpha1.SlackNotification) (t *tracked, fresh bool) {
	l, name := &r.ledger, client.ObjectKeyFromObject(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.tracked[name]; ok && t.uid == n.UID {
		return t, t.deliveries == nil
	}
	if l.tracked == nil {
		l.tracked = map[types.NamespacedName]*tracked{}
	}
	t = &tracked{uid: n.UID, firstSeen: r.Clock.Now(), made: l.since.made(n) && (!r.Sharded || untouched(n))}
	t.handedOver = r.Sharded && !t.made && l.since.newer(n)
	l.tracked[name] = t
	return t, true
}

func (l *ledger) leadership() leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// get returns what is known of a name; nil when nothing is.
func (l *ledger) get(name types.NamespacedName) *tracked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tracked[name]
}

func (l *ledger) drop(name types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.tracked[name]
	delete(l.tracked, name)
	return ok
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tracked)
}

// Waiting counts the notifications that are not settled.
func (r *Reconciler) Waiting() int { return r.ledger.size() }

// Lead tells that this process begins to lead now, when the API server is at a
// resourceVersion. What is older may have been sent by another process, and is
// looked for in Slack before it is sent.
func (r *Reconciler) Lead(now time.Time, version string) {
	r.ledger.mu.Lock()
	r.ledger.since = leadership{at: now, version: version}
	r.ledger.mu.Unlock()
	r.Lanes.Start(now)
}

// posted remembers which messages this process has posted itself, or has seen to
// be the object's, so that to edit one costs no reading. The names are hashed
// with a seed of this process, so nobody can make one that collides.
type posted struct {
	mu   sync.Mutex
	seed maphash.Seed
	set  map[uint64]struct{}
}

// maxPosted bounds posted; 16 bytes each. What is forgotten costs one reading.
const maxPosted = 200_000

func (p *posted) hash(uid types.UID, conversation, timestamp string) uint64 {
	return maphash.String(p.seed, string(uid)+"\x00"+conversation+"\x00"+timestamp)
}

func (p *posted) add(uid types.UID, conversation, timestamp string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.seed, p.set = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	if len(p.set) >= maxPosted {
		for old := range p.set {
			delete(p.set, old)
			break
		}
	}
	p.set[p.hash(uid, conversation, timestamp)] = struct{}{}
}

func (p *posted) has(uid types.UID, conversation, timestamp string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		return false
	}
	_, ok := p.set[p.hash(uid, conversation, timestamp)]
	return ok
}
