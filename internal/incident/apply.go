package incident

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// Current is what is stored of a group when there is an update: of its open incident,
// or else of its last one.
type Current struct {
	// Open is true while an incident is open, or was ended by hand and goes on.
	Open bool
	// Known is false when there is no incident at all.
	Known bool
	// Data is what the source has stored with it: Small of one that is beyond
	// maxIncidents, and nothing when there was no room for that.
	Data json.RawMessage
	// SilencedUntil is until when posts leave out what is silenced in Alertmanager;
	// zero when nothing was.
	SilencedUntil time.Time
}

// Desired is what a source makes of what is stored and of what it has learned.
type Desired struct {
	// Firing opens an incident if none is open, and false ends an open one.
	Firing bool
	// Data is stored with the incident, and Small instead of it when the
	// group is one of those beyond maxIncidents.
	Data, Small json.RawMessage
	// Over is kept of a group beyond maxIncidents that is over, for what may come late
	// of it; nothing is when it is empty.
	Over json.RawMessage
	// Count of what the source counts.
	Count int64
	// Note is added to the text of what tells of the end.
	Note string
	// Render makes the message, for alerting.Firing or alerting.Resolved. When
	// it is nil, an incident that ends keeps what it said last.
	Render func(state string) v1alpha1.Content
}

// Update is what a source has learned of a group.
type Update struct {
	Key alerting.Key
	// Next is called with what is stored, and again if that turns out to be outdated.
	Next func(Current) Desired
}

// Options of Apply.
type Options struct {
	// HoldOverflow puts off what would change the overflow.
	HoldOverflow bool
	// Confirm says of what changes nothing by what the cache shows whether that is to be
	// decided by what is stored. A write shows by a conflict that the cache was behind,
	// and what is not written does not; another replica may have written just before.
	Confirm func(Desired) bool
}

// Applied is what became of the updates.
type Applied struct {
	// Held are the IDs of the keys that were put off.
	Held map[string]bool
	// Refused are the API server's words by the IDs of the keys whose updates it does
	// not store. All others are stored.
	Refused map[string]string
	// Overflow is true when the overflow was written.
	Overflow bool
}

// maxTries of a decision that turns out to be outdated.
const maxTries = 6

// ErrBusy means that others change the same incidents all the time.
var ErrBusy = errors.New("the incidents are being changed by another process; try again")

// Apply stores what the updates make of the incidents of a rule. When it returns
// nil, all is stored but what was held and what was refused.
func (s *Store) Apply(ctx context.Context, rule *v1alpha1.SlackAlert, updates []Update, o Options) (Applied, error) {
	m := s.of(rule.UID)
	m.Lock()
	defer m.Unlock()
	a := &session{Store: s, rule: rule, m: &m.memory, options: o, muted: s.mutedUntil(rule), taken: map[string]bool{}, out: Applied{Held: map[string]bool{}, Refused: map[string]string{}}}
	var err error
	defer func() {
		for _, u := range updates {
			if err != nil {
				return // not all was tried
			}
			m.note(u.Key.ID, a.out.Refused[u.Key.ID], s.Clock.Now())
		}
	}()
	if a.snapshot, err = s.load(ctx, rule, a.m); err != nil {
		return a.out, err
	}
	left := updates
	for range maxTries {
		if left, err = a.pass(ctx, left); err != nil || len(left) == 0 {
			return a.out, err
		}
		if a.snapshot, err = s.reload(ctx, rule, a.m); err != nil {
			return a.out, err
		}
		a.live = true
	}
	return a.out, ErrBusy
}

// session is one call of Apply or Maintain.
type session struct {
	*Store
	rule     *v1alpha1.SlackAlert
	m        *memory
	snapshot *snapshot
	options  Options
	// live is true when the snapshot was read from the API server.
	live bool
	// muted is the end of the time in which nothing is posted; nil otherwise.
	muted *metav1.Time
	// taken are names that belong to somebody else.
	taken map[string]bool
	// out is what Apply returns, and maintained what Maintain does.
	out        Applied
	maintained Maintained
}

