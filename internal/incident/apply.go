package incident

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// Past is what is known of a group when news of it come: of its open incident,
// or else of its last one.
type Past struct {
	// Open is true while an incident is open.
	Open bool
	// Known is false when there is no incident at all.
	Known bool
	// Rolled is true when it is one of those beyond maxIncidents, of which
	// only the source's small data is kept.
	Rolled bool
	// Data is what the source has stored with it.
	Data json.RawMessage
}

// Outlook is what a source makes of the past and its news.
type Outlook struct {
	// Firing opens an incident if none is open, and false ends an open one.
	Firing bool
	// Data is stored with the incident, and Small instead of it when the
	// group is one of those beyond maxIncidents.
	Data, Small json.RawMessage
	// Count of what the source counts.
	Count int64
	// Render makes the message, for alerting.Firing or alerting.Resolved. When
	// it is nil, an incident that ends keeps what it said last.
	Render func(state string) v1alpha1.Content
}

// News are what a source has learned of a group.
type News struct {
	Key alerting.Key
	// Fold is called with the past, and again if that turns out to be outdated.
	Fold func(Past) Outlook
}

// Options of Apply.
type Options struct {
	// HoldRollup puts off what would change the rollup.
	HoldRollup bool
}

// Applied is what became of the news.
type Applied struct {
	// Held are the IDs of the keys that were put off.
	Held map[string]bool
	// Refused are the API server's words by the IDs of the keys whose news it does
	// not store. All others are stored.
	Refused map[string]string
	// Rollup is true when the rollup was written.
	Rollup bool
	// Writes to the API server.
	Writes int
}

// maxTries of a decision that turns out to be outdated.
const maxTries = 6

// ErrBusy means that others change the same incidents all the time.
var ErrBusy = errors.New("the incidents are being changed by another process; try again")

// Apply stores what the news make of the incidents of a rule. When it returns
// nil, all is stored but what was held and what was refused.
func (s *Store) Apply(ctx context.Context, rule *v1alpha1.SlackAlert, news []News, o Options) (Applied, error) {
	m := s.of(rule.UID)
	m.Lock()
	defer m.Unlock()
	a := &applying{Store: s, rule: rule, m: &m.memory, options: o, muted: s.mutedUntil(rule), taken: map[string]bool{}, out: Applied{Held: map[string]bool{}, Refused: map[string]string{}}}
	var err error
	defer func() {
		for _, n := range news {
			if err != nil {
				return // not all was tried
			}
			m.note(n.Key.ID, a.out.Refused[n.Key.ID], s.Clock.Now())
		}
	}()
	if a.book, err = s.load(ctx, rule, a.m); err != nil {
		return a.out, err
	}
	left := news
	for range maxTries {
		if left, err = a.pass(ctx, left); err != nil || len(left) == 0 {
			return a.out, err
		}
		if a.book, err = s.reload(ctx, rule, a.m); err != nil {
			return a.out, err
		}
	}
	return a.out, ErrBusy
}

// applying is one call of Apply.
type applying struct {
	*Store
	rule    *v1alpha1.SlackAlert
	m       *memory
	book    *book
	options Options
	// muted is the end of the time in which nothing is posted; nil otherwise.
	muted *metav1.Time
	// taken are names that belong to somebody else.
	taken map[string]bool
	out   Applied
}

// pass applies the news, and returns those that have to be applied again to
// what is so by now.
func (a *applying) pass(ctx context.Context, news []News) (again []News, err error) {
	list := a.book.rolled.clone()
	var touched []News
	var refused *RefusedError
	for _, n := range news {
		onList, err := a.one(ctx, n, &list)
		switch {
		case errors.Is(err, errOutdated):
			again = append(again, n)
		case errors.As(err, &refused):
			a.out.Refused[n.Key.ID] = refused.Words // no matter of the others
		case err != nil:
			return nil, err
		case onList:
			touched = append(touched, n)
		}
	}
	if len(touched) == 0 {
		return again, nil
	}
	err = a.writeRollup(ctx, list)
	switch {
	case errors.Is(err, errOutdated):
		return append(again, touched...), nil
	case errors.As(err, &refused):
		for _, n := range touched {
			a.out.Refused[n.Key.ID] = refused.Words
		}
	case err != nil:
		return nil, err
	}
	return again, nil
}

