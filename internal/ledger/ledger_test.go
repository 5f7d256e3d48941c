package ledger

import (
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// leader has led since noon, when the API server was at 1000.
var leader = Leadership{At: noon, Version: "1000"}

// object as the API server has it after its creation, with changes.
func object(changes ...func(n *v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "n", UID: "n-uid", Generation: 1, ResourceVersion: "1001", CreationTimestamp: metav1.NewTime(noon),
	}}
	n.Status.ObservedGeneration = -1
	for _, change := range changes {
		change(n)
	}
	return n
}

func created(after time.Duration) func(n *v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.CreationTimestamp = metav1.NewTime(noon.Add(after)) }
}

func version(v string) func(n *v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.ResourceVersion = v }
}

func edited(n *v1alpha1.SlackNotification) { n.Generation = 2 }

func observed(n *v1alpha1.SlackNotification) { n.Status.ObservedGeneration = 1 }

// marked is an object as Transform leaves one that somebody has written to.
func marked(n *v1alpha1.SlackNotification) {
	metav1.SetMetaDataAnnotation(&n.ObjectMeta, touchedMark, "")
}

// What was certainly created under this leadership can't have been sent by another process.
func TestLeadershipMade(t *testing.T) {
	for _, c := range []struct {
		name   string
		leader Leadership
		of     *v1alpha1.SlackNotification
		want   bool
	}{
		{name: "long before", leader: leader, of: object(created(-time.Hour), version("500"))},
		{name: "long before, updated since", leader: leader, of: object(created(-time.Hour), version("1500"))},
		{name: "long after", leader: leader, of: object(created(time.Hour), version("1500"), observed), want: true},
		{name: "in the same second, before", leader: leader, of: object(created(-300*time.Millisecond), version("999"))},
		{name: "in the same second, the very version that was read first", leader: leader, of: object(created(-300*time.Millisecond), version("1000"))},
		{name: "in the same second, after", leader: leader, of: object(created(-300 * time.Millisecond)), want: true},
		{name: "and its status written", leader: leader, of: object(observed)},
		{name: "and its spec changed", leader: leader, of: object(edited)},
		{name: "and its labels changed", leader: leader, of: object(marked)},
		{name: "by a clock that is ahead, before", leader: leader, of: object(created(4*time.Minute), version("999"))},
		{name: "by a clock that is ahead, and written since", leader: leader, of: object(created(4*time.Minute), observed)},
		{name: "beyond what clocks are apart", leader: leader, of: object(created(Skew), edited), want: true},
		{name: "a version that can't be compared", leader: leader, of: object(version("x"))},
		{name: "leadership not known yet", of: object()},
		{name: "the API server's version not known yet", leader: Leadership{At: noon}, of: object()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.leader.Made(c.of); got != c.want {
				t.Errorf("made under this leadership: %v, want %v", got, c.want)
			}
		})
	}
}