// pass applies the updates, and returns those that have to be applied again to
// what is so by now.
func (a *session) pass(ctx context.Context, updates []Update) (again []Update, err error) {
	list := a.snapshot.overflow.clone()
	var touched []Update
	var refused *RefusedError
	for _, u := range updates {
		onList, err := a.one(ctx, u, &list)
		switch {
		case errors.Is(err, errOutdated):
			again = append(again, u)
		case errors.As(err, &refused):
			a.out.Refused[u.Key.ID] = refused.Words // no matter of the others
		case err != nil:
			return nil, err
		case onList:
			touched = append(touched, u)
		}
	}
	if len(touched) == 0 {
		return again, nil
	}
	a.out.Overflow = true
	err = a.settle(ctx, alerting.Key{ID: overflowKey}, list.desired(a.rule, a.limit()))
	switch {
	case errors.Is(err, errOutdated):
		return append(again, touched...), nil
	case errors.As(err, &refused):
		for _, u := range touched {
			a.out.Refused[u.Key.ID] = refused.Words
		}
	case err != nil:
		return nil, err
	}
	return again, nil
}

// one applies the update of one group. It reports whether the list of those
// beyond maxIncidents was changed.
func (a *session) one(ctx context.Context, u Update, list *overflow) (bool, error) {
	last := a.snapshot.last(u.Key.ID)
	var current Current
	if last != nil {
		current = last.current(a.Clock.Now())
	}
	group, beyond := list.Open[u.Key.ID]
	if beyond = beyond && !current.Open; beyond {
		current = Current{Open: true, Known: true, Data: group.Data}
	}
	end, ended := list.ended(u.Key.ID, last)
	if ended = ended && !current.Open; ended {
		current.Known, current.Data = true, end.Data
	}
	next := u.Next(current)
	switch {
	case beyond, !current.Open && next.Firing && a.snapshot.open >= a.limit():
		return a.beyond(u.Key, next, list), nil
	case ended && !next.Firing:
		return list.end(u.Key.ID, next.Over, end.At), nil
	}
	writes := a.m.writes
	if err := a.settle(ctx, u.Key, next); err != nil || a.m.writes != writes {
		return false, err
	}
	return false, a.confirm(ctx, u.Key, last, next)
}

// confirm looks whether the cache was behind in what nothing was written for: the open
// incident is another version by now, or there is one after the last. It costs one read
// of one object.
func (a *session) confirm(ctx context.Context, key alerting.Key, last *incident, next Desired) error {
	if a.live || a.options.Confirm == nil || !a.options.Confirm(next) {
		return nil
	}
	number, version := 1, ""
	if last != nil {
		number = last.state.Number + 1
	}
	name := alerting.IncidentName(a.rule.Name, nameID(a.rule, key.ID), number)
	if last.isOpen() {
		name, version = last.object.Name, last.object.ResourceVersion
	}
	stored := &v1alpha1.SlackNotification{}
	err := a.Live.Get(ctx, client.ObjectKey{Namespace: a.rule.Namespace, Name: name}, stored)
	if err = client.IgnoreNotFound(err); err == nil && stored.ResourceVersion != version {
		return errOutdated
	}
	return err
}

// settle makes of a group with messages of its own what it is to be.
func (a *session) settle(ctx context.Context, key alerting.Key, next Desired) error {
	last := a.snapshot.last(key.ID)
	switch {
	case last.isOpen() && next.Firing:
		return a.change(ctx, last, next)
	case last.isOpen():
		return a.resolve(ctx, last, last.state, next)
	case last.fires():
		return a.outlast(ctx, last, next)
	case next.Firing:
		return a.open(ctx, key, last, next)
	}
	return a.note(ctx, last, next)
}

func (a *session) limit() int {
	if a.rule.Spec.MaxIncidents > 0 {
		return int(a.rule.Spec.MaxIncidents)
	}
	return 50
}

// now in seconds, as it is stored.
func (a *session) now() time.Time { return a.Clock.Now().UTC().Truncate(time.Second) }

// open makes a new incident.
func (a *session) open(ctx context.Context, key alerting.Key, last *incident, next Desired) error {
	state := State{Key: key.ID, Text: key.Text, Number: 1, OpenedAt: a.now(), Count: next.Count, Data: next.Data}
	if last != nil {
		state.Number = last.state.Number + 1
	}
	i, err := a.make(ctx, state, next.Render(alerting.Firing))
	if err != nil {
		return err
	}
	a.snapshot.groups[key.ID] = append(a.snapshot.groups[key.ID], i)
	a.snapshot.count(key.ID, 1)
	return nil
}

