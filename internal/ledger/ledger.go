// Package ledger remembers what this process knows of SlackNotifications that are
// not settled, and tells what another process may have done before.
//
// It goes before what the cache says, because the cache lags behind: a message
// that was sent is never sent again for want of having been written down. It is
// in memory only, and decides nothing.
package ledger

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
	"github.com/slack-notifier/slack-notifier/internal/finished"
)

// Ledger is all that this process knows. The zero value is ready for use.
type Ledger struct {
	// Posted are the messages that are known to be their object's.
	Posted Posted

	mu      sync.Mutex
	since   Leadership
	entries map[types.NamespacedName]*Entry
}

// Entry is one notification. The controller reconciles one name at a time, so an
// Entry has one user.
type Entry struct {
	UID types.UID
	// Made: the object was certainly created under this leadership, as it was when
	// this process saw it first, which was at FirstSeen.
	Made      bool
	FirstSeen time.Time
	// HandedOver: it may have been another shard's until it was first seen.
	HandedOver bool
	// Generation of the spec at the last pass.
	Generation int64
	// Deliveries by recipient; nil before the first pass.
	Deliveries map[string]*delivery.Delivery
	// Waiting is since when there has been nothing but waiting.
	Waiting time.Time
	// TurnBy is when, as it was first reckoned, nothing is left to wait for but the
	// queue; zero when it waits for no queue.
	TurnBy time.Time
	// Mentioning is since when somebody whom it mentions is looked for.
	Mentioning time.Time
	// Request is the annotation requestedAt that was last acted on.
	Request string
	// written is the status that was last written by this process, and version the
	// resourceVersion of that write.
	written *v1alpha1.SlackNotificationStatus
	version string
}

// Stored is the status that is stored, as far as this process knows: what it
// has written last where the cache still shows an older object.
func (t *Entry) Stored(n *v1alpha1.SlackNotification) *v1alpha1.SlackNotificationStatus {
	if t.written != nil && consistency.Older(n.ResourceVersion, t.version) {
		return t.written
	}
	return &n.Status
}

// Wrote records that the status of n was written.
func (t *Entry) Wrote(n *v1alpha1.SlackNotification) {
	t.written, t.version = n.Status.DeepCopy(), n.ResourceVersion
}