// In the cache an object is marked as soon as anybody may have written to it.
func TestTransform(t *testing.T) {
	entry := func(after time.Duration) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(noon.Add(after))
		return metav1.ManagedFieldsEntry{Manager: "kubectl", Time: &at}
	}
	for _, c := range []struct {
		name   string
		fields []metav1.ManagedFieldsEntry
		marked bool
		want   bool
	}{
		{name: "as it was created", fields: []metav1.ManagedFieldsEntry{entry(0)}},
		{name: "without any manager", fields: nil},
		{name: "a second manager within the second", fields: []metav1.ManagedFieldsEntry{entry(0), entry(0)}, want: true},
		{name: "the manager that created it, later", fields: []metav1.ManagedFieldsEntry{entry(time.Second)}, want: true},
		{name: "an entry without a time", fields: []metav1.ManagedFieldsEntry{{Manager: "old"}}, want: true},
		{name: "marked by somebody who means to mislead", fields: []metav1.ManagedFieldsEntry{entry(0)}, marked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := object(func(n *v1alpha1.SlackNotification) { n.ManagedFields = c.fields })
			if c.marked {
				marked(n)
			}
			got, err := Transform(n)
			if err != nil {
				t.Fatal(err)
			}
			out := got.(*v1alpha1.SlackNotification)
			if out.ManagedFields != nil {
				t.Errorf("the cache keeps %v, want no managed fields", out.ManagedFields)
			}
			if untouched(out) == c.want {
				t.Errorf("touched: %v, want %v", !untouched(out), c.want)
			}
		})
	}
	t.Run("what is no notification", func(t *testing.T) {
		got, err := Transform(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{entry(0), entry(0)}}})
		if secret := got.(*corev1.Secret); err != nil || secret.ManagedFields != nil || len(secret.Annotations) > 0 {
			t.Errorf("%+v, %v; want it without managed fields, and without a mark", got, err)
		}
	})
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name             string
		sharded          bool
		of               *v1alpha1.SlackNotification
		made, handedOver bool
	}{
		{name: "created now", of: object(), made: true},
		{name: "older", of: object(created(-time.Hour), version("900"))},
		{name: "created long after, and changed", of: object(created(time.Hour), edited, observed), made: true},
		{name: "created now, in a shard", sharded: true, of: object(), made: true},
		{name: "relabelled into this shard", sharded: true, of: object(created(time.Hour), marked), handedOver: true},
		{name: "older than this leadership, and relabelled since", sharded: true, of: object(created(-time.Hour), marked), handedOver: true},
		{name: "older, in a shard", sharded: true, of: object(created(-time.Hour), version("900"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, since := &Ledger{}, leader
			since.Sharded = c.sharded
			l.Lead(since)
			e, fresh := l.Find(c.of, noon.Add(time.Minute))
			if !fresh || e.Made != c.made || e.HandedOver != c.handedOver || !e.FirstSeen.Equal(noon.Add(time.Minute)) {
				t.Errorf("fresh %v, made %v, handed over %v, at %v; want true, %v, %v, a minute after noon", fresh, e.Made, e.HandedOver, e.FirstSeen, c.made, c.handedOver)
			}
		})
	}
}

// What is known of an object is kept under its name, as long as it is the same.
func TestEntries(t *testing.T) {
	l := &Ledger{}
	l.Lead(leader)
	if l.Leadership() != leader {
		t.Errorf("leads since %v, want %v", l.Leadership(), leader)
	}
	n, name := object(), types.NamespacedName{Namespace: "team", Name: "n"}
	first, _ := l.Find(n, noon)
	if again, fresh := l.Find(n, noon.Add(time.Hour)); again != first || !fresh {
		t.Error("another entry, or a known one, before the first pass; want the same one, still fresh")
	}
	first.Deliveries = map[string]*delivery.Delivery{}
	if again, fresh := l.Find(object(edited, observed), noon.Add(time.Hour)); again != first || fresh || !again.Made {
		t.Error("want the entry of the first sight, made under this leadership whatever happens to the object")
	}
	if l.Get(name) != first || l.Size() != 1 {
		t.Errorf("%v of %d, want the one entry", l.Get(name), l.Size())
	}
	made, fresh := l.Find(object(func(n *v1alpha1.SlackNotification) { n.UID = "another" }), noon)
	if made == first || !fresh || l.Size() != 1 {
		t.Error("an object that was deleted and made again has the old one's entry, want its own")
	}
	if !l.Drop(name) || l.Drop(name) || l.Get(name) != nil || l.Size() != 0 {
		t.Error("want it dropped, once")
	}
}

// The status that this process has written last goes before what the cache shows.
func TestStored(t *testing.T) {
	e := &Entry{}
	n := object(version("1001"))
	if e.Stored(n) != &n.Status {
		t.Error("nothing was written, want the object's own status")
	}
	wrote := object(version("1005"))
	wrote.Status.Summary = "1/1"
	e.Wrote(wrote)
	wrote.Status.Summary = "changed by the pass"
	for _, c := range []struct {
		name, version string
		own           bool
	}{
		{name: "a cache that lags behind", version: "1004"},
		{name: "the cache shows the write", version: "1005", own: true},
		{name: "somebody has written since", version: "1006", own: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := object(version(c.version))
			if got := e.Stored(n); (got == &n.Status) != c.own {
				t.Errorf("the object's own status: %v, want %v", got == &n.Status, c.own)
			} else if !c.own && got.Summary != "1/1" {
				t.Errorf("summary %q, want what was written", got.Summary)
			}
		})
	}
}

