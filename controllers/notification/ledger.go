package notification

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// ledger is what this process knows of notifications that are not settled. It
// goes before what the cache says, because the cache lags behind: a message
// that was sent is never sent again for want of having been written down.
//
// The controller reconciles one name at a time, so a record has one user.
type ledger struct {
	mu      sync.Mutex
	since   leadership
	records map[types.NamespacedName]*record
}

// record is one notification.
type record struct {
	uid        types.UID
	generation int64
	entries    map[string]*entry
	// waiting is since when there has been nothing but waiting.
	waiting time.Time
	// mentioning is since when somebody whom it mentions is looked for.
	mentioning time.Time
	// written is the status that was last written by this process.
	written *v1alpha1.SlackNotificationStatus
	// version is the resourceVersion of that write.
	version string
}

// stored is the status that is stored, as far as this process knows: what it
// has written last where the cache still shows an older object.
func (r *record) stored(n *v1alpha1.SlackNotification) *v1alpha1.SlackNotificationStatus {
	if r.written != nil {
		if order, err := resourceversion.CompareResourceVersion(n.ResourceVersion, r.version); err == nil && order < 0 {
			return r.written
		}
	}
	return &n.Status
}

// entry is the delivery to one recipient.
type entry struct {
	// delivery is what the status is to say.
	delivery v1alpha1.Delivery
	// failures in a row.
	failures int
	// notBefore is the earliest time of the next attempt.
	notBefore time.Time
	// stamp of the SlackChannel at the last attempt: a new one makes another
	// attempt worth while at once.
	stamp string
	// dormant: loaded as failed from the status, and left alone until
	// notBefore, so that a restart does not stir up what failed long ago.
	dormant bool
	// final: nothing but a change of the spec can help.
	final bool
	// doubt is the time of the earliest attempt of unknown outcome; zero when
	// there is none. settled is when the last of them shows in the
	// conversation.
	doubt, settled time.Time
	// restarted: the doubt is about what another process may have done.
	restarted bool
	// intended: the status says that the message is being posted.
	intended bool
	// joined: the bot has tried to join the channel since the last success.
	joined bool
	// brief: what it waits for will be over so soon that it need not be told.
	brief bool
	// outdated: the message is out with another content than the spec's.
	outdated bool
	// blurred: an edit was begun whose outcome is not known, so that what is
	// out is not known either.
	blurred bool
	// anew is the reason why the new content is posted and not edited in;
	// empty when it is not. asked: what may have been posted by another
	// process has been looked for.
	anew  string
	asked bool
	// unthreaded: the thread is gone, so the message is looked for outside.
	unthreaded bool
	// deleted: the message was removed from Slack, or can't be for the reason
	// in leftover.
	deleted  bool
	leftover string
}

// out reports whether a message of this delivery is in Slack.
func (e *entry) out() bool { return e.delivery.DeliveredAt != nil }

// leadership is since when this process leads: its own time, and the API
// server's resourceVersion. The zero value is for a process that has just
// begun to, and does not know the version yet.
type leadership struct {
	at      time.Time
	version string
}

// after reports whether an object was certainly created under this leadership,
// so that no other process can have sent it. Times of creation are in whole
// seconds and so too coarse alone; versions change with each write, and so
// prove something for an untouched object alone.
func (l leadership) after(n *v1alpha1.SlackNotification) bool {
	if l.at.IsZero() || n.CreationTimestamp.Time.Before(l.at.Add(-time.Second)) {
		return false
	}
	if !n.CreationTimestamp.Time.Before(l.at) {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(n.ResourceVersion, l.version)
	return err == nil && order > 0 && n.Generation == 1 && n.Status.ObservedGeneration < 0 && len(n.Finalizers) == 0
}

// find returns the record of an object; fresh when there was none yet.
func (l *ledger) find(name types.NamespacedName, uid types.UID) (rec *record, fresh bool, leader leadership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec, ok := l.records[name]; ok && rec.uid == uid {
		return rec, false, l.since
	}
	if l.records == nil {
		l.records = map[types.NamespacedName]*record{}
	}
	rec = &record{uid: uid, entries: map[string]*entry{}}
	l.records[name] = rec
	return rec, true, l.since
}

func (l *ledger) drop(name types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.records[name]
	delete(l.records, name)
	return ok
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

func (l *ledger) leadership() leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
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