// Unrecorded reports whether something is known that no status says yet.
func (t *Entry) Unrecorded() bool {
	for key, d := range t.Deliveries {
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

// Leadership is since when this process leads: its own time, and the API
// server's resourceVersion. The zero value is for a process that has just
// begun to, and does not know the version yet.
type Leadership struct {
	At      time.Time
	Version string
	// Sharded means: other operators work on other objects of the same namespaces.
	Sharded bool
}

// Skew is how far the clocks of Slack, of the API server and of this process may
// be apart.
const Skew = 5 * time.Minute

// Made reports whether an object was certainly created under this leadership,
// so that no other process can have sent it. The API server's clock may be
// another one than ours, so its order of writes is asked first: what is not
// newer than the first thing that this leadership has read was there before. A
// write after that may be to an older object; near the beginning, only what
// nobody has touched counts.
func (l Leadership) Made(n *v1alpha1.SlackNotification) bool {
	if l.At.IsZero() || n.CreationTimestamp.Time.Before(l.At.Add(-time.Second)) {
		return false
	}
	if !l.newer(n) {
		return false
	}
	return !n.CreationTimestamp.Time.Before(l.At.Add(Skew)) || untouched(n)
}

// newer reports whether the object was written to under this leadership.
func (l Leadership) newer(n *v1alpha1.SlackNotification) bool {
	order, err := resourceversion.CompareResourceVersion(n.ResourceVersion, l.Version)
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
// option): of one that is finished, little.
func Transform(o any) (any, error) {
	n, ok := o.(*v1alpha1.SlackNotification)
	if !ok {
		return cache.TransformStripManagedFields()(o)
	}
	if !finished.Reduced(n) {
		Mark(n)
		finished.Reduce(n)
	}
	return n, nil
}

// Mark has n say whether anybody has written to it after its creation, in place of
// who manages which fields: the API server tells times in whole seconds.
func Mark(n *v1alpha1.SlackNotification) {
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
}

// Find returns what is known of an object, and whether it was not known before.
// It is called at first sight, before anything of the object is changed.
func (l *Ledger) Find(n *v1alpha1.SlackNotification, now time.Time) (t *Entry, fresh bool) {
	name := client.ObjectKeyFromObject(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.entries[name]; ok && t.UID == n.UID {
		return t, t.Deliveries == nil
	}
	if l.entries == nil {
		l.entries = map[types.NamespacedName]*Entry{}
	}
	// What this process has brought to its end, nobody else has worked on since.
	ours := l.Posted.Has(n.UID, settledMark, "")
	t = &Entry{UID: n.UID, FirstSeen: now, Made: ours || l.since.Made(n) && (!l.since.Sharded || untouched(n))}
	t.Made = t.Made && !l.Posted.Has(n.UID, unseenMark, "")
	t.HandedOver = l.since.Sharded && !t.Made && l.since.newer(n)
	l.entries[name] = t
	return t, true
}

// Marks in Posted, in place of a conversation.
const settledMark, unseenMark = "settled", "unseen"

// LoseSight notes that something is out, or may be, of which neither the Entry nor the
// status will tell any more, as its recipient was taken out of the spec.
func (l *Ledger) LoseSight(t *Entry) {
	t.Made = false
	l.Posted.Add(t.UID, unseenMark, "")
}

// Settle forgets an object of which nothing is left to do, but for that it was
// this process that did it.
func (l *Ledger) Settle(n *v1alpha1.SlackNotification) {
	if l.Drop(client.ObjectKeyFromObject(n)) {
		l.Posted.Add(n.UID, settledMark, "")
	}
}

// Leave forgets an object that is another process' by now.
func (l *Ledger) Leave(name types.NamespacedName) {
	if t := l.Get(name); t != nil {
		l.Posted.Remove(t.UID, settledMark, "")
		l.Posted.Remove(t.UID, unseenMark, "")
	}
	l.Drop(name)
}

// Leadership returns since when this process leads.
func (l *Ledger) Leadership() Leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// Lead records that this process begins to lead.
func (l *Ledger) Lead(since Leadership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = since
}

// Get returns what is known of a name; nil when nothing is.
func (l *Ledger) Get(name types.NamespacedName) *Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[name]
}

// Drop forgets a name, and reports whether anything was known of it.
func (l *Ledger) Drop(name types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.entries[name]
	delete(l.entries, name)
	return ok
}

// Size counts what is known.
func (l *Ledger) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// Posted remembers which messages this process has posted itself, or has seen to
// be the object's, so that to edit one costs no reading. The names are hashed
// with a seed of this process, so nobody can make one that collides.
type Posted struct {
	mu   sync.Mutex
	seed maphash.Seed
	set  map[uint64]struct{}
}

// maxPosted bounds Posted; 16 bytes each. What is forgotten costs one reading.
const maxPosted = 200_000

func (p *Posted) hash(uid types.UID, conversation, timestamp string) uint64 {
	return maphash.String(p.seed, string(uid)+"\x00"+conversation+"\x00"+timestamp)
}

// Add remembers a message.
func (p *Posted) Add(uid types.UID, conversation, timestamp string) {
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

// Remove forgets a message.
func (p *Posted) Remove(uid types.UID, conversation, timestamp string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set != nil {
		delete(p.set, p.hash(uid, conversation, timestamp))
	}
}

// Has reports whether a message is remembered.
func (p *Posted) Has(uid types.UID, conversation, timestamp string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		return false
	}
	_, ok := p.set[p.hash(uid, conversation, timestamp)]
	return ok
}