// What may be in Slack and is in no status must not be forgotten.
func TestUnrecorded(t *testing.T) {
	posted := func(timestamp string) *delivery.Delivery {
		d := &delivery.Delivery{Recipient: "default"}
		d.Apply(delivery.PostOK{Conversation: "C1", Timestamp: timestamp}, delivery.Want{}, delivery.Can{}, noon)
		return d
	}
	doubtful := &delivery.Delivery{Recipient: "default", Phase: delivery.Verifying, Doubt: &delivery.Doubt{Cause: delivery.AnswerLost}}
	wrote := func(deliveries ...*delivery.Delivery) *v1alpha1.SlackNotificationStatus {
		s := &v1alpha1.SlackNotificationStatus{}
		for _, d := range deliveries {
			s.Deliveries = append(s.Deliveries, d.Status())
		}
		return s
	}
	for _, c := range []struct {
		name    string
		known   *delivery.Delivery
		written *v1alpha1.SlackNotificationStatus
		want    bool
	}{
		{name: "nothing is out", known: &delivery.Delivery{Recipient: "default"}},
		{name: "a look-up of a key sends nothing", known: &delivery.Delivery{Recipient: "default", Phase: delivery.Verifying, Doubt: &delivery.Doubt{Cause: delivery.KeyLookup}}},
		{name: "posted, and nothing written", known: posted("1.0"), want: true},
		{name: "posted, and written", known: posted("1.0"), written: wrote(posted("1.0"))},
		{name: "posted, and an older one written", known: posted("2.0"), written: wrote(posted("1.0")), want: true},
		{name: "posted, and the state before written", known: posted("1.0"), written: wrote(&delivery.Delivery{Recipient: "default"}), want: true},
		{name: "posted, and another recipient written", known: posted("1.0"), written: wrote(func() *delivery.Delivery { d := posted("1.0"); d.Recipient = "user:U1"; return d }()), want: true},
		{name: "in doubt, and nothing written", known: doubtful, want: true},
		{name: "in doubt, and written", known: doubtful, written: wrote(doubtful)},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &Entry{Deliveries: map[string]*delivery.Delivery{"default": c.known}, written: c.written}
			if got := e.Unrecorded(); got != c.want {
				t.Errorf("unrecorded: %v, want %v", got, c.want)
			}
		})
	}
}

// To forget that a message is one's own costs a reading; to take another one for
// it would have somebody else's message edited.
func TestPosted(t *testing.T) {
	p := &Posted{}
	if p.Has("n", "C1", "1.0") {
		t.Error("it has what was never added")
	}
	p.Add("n", "C1", "1.0")
	for _, c := range []struct {
		name                    string
		uid                     types.UID
		conversation, timestamp string
		want                    bool
	}{
		{name: "the message", uid: "n", conversation: "C1", timestamp: "1.0", want: true},
		{name: "another object's", uid: "m", conversation: "C1", timestamp: "1.0"},
		{name: "in another conversation", uid: "n", conversation: "C2", timestamp: "1.0"},
		{name: "at another time", uid: "n", conversation: "C1", timestamp: "1.1"},
		{name: "the same letters, parted elsewhere", uid: "nC", conversation: "1", timestamp: "1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := p.Has(c.uid, c.conversation, c.timestamp); got != c.want {
				t.Errorf("remembered: %v, want %v", got, c.want)
			}
		})
	}
	for i := range maxPosted + 1000 {
		p.Add("n", "C1", strconv.Itoa(i))
	}
	if len(p.set) != maxPosted {
		t.Errorf("%d messages are remembered, want %d at the most", len(p.set), maxPosted)
	}
	if last := strconv.Itoa(maxPosted + 999); !p.Has("n", "C1", last) {
		t.Error("the last message is forgotten, want an older one to be")
	}
}