// make stores a new incident under the first name that is free.
func (a *session) make(ctx context.Context, state State, content v1alpha1.Content) (*incident, error) {
	id := nameID(a.rule, state.Key)
	for a.taken[alerting.IncidentName(a.rule.Name, id, state.Number)] {
		state.Number++
	}
	n := a.newNotification(a.rule, alerting.IncidentName(a.rule.Name, id, state.Number), incidentLabel(id, state.Number))
	n.Spec.Content = content
	n.Spec.NotBefore = a.muted
	a.dress(n, &state, true)
	setState(n, state)
	err := a.create(ctx, a.m, n)
	if apierrors.IsAlreadyExists(err) {
		// Either it is ours and was not seen, or it is somebody else's.
		return nil, a.nameOwner(ctx, n.Name)
	}
	if err != nil {
		return nil, err
	}
	return &incident{n, state}, nil
}

// nameOwner finds out whose a name is, and has it left alone if it is not ours.
func (a *session) nameOwner(ctx context.Context, name string) error {
	there := &v1alpha1.SlackNotification{}
	there.Namespace, there.Name = a.rule.Namespace, name
	if err := a.Live.Get(ctx, keyOf(there), there); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	_, incident := StateOf(there)
	if there.UID != "" && (!incident || !ownedBy(there, a.rule) || !there.DeletionTimestamp.IsZero()) {
		a.taken[name] = true
	}
	return errOutdated
}

// change edits an open incident, if there is anything to change.
func (a *session) change(ctx context.Context, i *incident, next Desired) error {
	n := i.object.DeepCopy()
	state := i.state
	news := !bytes.Equal(state.Data, next.Data)
	state.Count, state.Data = next.Count, next.Data
	if next.Render != nil {
		n.Spec.Content = withSender(n.Spec.Content, next.Render(alerting.Firing))
	}
	a.dress(n, &state, news)
	return a.write(ctx, i, n, state)
}

// outlast notes what is known of an incident that was ended by hand, and that it is
// over when the source says so.
func (a *session) outlast(ctx context.Context, i *incident, next Desired) error {
	state := i.state
	state.Lasting = next.Firing
	if next.Data != nil {
		state.Data = next.Data
	}
	return a.write(ctx, i, i.object.DeepCopy(), state)
}

// note stores what is known of an incident that is over.
func (a *session) note(ctx context.Context, i *incident, next Desired) error {
	if i == nil || i.state.Open() || next.Data == nil {
		return nil
	}
	state := i.state
	state.Data = next.Data
	return a.write(ctx, i, i.object.DeepCopy(), state)
}

// resolve ends an open incident, of which state is what is known by now.
func (a *session) resolve(ctx context.Context, i *incident, state State, next Desired) error {
	policy := a.rule.Spec.OnResolve
	// What nobody was told of is over without a word.
	untold := a.held(i.object)
	if untold {
		policy = v1alpha1.ResolveEdit
	}
	if policy == v1alpha1.ResolveReply || policy == v1alpha1.ResolveEditAndReply {
		if err := a.reply(ctx, i, replyResolved, withNote(alerting.ReplyContent(i.object.Spec.Content), next.Note)); err != nil {
			return err
		}
	}
	n := i.object.DeepCopy()
	if policy == v1alpha1.ResolveEdit || policy == v1alpha1.ResolveEditAndReply || policy == "" {
		content := n.Spec.Content
		if next.Render != nil {
			content = withSender(content, next.Render(alerting.Resolved))
		}
		n.Spec.Content = withNote(alerting.AsResolved(content), next.Note)
		n.Spec.Suspend = n.Spec.Suspend || untold
		if a.byWebhook(ctx, n) {
			n.Spec.UpdatePolicy = v1alpha1.UpdateRepost
			if a.muted != nil {
				n.Spec.NotBefore = a.muted // it is a message of its own
			}
		}
	}
	state.ResolvedAt = a.now()
	if next.Data != nil {
		state.Data = next.Data
	}
	a.dress(n, &state, false)
	if err := a.write(ctx, i, n, state); err != nil {
		return err
	}
	a.snapshot.count(i.state.Key, -1)
	return nil
}

// write stores a changed incident, if it has changed.
func (a *session) write(ctx context.Context, i *incident, n *v1alpha1.SlackNotification, state State) error {
	setState(n, state)
	if n.Annotations[StateAnnotation] == i.object.Annotations[StateAnnotation] && equality.Semantic.DeepEqual(n.Spec, i.object.Spec) {
		return nil
	}
	if err := a.update(ctx, a.m, n); err != nil {
		return err
	}
	i.object, i.state = n, state
	return nil
}