// one applies the news of one group. It reports whether the list of those
// beyond maxIncidents was changed.
func (a *applying) one(ctx context.Context, n News, list *rolled) (bool, error) {
	last := a.book.last(n.Key.ID)
	group, onList := list.Open[n.Key.ID]
	past := Past{Rolled: onList, Open: onList, Known: onList || last != nil, Data: group.Data}
	if last != nil && (!onList || last.state.Open()) {
		past.Open, past.Data, past.Rolled = last.state.Open(), last.state.Data, false
	}
	next := n.Fold(past)
	switch {
	case past.Open && !past.Rolled && next.Firing:
		return false, a.change(ctx, last, next)
	case past.Open && !past.Rolled:
		return false, a.resolve(ctx, last, next.Render)
	case !past.Open && !next.Firing:
		return false, nil
	case !past.Open && a.book.open < a.limit():
		return false, a.open(ctx, n.Key, last, next)
	}
	if a.options.HoldRollup {
		a.out.Held[n.Key.ID] = true
		return false, nil
	}
	if !next.Firing {
		list.remove(n.Key.ID)
		return true, nil
	}
	if onList && equality.Semantic.DeepEqual(group.Data, next.Small) {
		return false, nil
	}
	return list.put(n.Key.ID, n.Key.Text, next.Small), nil
}

func (a *applying) limit() int {
	if a.rule.Spec.MaxIncidents > 0 {
		return int(a.rule.Spec.MaxIncidents)
	}
	return 50
}

// now in seconds, as it is stored.
func (a *applying) now() time.Time { return a.Clock.Now().UTC().Truncate(time.Second) }

// open makes a new incident.
func (a *applying) open(ctx context.Context, key alerting.Key, last *incident, next Outlook) error {
	state := State{Key: key.ID, Text: key.Text, Number: 1, OpenedAt: a.now(), Count: next.Count, Data: next.Data}
	if last != nil {
		state.Number = last.state.Number + 1
	}
	i, err := a.make(ctx, key.ID, state, next.Render(alerting.Firing))
	if err != nil {
		return err
	}
	a.book.groups[key.ID] = append(a.book.groups[key.ID], i)
	a.book.open++
	return nil
}

// make stores a new incident under the first name that is free.
func (a *applying) make(ctx context.Context, id string, state State, content v1alpha1.Content) (*incident, error) {
	for a.taken[alerting.IncidentName(a.rule.Name, id, state.Number)] {
		state.Number++
	}
	n := a.newNotification(a.rule, alerting.IncidentName(a.rule.Name, id, state.Number), incidentLabel(id, state.Number))
	n.Spec.Content = content
	n.Spec.NotBefore = a.muted
	setState(n, state)
	err := a.create(ctx, a.m, n)
	a.out.Writes++
	if apierrors.IsAlreadyExists(err) {
		// Either it is ours and was not seen, or it is somebody else's.
		return nil, a.taker(ctx, n.Name)
	}
	if err != nil {
		return nil, err
	}
	return &incident{n, state}, nil
}

// taker finds out whose a name is, and has it left alone if it is not ours.
func (a *applying) taker(ctx context.Context, name string) error {
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
func (a *applying) change(ctx context.Context, i *incident, next Outlook) error {
	n := i.object.DeepCopy()
	state := i.state
	state.Count, state.Data = next.Count, next.Data
	if next.Render != nil {
		n.Spec.Content = carried(n.Spec.Content, next.Render(alerting.Firing))
	}
	return a.write(ctx, i, n, state)
}

// resolve ends an open incident.
func (a *applying) resolve(ctx context.Context, i *incident, render func(string) v1alpha1.Content) error {
	policy := a.rule.Spec.OnResolve
	// What nobody was told of is over without a word.
	untold := a.held(i.object)
	if untold {
		policy = v1alpha1.ResolveEdit
	}
	if policy == v1alpha1.ResolveReply || policy == v1alpha1.ResolveEditAndReply {
		if err := a.reply(ctx, i, replyResolved, alerting.ReplyContent(i.object.Spec.Content)); err != nil {
			return err
		}
	}
	n := i.object.DeepCopy()
	if policy == v1alpha1.ResolveEdit || policy == v1alpha1.ResolveEditAndReply || policy == "" {
		content := n.Spec.Content
		if render != nil {
			content = carried(content, render(alerting.Resolved))
		}
		n.Spec.Content = alerting.AsResolved(content)
		n.Spec.Suspend = n.Spec.Suspend || untold
		if a.byWebhook(ctx, n) {
			n.Spec.UpdatePolicy = v1alpha1.UpdateRepost
			if a.muted != nil {
				n.Spec.NotBefore = a.muted // it is a message of its own
			}
		}
	}
	state := i.state
	state.ResolvedAt = a.now()
	if err := a.write(ctx, i, n, state); err != nil {
		return err
	}
	a.book.open--
	return nil
}

// write stores a changed incident, if it has changed.
func (a *applying) write(ctx context.Context, i *incident, n *v1alpha1.SlackNotification, state State) error {
	setState(n, state)
	if n.Annotations[StateAnnotation] == i.object.Annotations[StateAnnotation] && equality.Semantic.DeepEqual(n.Spec, i.object.Spec) {
		return nil
	}
	a.out.Writes++
	if err := a.update(ctx, a.m, n); err != nil {
		return err
	}
	i.object, i.state = n, state
	return nil
}
